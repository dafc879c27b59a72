//! The only room that speaks SQL: rows in and out of SQLite or PostgreSQL, one text for both.
//!
//! Its unit is a job, a closure over [`Tx`]; see [`Db`].

mod checkpointer;
mod db;
mod error;
mod handle;
pub mod ledger;
pub mod migrate;
mod queue;
mod writer;

pub use db::{Arg, Column, PostgresAddress, PostgresTx, Record, Row, SqliteTx, Tx};
pub use error::{Error, Result};
pub use handle::{DatabaseUrl, Db, Durability, Kind, Options, Stats};
