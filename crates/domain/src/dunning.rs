//! The steps of dunning after a failed payment: which email is sent, and when.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Days before paid access ends at which the second email is sent.
pub const WARNING_DAYS: i64 = 2;

/// A point in the course of a failed payment at which the customer is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DunningStep {
    /// The payment failed.
    Failed,
    /// Access ends in two days.
    EndingSoon,
    /// Access ended.
    Ended,
}

impl DunningStep {
    /// The word for the step in an email's idempotency key.
    pub const fn word(self) -> &'static str {
        match self {
            DunningStep::Failed => "failed",
            DunningStep::EndingSoon => "ending-soon",
            DunningStep::Ended => "ended",
        }
    }
}

/// The step that is due at `now` for a payment whose grace period ends at `grace_until`. Only the
/// latest is due, so an account that isn't checked for a week gets one email, not three.
pub fn step_due(grace_until: Timestamp, now: Timestamp) -> DunningStep {
    if now >= grace_until {
        DunningStep::Ended
    } else if now >= grace_until.plus_days(-WARNING_DAYS) {
        DunningStep::EndingSoon
    } else {
        DunningStep::Failed
    }
}

/// The time of the next step, if there is one.
pub fn next_step_at(grace_until: Timestamp, now: Timestamp) -> Option<Timestamp> {
    [grace_until.plus_days(-WARNING_DAYS), grace_until]
        .into_iter()
        .find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_payment_is_reported_three_times() {
        let until = Timestamp::from_seconds(0).plus_days(7);
        let day = |n| Timestamp::from_seconds(0).plus_days(n);

        assert_eq!(step_due(until, day(0)), DunningStep::Failed);
        assert_eq!(step_due(until, day(5)), DunningStep::EndingSoon);
        assert_eq!(step_due(until, day(7)), DunningStep::Ended);
        assert_eq!(next_step_at(until, day(0)), Some(day(5)));
        assert_eq!(next_step_at(until, day(5)), Some(day(7)));
        assert_eq!(next_step_at(until, day(7)), None);
    }
}
