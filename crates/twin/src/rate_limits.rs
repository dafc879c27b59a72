//! Stripe's rate limits, which are off until a test turns them on.
//! <https://docs.stripe.com/rate-limits>

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

/// The limits of a sandbox: requests a second in all, and requests a second to one endpoint.
const SANDBOX: Limits = Limits {
    per_second: 25,
    per_endpoint: 25,
};

/// The highest limit that a test can set.
const LIMIT_MAX: u64 = 1_000_000;

/// How many requests a second are answered.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    per_second: u64,
    per_endpoint: u64,
}

/// The limits as the control interface shows them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct View {
    enabled: bool,
    #[serde(flatten)]
    limits: Limits,
}

/// Why a request was refused, as in the header `Stripe-Rate-Limited-Reason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Global,
    Endpoint,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global-rate",
            Self::Endpoint => "endpoint-rate",
        }
    }
}

#[derive(Debug, Default)]
struct State {
    limits: Option<Limits>,
    second: i64,
    /// The requests in this second by endpoint.
    counts: HashMap<String, u64>,
}

/// The limits and the requests of the current second.
#[derive(Debug, Default)]
pub(crate) struct RateLimits(Mutex<State>);

impl RateLimits {
    /// Applies the body of `POST /_twin/rate-limits`.
    pub fn set(&self, body: &Value) -> Result<(), String> {
        let enabled = body["enabled"]
            .as_bool()
            .ok_or("enabled must be true or false.")?;
        let number = |name: &str, default: u64| match &body[name] {
            Value::Null => Ok(default),
            value => value
                .as_u64()
                .filter(|number| (1..=LIMIT_MAX).contains(number))
                .ok_or_else(|| format!("{name} must be a number from 1 to {LIMIT_MAX}.")),
        };
        let limits = Limits {
            per_second: number("perSecond", SANDBOX.per_second)?,
            per_endpoint: number("perEndpoint", SANDBOX.per_endpoint)?,
        };
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State {
            limits: enabled.then_some(limits),
            ..State::default()
        };
        Ok(())
    }

    pub fn view(&self) -> View {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        View {
            enabled: state.limits.is_some(),
            limits: state.limits.unwrap_or(SANDBOX),
        }
    }

    /// Counts a request in the second `now`, or returns why it is refused.
    pub fn admit(&self, endpoint: &str, now: i64) -> Result<(), Reason> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(limits) = state.limits else {
            return Ok(());
        };
        if state.second != now {
            state.second = now;
            state.counts.clear();
        }
        if state.counts.values().sum::<u64>() >= limits.per_second {
            return Err(Reason::Global);
        }
        let count = state.counts.entry(endpoint.to_owned()).or_default();
        if *count >= limits.per_endpoint {
            return Err(Reason::Endpoint);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_are_limited_in_all_and_by_endpoint_and_only_when_turned_on() {
        let limits = RateLimits::default();
        let many = |endpoint: &str, now| -> Vec<_> {
            (0..3).map(|_| limits.admit(endpoint, now)).collect()
        };

        assert!(many("customers", 1).iter().all(Result::is_ok));
        limits
            .set(&json!({"enabled": true, "perSecond": 4, "perEndpoint": 2}))
            .unwrap();

        assert_eq!(
            many("customers", 2),
            [Ok(()), Ok(()), Err(Reason::Endpoint)]
        );
        assert_eq!(many("prices", 2), [Ok(()), Ok(()), Err(Reason::Global)]);
        assert_eq!(many("prices", 3)[0], Ok(()));
    }
}
