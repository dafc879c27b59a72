//! The endpoints of payment intents.

use serde_json::{Value, json};
use stripe::objects::PaymentIntentStatus;

use super::errors::{Answer, refuse_param};
use super::methods::method_types;
use super::params::metadata;
use super::payments::{Initiator, NewIntent, too_small, unexpected};
use super::status;
use super::value::{
    copy_or_null, flag, get, has, int, minimum_charge, opt, opt_int, or_null, owned, text,
};
use super::{Call, Core};

/// `POST /v1/payment_intents`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let (amount, currency) = (int(sent, "amount"), owned(sent, "currency"));
    if amount < minimum_charge(&currency) {
        return Err(too_small(amount, &currency, "amount"));
    }
    let customer = opt(sent, "customer").map(str::to_owned);
    if let Some(customer) = &customer {
        core.need("customer", customer, "customer[id]")?;
    }
    let method = match opt(sent, "payment_method") {
        Some(name) => Some(core.method_named(name, "payment_method[id]")?),
        None if has(sent, "payment_method_data") => {
            Some(core.method_from(get(sent, "payment_method_data"))?)
        }
        None => None,
    };
    let mut members = json!({"metadata": metadata(&Value::Null, get(sent, "metadata"))?});
    copy_or_null(
        &mut members,
        sent,
        &[
            "receipt_email",
            "setup_future_usage",
            "shipping",
            "statement_descriptor_suffix",
        ],
    );
    for name in ["capture_method", "confirmation_method"] {
        if let Some(word) = opt(sent, name) {
            members[name] = word.into();
        }
    }
    if let Some(types) = method_types(sent) {
        members["payment_method_types"] = types.into();
        members["automatic_payment_methods"] = Value::Null;
    }
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
    if flag(sent, "confirm") {
        let by = Initiator::from_params(sent);
        core.confirm_intent(&id, method.as_deref(), by)?;
    }
    core.need("payment_intent", &id, "intent")
}

/// `POST /v1/payment_intents/{intent}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    core.update(("payment_intent", "intent"), call, &[], |core, after| {
        if has(sent, "amount") && !status::is_unfinished(after) {
            let sentence =
                "This PaymentIntent's amount could not be updated because it has a status of";
            return Err(unexpected(after, sentence));
        }
        let names = [
            "amount",
            "receipt_email",
            "setup_future_usage",
            "shipping",
            "description",
        ];
        copy_or_null(after, sent, &names);
        if let Some(method) = core.method_in(sent)? {
            after["payment_method"] = method.into();
            after["status"] = "requires_confirmation".into();
        }
        Ok(())
    })
}

/// `POST /v1/payment_intents/{intent}/confirm`
pub(super) fn confirm(core: &mut Core, call: &Call) -> Answer {
    core.need_path("payment_intent", call.id(), "intent")?;
    let method = core.method_in(&call.params)?;
    let by = Initiator::from_params(&call.params);
    core.confirm_intent(call.id(), method.as_deref(), by)?;
    core.need_path("payment_intent", call.id(), "intent")
}

/// `POST /v1/payment_intents/{intent}/capture`
pub(super) fn capture(core: &mut Core, call: &Call) -> Answer {
    let intent = core.need_path("payment_intent", call.id(), "intent")?;
    if status::payment(&intent) != PaymentIntentStatus::RequiresCapture {
        return Err(unexpected(
            &intent,
            "This PaymentIntent could not be captured because it has a status of",
        ));
    }
    let whole = int(&intent, "amount");
    let amount = opt_int(&call.params, "amount_to_capture").unwrap_or(whole);
    if amount < 1 || amount > whole {
        let message = format!(
            "The amount you have requested to capture is more than the {whole} that is capturable."
        );
        return refuse_param("amount_too_large", "amount_to_capture", message);
    }
    let charge = owned(&intent, "latest_charge");
    let txn = core.balance_entry("charge", &charge, amount, text(&intent, "currency"));
    core.modify(&charge, |row| {
        row["captured"] = true.into();
        row["amount_captured"] = amount.into();
        row["amount_refunded"] = (whole - amount).into();
        row["balance_transaction"] = txn.into();
    });
    core.emit("charge.captured", &charge);
    core.modify(call.id(), |row| {
        row["status"] = "succeeded".into();
        row["amount_capturable"] = 0.into();
        row["amount_received"] = amount.into();
    });
    core.emit("payment_intent.succeeded", call.id());
    core.need_path("payment_intent", call.id(), "intent")
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
    let reason = opt(&call.params, "cancellation_reason").map_or(Value::Null, Value::from);
    core.cancel_intent(call.id(), reason);
    core.need_path("payment_intent", call.id(), "intent")
}
