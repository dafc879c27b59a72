//! Faults for the next API calls of the product: an error status, a late response or none at all.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

const COUNT_MAX: u64 = 1_000_000;
const SECONDS_MAX: u64 = 600;

/// The way in which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call is answered with this status and not executed.
    Status(u16),
    /// The call is held for this long, then executed and answered as usual. A client that times out
    /// earlier never learns the outcome.
    Hang(Duration),
    /// The connection is closed before the call is executed.
    Cut,
    /// The call is executed, then the connection is closed without an answer.
    CutAfter,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Hang(_) => "hang",
            Self::Cut => "cut",
            Self::CutAfter => "cut_after",
        }
    }
}

/// The active fault as the control interface shows it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct FaultView {
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The number of calls that will still fail.
    pub count: u64,
}

/// The active fault and the number of calls it still applies to.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Option<(Fault, u64)>>);

impl Faults {
    /// Sets the fault that the body of `POST /_twin/faults` describes.
    pub fn set(&self, body: &Value) -> Result<(), String> {
        let body = body.as_object().ok_or("The body must be a JSON object.")?;
        let number = |name: &str, default: u64, max: u64| match body.get(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .filter(|number| *number <= max)
                .ok_or_else(|| format!("{name} must be a number from 0 to {max}.")),
        };
        let count = number("count", 1, COUNT_MAX)?;
        let seconds = number("seconds", 30, SECONDS_MAX)?;
        let status = number("status", 500, 599)?;
        let fault = match body.get("mode").and_then(Value::as_str) {
            Some("none") => None,
            Some("status") => Some(Fault::Status(
                u16::try_from(status)
                    .ok()
                    .filter(|status| *status >= 400)
                    .ok_or("status must be a number from 400 to 599.")?,
            )),
            Some("hang") => Some(Fault::Hang(Duration::from_secs(seconds))),
            Some("cut") => Some(Fault::Cut),
            Some("cut_after") => Some(Fault::CutAfter),
            _ => return Err("mode must be one of none, status, hang, cut, cut_after.".to_owned()),
        };
        let fault = fault.filter(|_| count > 0).map(|fault| (fault, count));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        Ok(())
    }

    /// Takes the fault for a call that has just arrived, if one is left.
    pub fn take(&self) -> Option<Fault> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (fault, left) = (*set)?;
        *set = (left > 1).then_some((fault, left.saturating_sub(1)));
        Some(fault)
    }

    /// The active fault and the number of calls it still applies to.
    pub fn active(&self) -> Option<(Fault, u64)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn view(&self) -> FaultView {
        let Some((fault, count)) = self.active() else {
            return FaultView {
                mode: "none",
                ..FaultView::default()
            };
        };
        let (status, seconds) = match fault {
            Fault::Status(status) => (Some(status), None),
            Fault::Hang(time) => (None, Some(time.as_secs())),
            Fault::Cut | Fault::CutAfter => (None, None),
        };
        FaultView {
            mode: fault.name(),
            status,
            seconds,
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fault_applies_to_the_requested_number_of_calls_and_no_more() {
        let faults = Faults::default();
        faults
            .set(&json!({"mode": "status", "status": 429, "count": 2}))
            .unwrap();

        let taken = [faults.take(), faults.take(), faults.take()];

        assert_eq!(
            taken,
            [Some(Fault::Status(429)), Some(Fault::Status(429)), None]
        );
        assert_eq!(faults.active(), None);
    }

    #[test]
    fn an_invalid_fault_is_refused_and_the_previous_one_stays() {
        let faults = Faults::default();
        faults.set(&json!({"mode": "cut"})).unwrap();

        for wrong in [
            json!({}),
            json!({"mode": "burn"}),
            json!({"mode": "status", "status": 200}),
            json!({"mode": "hang", "seconds": -1}),
        ] {
            assert!(faults.set(&wrong).is_err(), "{wrong}");
        }

        assert_eq!(faults.take(), Some(Fault::Cut));
    }
}
