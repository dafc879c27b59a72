//! Subscriptions and what they will become.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{List, Subscription, SubscriptionSchedule};

impl Client {
    /// A subscription, ended ones too, with its schedule.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_subscription(&self, id: &str) -> Result<Subscription> {
        self.get(
            path_of("/v1/subscriptions", id, "")?,
            Form::new().expand("schedule"),
        )
        .await
    }

    /// Subscriptions with their schedules, newest first. Ended ones too unless `status` says
    /// otherwise. Filter: `customer`, `price`, `created[gte]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_subscriptions(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<Subscription>> {
        let mut filter = filter.clone().expand("data.schedule");
        if filter.get("status").is_none() {
            filter = filter.push("status", "all");
        }
        self.list("/v1/subscriptions", filter, items_max).await
    }

    /// Changes a subscription. Of a change that needs a payment, `pending_update` on the answer
    /// tells that it waits for it.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn update_subscription(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<Subscription> {
        self.post(
            path_of("/v1/subscriptions", id, "")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Ends a subscription at once. (To end it with its period, update `cancel_at_period_end`.)
    ///
    /// Stripe takes no idempotency key here: a call that is sent again after it was done is
    /// `NotFound` or `Refused`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn cancel_subscription(&self, id: &str, params: &Form) -> Result<Subscription> {
        self.delete(path_of("/v1/subscriptions", id, "")?, params.clone())
            .await
    }

    /// Makes a schedule: `from_subscription` alone, then update it with phases.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_subscription_schedule(
        &self,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<SubscriptionSchedule> {
        self.post(
            "/v1/subscription_schedules".to_owned(),
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// A schedule.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_subscription_schedule(&self, id: &str) -> Result<SubscriptionSchedule> {
        self.get(path_of("/v1/subscription_schedules", id, "")?, Form::new())
            .await
    }

    /// Changes a schedule. Phases that began must be given as they are.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn update_subscription_schedule(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<SubscriptionSchedule> {
        self.post(
            path_of("/v1/subscription_schedules", id, "")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Lets the subscription go as it is: nothing that was to come will.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn release_subscription_schedule(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<SubscriptionSchedule> {
        self.post(
            path_of("/v1/subscription_schedules", id, "/release")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Schedules, newest first. Filter: `customer`, `created[gte]`, `scheduled`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_subscription_schedules(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<SubscriptionSchedule>> {
        self.list("/v1/subscription_schedules", filter.clone(), items_max)
            .await
    }
}
