//! Credit notes: corrections of finalized invoices.

use serde_json::{Value, json};
use stripe::objects::InvoiceStatus;

use super::credit_note_lines::Credited;
use super::customer_balance::BalanceChange;
use super::discounts::discount_amounts;
use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::metadata;
use super::status;
use super::taxes::{add_up, sum_of};
use super::value::{
    copy_or_null, get, has, int, list, merge, money_text, opt, opt_int, or_null, owned, required,
    text,
};
use super::{Call, Core};

/// `GET /v1/credit_notes/{credit_note}/lines`
pub(super) fn lines(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("credit_note", call.id(), "credit_note")?;
    core.page_of(
        call,
        "credit_note_line_item",
        inner(&row, "lines").iter().collect(),
    )
}

/// `POST /v1/credit_notes`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let invoice = required(sent, "invoice")?;
    let invoice = core.need("invoice", invoice, "invoice")?;
    let id = core.issue(&invoice, sent)?;
    core.need("credit_note", &id, "id")
}

/// `GET /v1/credit_notes/preview`: the credit note that the parameters would create.
pub(super) fn preview(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let invoice = required(sent, "invoice")?;
    let invoice = core.need("invoice", invoice, "invoice")?;
    core.rolled_back(|core| {
        let id = core.issue(&invoice, sent)?;
        core.need("credit_note", &id, "id")
    })
}

/// `GET /v1/credit_notes/preview/lines`
pub(super) fn preview_lines(core: &mut Core, call: &Call) -> Answer {
    let note = preview(core, call)?;
    let lines = inner(&note, "lines").iter().collect();
    core.page_of(call, "credit_note_line_item", lines)
}

/// `POST /v1/credit_notes/{id}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let kind = ("credit_note", "id");
    core.update(kind, call, &["credit_note.updated"], |_, after| {
        copy_or_null(after, &call.params, &["memo"]);
        Ok(())
    })
}

/// `POST /v1/credit_notes/{id}/void`: a credit note can be voided while its invoice is open.
pub(super) fn void(core: &mut Core, call: &Call) -> Answer {
    let note = core.need_path("credit_note", call.id(), "id")?;
    let invoice = core.need("invoice", text(&note, "invoice"), "invoice")?;
    if text(&note, "status") == "void" || !status::is_open(&invoice) {
        let message = "You can only void an issued credit note of an open invoice.";
        return Err(ApiError::invalid(message));
    }
    let amount = int(&note, "pre_payment_amount");
    core.lower_invoice(&owned(&invoice, "id"), -amount);
    let now = core.now;
    core.modify(call.id(), |row| {
        row["status"] = "void".into();
        row["voided_at"] = now.into();
    });
    core.emit("credit_note.voided", call.id());
    core.emit_change("invoice.updated", text(&invoice, "id"), &invoice);
    core.need_path("credit_note", call.id(), "id")
}

/// The amounts by which a credit note returns what was paid, in minor units.
struct Parts {
    refund: i64,
    credit: i64,
    out_of_band: i64,
    /// Existing refunds, each with the amount that the credit note covers.
    linked: Vec<(String, i64)>,
}

impl Parts {
    fn sum(&self) -> i64 {
        let linked: i64 = self.linked.iter().map(|(_, amount)| amount).sum();
        self.refund + self.credit + self.out_of_band + linked
    }
}

impl Core {
    fn parts_of(&self, sent: &Value) -> Answer<Parts> {
        let mut linked = Vec::new();
        for (index, one) in list(sent, "refunds").iter().enumerate() {
            let param = format!("refunds[{index}][refund]");
            let refund = self.need("refund", text(one, "refund"), &param)?;
            let is_known = linked.iter().any(|(known, _)| refund["id"] == *known);
            let intent = self.invoice_intent(text(sent, "invoice"));
            if is_known || intent.is_none_or(|intent| refund["payment_intent"] != intent) {
                let message = "The refund does not belong to the invoice, or is linked already.";
                return refuse_param("", &param, message);
            }
            let amount = opt_int(one, "amount_refunded").unwrap_or(int(&refund, "amount"));
            if !(1..=int(&refund, "amount")).contains(&amount) {
                let message = "The amount must be at least 1 and at most that of the refund.";
                let param = format!("refunds[{index}][amount_refunded]");
                return refuse_param("", &param, message);
            }
            linked.push((owned(&refund, "id"), amount));
        }
        Ok(Parts {
            refund: opt_int(sent, "refund_amount").unwrap_or(0),
            credit: opt_int(sent, "credit_amount").unwrap_or(0),
            out_of_band: opt_int(sent, "out_of_band_amount").unwrap_or(0),
            linked,
        })
    }

    pub(super) fn issue(&mut self, invoice: &Value, sent: &Value) -> Answer<String> {
        let parts = self.parts_of(sent)?;
        let amount = match opt_int(sent, "amount") {
            Some(amount) => Some(amount),
            None if list(sent, "lines").is_empty() => Some(parts.sum()),
            None => None,
        };
        if amount == Some(0) && !has(sent, "amount") {
            let message = "You must provide one of `amount`, `lines` or `shipping_cost`.";
            return refuse_param("parameter_missing", "", message);
        }
        let credited = self.credited(
            sent,
            invoice,
            amount.filter(|_| list(sent, "lines").is_empty()),
        )?;
        let total = credited.total();
        if amount.is_some_and(|amount| amount != total) {
            let message = "The `amount` must equal the total of the `lines`.";
            return refuse_param("", "amount", message);
        }
        let is_paid = refuse(invoice, total, &parts)?;
        let id = self.rng.id("cn");
        let mut refunds: Vec<Value> = parts.linked.iter().map(refund_row).collect();
        if parts.refund > 0 {
            let charge = self.charge_of_invoice(text(invoice, "id"))?;
            let refund = self.refund(&charge, &json!({ "amount": parts.refund }))?;
            refunds.push(refund_row(&(refund, parts.refund)));
        }
        let row = self.note_row(&id, invoice, sent, is_paid, &parts, (credited, refunds))?;
        self.store.put(&id, row);
        let invoice_id = owned(invoice, "id");
        if is_paid {
            self.modify(&invoice_id, |row| {
                let before = int(row, "post_payment_credit_notes_amount");
                row["post_payment_credit_notes_amount"] = (before + total).into();
            });
            self.credit_customer(invoice, parts.credit, &id);
        } else {
            self.lower_invoice(&invoice_id, total);
        }
        self.emit("credit_note.created", &id);
        self.emit_change("invoice.updated", &invoice_id, invoice);
        let is_settled = self
            .store
            .get(&invoice_id)
            .is_some_and(|row| status::is_open(row) && int(row, "amount_remaining") == 0);
        if is_settled {
            self.invoice_settled(&invoice_id, 0, false);
        }
        Ok(id)
    }

    fn note_row(
        &mut self,
        id: &str,
        invoice: &Value,
        sent: &Value,
        is_paid: bool,
        parts: &Parts,
        (credited, refunds): (Credited, Vec<Value>),
    ) -> Answer {
        let invoice_id = text(invoice, "id");
        let count = self.store.by("credit_note", "invoice", invoice_id).count() + 1;
        let total = credited.total();
        let tax_inside = sum_of(&credited.taxes, "inclusive");
        let tax = tax_inside + sum_of(&credited.taxes, "exclusive");
        let mut row = json!({
            "id": id, "object": "credit_note", "amount": total, "amount_shipping": 0,
            "created": self.now, "currency": invoice["currency"], "customer": invoice["customer"],
            "customer_account": null, "customer_balance_transaction": null,
            "discount_amount": credited.discount(),
            "discount_amounts": discount_amounts(&credited.discounts),
            "effective_at": opt_int(sent, "effective_at").unwrap_or(self.now),
            "invoice": invoice_id,
            "lines": {"object": "list", "data": credited.lines, "has_more": false,
                      "url": format!("/v1/credit_notes/{id}/lines")},
            "livemode": false, "memo": or_null(sent, "memo"),
            "metadata": metadata(&Value::Null, get(sent, "metadata"))?,
            "number": format!("{}-CN-{count:02}", text(invoice, "number")),
        });
        let rest = json!({
            "out_of_band_amount": (parts.out_of_band > 0).then_some(parts.out_of_band),
            "pdf": invoice["invoice_pdf"],
            "post_payment_amount": if is_paid { total } else { 0 },
            "pre_payment_amount": if is_paid { 0 } else { total },
            "pretax_credit_amounts": [], "reason": or_null(sent, "reason"), "refunds": refunds,
            "shipping_cost": null, "status": "issued", "subtotal": credited.subtotal,
            "subtotal_excluding_tax": credited.subtotal - tax_inside, "total": total,
            "total_excluding_tax": total - tax, "total_taxes": add_up(&credited.taxes),
            "type": if is_paid { "post_payment" } else { "pre_payment" }, "voided_at": null,
        });
        merge(&mut row, rest);
        Ok(row)
    }

    /// Reduces the amount due of an open invoice, or increases it if the amount is negative.
    fn lower_invoice(&mut self, id: &str, amount: i64) {
        self.modify(id, |row| {
            for name in ["amount_due", "amount_remaining"] {
                row[name] = (int(row, name) - amount).into();
            }
            let before = int(row, "pre_payment_credit_notes_amount");
            row["pre_payment_credit_notes_amount"] = (before + amount).into();
        });
        let left = int(self.row(id), "amount_remaining");
        if let Some(intent) = self.invoice_intent(id) {
            if left == 0 {
                self.cancel_intent(&intent, Value::Null);
            } else {
                self.modify(&intent, |row| row["amount"] = left.into());
            }
        }
    }

    /// Credits the customer's balance with what a credit note returns that way.
    fn credit_customer(&mut self, invoice: &Value, amount: i64, note: &str) {
        if amount == 0 {
            return;
        }
        let customer = text(invoice, "customer");
        let before = self.row(customer).clone();
        let change = BalanceChange {
            amount: -amount,
            kind: "credit_note",
            currency: text(invoice, "currency"),
            invoice: Some(text(invoice, "id")),
            credit_note: Some(note),
        };
        let transaction = self.change_balance(customer, &change);
        self.modify(note, |row| {
            row["customer_balance_transaction"] = transaction.into();
        });
        self.emit_change("customer.updated", customer, &before);
    }

    /// The charge that paid an invoice.
    fn charge_of_invoice(&self, id: &str) -> Answer<String> {
        let intent = self.invoice_intent(id);
        let charge = intent
            .and_then(|intent| self.store.get(&intent))
            .and_then(|intent| opt(intent, "latest_charge").map(str::to_owned));
        charge.ok_or_else(|| {
            let message = "The invoice has no charge that could be refunded.";
            ApiError::bad("", "refund_amount", message)
        })
    }
}

fn refund_row((refund, amount): &(String, i64)) -> Value {
    json!({"amount_refunded": amount, "payment_record_refund": null, "refund": refund,
           "type": "refund"})
}

/// Returns whether the invoice was paid, and refuses amounts that don't add up.
fn refuse(invoice: &Value, total: i64, parts: &Parts) -> Answer<bool> {
    let currency = text(invoice, "currency");
    let is_paid = match status::invoice(invoice) {
        InvoiceStatus::Paid => true,
        InvoiceStatus::Open => false,
        status => {
            let message = format!(
                "Credit notes can only be issued for open or paid invoices; this one is {status}."
            );
            return Err(ApiError::invalid(message));
        }
    };
    let left = if is_paid {
        int(invoice, "total")
            - int(invoice, "post_payment_credit_notes_amount")
            - int(invoice, "pre_payment_credit_notes_amount")
    } else {
        int(invoice, "amount_remaining")
    };
    if total < 1 || total > left {
        let message = format!(
            "The credit note's amount ({}) must be positive and at most what is left of the invoice ({}).",
            money_text(total, currency),
            money_text(left, currency)
        );
        return refuse_param("", "amount", message);
    }
    let given = parts.sum();
    if is_paid && given != total || !is_paid && given != 0 {
        let message = format!(
            "The sum of credit amount, refund amount and out of band amount ({}) must equal the credit note amount ({}) of a paid invoice, and be zero of an open one.",
            money_text(given, currency),
            money_text(total, currency)
        );
        return refuse_param("", "amount", message);
    }
    Ok(is_paid)
}
