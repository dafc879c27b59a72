//! The sources of time and randomness, and the only code that uses the system's own.
//!
//! The **billing clock** (periods, trials, expiry, grace periods, emails) starts at the system time
//! and then counts elapsed real time, so that a jump of the system clock doesn't move it; in the
//! demo and in tests it follows the twin's. The **security clock** (sessions, links, signatures,
//! rate limits) is the system clock. Moving one never moves the other.

use std::sync::atomic::{AtomicI64, Ordering};
#[expect(
    clippy::disallowed_types,
    reason = "the one place that reads the system clock"
)]
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use domain::ids::Rng;
use domain::time::{Clock, Timestamp};

/// The operating system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that others ask"
    )]
    #[expect(
        clippy::disallowed_types,
        reason = "the one place that reads the system clock"
    )]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let micros = since.map_or(0, |since| {
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        });
        Timestamp::from_micros(micros)
    }
}

/// A clock that advances with real time from the time it was set to, or stands still between the
/// times it is set to.
#[derive(Debug)]
pub struct BillingClock {
    /// When the clock started to advance; `None` if it stands still.
    started: Option<Instant>,
    /// The time shown minus the time elapsed since `started`, in microseconds.
    base: AtomicI64,
}

impl BillingClock {
    /// Creates a clock that starts at `now`.
    pub fn new(now: Timestamp) -> BillingClock {
        BillingClock {
            started: Some(Instant::now()),
            base: AtomicI64::new(now.micros()),
        }
    }

    /// Creates a clock that shows `now` until it is set.
    pub fn standing(now: Timestamp) -> BillingClock {
        BillingClock {
            started: None,
            base: AtomicI64::new(now.micros()),
        }
    }

    /// Moves the clock forward to `now`; never moves it backward.
    pub fn set(&self, now: Timestamp) {
        let base = now.micros().saturating_sub(self.passed());
        self.base.fetch_max(base, Ordering::SeqCst);
    }

    fn passed(&self) -> i64 {
        let passed = self
            .started
            .map_or(0, |started| started.elapsed().as_micros());
        i64::try_from(passed).unwrap_or(i64::MAX)
    }
}

impl Clock for BillingClock {
    fn now(&self) -> Timestamp {
        let base = self.base.load(Ordering::SeqCst);
        Timestamp::from_micros(base.saturating_add(self.passed()))
    }
}

/// How far the system clock may be from the last commit at a start, in seconds. Beyond that, an
/// operator is asked before anything expires (G14).
pub const DOUBT_SECONDS: i64 = 86_400;

/// A system clock that is far from the database's last commit: it may be wrong, or the service
/// was stopped for long, or a backup was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDoubt {
    /// The time of the last commit, from which the billing clock continues.
    pub last_commit: Timestamp,
    /// The system time at the start.
    pub system: Timestamp,
}

impl ClockDoubt {
    /// The doubt about the system time `system`, if there is one. A new database has no commit to
    /// compare with.
    pub fn of(last_commit: Option<Timestamp>, system: Timestamp) -> Option<ClockDoubt> {
        let last_commit = last_commit?;
        is_far(last_commit, system).then_some(ClockDoubt {
            last_commit,
            system,
        })
    }

    /// What is wrong and what to do, as a sentence.
    pub fn text(&self) -> String {
        format!(
            "The system clock showed {} at the start, but the last commit was at {}. Nothing \
             expires until this is resolved: correct the clock and restart the service, or, if \
             the clock is right, restart it with `serve --accept-clock`.",
            self.system.rfc3339(),
            self.last_commit.rfc3339()
        )
    }
}

/// Whether two times are further apart than a start may assume.
pub fn is_far(one: Timestamp, other: Timestamp) -> bool {
    one.seconds().abs_diff(other.seconds()) > DOUBT_SECONDS.unsigned_abs()
}

/// The operating system's random number generator.
#[derive(Clone, Copy, Debug)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one source of random bits")]
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has random numbers");
        u128::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_more_than_a_day_from_the_last_commit_is_in_doubt_in_both_directions() {
        let last = Timestamp::from_seconds(1_000_000);
        for (seconds, is_doubtful) in [
            (0, false),
            (86_400, false),
            (-86_400, false),
            (86_401, true),
            (-86_401, true),
            (31_536_000, true),
        ] {
            let doubt = ClockDoubt::of(Some(last), last.plus_seconds(seconds));
            assert_eq!(doubt.is_some(), is_doubtful, "{seconds}");
        }
        assert_eq!(ClockDoubt::of(None, last), None, "a new database");
    }
}
