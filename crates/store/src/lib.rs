//! The only crate that contains SQL: rows in and out of SQLite or PostgreSQL, with the same
//! statements for both.
//!
//! Its unit of work is a job, a closure over [`Tx`] that [`Db`] runs.

pub mod account_prices;
pub mod accounts;
pub mod alerts;
pub mod api_keys;
pub mod audit_log;
pub mod auto_topup;
pub mod catalog;
mod checkpointer;
mod cipher;
pub mod clock;
mod counters;
pub mod credit_notes;
pub mod customers;
mod db;
pub mod disputes;
pub mod due;
pub mod erasure;
mod error;
pub mod events;
pub mod export;
mod files;
pub mod foreign;
mod handle;
pub mod intent_steps;
pub mod intents;
pub mod invitations;
pub mod invoices;
mod job;
pub mod jobs;
pub mod ledger;
pub mod login_links;
pub mod metrics;
pub mod migrate;
pub mod next_charges;
pub mod operator_requests;
pub mod operator_views;
pub mod outbox;
pub mod payment_methods;
mod queue;
pub mod rate_limit;
pub mod sealing;
pub mod sessions;
pub mod settings;
pub mod subscriptions;
pub mod sync;
mod threads;
pub mod transactions;
pub mod trials;
mod url;
pub mod used_tokens;
pub mod users;
pub mod webhook_endpoints;
mod writer;

pub use cipher::Vault;
pub use db::{Arg, Column, PostgresAddress, PostgresTx, Record, Row, SqliteTx, Tx};
pub use error::{Error, Result};
pub use files::make_folder;
pub use handle::{Db, Durability, Options, Stats};
pub use url::{DatabaseUrl, Kind};

#[cfg(feature = "testing")]
pub mod testing;

// The former path of `sealing`, until all callers use the new one.
pub use sealing as vault;
