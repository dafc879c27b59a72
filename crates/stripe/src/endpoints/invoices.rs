//! Invoices and their payments.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{CreditNote, Invoice, InvoicePayment, List};

impl Client {
    /// An invoice, with its payments.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_invoice(&self, id: &str) -> Result<Invoice> {
        self.get(
            path_of("/v1/invoices", id, "")?,
            Form::new().expand("payments"),
        )
        .await
    }

    /// Invoices with their payments, newest first. Filter: `customer`, `subscription`, `status`,
    /// `created[gte]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_invoices(&self, filter: &Form, items_max: usize) -> Result<List<Invoice>> {
        self.list(
            "/v1/invoices",
            filter.clone().expand("data.payments"),
            items_max,
        )
        .await
    }

    /// What a change of a subscription would cost. Nothing is done, so there is no key.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn preview_invoice(&self, params: &Form) -> Result<Invoice> {
        self.post_again_and_again("/v1/invoices/create_preview".to_owned(), params.clone())
            .await
    }

    /// Pays an open invoice now. A declined card is [`Error::Card`](crate::Error::Card).
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn pay_invoice(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<Invoice> {
        self.post(
            path_of("/v1/invoices", id, "/pay")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Takes an open invoice back: nobody can pay it any more.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn void_invoice(&self, id: &str, idempotency_key: &str) -> Result<Invoice> {
        self.post(
            path_of("/v1/invoices", id, "/void")?,
            Form::new(),
            idempotency_key,
        )
        .await
    }

    /// The invoices that a payment pays: since basil the only way from a payment to its invoice.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_invoice_payments_of(
        &self,
        payment_intent: &str,
        items_max: usize,
    ) -> Result<List<InvoicePayment>> {
        let filter = Form::new()
            .push("payment[type]", "payment_intent")
            .push("payment[payment_intent]", payment_intent);
        self.list("/v1/invoice_payments", filter, items_max).await
    }

    /// A credit note.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_credit_note(&self, id: &str) -> Result<CreditNote> {
        self.get(path_of("/v1/credit_notes", id, "")?, Form::new())
            .await
    }

    /// Credit notes, newest first. Filter: `customer`, `invoice`, `created[gte]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_credit_notes(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<CreditNote>> {
        self.list("/v1/credit_notes", filter.clone(), items_max)
            .await
    }

    /// Corrects an invoice. With `refund_amount` it also makes the refund.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_credit_note(
        &self,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<CreditNote> {
        self.post(
            "/v1/credit_notes".to_owned(),
            params.clone(),
            idempotency_key,
        )
        .await
    }
}
