//! Rows that both JSON and CSV responses use.

pub mod act;
pub mod money;
pub mod parts;
pub mod transaction;
pub mod usage;
