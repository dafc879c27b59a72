//! The billing portal.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{List, PortalConfiguration, PortalSession};

impl Client {
    /// Creates a portal session for a customer. It is short-lived, so there is no idempotency key
    /// to replay it.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`](crate::Error), which says whether the call may have been executed.
    pub async fn create_portal_session(&self, params: &Form) -> Result<PortalSession> {
        self.post_without_key("/v1/billing_portal/sessions".to_owned(), params.clone())
            .await
    }

    /// Creates a portal configuration.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`](crate::Error), which says whether the call may have been executed.
    pub async fn create_portal_configuration(
        &self,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<PortalConfiguration> {
        self.post(
            "/v1/billing_portal/configurations".to_owned(),
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Updates a portal configuration.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`](crate::Error), which says whether the call may have been executed.
    pub async fn update_portal_configuration(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<PortalConfiguration> {
        self.post(
            path_of("/v1/billing_portal/configurations", id, "")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Lists portal configurations, newest first. Filters: `active`, `is_default`.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`](crate::Error), which says whether the call may have been executed.
    pub async fn list_portal_configurations(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<PortalConfiguration>> {
        self.list(
            "/v1/billing_portal/configurations",
            filter.clone(),
            items_max,
        )
        .await
    }
}
