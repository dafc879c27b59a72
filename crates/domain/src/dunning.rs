//! What a failed payment does next, and when: the mails, each once.

use crate::time::Timestamp;

/// Days before paid access ends at which the second mail goes out.
pub const WARNING_DAYS: i64 = 2;

/// A moment of a failed payment that its customer is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DunningStep {
    /// The payment failed.
    Failed,
    /// Access ends in two days.
    EndingSoon,
    /// Access ended.
    Ended,
}

impl DunningStep {
    /// The word in a mail's key.
    pub const fn word(self) -> &'static str {
        match self {
            DunningStep::Failed => "failed",
            DunningStep::EndingSoon => "ending-soon",
            DunningStep::Ended => "ended",
        }
    }
}

/// The steps whose time has come at `now`, for a payment that gives access until `grace_until`.
/// Only the latest is due, so an account seen again after a week gets one mail, not three.
pub fn step_due(grace_until: Timestamp, now: Timestamp) -> DunningStep {
    if now >= grace_until {
        DunningStep::Ended
    } else if now >= grace_until.plus_days(-WARNING_DAYS) {
        DunningStep::EndingSoon
    } else {
        DunningStep::Failed
    }
}

/// When the next step comes, if one does.
pub fn next_step_at(grace_until: Timestamp, now: Timestamp) -> Option<Timestamp> {
    [grace_until.plus_days(-WARNING_DAYS), grace_until]
        .into_iter()
        .find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_payment_speaks_three_times() {
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
