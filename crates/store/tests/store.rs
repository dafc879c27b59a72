//! Tests of every function of the store on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

#[path = "store/accounts.rs"]
mod accounts;
#[path = "store/foreign.rs"]
mod foreign;
#[path = "store/help.rs"]
mod help;
#[path = "store/intents.rs"]
mod intents;
#[path = "store/ledger.rs"]
mod ledger;
#[path = "store/operators.rs"]
mod operators;
#[path = "store/people.rs"]
mod people;
#[path = "store/schema.rs"]
mod schema;
#[path = "store/service.rs"]
mod service;
#[path = "store/stripe.rs"]
mod stripe;
#[path = "store/sync.rs"]
mod sync;
#[path = "store/transactions.rs"]
mod transactions;
#[path = "store/trouble.rs"]
mod trouble;
#[path = "store/words.rs"]
mod words;
#[path = "store/writer.rs"]
mod writer;
