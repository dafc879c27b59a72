//! Payment intents, charges, refunds, disputes and payment methods.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{Charge, Dispute, List, PaymentIntent, PaymentMethod, Refund};

impl Client {
    /// Reads a payment intent with its latest charge.
    pub async fn retrieve_payment_intent(&self, id: &str) -> Result<PaymentIntent> {
        self.get(
            &path_of("/v1/payment_intents", id, "")?,
            &Form::new().expand("latest_charge"),
        )
        .await
    }

    /// Creates a payment intent and, with `confirm`, attempts the payment immediately. A declined
    /// card is [`Error::Card`](crate::Error::Card), which names the payment intent.
    pub async fn create_payment_intent(&self, form: &Form, key: &str) -> Result<PaymentIntent> {
        self.post("/v1/payment_intents", form, key).await
    }

    /// Lists payment intents with their latest charges, newest first. Filters: `customer`,
    /// `created[gte]`.
    pub async fn list_payment_intents(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<PaymentIntent>> {
        self.list(
            "/v1/payment_intents",
            &filter.clone().expand("data.latest_charge"),
            items_max,
        )
        .await
    }

    /// Reads a charge with its refunds.
    pub async fn retrieve_charge(&self, id: &str) -> Result<Charge> {
        self.get(
            &path_of("/v1/charges", id, "")?,
            &Form::new().expand("refunds"),
        )
        .await
    }

    /// Lists charges with their refunds, newest first. Filters: `customer`, `payment_intent`,
    /// `created[gte]`.
    pub async fn list_charges(&self, filter: &Form, items_max: usize) -> Result<List<Charge>> {
        self.list(
            "/v1/charges",
            &filter.clone().expand("data.refunds"),
            items_max,
        )
        .await
    }

    /// Creates a refund of a `charge` or `payment_intent`. Without `amount`, it refunds everything
    /// that is left.
    pub async fn create_refund(&self, params: &Form, key: &str) -> Result<Refund> {
        self.post("/v1/refunds", params, key).await
    }

    /// Reads a refund, or fails with `NotFound`.
    pub async fn retrieve_refund(&self, id: &str) -> Result<Refund> {
        self.get(&path_of("/v1/refunds", id, "")?, &Form::new())
            .await
    }

    /// Lists refunds, newest first. Filters: `charge`, `payment_intent`, `created[gte]`. Stripe
    /// cannot filter by customer.
    pub async fn list_refunds(&self, filter: &Form, items_max: usize) -> Result<List<Refund>> {
        self.list("/v1/refunds", filter, items_max).await
    }

    /// Reads a dispute, or fails with `NotFound`.
    pub async fn retrieve_dispute(&self, id: &str) -> Result<Dispute> {
        self.get(&path_of("/v1/disputes", id, "")?, &Form::new())
            .await
    }

    /// Lists disputes, newest first. Filters: `charge`, `payment_intent`, `created[gte]`. Stripe
    /// cannot filter by customer.
    pub async fn list_disputes(&self, filter: &Form, items_max: usize) -> Result<List<Dispute>> {
        self.list("/v1/disputes", filter, items_max).await
    }

    /// Reads a payment method.
    pub async fn retrieve_payment_method(&self, id: &str) -> Result<PaymentMethod> {
        self.get(&path_of("/v1/payment_methods", id, "")?, &Form::new())
            .await
    }

    /// Lists the payment methods of a customer, newest first. Filters: `customer` (required),
    /// `type`.
    pub async fn list_payment_methods(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<PaymentMethod>> {
        self.list("/v1/payment_methods", filter, items_max).await
    }
}
