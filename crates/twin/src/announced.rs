//! Events on their way to the clients of `stripe listen`.

use std::sync::Arc;

use serde_json::Value;

use crate::deliveries::Outgoing;

/// An event that every connected listener receives.
#[derive(Debug)]
pub(crate) struct Announced {
    pub id: String,
    kind: String,
    pub payload: Arc<str>,
}

impl Announced {
    /// Serializes the event. Returns `None` if the value is not an event.
    pub fn of(event: &Value) -> Option<Self> {
        let outgoing = Outgoing::of(event)?;
        Some(Self {
            id: outgoing.id.to_owned(),
            kind: outgoing.event_type.to_owned(),
            payload: outgoing.payload,
        })
    }

    pub fn outgoing(&self) -> Outgoing<'_> {
        Outgoing {
            id: &self.id,
            event_type: &self.kind,
            payload: Arc::clone(&self.payload),
        }
    }
}
