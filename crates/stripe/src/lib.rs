//! Stripe's wire: the client, signatures and objects. Knows nothing of credits.

pub mod event;
pub mod objects;
pub mod signature;

pub use event::{EventError, HANDLED_EVENTS};
pub use objects::Expandable;
pub use signature::{SignatureError, sign, sign_with_all, verify};
