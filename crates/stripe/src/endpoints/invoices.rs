//! Invoices and their payments.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{CreditNote, Invoice, InvoicePayment, List};

impl Client {
    /// Reads an invoice with its payments.
    pub async fn retrieve_invoice(&self, id: &str) -> Result<Invoice> {
        self.get(
            &path_of("/v1/invoices", id, "")?,
            &Form::new().expand("payments"),
        )
        .await
    }

    /// Lists invoices with their payments, newest first. Filters: `customer`, `subscription`,
    /// `status`, `created[gte]`.
    pub async fn list_invoices(&self, filter: &Form, items_max: usize) -> Result<List<Invoice>> {
        self.list(
            "/v1/invoices",
            &filter.clone().expand("data.payments"),
            items_max,
        )
        .await
    }

    /// Previews what a change to a subscription would cost. It changes nothing, so it needs no
    /// idempotency key.
    pub async fn preview_invoice(&self, params: &Form) -> Result<Invoice> {
        self.post_without_key("/v1/invoices/create_preview", params)
            .await
    }

    /// Pays an open invoice now. A declined card is [`Error::Card`](crate::Error::Card).
    pub async fn pay_invoice(&self, id: &str, params: &Form, key: &str) -> Result<Invoice> {
        self.post(&path_of("/v1/invoices", id, "/pay")?, params, key)
            .await
    }

    /// Voids an open invoice, so that it can no longer be paid.
    pub async fn void_invoice(&self, id: &str, key: &str) -> Result<Invoice> {
        self.post(&path_of("/v1/invoices", id, "/void")?, &Form::new(), key)
            .await
    }

    /// Keeps a draft from being finalized and collected.
    pub async fn keep_draft(&self, id: &str, key: &str) -> Result<Invoice> {
        let form = Form::new().push("auto_advance", false);
        self.post(&path_of("/v1/invoices", id, "")?, &form, key)
            .await
    }

    /// Lists the invoices that a payment intent pays. Since basil, this is the only way from a
    /// payment to its invoice.
    pub async fn list_invoice_payments_of(
        &self,
        payment_intent: &str,
        items_max: usize,
    ) -> Result<List<InvoicePayment>> {
        let filter = Form::new()
            .push("payment[type]", "payment_intent")
            .push("payment[payment_intent]", payment_intent);
        self.list("/v1/invoice_payments", &filter, items_max).await
    }

    /// Reads a credit note.
    pub async fn retrieve_credit_note(&self, id: &str) -> Result<CreditNote> {
        self.get(&path_of("/v1/credit_notes", id, "")?, &Form::new())
            .await
    }

    /// Lists credit notes, newest first. Filters: `customer`, `invoice`, `created[gte]`.
    pub async fn list_credit_notes(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<CreditNote>> {
        self.list("/v1/credit_notes", filter, items_max).await
    }

    /// Creates a credit note for an invoice. With `refund_amount`, it also creates the refund.
    pub async fn create_credit_note(&self, params: &Form, key: &str) -> Result<CreditNote> {
        self.post("/v1/credit_notes", params, key).await
    }
}
