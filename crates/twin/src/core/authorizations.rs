//! Payments that are authorized first and captured later: capturing, releasing and lapsing.

use serde_json::Value;
use stripe::objects::PaymentIntentStatus;

use super::errors::{Answer, refuse_param};
use super::params::metadata;
use super::payments::unexpected;
use super::status;
use super::time::DAY;
use super::value::{copy_or_null, get, int, money_text, opt_int, owned, set, text};
use super::{Call, Core};

/// How long an authorization of a card can be captured.
/// <https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>
const LAPSES_AFTER: i64 = 7 * DAY;

/// `POST /v1/payment_intents/{intent}/capture`
pub(super) fn capture(core: &mut Core, call: &Call) -> Answer {
    let intent = core.need_path("payment_intent", call.id(), "intent")?;
    if status::payment(&intent) != PaymentIntentStatus::RequiresCapture {
        return Err(unexpected(
            &intent,
            "This PaymentIntent could not be captured because it has a status of",
        ));
    }
    let sent = &call.params;
    if get(sent, "final_capture") == false {
        let message = "Multicapture is not available for this PaymentIntent, so `final_capture` can't be false.";
        return refuse_param("", "final_capture", message);
    }
    let currency = text(&intent, "currency");
    let whole = int(&intent, "amount_capturable");
    let amount = opt_int(sent, "amount_to_capture").unwrap_or(whole);
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return refuse_param("parameter_invalid_integer", "amount_to_capture", message);
    }
    if amount > whole {
        let message = format!(
            "The amount_to_capture ({}) is greater than the capturable amount ({}) of this PaymentIntent.",
            money_text(amount, currency),
            money_text(whole, currency)
        );
        return refuse_param("amount_too_large", "amount_to_capture", message);
    }
    let kept = metadata(&intent["metadata"], get(sent, "metadata"))?;
    let charge = owned(&intent, "latest_charge");
    let txn = core.balance_entry("charge", &charge, amount, currency);
    let words = ["statement_descriptor", "statement_descriptor_suffix"];
    core.modify(&charge, |row| {
        row["captured"] = true.into();
        row["amount_captured"] = amount.into();
        // The rest of the authorization is released, which counts as refunded.
        row["amount_refunded"] = (whole - amount).into();
        row["balance_transaction"] = txn.into();
        copy_or_null(row, sent, &words);
    });
    core.emit("charge.captured", &charge);
    core.modify(call.id(), |row| {
        row["status"] = "succeeded".into();
        row["amount_capturable"] = 0.into();
        row["amount_received"] = amount.into();
        row["metadata"] = kept;
        copy_or_null(row, sent, &words);
    });
    core.emit("payment_intent.succeeded", call.id());
    core.invoice_intent_paid(call.id());
    core.need_path("payment_intent", call.id(), "intent")
}

impl Core {
    /// Plans the lapse of an authorization.
    pub(super) fn begin_authorization(&mut self, intent: &str, charge: &str) {
        let until = self.account_time() + LAPSES_AFTER;
        self.modify(charge, |row| {
            if row["payment_method_details"]["card"].is_object() {
                set(row, "payment_method_details.card.capture_before", until);
            }
        });
        self.wake_in_account_time(until, intent);
    }

    /// Cancels an authorization that was not captured in time.
    pub(super) fn authorization_due(&mut self, id: &str) {
        let intent = self.row(id).clone();
        let is_held = status::payment(&intent) == PaymentIntentStatus::RequiresCapture;
        let made = int(self.row(text(&intent, "latest_charge")), "created");
        if !is_held || made + LAPSES_AFTER > self.account_time() {
            return;
        }
        self.release(text(&intent, "latest_charge"), "charge.expired");
        self.cancel_intent(id, "expired".into());
    }

    /// Gives the authorized amount of a charge back, with an event.
    pub(super) fn release(&mut self, charge: &str, event: &str) {
        self.modify_and_emit(event, charge, |row| {
            row["amount_refunded"] = row["amount"].clone();
            row["refunded"] = Value::Bool(true);
        });
    }
}
