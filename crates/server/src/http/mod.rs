//! What stands before every handler: who is calling, from where, how often, and how an error is
//! said.

pub mod access;
pub mod address;
pub mod callers;
pub mod carry;
pub mod error;
pub mod hand_over;
pub mod host_session;
pub mod idempotency;
pub mod json;
pub mod jwks;
pub mod listen;
pub mod middleware;
#[cfg(feature = "oidc")]
pub mod oidc;
pub mod params;
pub mod roles;
pub mod site;
pub mod slow;
pub mod trace;
