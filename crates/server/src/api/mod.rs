//! JSON: one file a resource. Handlers extract, ask, answer.

pub mod auth;
pub mod billing;
pub mod checkout;
pub mod debits;
pub mod grants;
pub mod health;
pub mod holds;
pub mod keys;
pub mod lists;
pub mod metered;
pub mod noop;
pub mod portal;
pub mod pricing;
pub mod usage;
