//! Payments, and what becomes of them.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{Charge, Dispute, List, PaymentIntent, PaymentMethod, Refund};

impl Client {
    /// A payment, with its latest try.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_payment_intent(&self, id: &str) -> Result<PaymentIntent> {
        self.get(
            path_of("/v1/payment_intents", id, "")?,
            Form::new().expand("latest_charge"),
        )
        .await
    }

    /// Asks for a payment, and with `confirm` makes it at once. A card that is declined is
    /// [`Error::Card`](crate::Error::Card), which names the payment.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_payment_intent(
        &self,
        form: &Form,
        idempotency_key: &str,
    ) -> Result<PaymentIntent> {
        self.post(
            "/v1/payment_intents".to_owned(),
            form.clone(),
            idempotency_key,
        )
        .await
    }

    /// Payments with their latest tries, newest first. Filter: `customer`, `created[gte]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_payment_intents(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<PaymentIntent>> {
        self.list(
            "/v1/payment_intents",
            filter.clone().expand("data.latest_charge"),
            items_max,
        )
        .await
    }

    /// A charge, with its refunds.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_charge(&self, id: &str) -> Result<Charge> {
        self.get(
            path_of("/v1/charges", id, "")?,
            Form::new().expand("refunds"),
        )
        .await
    }

    /// Charges with their refunds, newest first. Filter: `customer`, `payment_intent`,
    /// `created[gte]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_charges(&self, filter: &Form, items_max: usize) -> Result<List<Charge>> {
        self.list(
            "/v1/charges",
            filter.clone().expand("data.refunds"),
            items_max,
        )
        .await
    }

    /// Gives money back: `charge` or `payment_intent`, and `amount` unless all that is left.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_refund(&self, params: &Form, idempotency_key: &str) -> Result<Refund> {
        self.post("/v1/refunds".to_owned(), params.clone(), idempotency_key)
            .await
    }

    /// A refund.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_refund(&self, id: &str) -> Result<Refund> {
        self.get(path_of("/v1/refunds", id, "")?, Form::new()).await
    }

    /// Refunds, newest first. Filter: `charge`, `payment_intent`, `created[gte]`; not by customer.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_refunds(&self, filter: &Form, items_max: usize) -> Result<List<Refund>> {
        self.list("/v1/refunds", filter.clone(), items_max).await
    }

    /// A dispute.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_dispute(&self, id: &str) -> Result<Dispute> {
        self.get(path_of("/v1/disputes", id, "")?, Form::new())
            .await
    }

    /// Disputes, newest first. Filter: `charge`, `payment_intent`, `created[gte]`; not by customer.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_disputes(&self, filter: &Form, items_max: usize) -> Result<List<Dispute>> {
        self.list("/v1/disputes", filter.clone(), items_max).await
    }

    /// A payment method.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_payment_method(&self, id: &str) -> Result<PaymentMethod> {
        self.get(path_of("/v1/payment_methods", id, "")?, Form::new())
            .await
    }

    /// A customer's payment methods, newest first. Filter: `customer` (required), `type`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_payment_methods(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<PaymentMethod>> {
        self.list("/v1/payment_methods", filter.clone(), items_max)
            .await
    }
}
