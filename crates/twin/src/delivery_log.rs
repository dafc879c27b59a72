//! The log of webhook deliveries: each with its attempts.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::{Micros, rfc3339};
use crate::core::Endpoint;
use crate::outgoing::Outgoing;

/// The largest number of deliveries in the log. A new one replaces the oldest.
const LOG_MAX: usize = 2_000;

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// It has not been sent yet, or it will be sent again.
    Waiting,
    /// The receiver answered with a 2xx status.
    Delivered,
    /// The last attempt failed, and there are no more retries.
    Failed,
    /// Chaos or a full queue dropped it, so it was never sent.
    Dropped,
}

/// One attempt at a delivery.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Try {
    pub at: String,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub response: String,
    pub millis: u128,
}

impl Try {
    /// An attempt that began at `at` and has received no answer, for the reason `error`.
    pub fn without_answer(at: Micros, error: &str) -> Self {
        Self {
            at: rfc3339(at),
            status: None,
            error: Some(error.to_owned()),
            response: String::new(),
            millis: 0,
        }
    }
}

/// One delivery in the log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub id: u64,
    pub event: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub endpoint: String,
    pub url: String,
    pub outcome: Outcome,
    pub created_at: String,
    pub next_try_at: Option<String>,
    pub tries: Vec<Try>,
}

/// The newest deliveries by their id.
#[derive(Debug, Default)]
pub(crate) struct Log(BTreeMap<u64, Entry>);

impl Log {
    pub fn add(
        &mut self,
        id: u64,
        event: &Outgoing<'_>,
        endpoint: &Endpoint,
        now: Micros,
        outcome: Outcome,
    ) {
        let entry = Entry {
            id,
            event: event.id.to_owned(),
            event_type: event.event_type.to_owned(),
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            outcome,
            created_at: rfc3339(now),
            next_try_at: None,
            tries: Vec::new(),
        };
        self.0.insert(id, entry);
        if self.0.len() > LOG_MAX {
            self.0.pop_first();
        }
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.0.get_mut(&id)
    }

    /// The newest deliveries, newest first.
    pub fn newest(&self, limit: usize) -> Vec<Entry> {
        self.0.values().rev().take(limit).cloned().collect()
    }
}
