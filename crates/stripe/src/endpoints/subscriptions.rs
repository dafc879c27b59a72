//! Subscriptions and their schedules.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{List, Subscription, SubscriptionSchedule};

impl Client {
    /// Reads a subscription with its schedule and discounts, even if it has ended.
    pub async fn retrieve_subscription(&self, id: &str) -> Result<Subscription> {
        self.get(
            &path_of("/v1/subscriptions", id, "")?,
            &Form::new()
                .expand("schedule")
                .expand("discounts")
                .expand("items.data.discounts"),
        )
        .await
    }

    /// Lists subscriptions with their schedules and discounts, newest first. Subscriptions that have ended are
    /// included unless `status` excludes them. Filters: `customer`, `price`, `created[gte]`.
    pub async fn list_subscriptions(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<Subscription>> {
        let mut filter = filter
            .clone()
            .expand("data.schedule")
            .expand("data.discounts")
            .expand("data.items.data.discounts");
        if filter.get("status").is_none() {
            filter = filter.push("status", "all");
        }
        self.list("/v1/subscriptions", &filter, items_max).await
    }

    /// Resumes a subscription that is paused because its trial ended without a payment method. A new
    /// period starts now; the subscription stays paused until its invoice is paid.
    pub async fn resume_subscription(&self, id: &str, key: &str) -> Result<Subscription> {
        let path = path_of("/v1/subscriptions", id, "/resume")?;
        self.post(&path, &Form::new().push("billing_cycle_anchor", "now"), key)
            .await
    }

    /// Updates a subscription. If the change waits for a payment, `pending_update` is set on the
    /// answer.
    pub async fn update_subscription(
        &self,
        id: &str,
        params: &Form,
        key: &str,
    ) -> Result<Subscription> {
        self.post(&path_of("/v1/subscriptions", id, "")?, params, key)
            .await
    }

    /// Cancels a subscription immediately. To cancel it at the end of its period, update
    /// `cancel_at_period_end`.
    ///
    /// Stripe accepts no idempotency key here: a call that is repeated after it succeeded is
    /// `NotFound` or `Refused`.
    pub async fn cancel_subscription(&self, id: &str, params: &Form) -> Result<Subscription> {
        self.delete(&path_of("/v1/subscriptions", id, "")?, params)
            .await
    }

    /// Creates a schedule. Pass only `from_subscription`, and then update it with phases.
    pub async fn create_subscription_schedule(
        &self,
        params: &Form,
        key: &str,
    ) -> Result<SubscriptionSchedule> {
        self.post("/v1/subscription_schedules", params, key).await
    }

    /// Reads a schedule, or fails with `NotFound`.
    pub async fn retrieve_subscription_schedule(&self, id: &str) -> Result<SubscriptionSchedule> {
        self.get(
            &path_of("/v1/subscription_schedules", id, "")?,
            &Form::new(),
        )
        .await
    }

    /// Updates a schedule. Phases that have started must be passed unchanged.
    pub async fn update_subscription_schedule(
        &self,
        id: &str,
        params: &Form,
        key: &str,
    ) -> Result<SubscriptionSchedule> {
        self.post(&path_of("/v1/subscription_schedules", id, "")?, params, key)
            .await
    }

    /// Releases the subscription from its schedule. Its planned changes no longer happen.
    pub async fn release_subscription_schedule(
        &self,
        id: &str,
        params: &Form,
        key: &str,
    ) -> Result<SubscriptionSchedule> {
        self.post(
            &path_of("/v1/subscription_schedules", id, "/release")?,
            params,
            key,
        )
        .await
    }

    /// Lists schedules, newest first. Filters: `customer`, `created[gte]`, `scheduled`.
    pub async fn list_subscription_schedules(
        &self,
        filter: &Form,
        items_max: usize,
    ) -> Result<List<SubscriptionSchedule>> {
        self.list("/v1/subscription_schedules", filter, items_max)
            .await
    }
}
