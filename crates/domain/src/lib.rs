//! Pure rules: money, credits, plans and access.
//!
//! Values in, values out. Nothing here reads a clock, draws a random number, does I/O or uses a
//! float; `now` and ids are parameters. Every other crate that makes a decision about money uses
//! this one.

pub mod amounts;
pub mod backoff;
pub mod catalog;
pub mod decimal;
pub mod deferred;
pub mod dunning;
pub mod figures;
pub mod ids;
pub mod invoices;
pub mod ledger;
pub mod letters;
pub mod mailbox;
pub mod method_types;
pub mod money;
pub mod people;
pub mod plan;
pub mod projection;
pub mod recurring;
pub mod time;
pub mod units;
mod words;

#[doc(hidden)]
pub use serde::{Serialize, Serializer};
