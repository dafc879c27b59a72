//! The operators' pages.

pub mod account;
pub mod accounts;
pub mod alerts;
pub mod event;
pub mod events;
pub mod overview;
pub mod parts;
pub mod transactions;
pub mod webhooks;
