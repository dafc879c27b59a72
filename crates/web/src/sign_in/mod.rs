//! Signing in: our cookies, the host application's session, hand-over tokens, OpenID Connect.

pub mod claims;
pub mod cookies;
pub mod hand_over;
pub mod host_session;
pub mod jwks;
#[cfg(feature = "oidc")]
pub mod oidc;
pub mod visitor;
