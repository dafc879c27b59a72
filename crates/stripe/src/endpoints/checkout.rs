//! Checkout sessions.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{CheckoutLineItem, CheckoutSession, List};

impl Client {
    /// Opens a Checkout session; send the browser to its `url`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_checkout_session(
        &self,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<CheckoutSession> {
        self.post(
            "/v1/checkout/sessions".to_owned(),
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// A session, with what is bought.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_checkout_session(&self, id: &str) -> Result<CheckoutSession> {
        self.get(
            path_of("/v1/checkout/sessions", id, "")?,
            Form::new().expand("line_items"),
        )
        .await
    }

    /// Sessions, newest first. Filter: `customer`, `created[gte]`, `status`, `payment_intent`,
    /// `subscription`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_checkout_sessions(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<CheckoutSession>> {
        self.list("/v1/checkout/sessions", filter.clone(), items_max)
            .await
    }

    /// Ends an open session: nobody can pay in it any more.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn expire_checkout_session(
        &self,
        id: &str,
        idempotency_key: &str,
    ) -> Result<CheckoutSession> {
        self.post(
            path_of("/v1/checkout/sessions", id, "/expire")?,
            Form::new(),
            idempotency_key,
        )
        .await
    }

    /// What is bought in a session.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_checkout_line_items(
        &self,
        id: &str,
        items_max: usize,
    ) -> Result<List<CheckoutLineItem>> {
        self.list(
            &path_of("/v1/checkout/sessions", id, "/line_items")?,
            Form::new(),
            items_max,
        )
        .await
    }
}
