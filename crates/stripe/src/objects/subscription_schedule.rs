//! A subscription schedule: planned changes to a subscription.

use super::string_enum::string_enum;
use super::{Customer, Expandable, Metadata, Price, Subscription, or_default};
use serde::Deserialize;

/// The planned phases of a subscription. A downgrade at the end of the period is one of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SubscriptionSchedule {
    /// The id, `sub_sched_...`.
    pub id: String,
    /// The state of the schedule.
    pub status: ScheduleStatus,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The customer of the subscription.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The subscription that the schedule manages. It is absent once the schedule is released.
    #[serde(default)]
    pub subscription: Expandable<Subscription>,
    /// The id of the subscription that it managed before it was released.
    pub released_subscription: Option<String>,
    /// The phase that is running. It is `None` before the first one and after the last one.
    pub current_phase: Option<CurrentPhase>,
    /// All phases in order.
    #[serde(default, deserialize_with = "or_default")]
    pub phases: Vec<SchedulePhase>,
    /// What happens after the last phase, such as `release` or `cancel`.
    pub end_behavior: Option<String>,
    /// The time at which it was canceled, in seconds since 1970.
    pub canceled_at: Option<i64>,
    /// The time at which it was completed, in seconds since 1970.
    pub completed_at: Option<i64>,
    /// The time at which it was released, in seconds since 1970.
    pub released_at: Option<i64>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

impl SubscriptionSchedule {
    /// Whether the schedule still manages a subscription.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(
            self.status,
            ScheduleStatus::NotStarted | ScheduleStatus::Active
        )
    }

    /// The first phase that starts after `now_seconds`, which is the next change.
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

/// The start and end of the current phase.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CurrentPhase {
    /// The start of the phase, in seconds since 1970.
    pub start_date: i64,
    /// The end of the phase, in seconds since 1970.
    pub end_date: i64,
}

/// A phase: what the subscription contains for a period of time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SchedulePhase {
    /// The start of the phase, in seconds since 1970.
    pub start_date: i64,
    /// The end of the phase, in seconds since 1970.
    pub end_date: Option<i64>,
    /// The items of the phase.
    #[serde(default, deserialize_with = "or_default")]
    pub items: Vec<ScheduleItem>,
    /// The end of the trial, in seconds since 1970.
    pub trial_end: Option<i64>,
    /// The metadata that is copied to the subscription when the phase starts.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// An item of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ScheduleItem {
    /// The price, as an id or expanded.
    #[serde(default)]
    pub price: Expandable<Price>,
    /// The quantity, if the price has one.
    pub quantity: Option<i64>,
}

string_enum! {
    /// The state of a subscription schedule.
    ScheduleStatus {
        /// The first phase has not started.
        NotStarted = "not_started",
        /// A phase is active.
        Active = "active",
        /// All phases have ended.
        Completed = "completed",
        /// The schedule was released, and the subscription continues without it.
        Released = "released",
        /// The schedule was canceled together with its subscription.
        Canceled = "canceled",
    }
}
