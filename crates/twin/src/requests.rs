//! A log of the most recent calls to `/v1`, for tests and for debugging.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// The largest number of calls in the log. A new one replaces the oldest.
const REQUESTS_MAX: usize = 2_000;

/// One call. Only the names of its parameters are kept, because values may be secrets.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub id: u64,
    pub at: String,
    pub method: String,
    pub path: String,
    pub params: BTreeSet<String>,
    pub idempotency_key: Option<String>,
    pub stripe_version: Option<String>,
    /// The status of the response, or `None` if a fault closed the connection.
    pub status: Option<u16>,
    pub fault: Option<&'static str>,
}

/// The log of calls.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<(u64, VecDeque<Request>)>);

impl Requests {
    pub fn record(&self, mut request: Request) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.0 += 1;
        request.id = log.0;
        log.1.push_back(request);
        if log.1.len() > REQUESTS_MAX {
            log.1.pop_front();
        }
    }

    pub fn newest_first(&self, limit: usize) -> Vec<Request> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.1.iter().rev().take(limit).cloned().collect()
    }
}

/// The names of all parameters in a query string and a form.
pub(crate) fn names_of(query: &str, form: &[u8]) -> BTreeSet<String> {
    form_urlencoded::parse(query.as_bytes())
        .chain(form_urlencoded::parse(form))
        .map(|(name, _)| name.into_owned())
        .filter(|name| !name.is_empty())
        .collect()
}
