//! Webhook endpoints, and events for those that were lost.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{Event, List, WebhookEndpoint};

impl Client {
    /// Registers an endpoint: `url`, `enabled_events[]`, `api_version`. Only this answer carries the
    /// secret.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_webhook_endpoint(
        &self,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<WebhookEndpoint> {
        self.post(
            "/v1/webhook_endpoints".to_owned(),
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Changes an endpoint; never its version.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn update_webhook_endpoint(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<WebhookEndpoint> {
        self.post(
            path_of("/v1/webhook_endpoints", id, "")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Endpoints, newest first.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_webhook_endpoints(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<WebhookEndpoint>> {
        self.list("/v1/webhook_endpoints", filter.clone(), items_max)
            .await
    }

    /// An event of the last 30 days.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_event(&self, id: &str) -> Result<Event> {
        self.get(path_of("/v1/events", id, "")?, Form::new()).await
    }

    /// Events of the last 30 days, newest first. Filter: `types[]` (at most twenty), `created[gte]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_events(&self, filter: &Form, items_max: usize) -> Result<List<Event>> {
        self.list("/v1/events", filter.clone(), items_max).await
    }

    /// Events that are newer than the event `id`, oldest first. When Stripe has forgotten that event
    /// this is `Refused` with `resource_missing`; list by `created[gte]` then.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_events_after(
        &self,
        id: &str,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<Event>> {
        self.list_newer_than("/v1/events", filter.clone(), id, items_max)
            .await
    }
}
