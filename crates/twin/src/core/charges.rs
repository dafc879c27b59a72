//! Charges: their endpoints, and the charge that a payment attempt creates.

use serde_json::{Value, json};

use super::cards;
use super::errors::{Answer, refuse_param};
use super::payments::is_manual;
use super::value::{copy_or_null, get, int, merge, opt, text};
use super::{Call, Core};

/// `POST /v1/charges/{charge}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let kind = ("charge", "charge");
    core.update(kind, call, &["charge.updated"], |core, after| {
        if let Some(customer) = opt(sent, "customer") {
            core.need("customer", customer, "customer")?;
            if !after["customer"].is_null() && after["customer"] != customer {
                let message = "This charge already has a customer, which cannot be changed.";
                return refuse_param("", "customer", message);
            }
            after["customer"] = customer.into();
        }
        if let Some(report) = opt(sent, "fraud_details.user_report") {
            after["fraud_details"]["user_report"] = report.into();
        }
        copy_or_null(after, sent, &["description", "receipt_email", "shipping"]);
        Ok(())
    })
}

fn outcome(declined: Option<&str>) -> Value {
    match declined {
        None => json!({"advice_code": null, "network_advice_code": null,
            "network_decline_code": null, "network_status": "approved_by_network",
            "reason": null, "risk_level": "normal", "risk_score": 20,
            "seller_message": "Payment complete.", "type": "authorized"}),
        Some(code) => json!({"advice_code": null, "network_advice_code": null,
            "network_decline_code": null, "network_status": "declined_by_network",
            "reason": code, "risk_level": "normal", "risk_score": 20,
            "seller_message": "The bank did not return any further details with this decline.",
            "type": "issuer_declined"}),
    }
}

fn charge_details(method: &Value) -> Value {
    if text(method, "type") != "card" {
        let debit = get(method, "sepa_debit");
        return json!({"type": "sepa_debit", "sepa_debit": {"bank_code": debit["bank_code"],
            "branch_code": null, "country": debit["country"], "fingerprint": debit["fingerprint"],
            "last4": debit["last4"], "mandate": null}});
    }
    let card = get(method, "card");
    json!({"type": "card", "card": {
        "amount_authorized": null, "authorization_code": null, "brand": card["brand"],
        "checks": card["checks"], "country": card["country"], "exp_month": card["exp_month"],
        "exp_year": card["exp_year"], "fingerprint": card["fingerprint"],
        "funding": card["funding"], "installments": null, "last4": card["last4"], "mandate": null,
        "network": card["brand"], "network_token": {"used": false},
        "network_transaction_id": null, "regulated_status": "unregulated", "three_d_secure": null,
        "wallet": null}})
}

impl Core {
    /// Creates the charge of an attempt. It succeeded unless there is a decline code.
    pub(super) fn new_charge(
        &mut self,
        intent_id: &str,
        method: &str,
        declined: Option<&str>,
    ) -> String {
        let intent = self.row(intent_id).clone();
        let method_row = self.row(method).clone();
        let id = self.rng.id(if text(&method_row, "type") == "card" {
            "ch"
        } else {
            "py"
        });
        let amount = int(&intent, "amount");
        let is_captured = declined.is_none() && !is_manual(&intent);
        let error = declined.map(cards::decline);
        let entry = if is_captured && !self.is_debit(method) {
            self.balance_entry("charge", &id, amount, text(&intent, "currency"))
                .into()
        } else {
            Value::Null
        };
        let mut charge = json!({
            "id": id, "object": "charge", "amount": amount,
            "amount_captured": if is_captured { amount } else { 0 }, "amount_refunded": 0,
            "application": null, "application_fee": null, "application_fee_amount": null,
            "balance_transaction": entry, "billing_details": method_row["billing_details"],
            "calculated_statement_descriptor": "LOCAL TWIN", "captured": is_captured,
            "created": self.account_time(), "currency": intent["currency"], "customer": intent["customer"],
            "description": intent["description"], "disputed": false,
            "failure_balance_transaction": null,
            "failure_code": error.as_ref().and_then(|one| one.code.clone()),
            "failure_message": error.as_ref().map(|one| one.message.clone()),
            "fraud_details": {}, "livemode": false, "metadata": intent["metadata"],
        });
        let rest = json!({
            "on_behalf_of": null, "outcome": outcome(declined), "paid": declined.is_none(),
            "payment_intent": intent_id, "payment_method": method,
            "payment_method_details": charge_details(&method_row), "radar_options": {},
            "receipt_email": intent["receipt_email"], "receipt_number": null,
            "receipt_url": if declined.is_none() {
                format!("{}/receipts/{id}", self.public_url).into() } else { Value::Null },
            "refunded": false, "review": null, "shipping": intent["shipping"],
            "source_transfer": null, "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": if declined.is_none() { "succeeded" } else { "failed" },
            "transfer_data": null, "transfer_group": null,
        });
        merge(&mut charge, rest);
        self.store.put(&id, charge);
        self.modify(intent_id, |row| row["latest_charge"] = id.clone().into());
        id
    }
}
