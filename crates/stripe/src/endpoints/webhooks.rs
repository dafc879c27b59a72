//! Webhook endpoints, and events that can be read again.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{Event, List, WebhookEndpoint};

impl Client {
    /// Creates a webhook endpoint from `url`, `enabled_events[]` and `api_version`. Only this
    /// answer contains its secret.
    pub async fn create_webhook_endpoint(
        &self,
        params: &Form,
        key: &str,
    ) -> Result<WebhookEndpoint> {
        self.post("/v1/webhook_endpoints", params, key).await
    }

    /// Updates an endpoint. Its API version cannot change.
    pub async fn update_webhook_endpoint(
        &self,
        id: &str,
        params: &Form,
        key: &str,
    ) -> Result<WebhookEndpoint> {
        self.post(&path_of("/v1/webhook_endpoints", id, "")?, params, key)
            .await
    }

    /// Lists endpoints, newest first.
    pub async fn list_webhook_endpoints(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<WebhookEndpoint>> {
        self.list("/v1/webhook_endpoints", filter, items_max).await
    }

    /// Reads an event of the last 30 days.
    pub async fn retrieve_event(&self, id: &str) -> Result<Event> {
        self.get(&path_of("/v1/events", id, "")?, &Form::new())
            .await
    }

    /// Lists events of the last 30 days, newest first. Filters: `types[]` (at most twenty),
    /// `created[gte]`.
    pub async fn list_events(&self, filter: &Form, items_max: usize) -> Result<List<Event>> {
        self.list("/v1/events", filter, items_max).await
    }

    /// Lists events that are newer than the event `id`, oldest first. If Stripe no longer has that
    /// event, the call is `Refused` with `resource_missing`; list by `created[gte]` then.
    pub async fn list_events_after(
        &self,
        id: &str,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<Event>> {
        self.list_newer_than("/v1/events", filter, id, items_max)
            .await
    }
}
