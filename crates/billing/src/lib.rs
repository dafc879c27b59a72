//! The application: everything `LocalBoxs` Billing does, without HTTP or HTML.
//!
//! Every act of a customer, a host application, an operator or a job is one function here; the JSON
//! handler and the page handler of the same act both call it. [`actors`] are plain values, an
//! [`error::Error`] is a fact without a status code. [`app`] holds what all functions share: the
//! database, Stripe, the catalog, the clocks and the caches.

pub mod accounts;
pub mod actors;
pub mod app;
pub mod books;
pub mod clock;
pub mod config;
pub mod error;
pub mod exact;
pub mod export;
pub mod health;
pub mod idempotency;
pub mod intents;
pub mod jobs;
pub mod keys;
pub mod letters;
pub mod links;
pub mod metering;
pub mod network;
pub mod notices;
pub mod operators;
pub mod outbound;
pub mod payments;
pub mod people;
pub mod rate_limit;
pub mod secrets;
pub mod setup;
pub mod summary;
pub mod sync;
pub mod text;
pub mod tracing;
pub mod trials;
pub mod webhook_endpoints;
