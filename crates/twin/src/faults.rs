//! Faults for the next API calls: an error status, a late response or none at all.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::core::Failure;

const COUNT_MAX: u64 = 1_000_000;
const SECONDS_MAX: u64 = 600;

/// The way in which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call is answered with this status and not executed.
    Status(u16),
    /// The call is accepted and fails with this status while it is executed, so that the error is
    /// saved under its idempotency key.
    Fails(Failure),
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
            Self::Status(_) | Self::Fails(_) => "status",
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
    /// When the call fails with the status: `before`, `during` or `after` its execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// The API key whose calls fail. Without one, the product's calls fail, or all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The number of calls that will still fail.
    pub count: u64,
}

/// The active fault.
#[derive(Debug, Clone)]
struct Active {
    fault: Fault,
    /// The number of calls it still applies to.
    count: u64,
    /// The API key whose calls fail, if it was named.
    key: Option<String>,
}

/// The active fault, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Option<Active>>);

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
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let count = number("count", 1, COUNT_MAX)?;
        let seconds = number("seconds", 30, SECONDS_MAX)?;
        let status = number("status", 500, 599)?;
        let fault = match text("mode") {
            Some("none") => None,
            Some("status") => Some(status_fault(status, text("when").unwrap_or("before"))?),
            Some("hang") => Some(Fault::Hang(Duration::from_secs(seconds))),
            Some("cut") => Some(Fault::Cut),
            Some("cut_after") => Some(Fault::CutAfter),
            _ => return Err("mode must be one of none, status, hang, cut, cut_after.".to_owned()),
        };
        let active = fault.filter(|_| count > 0).map(|fault| Active {
            fault,
            count,
            key: text("key").map(str::to_owned),
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = active;
        Ok(())
    }

    /// Takes the fault for a call that has just arrived, if one is left. A fault that names no key
    /// applies to the calls with `product_key`, or to all if there is none.
    pub fn take(&self, key: Option<&str>, product_key: Option<&str>) -> Option<Fault> {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let active = set.as_mut()?;
        let meant = active.key.as_deref().or(product_key);
        if meant.is_some() && meant != key {
            return None;
        }
        let fault = active.fault;
        active.count -= 1;
        if active.count == 0 {
            *set = None;
        }
        Some(fault)
    }

    /// The active fault and the number of calls it still applies to.
    pub fn active(&self) -> Option<(Fault, u64)> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.as_ref().map(|active| (active.fault, active.count))
    }

    pub fn view(&self) -> FaultView {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Active { fault, count, key }) = set.clone() else {
            return FaultView {
                mode: "none",
                ..FaultView::default()
            };
        };
        let status = match fault {
            Fault::Status(status) => Some((status, "before")),
            Fault::Fails(failure) if failure.keeps_work => Some((failure.status, "after")),
            Fault::Fails(failure) => Some((failure.status, "during")),
            Fault::Hang(_) | Fault::Cut | Fault::CutAfter => None,
        };
        FaultView {
            mode: fault.name(),
            status: status.map(|(status, _)| status),
            when: status.map(|(_, when)| when),
            seconds: match fault {
                Fault::Hang(time) => Some(time.as_secs()),
                _ => None,
            },
            key,
            count,
        }
    }
}

/// The fault that answers with a status before, during or after the execution of a call.
fn status_fault(status: u64, when: &str) -> Result<Fault, String> {
    let status = u16::try_from(status)
        .ok()
        .filter(|status| *status >= 400)
        .ok_or("status must be a number from 400 to 599.")?;
    let keeps_work = match when {
        "before" => return Ok(Fault::Status(status)),
        "during" => false,
        "after" => true,
        _ => return Err("when must be one of before, during, after.".to_owned()),
    };
    if status < 500 {
        return Err("A call that was accepted fails with a status from 500 to 599.".to_owned());
    }
    Ok(Fault::Fails(Failure { status, keeps_work }))
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

        let taken = [(); 3].map(|()| faults.take(None, None));

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
            json!({"mode": "status", "when": "later"}),
            json!({"mode": "status", "status": 429, "when": "during"}),
        ] {
            assert!(faults.set(&wrong).is_err(), "{wrong}");
        }

        assert_eq!(faults.take(None, None), Some(Fault::Cut));
    }

    #[test]
    fn a_fault_applies_to_the_named_key_or_else_to_the_product() {
        let faults = Faults::default();
        faults.set(&json!({"mode": "cut", "key": "sk_1"})).unwrap();
        assert_eq!(faults.take(Some("sk_2"), Some("sk_2")), None);
        assert_eq!(faults.take(Some("sk_1"), Some("sk_2")), Some(Fault::Cut));

        faults.set(&json!({"mode": "cut"})).unwrap();
        assert_eq!(faults.take(Some("sk_1"), Some("sk_2")), None);
        assert_eq!(faults.take(Some("sk_2"), Some("sk_2")), Some(Fault::Cut));

        faults.set(&json!({"mode": "cut"})).unwrap();
        assert_eq!(faults.take(Some("sk_3"), None), Some(Fault::Cut));
    }
}
