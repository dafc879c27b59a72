//! Building invoices: their fields, lines and totals.

use serde_json::{Value, json};
use stripe::objects::BillingReason;

use super::Core;
use super::amounts::fraction;
use super::errors::{Answer, refuse_param};
use super::lines::Draft;
use super::lists::inner;
use super::redemption::Purchase;
use super::status;
use super::taxes::{net_of, sum_of};
use super::time::HOUR;
use super::value::{flag, get, has, int, list, merge, opt, owned, text};

/// The input for creating an invoice.
pub(super) struct NewInvoice<'a> {
    pub(super) customer: &'a str,
    pub(super) subscription: Option<&'a str>,
    pub(super) reason: BillingReason,
    pub(super) currency: &'a str,
    pub(super) lines: Vec<Draft>,
    pub(super) period: (i64, i64),
    /// Whether it is finalized automatically an hour later.
    pub(super) advances: bool,
}

impl<'a> NewInvoice<'a> {
    /// The input for an invoice of a subscription whose period is the current moment.
    pub(super) fn of(
        subscription: &'a Value,
        reason: BillingReason,
        lines: Vec<Draft>,
        now: i64,
    ) -> NewInvoice<'a> {
        NewInvoice {
            customer: text(subscription, "customer"),
            subscription: Some(text(subscription, "id")),
            reason,
            currency: text(subscription, "currency"),
            lines,
            period: (now, now),
            advances: false,
        }
    }
}

impl Core {
    /// Builds a draft invoice without storing it.
    pub(super) fn build_invoice(&mut self, new: &NewInvoice<'_>) -> Value {
        let id = self.rng.id("in");
        let customer = self.row(new.customer).clone();
        let lines: Vec<Value> = new
            .lines
            .iter()
            .map(|one| one.line(&mut self.rng, &id))
            .collect();
        let made: Vec<(String, &Draft)> = lines
            .iter()
            .zip(&new.lines)
            .map(|(line, draft)| (owned(line, "id"), draft))
            .collect();
        self.remember_tax(&id, &made);
        let url = format!("/v1/invoices/{id}/lines");
        let advances = new.advances;
        let mut invoice = json!({
            "id": id, "object": "invoice", "account_country": "US", "account_name": "Local twin",
            "account_tax_ids": null, "amount_due": 0, "amount_overpaid": 0, "amount_paid": 0,
            "amount_remaining": 0, "amount_shipping": 0, "application": null, "attempt_count": 0,
            "attempted": false, "auto_advance": advances,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null,
                              "provider": null, "status": null},
            "automatically_finalizes_at": if advances { json!(self.now + HOUR + 1) } else { Value::Null },
            "billing_reason": new.reason.as_str(), "collection_method": "charge_automatically",
            "created": self.now, "currency": new.currency, "custom_fields": null,
            "customer": new.customer, "customer_account": null,
            "customer_address": customer["address"], "customer_email": customer["email"],
            "customer_name": customer["name"], "customer_phone": customer["phone"],
            "customer_shipping": customer["shipping"], "customer_tax_exempt": "none",
            "customer_tax_ids": [], "default_payment_method": null, "default_source": null,
            "default_tax_rates": [], "description": null, "discounts": [], "due_date": null,
            "effective_at": null, "ending_balance": null, "footer": null, "from_invoice": null,
        });
        let rest = json!({
            "hosted_invoice_url": null, "invoice_pdf": null, "issuer": {"type": "self"},
            "last_finalization_error": null, "latest_revision": null,
            "lines": {"object": "list", "data": lines, "has_more": false, "url": url},
            "livemode": false, "metadata": {},
            "next_payment_attempt": if advances { json!(self.now + HOUR) } else { Value::Null },
            "number": null, "on_behalf_of": null, "parent": self.invoice_parent(new.subscription),
            "payment_settings": {"default_mandate": null, "payment_method_options": null,
                                 "payment_method_types": null},
            "period_end": new.period.1, "period_start": new.period.0,
            "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0,
            "receipt_number": null, "rendering": rendering_of(&customer), "shipping_cost": null,
            "shipping_details": null, "starting_balance": 0, "statement_descriptor": null,
            "status": "draft",
            "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null,
                                   "paid_at": null, "voided_at": null},
            "subtotal": 0, "subtotal_excluding_tax": 0, "test_clock": null, "total": 0,
            "total_discount_amounts": [], "total_excluding_tax": 0,
            "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": self.now,
        });
        merge(&mut invoice, rest);
        if let Some(subscription) = new.subscription.map(|id| self.row(id)) {
            invoice["default_tax_rates"] = list(subscription, "default_tax_rates").into();
            invoice["automatic_tax"]["enabled"] =
                flag(subscription, "automatic_tax.enabled").into();
            invoice["automatic_tax"]["liability"] =
                get(subscription, "automatic_tax.liability").clone();
        }
        // A preview is of a moment that is still to come.
        let at = new.period.1.max(self.now);
        invoice["discounts"] = self
            .inherited_discounts(new.subscription, &customer, at)
            .into();
        self.update_totals(&mut invoice);
        invoice
    }

    /// Gives a new draft the discounts and taxes in its parameters.
    pub(super) fn set_invoice_terms(&mut self, id: &str, sent: &Value) -> Answer<()> {
        let mut row = self.row(id).clone();
        self.change_invoice_terms(&mut row, sent)?;
        self.store.put(id, row);
        Ok(())
    }

    /// Changes the discounts and taxes of a draft to those in the parameters.
    pub(super) fn change_invoice_terms(&mut self, row: &mut Value, sent: &Value) -> Answer<()> {
        const TERMS: [&str; 3] = ["automatic_tax", "default_tax_rates", "discounts"];
        let Some(name) = TERMS.into_iter().find(|name| has(sent, name)) else {
            return Ok(());
        };
        if !status::is_draft(row) {
            let message = format!("Finalized invoices can't be updated in this way: {name}");
            return refuse_param("invoice_not_editable", name, message);
        }
        let customer = owned(row, "customer");
        let members = self.tax_members(sent, &customer, row)?;
        merge(row, members);
        if has(sent, "discounts") {
            let lines = inner(row, "lines").iter().map(|line| {
                let product = owned(line, "pricing.price_details.product");
                (product, int(line, "amount"))
            });
            let lines: Vec<(String, i64)> = lines.collect();
            let holders = [
                text(row, "id"),
                text(row, "parent.subscription_details.subscription"),
            ];
            let purchase = Purchase {
                customer,
                currency: Some(owned(row, "currency")),
                lines: (!lines.is_empty()).then_some(lines),
            };
            let discounts = self.discounts_for(sent, "discounts", &purchase, &holders)?;
            for discount in &discounts {
                self.own_discount(discount, &[("invoice", text(row, "id"))]);
            }
            row["discounts"] = discounts.into();
        }
        self.update_totals(row);
        Ok(())
    }

    fn invoice_parent(&self, subscription: Option<&str>) -> Value {
        let Some(row) = subscription.and_then(|id| self.store.get(id)) else {
            return Value::Null;
        };
        json!({"quote_details": null, "subscription_details": {"metadata": row["metadata"],
               "subscription": row["id"]}, "type": "subscription_details"})
    }

    /// Updates a draft: what it copies from its customer, its discounts, taxes and totals.
    pub(super) fn update_totals(&self, invoice: &mut Value) {
        self.copy_customer(invoice);
        self.discount_lines(invoice);
        self.tax_lines(invoice);
        let mut sums = Sums::default();
        for line in inner(invoice, "lines") {
            sums.add(line);
        }
        let off: i64 = list(invoice, "total_discount_amounts")
            .iter()
            .map(|one| int(one, "amount"))
            .sum();
        let taxes = list(invoice, "total_taxes");
        let on_top = sum_of(taxes, "exclusive");
        let total = sums.gross - off + on_top;
        let balance = self.balance_in(text(invoice, "customer"), text(invoice, "currency"));
        let due = (total + balance).max(0);
        invoice["total_excluding_tax"] = (total - on_top - sum_of(taxes, "inclusive")).into();
        invoice["subtotal"] = sums.subtotal.into();
        invoice["subtotal_excluding_tax"] = (sums.subtotal - sums.tax_inside).into();
        invoice["total"] = total.into();
        invoice["starting_balance"] = balance.into();
        invoice["amount_due"] = due.into();
        invoice["amount_remaining"] = due.into();
    }

    /// Copies what a draft shows of its customer.
    pub(super) fn copy_customer(&self, invoice: &mut Value) {
        let customer = self.row(text(invoice, "customer"));
        if !status::is_draft(invoice) || customer["deleted"] == true {
            return;
        }
        for name in [
            "address",
            "email",
            "name",
            "phone",
            "shipping",
            "tax_exempt",
        ] {
            invoice[format!("customer_{name}")] = customer[name].clone();
        }
        invoice["customer_tax_ids"] = self.tax_ids_of(text(customer, "id")).into();
    }
}

/// How an invoice shows tax.
pub(super) fn rendering(display: &str) -> Value {
    json!({"amount_tax_display": display, "pdf": {"page_size": "auto"}, "template": null,
           "template_version": null})
}

/// How the invoices of a customer show tax, or null.
fn rendering_of(customer: &Value) -> Value {
    let path = "invoice_settings.rendering_options.amount_tax_display";
    opt(customer, path).map_or(Value::Null, rendering)
}

/// The sums of lines before the discounts of the whole invoice.
#[derive(Default)]
struct Sums {
    gross: i64,
    /// After the discounts of the lines themselves.
    subtotal: i64,
    /// The tax that the subtotal contains.
    tax_inside: i64,
}

impl Sums {
    fn add(&mut self, line: &Value) {
        let amount = int(line, "amount");
        let is_own = |one: &&Value| {
            !flag(line, "discountable") || list(line, "discounts").contains(&one["discount"])
        };
        let own = list(line, "discount_amounts").iter().filter(is_own);
        let subtotal = amount - own.map(|one| int(one, "amount")).sum::<i64>();
        self.gross += amount;
        self.subtotal += subtotal;
        let inside = sum_of(list(line, "taxes"), "inclusive");
        let net = net_of(line);
        if net != 0 {
            // The tax inside the subtotal, before the discounts of the whole invoice.
            self.tax_inside += fraction(inside, subtotal.abs(), net.abs());
        }
    }
}
