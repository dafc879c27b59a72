//! The configuration of the client.

use secrecy::SecretString;
use std::time::Duration;

/// The API version that we request and that our webhook endpoint is created with.
pub const DEFAULT_API_VERSION: &str = "2026-08-26.dahlia";

/// The configuration of a client: the account, timeouts, retries and limits. `Debug` doesn't show
/// the secret key.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The origin of the API: `https://api.stripe.com`, or for a twin for example
    /// `http://127.0.0.1:12111`.
    pub api_base: String,
    /// The secret key, `sk_...` or `rk_...`.
    pub secret_key: SecretString,
    /// The API version that is sent with every call.
    pub api_version: String,
    /// The longest time to establish a connection.
    pub connect_timeout: Duration,
    /// The longest time for one attempt, from sending it to the last byte of the answer.
    pub call_timeout: Duration,
    /// The longest time for a call with all its attempts and waits.
    pub deadline: Duration,
    /// The number of attempts after the first one.
    pub retries_max: u32,
    /// The wait before the first retry. It doubles with each retry.
    pub backoff: Duration,
    /// The number of attempts that may run at the same time.
    pub concurrency_max: usize,
    /// The largest answer that is read, in bytes.
    pub answer_bytes_max: usize,
    /// The seed of the random part of the waits, so that many processes don't retry at the same
    /// moment.
    pub jitter_seed: u64,
}

impl ClientConfig {
    /// The default configuration for this origin and key.
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
