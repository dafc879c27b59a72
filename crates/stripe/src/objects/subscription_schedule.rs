//! A subscription schedule: what a subscription will become, and when.

use super::words::words;
use super::{Customer, Expandable, Metadata, Price, Subscription, or_default};
use serde::Deserialize;

/// Phases that a subscription goes through. A downgrade at the period's end is one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscriptionSchedule {
    /// `sub_sched_...`
    pub id: String,
    /// Whether it still leads a subscription.
    pub status: ScheduleStatus,
    /// Unix seconds.
    pub created: i64,
    /// Whose.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// What it leads; nothing once released.
    #[serde(default)]
    pub subscription: Expandable<Subscription>,
    /// What it led before it was released.
    pub released_subscription: Option<String>,
    /// The phase that runs now.
    pub current_phase: Option<CurrentPhase>,
    /// All phases in order.
    #[serde(default, deserialize_with = "or_default")]
    pub phases: Vec<SchedulePhase>,
    /// `release`, `cancel`, ...: what happens after the last phase.
    pub end_behavior: Option<String>,
    /// Unix seconds.
    pub canceled_at: Option<i64>,
    /// Unix seconds.
    pub completed_at: Option<i64>,
    /// Unix seconds.
    pub released_at: Option<i64>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

impl SubscriptionSchedule {
    /// Whether it still decides what becomes of a subscription.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(
            self.status,
            ScheduleStatus::NotStarted | ScheduleStatus::Active
        )
    }

    /// The first phase that starts after `now_seconds`: the change to come.
    #[must_use]
    pub fn next_phase(&self, now_seconds: i64) -> Option<&SchedulePhase> {
        let mut to_come: Vec<_> = self
            .phases
            .iter()
            .filter(|phase| phase.start_date > now_seconds)
            .collect();
        to_come.sort_by_key(|phase| phase.start_date);
        to_come.into_iter().next().filter(|_| self.is_live())
    }
}

/// The bounds of the phase that runs now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CurrentPhase {
    /// Unix seconds.
    pub start_date: i64,
    /// Unix seconds.
    pub end_date: i64,
}

/// What the subscription is during a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SchedulePhase {
    /// Unix seconds.
    pub start_date: i64,
    /// Unix seconds.
    pub end_date: Option<i64>,
    /// What is sold during it.
    #[serde(default, deserialize_with = "or_default")]
    pub items: Vec<ScheduleItem>,
    /// Unix seconds.
    pub trial_end: Option<i64>,
    /// Our words on it; they go to the subscription when the phase starts.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// What is sold during a phase.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ScheduleItem {
    /// The price.
    #[serde(default)]
    pub price: Expandable<Price>,
    /// How many.
    pub quantity: Option<i64>,
}

words! {
    /// Whether a schedule still leads a subscription.
    ScheduleStatus {
        /// Its first phase is to come.
        NotStarted = "not_started",
        /// A phase runs.
        Active = "active",
        /// All phases are over.
        Completed = "completed",
        /// It let the subscription go; the subscription lives on.
        Released = "released",
        /// It ended together with its subscription.
        Canceled = "canceled",
    }
}
