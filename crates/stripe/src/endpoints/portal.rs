//! The calls about the billing portal.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{List, PortalConfiguration, PortalSession};

impl Client {
    /// Creates a portal session for a customer. It is short-lived, so there is no idempotency key
    /// to replay it.
    pub async fn create_portal_session(&self, params: &Form) -> Result<PortalSession> {
        self.post_without_key("/v1/billing_portal/sessions", params)
            .await
    }

    /// Creates a portal configuration.
    pub async fn create_portal_configuration(
        &self,
        params: &Form,
        key: &str,
    ) -> Result<PortalConfiguration> {
        self.post("/v1/billing_portal/configurations", params, key)
            .await
    }

    /// Updates a portal configuration.
    pub async fn update_portal_configuration(
        &self,
        id: &str,
        params: &Form,
        key: &str,
    ) -> Result<PortalConfiguration> {
        self.post(
            &path_of("/v1/billing_portal/configurations", id, "")?,
            params,
            key,
        )
        .await
    }

    /// Lists portal configurations, newest first. Filters: `active`, `is_default`.
    pub async fn list_portal_configurations(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<PortalConfiguration>> {
        self.list("/v1/billing_portal/configurations", filter, items_max)
            .await
    }
}
