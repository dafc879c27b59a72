//! Setup intents: saving a payment method without paying.

use serde_json::{Value, json};

use super::cards::{self, Authentication};
use super::errors::{Answer, ApiError, refuse_param};
use super::method_types::{check_intent_types, copy_method_types, method_types};
use super::params::metadata;
use super::payments::Paid;
use super::value::{copy_or_null, flag, get, has, opt, or_null, owned, text};
use super::{Call, Core};

/// `POST /v1/setup_intents`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let confirms = flag(sent, "confirm");
    if let Some(name) = ["mandate_data", "return_url"]
        .iter()
        .find(|name| !confirms && has(sent, name))
    {
        let message = format!(
            "The parameter {name} cannot be passed when creating a SetupIntent unless confirm is set to true."
        );
        return refuse_param("", name, message);
    }
    let id = core.new_setup(sent)?;
    core.note_redirects(&id, sent);
    if confirms {
        core.confirm_setup_by_params(&id, None, sent)?;
    }
    core.need("setup_intent", &id, "id")
}

/// `POST /v1/setup_intents/{intent}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    core.update(("setup_intent", "id"), call, &[], |core, after| {
        let open = ["customer", "payment_method", "payment_method_data"];
        if open.iter().any(|name| has(sent, name)) && !is_open(after) {
            return Err(unexpected(after, "update"));
        }
        if let Some(customer) = opt(sent, "customer") {
            core.need("customer", customer, "customer")?;
            after["customer"] = customer.into();
        }
        copy_or_null(after, sent, &["description"]);
        copy_terms(after, sent)?;
        let customer = opt(after, "customer").map(str::to_owned);
        if let Some(method) = core.intent_method_in(sent, customer.as_deref())? {
            after["payment_method"] = method.into();
            after["status"] = "requires_confirmation".into();
        }
        Ok(())
    })
}

/// `POST /v1/setup_intents/{intent}/confirm`
pub(super) fn confirm(core: &mut Core, call: &Call) -> Answer {
    let intent = core.need_path("setup_intent", call.id(), "id")?;
    let method = core.intent_method_in(&call.params, opt(&intent, "customer"))?;
    if is_open(&intent) {
        let mut after = intent;
        copy_terms(&mut after, &call.params)?;
        core.store.put(call.id(), after);
    }
    core.confirm_setup_by_params(call.id(), method, &call.params)?;
    core.need_path("setup_intent", call.id(), "id")
}

/// Whether an intent can still be changed and confirmed.
fn is_open(intent: &Value) -> bool {
    !matches!(
        text(intent, "status"),
        "succeeded" | "canceled" | "processing"
    )
}

fn unexpected(intent: &Value, verb: &str) -> Box<ApiError> {
    let status = text(intent, "status");
    let message =
        format!("You cannot {verb} this SetupIntent because it has a status of {status}.");
    ApiError::bad("setup_intent_unexpected_state", "", message).with("setup_intent", intent.clone())
}

/// Copies the terms that can be set whenever an intent is created, updated or confirmed.
fn copy_terms(intent: &mut Value, sent: &Value) -> Answer<()> {
    copy_method_types(intent, sent)?;
    if method_types(sent).is_some() {
        check_intent_types(intent)?;
    }
    if let Some(wish) = opt(sent, "payment_method_options.card.request_three_d_secure") {
        intent["payment_method_options"]["card"] = json!({"mandate_options": null, "network": null,
            "request_three_d_secure": wish});
    }
    Ok(())
}

/// `POST /v1/setup_intents/{intent}/cancel`
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let intent = core.need_path("setup_intent", call.id(), "id")?;
    if !is_open(&intent) {
        return Err(unexpected(&intent, "cancel"));
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
    /// Creates a setup intent and emits its event.
    pub(super) fn new_setup(&mut self, sent: &Value) -> Answer<String> {
        if let Some(customer) = opt(sent, "customer") {
            self.need("customer", customer, "customer")?;
        }
        let method = self.intent_method_in(sent, opt(sent, "customer"))?;
        let id = self.rng.id("seti");
        let secret = format!("{id}_secret_{}", self.rng.text(27));
        let status = if method.is_some() {
            "requires_confirmation"
        } else {
            "requires_payment_method"
        };
        let mut intent = json!({
            "id": id, "object": "setup_intent", "application": null,
            "automatic_payment_methods": {"allow_redirects": "always", "enabled": true},
            "cancellation_reason": null, "client_secret": secret, "created": self.now,
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
        copy_terms(&mut intent, sent)?;
        self.store.put(&id, intent);
        self.emit("setup_intent.created", &id);
        Ok(id)
    }

    fn confirm_setup_by_params(
        &mut self,
        id: &str,
        method: Option<String>,
        sent: &Value,
    ) -> Answer<Paid> {
        self.take_return_url(id, "Setup Intent", sent)?;
        self.check_method_type(id, method.as_deref())?;
        self.confirm_setup(id, method)
    }

    /// Confirms a setup intent with a payment method, or with the one that it has.
    pub(super) fn confirm_setup(&mut self, id: &str, method: Option<String>) -> Answer<Paid> {
        let intent = self.need("setup_intent", id, "id")?;
        if !is_open(&intent) {
            return Err(unexpected(&intent, "confirm"));
        }
        let method = method.or_else(|| opt(&intent, "payment_method").map(str::to_owned));
        let Some(method) = method else {
            let message =
                "You cannot confirm this SetupIntent because it's missing a payment method.";
            return refuse_param("setup_intent_unexpected_state", "", message);
        };
        self.check_method_owner(&method, opt(&intent, "customer"))?;
        self.modify(id, |row| row["payment_method"] = method.clone().into());
        let card = self.test_card(&method);
        if card.is_some_and(|card| card.authentication != Authentication::Never) {
            let url = format!("{}/3ds/{id}", self.public_url);
            let back = self.note(id, "return_url");
            self.modify(id, |row| {
                row["status"] = "requires_action".into();
                row["next_action"] = json!({"type": "redirect_to_url",
                    "redirect_to_url": {"return_url": back, "url": url}});
            });
            self.emit("setup_intent.requires_action", id);
            return Ok(Paid::RequiresAction);
        }
        if let Some(card) = card.filter(|card| !card.attaches) {
            return Err(self.fail_setup(id, &method, cards::decline(card.decline)));
        }
        self.finish_setup(id, &method)?;
        Ok(Paid::Now)
    }

    /// Continues a setup after the customer has authenticated or failed to.
    pub(super) fn authenticate_setup(&mut self, id: &str, ok: bool) -> Answer<()> {
        let method = owned(self.row(id), "payment_method");
        if ok {
            self.set_note(&method, "confirmed", true);
            return self.finish_setup(id, &method);
        }
        let message = "We are unable to authenticate your payment method. Please choose a different payment method and try again.";
        let error = ApiError::card("setup_intent_authentication_failure", "", message);
        Err(self.fail_setup(id, &method, error))
    }

    fn fail_setup(&mut self, id: &str, method: &str, mut error: Box<ApiError>) -> Box<ApiError> {
        if let Some(row) = self.store.get(method).cloned() {
            error = error.with("payment_method", row);
        }
        let problem = error.object();
        self.modify(id, |row| {
            row["status"] = "requires_payment_method".into();
            row["payment_method"] = Value::Null;
            row["next_action"] = Value::Null;
            row["last_setup_error"] = problem;
        });
        self.emit("setup_intent.setup_failed", id);
        let row = self.row(id).clone();
        error.with("setup_intent", row)
    }

    fn finish_setup(&mut self, id: &str, method: &str) -> Answer<()> {
        let customer = owned(self.row(id), "customer");
        if !customer.is_empty() {
            self.attach(method, &customer, "payment_method")?;
        }
        self.modify(id, |row| {
            row["status"] = "succeeded".into();
            row["next_action"] = Value::Null;
            row["last_setup_error"] = Value::Null;
        });
        self.emit("setup_intent.succeeded", id);
        self.setup_settled(id, method);
        Ok(())
    }
}
