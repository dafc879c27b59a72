//! Disputes and inquiries: how they open, move money and close.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};
use super::params::metadata;
use super::status;
use super::time::DAY;
use super::value::{flag, get, int, or_null, owned, set, text};
use super::views::not_possible;
use super::{Call, Core, PayError};

const FEE: i64 = 1_500;
const ANSWER_WITHIN: i64 = 10 * DAY;

/// `POST /v1/disputes/{dispute}`: stages evidence, or submits it. In test mode, its text decides the
/// outcome. <https://docs.stripe.com/testing#evidence>
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let id = call.id();
    let before = core.need_path("dispute", id, "dispute")?;
    let sent = &call.params;
    let kept = metadata(&before["metadata"], get(sent, "metadata"))?;
    let evidence = get(sent, "evidence").clone();
    let submits = get(sent, "submit").as_bool();
    if (!evidence.is_null() || submits.is_some()) && !status::needs_response(&before) {
        let message = "This dispute is closed or its evidence was already submitted.";
        return Err(ApiError::invalid(message));
    }
    core.modify(id, |row| {
        row["metadata"] = kept;
        for (name, _) in evidence.as_object().into_iter().flatten() {
            set(row, &format!("evidence.{name}"), or_null(&evidence, name));
        }
        let fields = row["evidence"].as_object().into_iter().flatten();
        let has_evidence = fields.into_iter().any(|(_, value)| value.is_string());
        set(row, "evidence_details.has_evidence", has_evidence);
    });
    let is_complete = submits.unwrap_or(!evidence.is_null());
    if is_complete {
        core.submit_evidence(id);
    }
    core.emit_change("charge.dispute.updated", id, &before);
    match text(core.row(id), "evidence.uncategorized_text") {
        "winning_evidence" if is_complete => core.decide_dispute(id, true),
        "losing_evidence" if is_complete => core.decide_dispute(id, false),
        _ => {}
    }
    core.need_path("dispute", id, "dispute")
}

/// `POST /v1/disputes/{dispute}/close`: accepts the dispute as lost.
pub(super) fn close(core: &mut Core, call: &Call) -> Answer {
    let dispute = core.need_path("dispute", call.id(), "dispute")?;
    if !status::needs_response(&dispute) {
        let message = "This dispute is already closed.";
        return Err(ApiError::invalid(message));
    }
    core.decide_dispute(call.id(), false);
    core.need_path("dispute", call.id(), "dispute")
}

/// Whether a dispute can have a reason.
pub fn is_dispute_reason(word: &str) -> bool {
    const REASONS: &str = "bank_cannot_process check_returned credit_not_processed \
        customer_initiated debit_not_authorized duplicate fraudulent general \
        incorrect_account_details insufficient_funds noncompliant product_not_received \
        product_unacceptable subscription_canceled unrecognized";
    REASONS.split_whitespace().any(|one| one == word)
}

impl Core {
    /// Disputes a charge with a reason such as `fraudulent` or `product_not_received`. The reason
    /// `inquiry` opens an inquiry.
    pub fn dispute(&mut self, charge: &str, reason: &str, now: i64) -> Result<Value, PayError> {
        self.tick(now);
        let row = self
            .store
            .get(charge)
            .filter(|row| row["object"] == "charge")
            .ok_or(PayError::NotFound)?;
        if !flag(row, "paid") || flag(row, "disputed") {
            return Err(not_possible("This charge can't be disputed."));
        }
        let is_inquiry = reason == "inquiry";
        self.open_dispute(
            charge,
            if is_inquiry { "general" } else { reason },
            is_inquiry,
        );
        let made = self.dispute_of(charge).ok_or(PayError::NotFound)?;
        self.shown(&made)
    }

    /// Closes a dispute as won or lost.
    pub fn close_dispute(&mut self, dispute: &str, won: bool, now: i64) -> Result<Value, PayError> {
        self.tick(now);
        let row = self
            .store
            .get(dispute)
            .filter(|row| row["object"] == "dispute")
            .ok_or(PayError::NotFound)?;
        if status::is_closed(row) {
            return Err(not_possible("This dispute is already closed."));
        }
        self.decide_dispute(dispute, won);
        self.shown(dispute)
    }

    /// Opens a dispute. Unless it is an inquiry, the money is withdrawn immediately.
    pub(super) fn open_dispute(&mut self, charge: &str, reason: &str, is_inquiry: bool) {
        let row = self.row(charge).clone();
        let id = self.rng.id("du");
        let amount = int(&row, "amount") - int(&row, "amount_refunded");
        let status = if is_inquiry {
            "warning_needs_response"
        } else {
            "needs_response"
        };
        let brand = get(&row, "payment_method_details.card.brand")
            .as_str()
            .unwrap_or("visa")
            .to_owned();
        let dispute = json!({
            "id": id, "object": "dispute", "amount": amount, "balance_transactions": [],
            "charge": charge, "created": self.account_time(), "currency": row["currency"],
            "enhanced_eligibility_types": [], "evidence": evidence(),
            "evidence_details": {"due_by": self.account_time() + ANSWER_WITHIN, "enhanced_eligibility": {},
                "has_evidence": false, "past_due": false, "submission_count": 0},
            "is_charge_refundable": is_inquiry, "livemode": false, "metadata": {},
            "payment_intent": row["payment_intent"],
            "payment_method_details": {"card": {"brand": brand, "network": brand,
                "case_type": if is_inquiry { "inquiry" } else { "chargeback" },
                "network_reason_code": "10.4"}, "type": "card"},
            "reason": reason, "status": status,
        });
        self.store.put(&id, dispute);
        self.wake(self.account_time() + ANSWER_WITHIN, &id);
        if !is_inquiry {
            self.modify_and_emit("charge.updated", charge, |row| {
                row["disputed"] = true.into();
            });
        }
        self.settle_fraud_warning(charge);
        self.emit("charge.dispute.created", &id);
        if !is_inquiry {
            self.move_funds(&id, -1);
            self.emit("charge.dispute.funds_withdrawn", &id);
        }
    }

    /// Withdraws the disputed amount and the fee, or returns them.
    fn move_funds(&mut self, id: &str, sign: i64) {
        let row = self.row(id).clone();
        let amount = sign * int(&row, "amount");
        let txn = self.balance_entry("adjustment", id, amount, text(&row, "currency"));
        let fee = if sign < 0 { FEE } else { 0 };
        self.modify(&txn, |entry| {
            entry["reporting_category"] = if sign < 0 {
                "dispute"
            } else {
                "dispute_reversal"
            }
            .into();
            entry["fee"] = fee.into();
            entry["net"] = (amount - fee).into();
        });
        let entry = self.row(&txn).clone();
        self.modify(id, |row| {
            if let Some(entries) = row["balance_transactions"].as_array_mut() {
                entries.push(entry);
            }
        });
    }

    /// Closes a dispute as lost if no evidence was submitted in time.
    pub(super) fn dispute_due(&mut self, id: &str) {
        let row = self.row(id);
        if status::needs_response(row) && int(row, "evidence_details.due_by") <= self.account_time()
        {
            self.decide_dispute(id, false);
        }
    }

    /// Warns of fraud before the customer disputes the charge.
    /// <https://docs.stripe.com/disputes/measuring#early-fraud-warnings>
    pub(super) fn warn_of_fraud(&mut self, charge: &str) {
        let id = self.rng.id("issfr");
        let intent = self.row(charge)["payment_intent"].clone();
        let warning = json!({
            "id": id, "object": "radar.early_fraud_warning", "actionable": true, "charge": charge,
            "created": self.account_time(), "fraud_type": "misc", "livemode": false, "payment_intent": intent,
        });
        self.store.put(&id, warning);
        self.emit("radar.early_fraud_warning.created", &id);
    }

    /// A charge that was refunded in full or disputed leaves nothing to do about its warning.
    pub(super) fn settle_fraud_warning(&mut self, charge: &str) {
        let kind = "radar.early_fraud_warning";
        let found = self.ids_by(kind, ("charge", charge), |row| flag(row, "actionable"));
        for id in found {
            self.modify_and_emit("radar.early_fraud_warning.updated", &id, |row| {
                row["actionable"] = false.into();
            });
        }
    }

    fn submit_evidence(&mut self, id: &str) {
        self.modify(id, |row| {
            let is_inquiry = status::is_inquiry(row);
            row["status"] = if is_inquiry {
                "warning_under_review"
            } else {
                "under_review"
            }
            .into();
            let count = int(row, "evidence_details.submission_count") + 1;
            set(row, "evidence_details.submission_count", count);
        });
    }

    fn decide_dispute(&mut self, id: &str, won: bool) {
        let before = self.row(id).clone();
        let is_inquiry = status::is_inquiry(&before);
        let status = match (is_inquiry, won) {
            (true, _) => "warning_closed",
            (false, true) => "won",
            _ => "lost",
        };
        self.modify(id, |row| row["status"] = status.into());
        if won && !is_inquiry {
            self.move_funds(id, 1);
            self.emit_change("charge.dispute.updated", id, &before);
            let charge = owned(&before, "charge");
            self.modify_and_emit("charge.updated", &charge, |row| {
                row["disputed"] = false.into();
            });
            self.emit("charge.dispute.funds_reinstated", id);
        }
        self.emit("charge.dispute.closed", id);
    }

    /// The dispute about a charge.
    pub(super) fn dispute_of(&self, charge: &str) -> Option<String> {
        let mut about = self.store.by("dispute", "charge", charge);
        about.next().map(|row| owned(row, "id"))
    }
}

/// `GET` and `POST /v1/charges/{charge}/dispute`
pub(super) fn of_charge(core: &mut Core, call: &Call) -> Answer {
    let id = core.dispute_of(call.id()).unwrap_or_default();
    core.need_path("dispute", &id, "dispute")
}

fn evidence() -> Value {
    const WORDS: [&str; 27] = [
        "access_activity_log",
        "billing_address",
        "cancellation_policy",
        "cancellation_policy_disclosure",
        "cancellation_rebuttal",
        "customer_communication",
        "customer_email_address",
        "customer_name",
        "customer_purchase_ip",
        "customer_signature",
        "duplicate_charge_documentation",
        "duplicate_charge_explanation",
        "duplicate_charge_id",
        "product_description",
        "receipt",
        "refund_policy",
        "refund_policy_disclosure",
        "refund_refusal_explanation",
        "service_date",
        "service_documentation",
        "shipping_address",
        "shipping_carrier",
        "shipping_date",
        "shipping_documentation",
        "shipping_tracking_number",
        "uncategorized_file",
        "uncategorized_text",
    ];
    let mut evidence = json!({"enhanced_evidence": {}});
    for word in WORDS {
        evidence[word] = Value::Null;
    }
    evidence
}
