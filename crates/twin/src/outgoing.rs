//! Events on their way to webhook endpoints and to the clients of `stripe listen`.

use std::sync::Arc;

use serde_json::Value;

use crate::core::to_text;

/// An event to deliver, serialized as it is sent.
pub(crate) struct Outgoing<'a> {
    pub id: &'a str,
    pub event_type: &'a str,
    pub payload: Arc<str>,
}

impl<'a> Outgoing<'a> {
    pub fn of(event: &'a Value) -> Option<Self> {
        Some(Self {
            id: event["id"].as_str()?,
            event_type: event["type"].as_str()?,
            payload: to_text(event).into(),
        })
    }
}

/// An event on its way to a listener.
#[derive(Debug)]
pub(crate) struct Announced {
    pub id: String,
    pub kind: String,
    pub payload: Arc<str>,
}

impl Announced {
    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            id: &self.id,
            event_type: &self.kind,
            payload: Arc::clone(&self.payload),
        }
    }
}
