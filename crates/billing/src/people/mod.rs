//! People: users, members, sign-in links and sessions.

pub(crate) mod identity;
pub mod members;
pub mod sessions;
pub mod sign_in;
pub mod users;
