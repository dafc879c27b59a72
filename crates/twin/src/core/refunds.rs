//! Refunds: their endpoints, and the test cards whose refunds are late or fail.

use serde_json::{Value, json};
use stripe::objects::{PaymentIntentStatus, RefundStatus};

use super::cards::Afterwards;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::metadata;
use super::status;
use super::time::HOUR;
use super::value::{flag, get, int, money_text, opt, opt_int, owned, text};
use super::{Call, Core};

/// The time after which a pending refund succeeds or a failing one fails.
const REFUND_SETTLES_AFTER: i64 = HOUR;

/// `GET /v1/charges/{charge}/refunds`
pub(super) fn of_charge(core: &mut Core, call: &Call) -> Answer {
    core.need_path("charge", call.id(), "charge")?;
    core.page_in(call, "refund", ("charge", call.id()), |_| true)
}

/// `POST /v1/refunds`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let charge = match (opt(sent, "charge"), opt(sent, "payment_intent")) {
        (Some(_), Some(_)) => {
            let message = "You may only specify one of these parameters: charge, payment_intent.";
            return Err(ApiError::invalid(message));
        }
        (Some(charge), None) => charge.to_owned(),
        (None, Some(intent)) => {
            let row = core.need("payment_intent", intent, "payment_intent")?;
            let has_paid = status::payment(&row) == PaymentIntentStatus::Succeeded;
            if let Some(charge) = opt(&row, "latest_charge").filter(|_| has_paid) {
                charge.to_owned()
            } else {
                let message = format!(
                    "This PaymentIntent ({intent}) does not have a successful charge to refund."
                );
                return refuse_param("", "payment_intent", message);
            }
        }
        _ => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return refuse_param("parameter_missing", "", message);
        }
    };
    let id = core.refund(&charge, sent)?;
    core.need("refund", &id, "id")
}

/// `POST /v1/charges/{charge}/refund`: the legacy endpoint, which returns the charge.
pub(super) fn refund_charge(core: &mut Core, call: &Call) -> Answer {
    core.refund(call.id(), &call.params)?;
    core.need_path("charge", call.id(), "charge")
}

/// `POST /v1/refunds/{refund}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let events = ["refund.updated", "charge.refund.updated"];
    core.update(("refund", "id"), call, &events, |_, _| Ok(()))
}

/// `POST /v1/refunds/{refund}/cancel`
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let refund = core.need_path("refund", call.id(), "id")?;
    if status::refund(&refund) != RefundStatus::RequiresAction {
        let message = format!(
            "Refund {} cannot be canceled because it has a status of {}.",
            call.id(),
            text(&refund, "status")
        );
        return Err(ApiError::invalid(message));
    }
    Ok(refund)
}

impl Core {
    /// Refunds a charge, in full or in part.
    pub(super) fn refund(&mut self, charge: &str, sent: &Value) -> Answer<String> {
        let row = self.need("charge", charge, "charge")?;
        let currency = owned(&row, "currency");
        // What was authorized but not captured counts as refunded.
        let left = int(&row, "amount") - int(&row, "amount_refunded");
        let amount = opt_int(sent, "amount").unwrap_or(left);
        refuse(&row, amount, left, &currency)?;
        let fate = self
            .test_card(text(&row, "payment_method"))
            .map(|card| card.afterwards);
        let pends = fate == Some(Afterwards::RefundPends);
        let id = self.rng.id("re");
        let txn = self.balance_entry("refund", &id, -amount, &currency);
        let mut refund = json!({
            "id": id, "object": "refund", "amount": amount, "balance_transaction": txn,
            "charge": charge, "created": self.account_time(), "currency": currency,
            "destination_details": {"card": {"reference_status": "pending",
                "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"},
            "metadata": metadata(&Value::Null, get(sent, "metadata"))?,
            "payment_intent": row["payment_intent"], "reason": opt(sent, "reason"),
            "receipt_number": null, "source_transfer_reversal": null,
            "status": if pends { "pending" } else { "succeeded" }, "transfer_reversal": null,
        });
        if pends {
            refund["pending_reason"] = "processing".into();
        }
        self.store.put(&id, refund);
        self.emit("refund.created", &id);
        let before = self.modify(charge, |row| {
            let refunded = int(row, "amount_refunded") + amount;
            row["amount_refunded"] = refunded.into();
            row["refunded"] = (refunded >= int(row, "amount")).into();
        });
        self.emit_change("charge.refunded", charge, &before);
        if flag(self.row(charge), "refunded") {
            self.settle_fraud_warning(charge);
        }
        if matches!(
            fate,
            Some(Afterwards::RefundPends | Afterwards::RefundFails)
        ) {
            self.wake(self.account_time() + REFUND_SETTLES_AFTER, &id);
        }
        Ok(id)
    }

    /// Settles a refund on a test card whose refunds are delayed or fail.
    pub(super) fn refund_due(&mut self, id: &str) {
        let Some(refund) = self.store.get(id).cloned() else {
            return;
        };
        let charge = owned(&refund, "charge");
        let method = owned(self.row(&charge), "payment_method");
        match (
            self.test_card(&method).map(|card| card.afterwards),
            status::refund(&refund),
        ) {
            (Some(Afterwards::RefundPends), RefundStatus::Pending) => {
                self.modify(id, |row| {
                    row["status"] = "succeeded".into();
                    if let Some(all) = row.as_object_mut() {
                        all.remove("pending_reason");
                    }
                });
                self.emit_change("refund.updated", id, &refund);
                self.emit_change("charge.refund.updated", id, &refund);
            }
            (Some(Afterwards::RefundFails), RefundStatus::Succeeded) => {
                self.fail_refund(id, &refund, &charge);
            }
            _ => {}
        }
    }

    /// Fails a refund and returns the money to the account.
    fn fail_refund(&mut self, id: &str, refund: &Value, charge: &str) {
        let amount = int(refund, "amount");
        let txn = self.balance_entry("refund_failure", id, amount, text(refund, "currency"));
        self.modify(id, |row| {
            row["status"] = "failed".into();
            row["failure_reason"] = "expired_or_canceled_card".into();
            row["failure_balance_transaction"] = txn.into();
        });
        let before = self.modify(charge, |row| {
            row["amount_refunded"] = (int(row, "amount_refunded") - amount).into();
            row["refunded"] = false.into();
        });
        self.emit_change("refund.updated", id, refund);
        self.emit("refund.failed", id);
        self.emit_change("charge.refund.updated", id, refund);
        self.emit_change("charge.updated", charge, &before);
    }
}

fn refuse(charge: &Value, amount: i64, left: i64, currency: &str) -> Answer<()> {
    let id = text(charge, "id");
    let (code, param, message) = if !flag(charge, "paid") || !flag(charge, "captured") {
        let message = format!("Charge {id} is not a successful charge and cannot be refunded.");
        ("", "charge", message)
    } else if left == 0 {
        (
            "charge_already_refunded",
            "",
            format!("Charge {id} has already been refunded."),
        )
    } else if flag(charge, "disputed") {
        (
            "charge_disputed",
            "",
            format!("Charge {id} has been charged back; cannot issue a refund."),
        )
    } else if amount < 1 {
        (
            "parameter_invalid_integer",
            "amount",
            "This value must be greater than or equal to 1.".to_owned(),
        )
    } else if amount > left {
        let (asked, left) = (money_text(amount, currency), money_text(left, currency));
        (
            "",
            "amount",
            format!("Refund amount ({asked}) is greater than unrefunded amount on charge ({left})"),
        )
    } else {
        return Ok(());
    };
    refuse_param(code, param, message)
}
