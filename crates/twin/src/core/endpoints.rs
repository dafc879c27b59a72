//! Webhook endpoints. The server around the core delivers to them.

use serde_json::{Value, json};

use super::data::event_types;
use super::errors::{Answer, refuse_param};
use super::params::metadata;
use super::value::{copy_or_null, get, has, list, opt, or_null, owned, text};
use super::{Call, Core, Endpoint};

/// `POST /v1/webhook_endpoints`: the only answer that contains the secret.
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    check(sent)?;
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
    /// The enabled endpoints, oldest first.
    pub fn webhook_endpoints(&self) -> Vec<Endpoint> {
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
                secrets: words(&self.note(text(row, "id"), "secrets")),
                enabled_events: words(&row["enabled_events"]),
                api_version: opt(row, "api_version").map(str::to_owned),
            })
            .collect()
    }

    /// Gives an endpoint a second, newer secret. The old one keeps signing until
    /// [`Core::retire_webhook_secret`]. Returns `None` if there is no such endpoint.
    pub fn roll_webhook_secret(&mut self, endpoint: &str) -> Option<String> {
        self.store
            .get(endpoint)
            .filter(|row| row["object"] == "webhook_endpoint")?;
        let secret = self.rng.id("whsec");
        let mut secrets = vec![json!(secret)];
        secrets.extend(
            self.note(endpoint, "secrets")
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
        secrets.truncate(2);
        self.set_note(endpoint, "secrets", secrets);
        Some(secret)
    }

    /// Removes the older secret of an endpoint.
    pub fn retire_webhook_secret(&mut self, endpoint: &str) {
        let mut secrets = self
            .note(endpoint, "secrets")
            .as_array()
            .cloned()
            .unwrap_or_default();
        secrets.truncate(1);
        self.set_note(endpoint, "secrets", secrets);
    }

    /// Sets the secret of an endpoint, so that a demo can use a fixed configuration.
    pub fn set_webhook_secret(&mut self, endpoint: &str, secret: &str) {
        self.set_note(endpoint, "secrets", json!([secret]));
    }
}
