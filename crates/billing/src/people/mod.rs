//! People: users, members, sign-in links and sessions.

pub mod free_allowance;
pub(crate) mod identity;
pub mod members;
pub mod sessions;
pub mod sign_in;
pub mod users;
