//! Rows that both JSON and CSV answers show.

pub mod act;
pub mod money;
pub mod parts;
pub mod transaction;
pub mod usage;
