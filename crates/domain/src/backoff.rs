//! When a failed attempt is retried, and when retrying stops.

/// A retry schedule: the wait doubles from the first to the longest, or follows a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    waits: Waits,
    attempts_max: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Doubling {
        first_seconds: i64,
        longest_seconds: i64,
    },
    Listed(&'static [i64]),
}

/// Cap on the number of doublings, far beyond what any schedule's longest wait requires.
const DOUBLINGS_MAX: i64 = 30;

/// The sync of an account: the tenth failure parks it.
pub const SYNC: Backoff = Backoff::doubling(1, 600, 10);

/// An event that matches no known account: the eighth failure parks it.
pub const UNMATCHED_EVENT: Backoff = Backoff::doubling(1, 1_024, 8);

/// An email: abandoned after the tenth attempt.
pub const EMAIL: Backoff = Backoff::doubling(5, 3_600, 10);

/// An outgoing webhook: retried for about three days.
pub const OUTGOING_WEBHOOK: Backoff = Backoff::listed(&[
    5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
]);

/// The next step of a request to Stripe that takes several: retried for about four days, then
/// continued by an operator.
pub const UNFINISHED_REQUEST: Backoff = Backoff::listed(&[
    15, 60, 300, 1_800, 7_200, 21_600, 43_200, 86_400, 86_400, 86_400,
]);

impl Backoff {
    /// Waits `first_seconds`, then twice as long each time up to `longest_seconds`. Retrying stops
    /// after `attempts_max` failures.
    pub const fn doubling(first_seconds: i64, longest_seconds: i64, attempts_max: i64) -> Backoff {
        Backoff {
            waits: Waits::Doubling {
                first_seconds,
                longest_seconds,
            },
            attempts_max,
        }
    }

    /// Waits as listed, in seconds. Retrying stops when the attempt after the last wait fails.
    #[expect(clippy::cast_possible_wrap, reason = "the value is small")]
    pub const fn listed(waits: &'static [i64]) -> Backoff {
        Backoff {
            waits: Waits::Listed(waits),
            attempts_max: waits.len() as i64 + 1,
        }
    }

    /// Seconds until the next attempt after `failures` failed attempts, including the latest;
    /// `None` when no attempts are left.
    pub fn next_seconds(&self, failures: i64) -> Option<i64> {
        (failures < self.attempts_max).then(|| self.seconds_after(failures))
    }

    /// The same wait, for an attempt that is retried without limit.
    pub fn seconds_after(&self, failures: i64) -> i64 {
        let earlier = failures.saturating_sub(1).max(0);
        match self.waits {
            Waits::Doubling {
                first_seconds,
                longest_seconds,
            } => {
                let doublings = u32::try_from(earlier.min(DOUBLINGS_MAX)).unwrap_or(0);
                let grown = first_seconds.saturating_mul(2_i64.saturating_pow(doublings));
                grown.min(longest_seconds)
            }
            Waits::Listed(waits) => {
                let listed = usize::try_from(earlier).ok().and_then(|at| waits.get(at));
                listed.or(waits.last()).copied().unwrap_or(0)
            }
        }
    }
}

/// `seconds` with the second half randomized by `random`, so that attempts that failed at the same
/// time aren't retried at the same time.
pub fn jittered(seconds: i64, random: u128) -> i64 {
    let half = seconds.div_euclid(2);
    let span = u128::try_from(seconds.saturating_sub(half)).unwrap_or(0);
    let extra = random.checked_rem(span.saturating_add(1)).unwrap_or(0);
    half.saturating_add(i64::try_from(extra).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_the_last_failure_has_none() {
        let waits: Vec<_> = (1..=10)
            .map(|failures| EMAIL.next_seconds(failures))
            .collect();

        let expected = [5, 10, 20, 40, 80, 160, 320, 640, 1_280].map(Some);
        assert_eq!(waits[..9], expected);
        assert_eq!(waits[9], None, "the tenth failure is the last");
        assert_eq!(
            SYNC.seconds_after(1_000),
            600,
            "who never gives up waits the longest"
        );
    }

    #[test]
    fn a_listed_schedule_is_followed_to_its_end() {
        assert_eq!(OUTGOING_WEBHOOK.next_seconds(1), Some(5));
        assert_eq!(OUTGOING_WEBHOOK.next_seconds(10), Some(86_400));
        assert_eq!(OUTGOING_WEBHOOK.next_seconds(11), None);
    }

    #[test]
    fn jitter_keeps_at_least_half_of_the_wait_and_never_exceeds_it() {
        for random in 0..2_000 {
            let wait = jittered(600, random);

            assert!((300..=600).contains(&wait), "{wait}");
        }
        assert_eq!(jittered(0, 7), 0);
    }
}
