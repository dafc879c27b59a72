//! When a call is retried, and how long to wait before that.

use super::{Call, ClientConfig};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// The longest wait; it doesn't double any further.
const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// Whether an answer that reports an error may be followed by another attempt.
///
/// Stripe's own `Stripe-Should-Retry` takes precedence. Without it, 409 (another call with the same
/// key or for the same object is in progress), 429 and 5xx are retried. A replayed answer never
/// changes.
pub(super) fn may_retry(status: u16, should_retry: Option<&str>, replayed: bool) -> bool {
    if replayed {
        return false;
    }
    match should_retry {
        Some("true") => true,
        Some("false") => false,
        _ => matches!(status, 409 | 429 | 500..=599),
    }
}

/// The wait after a number of retries: twice as long each time, multiplied by a factor between one
/// half and one that depends on the call.
pub(super) fn wait(config: &ClientConfig, call: &Call<'_>, retries: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (
        config.jitter_seed,
        call.idempotency_key,
        &call.path,
        retries,
    )
        .hash(&mut hasher);
    call.form.encode().hash(&mut hasher);

    let whole = config
        .backoff
        .saturating_mul(1 << retries.min(10))
        .min(BACKOFF_MAX);
    let half = whole / 2;
    let half_microseconds = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(hasher.finish() % half_microseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Form;
    use reqwest::Method;

    /// The wait of a call with this key.
    fn wait_of(key: &str, retries: u32) -> Duration {
        let config = ClientConfig::new("https://api.stripe.com", "sk_test_1");
        let form = Form::new();
        let mut call = Call::new(Method::POST, "/v1/refunds", &form);
        call.idempotency_key = Some(key);
        wait(&config, &call, retries)
    }

    #[test]
    fn waits_double_and_stay_between_half_and_whole() {
        for (retries, whole_ms) in [(0, 500), (1, 1000), (2, 2000), (3, 4000), (40, 4000)] {
            let wait = wait_of("a", retries).as_millis();

            assert!(
                (whole_ms / 2..=whole_ms).contains(&wait),
                "{retries}: {wait}"
            );
        }
    }

    #[test]
    fn different_calls_wait_differently_and_the_same_call_waits_the_same() {
        assert_eq!(wait_of("a", 0), wait_of("a", 0));
        assert_ne!(wait_of("a", 0), wait_of("b", 0));
    }

    #[test]
    fn stripe_should_retry_takes_precedence_over_the_status() {
        assert!(may_retry(503, None, false));
        assert!(may_retry(429, None, false));
        assert!(may_retry(409, None, false));
        assert!(!may_retry(400, None, false));
        assert!(!may_retry(402, None, false));
        assert!(!may_retry(503, Some("false"), false));
        assert!(may_retry(400, Some("true"), false));
        assert!(may_retry(503, Some("perhaps"), false));
        assert!(!may_retry(500, Some("true"), true));
    }
}
