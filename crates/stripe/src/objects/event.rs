//! An event in a list, as read when polling for missed events.

use crate::event::{self, EventError};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

/// An event with its original bytes, the same that a webhook would have delivered.
#[derive(Debug, Clone)]
pub struct Event {
    /// The id, `evt_...`.
    pub id: String,
    raw: Box<RawValue>,
}

impl Event {
    /// The event's JSON as Stripe wrote it.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.raw.get()
    }

    /// Reads the event in the same way as a delivered one.
    ///
    /// # Errors
    ///
    /// Fails with an [`EventError`] if the JSON is not an event that we can read.
    pub fn read(&self) -> Result<event::Event<'_>, EventError> {
        event::parse(self.raw().as_bytes())
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let Id { id } = serde_json::from_str(raw.get()).map_err(de::Error::custom)?;
        Ok(Self { id, raw })
    }
}
