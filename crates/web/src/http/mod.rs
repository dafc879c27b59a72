//! What runs before every handler: identifying the caller, checking access, parsing and bounding
//! the request; and errors as responses.

pub mod accept;
pub mod access;
pub mod address;
pub mod body_timeout;
pub mod callers;
pub mod error;
pub mod form;
pub mod idempotency;
pub mod json;
pub mod listen;
pub mod origin;
pub mod params;
pub mod request_id;
pub mod roles;
pub mod trace;
