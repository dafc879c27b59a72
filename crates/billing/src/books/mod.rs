//! The books: audits, background checks, and business metrics.

pub mod audit;
pub mod check;
pub mod figures;
