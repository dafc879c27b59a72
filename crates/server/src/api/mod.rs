//! JSON: one file a resource. Handlers extract, ask, answer.

pub mod auth;
pub mod billing;
pub mod checkout;
pub mod health;
pub mod portal;
pub mod pricing;
