//! The endpoints of payment intents.

use serde_json::{Value, json};
use stripe::objects::PaymentIntentStatus;

use super::errors::{Answer, ApiError, refuse_param};
use super::method_types::{check_intent_types, copy_method_types, method_types};
use super::params::{metadata, only_one_of};
use super::payments::{Initiator, NewIntent, Paid, too_small, unexpected};
use super::status;
use super::value::{
    AMOUNT_MAX, copy_or_null, flag, get, has, int, minimum_charge, opt, or_null, owned, text,
};
use super::{Call, Core};

/// The parameters that belong to a confirmation.
/// <https://docs.stripe.com/api/payment_intents/create>
const WITH_CONFIRM: [&str; 4] = [
    "error_on_requires_action",
    "mandate_data",
    "off_session",
    "return_url",
];

/// The fields that are copied from the parameters.
const COPIED: [&str; 6] = [
    "description",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

/// `POST /v1/payment_intents`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let (amount, currency) = (int(sent, "amount"), owned(sent, "currency"));
    check_amount(amount, &currency)?;
    let confirms = flag(sent, "confirm");
    if let Some(name) = WITH_CONFIRM
        .iter()
        .find(|name| !confirms && has(sent, name))
    {
        let message = format!(
            "The parameter {name} cannot be passed when creating a PaymentIntent unless confirm is set to true."
        );
        return refuse_param("", name, message);
    }
    let customer = opt(sent, "customer").map(str::to_owned);
    if let Some(customer) = &customer {
        core.need("customer", customer, "customer")?;
    }
    let method = core.intent_method_in(sent, customer.as_deref())?;
    let kept = metadata(&Value::Null, get(sent, "metadata"))?;
    let mut members = json!({"currency": currency, "metadata": kept});
    copy_terms(&mut members, sent)?;
    if let Some(method) = &method {
        members["payment_method"] = method.clone().into();
        members["status"] = "requires_confirmation".into();
    }
    let id = core.new_intent(NewIntent {
        amount,
        currency,
        customer,
        description: or_null(sent, "description"),
        members,
    });
    core.note_redirects(&id, sent);
    if confirms {
        core.confirm_by_params(&id, method.as_deref(), sent)?;
    }
    core.need("payment_intent", &id, "intent")
}

fn check_amount(amount: i64, currency: &str) -> Answer<()> {
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return refuse_param("parameter_invalid_integer", "amount", message);
    }
    if amount < minimum_charge(currency) {
        return Err(too_small(amount, currency, "amount"));
    }
    if amount > AMOUNT_MAX {
        let message = "Amount must be no more than $999,999.99";
        return refuse_param("amount_too_large", "amount", message);
    }
    Ok(())
}

/// Copies the terms of a payment that can be set whenever it is created, updated or confirmed.
fn copy_terms(intent: &mut Value, sent: &Value) -> Answer<()> {
    if opt(sent, "statement_descriptor").is_some() {
        // <https://docs.stripe.com/api/payment_intents/create#create_payment_intent-statement_descriptor>
        let message = "The `statement_descriptor` parameter is not supported for the payment method type `card`; please use `statement_descriptor_suffix` instead.";
        return refuse_param("", "statement_descriptor", message);
    }
    copy_or_null(intent, sent, &COPIED);
    for name in ["capture_method", "confirmation_method"] {
        if let Some(word) = opt(sent, name) {
            intent[name] = word.into();
        }
    }
    copy_method_types(intent, sent)?;
    if method_types(sent).is_some() || has(sent, "currency") {
        check_intent_types(intent)?;
    }
    let card = get(sent, "payment_method_options.card");
    if card.is_object() {
        let options = &mut intent["payment_method_options"]["card"];
        copy_or_null(options, card, &["capture_method", "setup_future_usage"]);
        options["installments"] = Value::Null;
        options["mandate_options"] = Value::Null;
        options["network"] = Value::Null;
        options["request_three_d_secure"] = opt(card, "request_three_d_secure")
            .unwrap_or("automatic")
            .into();
    }
    Ok(())
}

/// `POST /v1/payment_intents/{intent}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    core.refuse_for_invoice(
        call.id(),
        sent,
        &["amount", "capture_method", "currency", "customer"],
    )?;
    core.update(("payment_intent", "intent"), call, &[], |core, after| {
        let open = [
            "amount",
            "currency",
            "customer",
            "payment_method",
            "payment_method_data",
        ];
        let named = open.iter().find(|name| has(sent, name));
        if let Some(name) = named.filter(|_| !status::is_confirmable(after)) {
            let sentence = format!(
                "This PaymentIntent's {name} could not be updated because it has a status of"
            );
            return Err(unexpected(after, &sentence));
        }
        copy_or_null(after, sent, &["amount", "currency"]);
        check_amount(int(after, "amount"), text(after, "currency"))?;
        if let Some(customer) = opt(sent, "customer") {
            core.need("customer", customer, "customer")?;
            after["customer"] = customer.into();
        }
        copy_terms(after, sent)?;
        let customer = opt(after, "customer").map(str::to_owned);
        if let Some(method) = core.intent_method_in(sent, customer.as_deref())? {
            after["payment_method"] = method.into();
            after["status"] = "requires_confirmation".into();
        } else if let Some(known) = opt(after, "payment_method").map(str::to_owned)
            && has(sent, "customer")
        {
            // Nothing else concerns the method: the metadata of a payment that succeeded can change.
            core.check_method_owner(&known, customer.as_deref())?;
        }
        Ok(())
    })
}

/// `POST /v1/payment_intents/{intent}/confirm`
pub(super) fn confirm(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let intent = core.need_path("payment_intent", call.id(), "intent")?;
    core.refuse_for_invoice(call.id(), sent, &["capture_method"])?;
    if let Some(customer) = opt(&intent, "customer") {
        core.need("customer", customer, "customer")?;
    }
    let method = core.intent_method_in(sent, opt(&intent, "customer"))?;
    if status::is_confirmable(&intent) {
        let mut after = intent;
        copy_terms(&mut after, sent)?;
        core.store.put(call.id(), after);
    }
    core.confirm_by_params(call.id(), method.as_deref(), sent)?;
    core.need_path("payment_intent", call.id(), "intent")
}

impl Core {
    /// Refuses what only the invoice of a payment intent determines.
    fn refuse_for_invoice(&self, id: &str, sent: &Value, names: &[&str]) -> Answer<()> {
        if self.note_text(id, "invoice").is_none() {
            return Ok(());
        }
        match names.iter().find(|name| has(sent, name)) {
            Some(name) => {
                let message = format!(
                    "You cannot update the {name} of a PaymentIntent that was created by an invoice. Update the invoice instead."
                );
                refuse_param("", name, message)
            }
            None => Ok(()),
        }
    }

    /// Confirms a payment intent as the parameters of a request say.
    fn confirm_by_params(&mut self, id: &str, method: Option<&str>, sent: &Value) -> Answer<Paid> {
        self.take_return_url(id, "Payment Intent", sent)?;
        self.check_method_type(id, method)?;
        let by = if flag(sent, "error_on_requires_action") {
            Initiator::Merchant
        } else {
            Initiator::from_params(sent)
        };
        self.confirm_intent(id, method, by)
    }

    /// The payment method in the parameters of an intent. It must belong to its customer, or to no
    /// one.
    pub(super) fn intent_method_in(
        &mut self,
        sent: &Value,
        customer: Option<&str>,
    ) -> Answer<Option<String>> {
        if has(sent, "payment_method_data") {
            only_one_of(sent, &["payment_method", "payment_method_data"], "")?;
            let outer = "payment_method_data";
            return self.method_from(get(sent, outer), outer).map(Some);
        }
        let method = self.method_in(sent)?;
        if let Some(method) = &method {
            self.check_method_owner(method, customer)?;
        }
        Ok(method)
    }
}

/// `POST /v1/payment_intents/{intent}/cancel`
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let intent = core.need_path("payment_intent", call.id(), "intent")?;
    if matches!(
        status::payment(&intent),
        PaymentIntentStatus::Succeeded
            | PaymentIntentStatus::Canceled
            | PaymentIntentStatus::Processing
    ) {
        return Err(unexpected(
            &intent,
            "You cannot cancel this PaymentIntent because it has a status of",
        ));
    }
    if core.note_text(call.id(), "invoice").is_some() {
        let message = "You cannot cancel this PaymentIntent because it was created by an invoice. Void the invoice instead.";
        return Err(
            ApiError::bad("payment_intent_unexpected_state", "", message)
                .with("payment_intent", intent),
        );
    }
    let reason = opt(&call.params, "cancellation_reason").map_or(Value::Null, Value::from);
    core.cancel_intent(call.id(), reason);
    core.need_path("payment_intent", call.id(), "intent")
}
