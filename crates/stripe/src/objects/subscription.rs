//! A subscription: a recurring payment of a customer.

use super::string_enum::string_enum;
use super::{
    Customer, Discount, Expandable, Invoice, List, Metadata, PaymentMethod, Price,
    SubscriptionSchedule, or_default,
};
use serde::Deserialize;

/// A subscription.
///
/// The period is on the subscription in acacia and on its items since basil. Use
/// [`current_period_end`](Self::current_period_end), which reads every version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// The id, `sub_...`.
    pub id: String,
    /// The state of the subscription.
    pub status: SubscriptionStatus,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The customer who pays.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The items that are billed now. They don't include a pending update.
    #[serde(default, deserialize_with = "or_default")]
    pub items: List<SubscriptionItem>,
    /// The currency as a lowercase three-letter code.
    pub currency: Option<String>,
    /// The start of the period in acacia, in seconds since 1970.
    #[serde(rename = "current_period_start")]
    top_period_start: Option<i64>,
    /// The end of the period in acacia, in seconds since 1970.
    #[serde(rename = "current_period_end")]
    top_period_end: Option<i64>,
    /// The time from which billing periods are counted, in seconds since 1970.
    pub billing_cycle_anchor: Option<i64>,
    /// The time at which the subscription is scheduled to end, in seconds since 1970.
    pub cancel_at: Option<i64>,
    /// Whether the subscription ends at the end of the period.
    #[serde(default, deserialize_with = "or_default")]
    pub cancel_at_period_end: bool,
    /// The time at which the cancellation was requested, in seconds since 1970. It is not the time
    /// at which the subscription ends.
    pub canceled_at: Option<i64>,
    /// The details of the cancellation.
    pub cancellation_details: Option<CancellationDetails>,
    /// The time at which the subscription ended, in seconds since 1970.
    pub ended_at: Option<i64>,
    /// The start of the trial, in seconds since 1970.
    pub trial_start: Option<i64>,
    /// The end of the trial, in seconds since 1970.
    pub trial_end: Option<i64>,
    /// The discounts of the whole subscription, as ids or expanded.
    #[serde(default, deserialize_with = "or_default")]
    pub discounts: Vec<Expandable<Discount>>,
    /// The pause of collection, if any. It doesn't change the status.
    pub pause_collection: Option<PauseCollection>,
    /// The change that is waiting for its payment, if any.
    pub pending_update: Option<PendingUpdate>,
    /// The schedule that manages the subscription, if any.
    #[serde(default)]
    pub schedule: Expandable<SubscriptionSchedule>,
    /// The newest invoice, as an id or expanded.
    #[serde(default)]
    pub latest_invoice: Expandable<Invoice>,
    /// The payment method, if it is not the customer's default.
    #[serde(default)]
    pub default_payment_method: Expandable<PaymentMethod>,
    /// How the subscription is paid.
    pub collection_method: Option<CollectionMethod>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whether the object is live. It is `false` for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl Subscription {
    /// The start of the current period, in seconds since 1970: the earliest start of the items, or
    /// else the subscription's own.
    #[must_use]
    pub fn current_period_start(&self) -> Option<i64> {
        let items = self
            .items
            .data
            .iter()
            .filter_map(|item| item.current_period_start);
        items.min().or(self.top_period_start)
    }

    /// The end of the current period, in seconds since 1970: the latest end of the items, so that
    /// the customer keeps all the time that was paid for, or else the subscription's own.
    #[must_use]
    pub fn current_period_end(&self) -> Option<i64> {
        let items = self
            .items
            .data
            .iter()
            .filter_map(|item| item.current_period_end);
        items.max().or(self.top_period_end)
    }

    /// The time at which a canceled subscription will end: `cancel_at`, or the end of the period if
    /// `cancel_at_period_end` is set.
    #[must_use]
    pub fn cancels_at(&self) -> Option<i64> {
        let with_period = if self.cancel_at_period_end {
            self.current_period_end()
        } else {
            None
        };
        self.cancel_at.or(with_period)
    }
}

/// An item of a subscription: a price and its quantity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscriptionItem {
    /// The id, `si_...`.
    pub id: String,
    /// The price. Stripe always sends the whole object rather than its id.
    pub price: Option<Price>,
    /// The quantity, if the price has one.
    pub quantity: Option<i64>,
    /// The discounts of the item, as ids or expanded.
    #[serde(default, deserialize_with = "or_default")]
    pub discounts: Vec<Expandable<Discount>>,
    /// The start of the period, in seconds since 1970. Versions before basil omit it.
    pub current_period_start: Option<i64>,
    /// The end of the period, in seconds since 1970. Versions before basil omit it.
    pub current_period_end: Option<i64>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// The details of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CancellationDetails {
    /// The reason, such as `cancellation_requested`, `payment_failed` or `payment_disputed`.
    pub reason: Option<String>,
    /// The feedback that the customer chose, such as `too_expensive`.
    pub feedback: Option<String>,
    /// The comment that the customer wrote.
    pub comment: Option<String>,
}

/// A pause of collection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PauseCollection {
    /// What happens to the invoices: `keep_as_draft`, `mark_uncollectible` or `void`.
    pub behavior: Option<String>,
    /// The time at which collection resumes, in seconds since 1970.
    pub resumes_at: Option<i64>,
}

/// A change to a subscription that is waiting for its payment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PendingUpdate {
    /// The time at which the change lapses unless it is paid, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// The items after the change.
    #[serde(default, deserialize_with = "or_default")]
    pub subscription_items: Vec<SubscriptionItem>,
    /// The end of the trial, in seconds since 1970.
    pub trial_end: Option<i64>,
}

string_enum! {
    /// The state of a subscription.
    SubscriptionStatus {
        /// The first payment is still due. It expires after 23 hours.
        Incomplete = "incomplete",
        /// The first payment was not made in time.
        IncompleteExpired = "incomplete_expired",
        /// The subscription is in its trial.
        Trialing = "trialing",
        /// The subscription is paid.
        Active = "active",
        /// A payment failed, and Stripe is retrying it.
        PastDue = "past_due",
        /// Stripe no longer retries the payment, but the subscription continues.
        Unpaid = "unpaid",
        /// The subscription has ended.
        Canceled = "canceled",
        /// The trial ended without a payment method, so the subscription is paused.
        Paused = "paused",
    }
}

string_enum! {
    /// How a subscription is paid.
    CollectionMethod {
        /// Stripe charges the payment method.
        ChargeAutomatically = "charge_automatically",
        /// Stripe sends an invoice.
        SendInvoice = "send_invoice",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subscription(more: serde_json::Value) -> Subscription {
        let mut subscription = json!({"id": "sub_1", "status": "active", "created": 1});
        subscription
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(subscription).unwrap()
    }

    #[test]
    fn of_several_items_the_latest_period_end_counts() {
        let subscription = subscription(json!({"items": {"data": [
            {"id": "si_1", "current_period_start": 20, "current_period_end": 30},
            {"id": "si_2", "current_period_start": 10, "current_period_end": 40},
        ]}}));

        assert_eq!(subscription.current_period_start(), Some(10));
        assert_eq!(subscription.current_period_end(), Some(40));
    }

    #[test]
    fn a_subscription_ends_at_cancel_at_or_with_its_period_but_not_at_canceled_at() {
        let period = json!({"current_period_end": 40, "canceled_at": 5});
        let flagged = json!({"current_period_end": 40, "cancel_at_period_end": true});
        let dated = json!({"current_period_end": 40, "cancel_at": 33});

        assert_eq!(subscription(period).cancels_at(), None);
        assert_eq!(subscription(flagged).cancels_at(), Some(40));
        assert_eq!(subscription(dated).cancels_at(), Some(33));
    }

    #[test]
    fn an_unknown_status_is_kept() {
        let subscription = subscription(json!({"status": "hibernating"}));

        assert_eq!(
            subscription.status,
            SubscriptionStatus::Other("hibernating".to_owned())
        );
    }

    #[test]
    fn null_is_read_like_a_missing_field() {
        let nulls = json!({
            "items": null, "metadata": null, "cancel_at_period_end": null, "customer": null,
            "schedule": null, "pending_update": null,
        });

        assert_eq!(subscription(nulls), subscription(json!({})));
    }
}
