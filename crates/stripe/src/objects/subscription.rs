//! A subscription: what a customer pays for again and again.

use super::words::words;
use super::{
    Customer, Expandable, Invoice, List, Metadata, PaymentMethod, Price, SubscriptionSchedule,
    or_default,
};
use serde::Deserialize;

/// A subscription as fetched.
///
/// The period is at the top in acacia and on the items since basil; ask
/// [`current_period_end`](Self::current_period_end).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subscription {
    /// `sub_...`
    pub id: String,
    /// What it is in.
    pub status: SubscriptionStatus,
    /// Unix seconds.
    pub created: i64,
    /// Who pays.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// What is paid for now. A pending update is not in here.
    #[serde(default, deserialize_with = "or_default")]
    pub items: List<SubscriptionItem>,
    /// Three small letters.
    pub currency: Option<String>,
    /// Unix seconds; only at the top in acacia.
    #[serde(rename = "current_period_start")]
    top_period_start: Option<i64>,
    /// Unix seconds; only at the top in acacia.
    #[serde(rename = "current_period_end")]
    top_period_end: Option<i64>,
    /// Unix seconds of the day that periods are counted from.
    pub billing_cycle_anchor: Option<i64>,
    /// Unix seconds at which it will end.
    pub cancel_at: Option<i64>,
    /// Whether it ends with the period.
    #[serde(default, deserialize_with = "or_default")]
    pub cancel_at_period_end: bool,
    /// Unix seconds at which somebody said so; not when it ends.
    pub canceled_at: Option<i64>,
    /// Why it was or will be canceled.
    pub cancellation_details: Option<CancellationDetails>,
    /// Unix seconds at which it ended.
    pub ended_at: Option<i64>,
    /// Unix seconds.
    pub trial_start: Option<i64>,
    /// Unix seconds.
    pub trial_end: Option<i64>,
    /// Set while collection is paused; the status stays what it was.
    pub pause_collection: Option<PauseCollection>,
    /// A change that waits for its payment.
    pub pending_update: Option<PendingUpdate>,
    /// What it will become.
    #[serde(default)]
    pub schedule: Expandable<SubscriptionSchedule>,
    /// Its latest invoice.
    #[serde(default)]
    pub latest_invoice: Expandable<Invoice>,
    /// What it is paid with, if not the customer's default.
    #[serde(default)]
    pub default_payment_method: Expandable<PaymentMethod>,
    /// Charged, or sent as an invoice.
    pub collection_method: Option<CollectionMethod>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// False for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl Subscription {
    /// Start of the period, in unix seconds: the earliest of the items, else the subscription's.
    #[must_use]
    pub fn current_period_start(&self) -> Option<i64> {
        let items = self
            .items
            .data
            .iter()
            .filter_map(|item| item.current_period_start);
        items.min().or(self.top_period_start)
    }

    /// End of the period, in unix seconds: the latest of the items, so that nobody loses time that
    /// is paid for, else the subscription's.
    #[must_use]
    pub fn current_period_end(&self) -> Option<i64> {
        let items = self
            .items
            .data
            .iter()
            .filter_map(|item| item.current_period_end);
        items.max().or(self.top_period_end)
    }

    /// When it will end because somebody canceled it: the date, or the flag and the period's end.
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

/// One price of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscriptionItem {
    /// `si_...`
    pub id: String,
    /// What is paid for. Always whole, never just an id.
    pub price: Option<Price>,
    /// How many.
    pub quantity: Option<i64>,
    /// Unix seconds; missing before basil.
    pub current_period_start: Option<i64>,
    /// Unix seconds; missing before basil.
    pub current_period_end: Option<i64>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// Why a subscription was or will be canceled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CancellationDetails {
    /// `cancellation_requested`, `payment_failed`, `payment_disputed`, ...
    pub reason: Option<String>,
    /// What the customer chose: `too_expensive`, ...
    pub feedback: Option<String>,
    /// What the customer wrote.
    pub comment: Option<String>,
}

/// How collection is paused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PauseCollection {
    /// `keep_as_draft`, `mark_uncollectible` or `void`: what becomes of the invoices.
    pub behavior: Option<String>,
    /// Unix seconds.
    pub resumes_at: Option<i64>,
}

/// A change that waits for its payment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PendingUpdate {
    /// Unix seconds at which the change is dropped unless paid.
    pub expires_at: Option<i64>,
    /// The items to come.
    #[serde(default, deserialize_with = "or_default")]
    pub subscription_items: Vec<SubscriptionItem>,
    /// Unix seconds.
    pub trial_end: Option<i64>,
}

words! {
    /// What a subscription is in.
    SubscriptionStatus {
        /// The first payment is open; given up after 23 hours.
        Incomplete = "incomplete",
        /// The first payment never came.
        IncompleteExpired = "incomplete_expired",
        /// Nothing to pay yet.
        Trialing = "trialing",
        /// Paid.
        Active = "active",
        /// A payment failed; Stripe tries again.
        PastDue = "past_due",
        /// Stripe gave up; it lives without payment.
        Unpaid = "unpaid",
        /// Ended.
        Canceled = "canceled",
        /// The trial ended without a payment method.
        Paused = "paused",
    }
}

words! {
    /// How a subscription is paid.
    CollectionMethod {
        /// The payment method is charged.
        ChargeAutomatically = "charge_automatically",
        /// An invoice is sent.
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
    fn of_several_items_the_longest_period_counts() {
        let subscription = subscription(json!({"items": {"data": [
            {"id": "si_1", "current_period_start": 20, "current_period_end": 30},
            {"id": "si_2", "current_period_start": 10, "current_period_end": 40},
        ]}}));

        assert_eq!(subscription.current_period_start(), Some(10));
        assert_eq!(subscription.current_period_end(), Some(40));
    }

    #[test]
    fn it_cancels_at_the_date_or_with_the_period_but_not_when_somebody_said_so() {
        let period = json!({"current_period_end": 40, "canceled_at": 5});
        let flagged = json!({"current_period_end": 40, "cancel_at_period_end": true});
        let dated = json!({"current_period_end": 40, "cancel_at": 33});

        assert_eq!(subscription(period).cancels_at(), None);
        assert_eq!(subscription(flagged).cancels_at(), Some(40));
        assert_eq!(subscription(dated).cancels_at(), Some(33));
    }

    #[test]
    fn a_status_we_do_not_know_is_kept() {
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
