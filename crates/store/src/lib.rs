//! The only room that speaks SQL: rows in and out of SQLite or PostgreSQL, one text for both.
//!
//! Its unit is a job, a closure over [`Tx`]; see [`Db`].

pub mod account_prices;
pub mod accounts;
pub mod alerts;
pub mod api_keys;
pub mod audit_log;
pub mod auto_topup;
pub mod catalog;
mod checkpointer;
pub mod credit_notes;
pub mod customers;
mod db;
pub mod due;
pub mod erasure;
mod error;
pub mod events;
pub mod export;
mod handle;
pub mod intents;
pub mod invitations;
pub mod invoices;
pub mod jobs;
pub mod ledger;
pub mod login_links;
pub mod metrics;
pub mod migrate;
pub mod operator_views;
pub mod outbox;
pub mod payment_methods;
mod queue;
pub mod rate_limit;
pub mod sessions;
pub mod settings;
pub mod subscriptions;
pub mod sync;
pub mod transactions;
pub mod trials;
pub mod used_tokens;
pub mod users;
pub mod vault;
pub mod webhook_endpoints;
mod writer;

pub use db::{Arg, Column, PostgresAddress, PostgresTx, Record, Row, SqliteTx, Tx};
pub use error::{Error, Result};
pub use handle::{DatabaseUrl, Db, Durability, Kind, Options, Stats, make_folder};
pub use vault::Vault;

#[cfg(feature = "testing")]
pub mod testing;
