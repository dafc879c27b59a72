//! The calls about Checkout sessions.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{CheckoutLineItem, CheckoutSession, List};

impl Client {
    /// Creates a Checkout session. Redirect the browser to its `url`.
    pub async fn create_checkout_session(
        &self,
        params: &Form,
        key: &str,
    ) -> Result<CheckoutSession> {
        self.post("/v1/checkout/sessions", params, key).await
    }

    /// Reads a session with its line items.
    pub async fn retrieve_checkout_session(&self, id: &str) -> Result<CheckoutSession> {
        self.get(
            &path_of("/v1/checkout/sessions", id, "")?,
            &Form::new().expand("line_items"),
        )
        .await
    }

    /// Lists sessions, newest first. Filters: `customer`, `created[gte]`, `status`,
    /// `payment_intent`, `subscription`.
    pub async fn list_checkout_sessions(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<CheckoutSession>> {
        self.list("/v1/checkout/sessions", filter, items_max).await
    }

    /// Expires an open session, so that it can no longer be paid.
    pub async fn expire_checkout_session(&self, id: &str, key: &str) -> Result<CheckoutSession> {
        self.post(
            &path_of("/v1/checkout/sessions", id, "/expire")?,
            &Form::new(),
            key,
        )
        .await
    }

    /// Lists the line items of a session.
    pub async fn list_checkout_line_items(
        &self,
        id: &str,
        items_max: usize,
    ) -> Result<List<CheckoutLineItem>> {
        self.list(
            &path_of("/v1/checkout/sessions", id, "/line_items")?,
            &Form::new(),
            items_max,
        )
        .await
    }
}
