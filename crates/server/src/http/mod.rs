//! What stands before every handler: who is calling, from where, how often, and how an error is
//! said.

pub mod callers;
pub mod error;
pub mod idempotency;
pub mod json;
pub mod keys;
pub mod middleware;
pub mod params;
pub mod rate_limit;
