//! The admin's pages: transactions, webhook events and accounts.

pub mod account;
pub mod accounts;
pub mod event;
pub mod events;
pub mod transactions;
