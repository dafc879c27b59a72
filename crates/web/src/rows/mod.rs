//! Rows that both JSON and CSV answers show.

pub mod act;
pub mod money;
pub mod transaction;
pub mod usage;
