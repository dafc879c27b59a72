//! Setup intents: saving a payment method without paying.

use serde_json::{Value, json};

use super::cards::{self, Authentication};
use super::errors::{Answer, refuse_param};
use super::params::metadata;
use super::value::{flag, get, opt, or_null, owned, text};
use super::{Call, Core};

/// `POST /v1/setup_intents`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    if let Some(customer) = opt(sent, "customer") {
        core.need("customer", customer, "customer[id]")?;
    }
    let method = core.method_in(sent)?;
    let id = core.rng.id("seti");
    let secret = format!("{id}_secret_{}", core.rng.text(27));
    let status = if method.is_some() {
        "requires_confirmation"
    } else {
        "requires_payment_method"
    };
    let intent = json!({
        "id": id, "object": "setup_intent", "application": null,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": true},
        "cancellation_reason": null, "client_secret": secret, "created": core.now,
        "customer": or_null(sent, "customer"), "customer_account": null,
        "description": or_null(sent, "description"), "excluded_payment_method_types": null,
        "flow_directions": null, "last_setup_error": null, "latest_attempt": null,
        "livemode": false, "mandate": null,
        "metadata": metadata(&Value::Null, get(sent, "metadata"))?, "next_action": null,
        "on_behalf_of": null, "payment_method": method,
        "payment_method_configuration_details": null, "payment_method_options": {},
        "payment_method_types": ["card"], "single_use_mandate": null, "status": status,
        "usage": opt(sent, "usage").unwrap_or("off_session"),
    });
    core.store.put(&id, intent);
    core.emit("setup_intent.created", &id);
    if flag(sent, "confirm") {
        core.confirm_setup(&id, None)?;
    }
    core.need("setup_intent", &id, "id")
}

/// `POST /v1/setup_intents/{intent}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    core.update(("setup_intent", "id"), call, &[], |_, after| {
        if let Some(description) = opt(&call.params, "description") {
            after["description"] = description.into();
        }
        Ok(())
    })
}

/// `POST /v1/setup_intents/{intent}/confirm`
pub(super) fn confirm(core: &mut Core, call: &Call) -> Answer {
    core.need_path("setup_intent", call.id(), "id")?;
    let method = core.method_in(&call.params)?;
    core.confirm_setup(call.id(), method)?;
    core.need_path("setup_intent", call.id(), "id")
}

/// `POST /v1/setup_intents/{intent}/cancel`
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let intent = core.need_path("setup_intent", call.id(), "id")?;
    if matches!(text(&intent, "status"), "succeeded" | "canceled") {
        let message = format!(
            "You cannot cancel this SetupIntent because it has a status of {}.",
            text(&intent, "status")
        );
        return refuse_param("setup_intent_unexpected_state", "", message);
    }
    let reason = or_null(&call.params, "cancellation_reason");
    core.modify(call.id(), |row| {
        row["status"] = "canceled".into();
        row["cancellation_reason"] = reason;
    });
    core.emit("setup_intent.canceled", call.id());
    core.need_path("setup_intent", call.id(), "id")
}

impl Core {
    fn confirm_setup(&mut self, id: &str, method: Option<String>) -> Answer<()> {
        let intent = self.need("setup_intent", id, "id")?;
        let method = method.or_else(|| opt(&intent, "payment_method").map(str::to_owned));
        let Some(method) = method else {
            let message =
                "You cannot confirm this SetupIntent because it's missing a payment method.";
            return refuse_param("setup_intent_unexpected_state", "", message);
        };
        self.modify(id, |row| row["payment_method"] = method.clone().into());
        let card = self.test_card(&method);
        if card.is_some_and(|card| card.authentication != Authentication::Never) {
            let url = format!("{}/3ds/{id}", self.public_url);
            self.modify(id, |row| {
                row["status"] = "requires_action".into();
                row["next_action"] = json!({"type": "redirect_to_url",
                    "redirect_to_url": {"return_url": null, "url": url}});
            });
            self.emit("setup_intent.requires_action", id);
            return Ok(());
        }
        if let Some(card) = card.filter(|card| !card.attaches) {
            let mut error = cards::decline(card.decline);
            if let Some(row) = self.store.get(&method).cloned() {
                error = error.with("payment_method", row);
            }
            let problem = error.object();
            self.modify(id, |row| {
                row["status"] = "requires_payment_method".into();
                row["payment_method"] = Value::Null;
                row["last_setup_error"] = problem;
            });
            self.emit("setup_intent.setup_failed", id);
            let row = self.row(id).clone();
            return Err(error.with("setup_intent", row));
        }
        let customer = owned(&intent, "customer");
        if !customer.is_empty() {
            self.attach(&method, &customer, "payment_method")?;
        }
        self.modify(id, |row| row["status"] = "succeeded".into());
        self.emit("setup_intent.succeeded", id);
        self.setup_settled(id, &method);
        Ok(())
    }
}
