//! The books: audit, checks, and the figures of the business.

pub mod audit;
pub mod check;
pub mod figures;
