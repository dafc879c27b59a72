//! Stripe's wire: the client, signatures and objects. Knows nothing of credits.

pub mod signature;

pub use signature::{SignatureError, sign, sign_with_all, verify};
