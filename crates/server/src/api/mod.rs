//! JSON: one file a resource. Handlers extract, ask, answer.

pub mod accounts;
pub mod admin;
pub mod agreed_prices;
pub mod auth;
pub mod billing;
pub mod check;
pub mod checkout;
pub mod debits;
pub mod docs;
pub mod grants;
pub mod health;
pub mod holds;
pub mod keys;
pub mod limits;
pub mod lists;
pub mod members;
pub mod metered;
pub mod metrics;
pub mod noop;
pub mod openapi;
pub mod plan_changes;
pub mod portal;
pub mod pricing;
pub mod sessions;
pub mod transactions;
pub mod usage;
