//! How to reach Stripe, and how patiently.

use secrecy::SecretString;
use std::time::Duration;

/// The shape of objects that we ask for and make our webhook endpoint with.
pub const DEFAULT_API_VERSION: &str = "2026-08-26.dahlia";

/// How to reach Stripe, and how patiently. The secret key does not show in `Debug`.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Such as `https://api.stripe.com`, or `http://127.0.0.1:12111` for a twin.
    pub api_base: String,
    /// `sk_...` or `rk_...`
    pub secret_key: SecretString,
    /// Sent with every call.
    pub api_version: String,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest time for one try, from its sending to the last byte of the answer.
    pub call_timeout: Duration,
    /// Longest time for a call with all its tries and waits.
    pub deadline: Duration,
    /// Tries after the first.
    pub retries_max: u32,
    /// The wait before the first retry; it doubles with each.
    pub backoff: Duration,
    /// Tries under way at once.
    pub concurrency_max: usize,
    /// Largest answer that is read.
    pub answer_bytes_max: usize,
    /// Chance for the waits, so that many programs do not come back at the same moment.
    pub jitter_seed: u64,
}

impl ClientConfig {
    /// The defaults, for this address and key.
    pub fn new(api_base: impl Into<String>, secret_key: impl Into<SecretString>) -> Self {
        Self {
            api_base: api_base.into(),
            secret_key: secret_key.into(),
            api_version: DEFAULT_API_VERSION.to_owned(),
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(8),
            deadline: Duration::from_secs(20),
            retries_max: 2,
            backoff: Duration::from_millis(500),
            concurrency_max: 16,
            answer_bytes_max: 8 * 1024 * 1024,
            jitter_seed: 0,
        }
    }
}
