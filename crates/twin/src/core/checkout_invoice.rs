//! The invoice of a Checkout session in payment mode, which is created once the payment has
//! succeeded. <https://docs.stripe.com/payments/checkout/receipts#paid-invoices>

use serde_json::{Value, json};
use stripe::objects::{BillingReason, CheckoutMode};

use super::Core;
use super::customers::{check_custom_fields, rendering_options};
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::{NewInvoice, rendering};
use super::lines::Draft;
use super::params::metadata;
use super::value::{flag, get, has, int, opt, or_null, owned, text};

/// The `invoice_creation` of a session, which only payment mode has.
pub(super) fn invoice_creation(sent: &Value, mode: &CheckoutMode) -> Answer {
    let creation = get(sent, "invoice_creation");
    let is_enabled = flag(creation, "enabled");
    if *mode != CheckoutMode::Payment {
        if is_enabled {
            let message = "You can only enable invoice creation when `mode` is set to `payment`. Invoices are created automatically when `mode` is set to `subscription`, and are not supported when `mode` is set to `setup`. To learn more visit https://stripe.com/docs/payments/checkout/post-payment-invoices.";
            return Err(ApiError::invalid(message));
        }
        return Ok(Value::Null);
    }
    let is_manual = get(sent, "payment_intent_data.capture_method") == "manual";
    if is_enabled && is_manual {
        let message = "An invoice for a payment with `payment_intent_data[capture_method]=manual` is not served by this twin.";
        return refuse_param("", "invoice_creation[enabled]", message);
    }
    let data = get(creation, "invoice_data");
    check_custom_fields(sent, "invoice_creation.invoice_data.custom_fields")?;
    Ok(json!({"enabled": is_enabled, "invoice_data": {
        "account_tax_ids": null, "custom_fields": or_null(data, "custom_fields"),
        "description": or_null(data, "description"), "footer": or_null(data, "footer"),
        "issuer": null, "metadata": metadata(&Value::Null, get(data, "metadata"))?,
        "rendering_options": rendering_options(data)}}))
}

impl Core {
    /// Whether a session gets an invoice when it is paid. Such a session needs a customer.
    pub(super) fn wants_invoice(&self, session: &str) -> bool {
        flag(self.row(session), "invoice_creation.enabled")
    }

    /// Creates the invoice of a paid session, if it wants one, and marks it as paid by the payment
    /// intent. A free session has no intent. The balance of the customer is left alone.
    pub(super) fn invoice_session(&mut self, session: &str, intent: Option<&str>) {
        let row = self.row(session).clone();
        if !self.wants_invoice(session) || has(&row, "invoice") {
            return;
        }
        let Some(customer) = self.customer_of_session(session) else {
            return;
        };
        let drafts = self.session_drafts(session);
        let lines = self.store_items(&customer, drafts);
        let currency = owned(&row, "currency");
        let new = NewInvoice {
            customer: &customer,
            subscription: None,
            reason: BillingReason::Manual,
            currency: &currency,
            lines,
            period: (self.now, self.now),
            advances: false,
        };
        let mut invoice = self.build_invoice(&new);
        let data = get(&row, "invoice_creation.invoice_data");
        for name in ["custom_fields", "description", "footer", "metadata"] {
            invoice[name] = get(data, name).clone();
        }
        if let Some(display) = opt(data, "rendering_options.amount_tax_display") {
            invoice["rendering"] = rendering(display);
        }
        invoice["automatic_tax"]["enabled"] = flag(&row, "automatic_tax.enabled").into();
        invoice["discounts"] = self.note(session, "redeemed");
        self.update_totals(&mut invoice);
        let id = self.keep_invoice(invoice, &new);
        self.emit("invoice.created", &id);
        self.set_note(&id, "prepaid", true);
        self.finalize_invoice(&id);
        let amount = int(self.row(&id), "amount_due");
        if let Some(intent) = intent.filter(|_| amount > 0) {
            self.link_intent(&id, intent, amount);
            self.invoice_paid(&id, amount);
        }
        self.modify(session, |row| row["invoice"] = id.into());
    }

    /// The line items of a session as invoice lines.
    fn session_drafts(&self, session: &str) -> Vec<Draft> {
        let items = self.note(session, "items");
        let items = items.as_array().into_iter().flatten();
        let drafts = items.map(|item| {
            let price = self.row(text(item, "price.id"));
            let rates = self.note(text(item, "id"), "tax_rates");
            Draft {
                amount: int(item, "amount_subtotal"),
                tax_rates: rates.as_array().cloned().unwrap_or_default(),
                ..self.one_time_line(price, int(item, "quantity"))
            }
        });
        drafts.collect()
    }
}
