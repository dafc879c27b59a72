//! Events on their way to the clients of `stripe listen`.

use std::sync::Arc;

use crate::deliveries::Outgoing;

/// An event that every connected listener receives.
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
