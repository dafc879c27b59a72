//! Accounts: creating and changing them, names, spending limits, preferences, closing.

pub mod closing;
pub mod limits;
pub mod names;
pub mod preferences;
pub mod put;
