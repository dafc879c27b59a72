//! Webhook endpoints. The server around the core delivers to them.

use serde_json::{Value, json};

use super::data::event_types;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::metadata;
use super::urls::check_url;
use super::value::{copy_or_null, get, has, list, opt, or_null, owned, text};
use super::{ApiAnswer, Call, Core, Endpoint};

/// <https://docs.stripe.com/webhooks#register-webhook>
const ENDPOINTS_MAX: usize = 16;

/// `POST /v1/webhook_endpoints`: the only answer that contains the secret.
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    check(sent)?;
    let all = core.store.all("webhook_endpoint");
    if all.filter(|row| row["deleted"] != true).count() >= ENDPOINTS_MAX {
        let message =
            format!("You have reached the maximum of {ENDPOINTS_MAX} test webhook endpoints.");
        return Err(ApiError::invalid(message));
    }
    let id = core.rng.id("we");
    let secret = core.rng.id("whsec");
    let endpoint = json!({
        "id": id, "object": "webhook_endpoint", "api_version": or_null(sent, "api_version"),
        "application": null, "created": core.now, "description": or_null(sent, "description"),
        "enabled_events": list(sent, "enabled_events"), "livemode": false,
        "metadata": metadata(&Value::Null, get(sent, "metadata"))?, "status": "enabled",
        "url": text(sent, "url"),
    });
    core.store.put(&id, endpoint.clone());
    core.set_note(&id, "secrets", json!([secret]));
    let mut shown = endpoint;
    shown["secret"] = secret.into();
    Ok(shown)
}

/// `POST /v1/webhook_endpoints/{webhook_endpoint}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    core.update(("webhook_endpoint", "id"), call, &[], |_, after| {
        check(sent)?;
        copy_or_null(after, sent, &["url", "description"]);
        if has(sent, "enabled_events") {
            after["enabled_events"] = list(sent, "enabled_events").into();
        }
        if let Some(disabled) = get(sent, "disabled").as_bool() {
            after["status"] = if disabled { "disabled" } else { "enabled" }.into();
        }
        Ok(())
    })
}

/// `DELETE /v1/webhook_endpoints/{webhook_endpoint}`
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    core.need_path("webhook_endpoint", call.id(), "id")?;
    Ok(core.erase("webhook_endpoint", call.id()))
}

fn check(sent: &Value) -> Answer<()> {
    if let Some(url) = opt(sent, "url")
        && !(url.starts_with("https://") || url.starts_with("http://"))
    {
        let message = "Invalid URL: An explicit scheme (such as https) must be provided.";
        return refuse_param("url_invalid", "url", message);
    }
    check_url(sent, "url")?;
    let known = event_types().as_array().map_or(&[][..], Vec::as_slice);
    for (index, kind) in list(sent, "enabled_events").iter().enumerate() {
        if !known.contains(kind) {
            let word = kind.as_str().unwrap_or("");
            let message = format!("Invalid enabled_events[{index}]: {word} is not an event type.");
            return refuse_param("", &format!("enabled_events[{index}]"), message);
        }
    }
    Ok(())
}

impl Core {
    /// The refusal of a request to send to an endpoint that doesn't exist or is disabled.
    pub fn refusal_of_endpoint(&self, id: &str) -> Option<ApiAnswer> {
        let error = match self.need_path("webhook_endpoint", id, "webhook_endpoint") {
            Ok(row) if text(&row, "status") == "enabled" => return None,
            Ok(_) => {
                let message = format!("The webhook endpoint {id} is disabled.");
                ApiError::bad("", "webhook_endpoint", message)
            }
            Err(error) => error,
        };
        Some(ApiAnswer {
            status: error.status,
            headers: Vec::new(),
            body: error.body(&self.account, ""),
        })
    }

    /// The enabled endpoints, oldest first, with the secrets that sign at `real_now`, in seconds of
    /// real time.
    pub fn webhook_endpoints(&self, real_now: i64) -> Vec<Endpoint> {
        let secrets = |id: &str| {
            let has_old = self.note(id, "old_secret_until").as_i64().unwrap_or(0) > real_now;
            let mut all = self.note(id, "secrets");
            if let Some(all) = all.as_array_mut().filter(|_| !has_old) {
                all.truncate(1);
            }
            all
        };
        let words = |value: &Value| {
            let all = value.as_array().map_or(&[][..], Vec::as_slice);
            all.iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        self.store
            .all("webhook_endpoint")
            .filter(|row| text(row, "status") == "enabled")
            .map(|row| Endpoint {
                id: owned(row, "id"),
                url: owned(row, "url"),
                secrets: words(&secrets(text(row, "id"))),
                enabled_events: words(&row["enabled_events"]),
                api_version: opt(row, "api_version").map(str::to_owned),
            })
            .collect()
    }

    /// Gives an endpoint a new secret. The old one also signs until `old_until`, in seconds of real
    /// time. Returns `None` if there is no such endpoint.
    pub fn roll_webhook_secret(&mut self, endpoint: &str, old_until: i64) -> Option<String> {
        self.store
            .get(endpoint)
            .filter(|row| row["object"] == "webhook_endpoint")?;
        let secret = self.rng.id("whsec");
        let old = self.note(endpoint, "secrets")[0].clone();
        self.set_note(endpoint, "secrets", json!([secret, old]));
        self.set_note(endpoint, "old_secret_until", old_until);
        Some(secret)
    }

    /// Sets the secret of an endpoint, so that a demo can use a fixed configuration.
    pub fn set_webhook_secret(&mut self, endpoint: &str, secret: &str) {
        self.set_note(endpoint, "secrets", json!([secret]));
    }
}
