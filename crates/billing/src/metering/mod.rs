//! Metered calls: what a call costs, and whether it would be admitted.

pub mod admission;
pub mod price;
