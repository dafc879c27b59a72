//! The application: everything `LocalBoxs` Billing does, without HTTP or HTML.
//!
//! Each action of a customer, host application, operator or job is one function here, called by
//! both its JSON handler and its page handler. [`actors`] are plain values; an [`error::Error`]
//! carries no HTTP status code. [`app`] holds the shared state: the database, Stripe client,
//! catalog, clocks and caches.

pub mod accounts;
pub mod actors;
pub mod app;
pub mod binding;
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
mod reactions;
pub mod secrets;
pub mod setup;
pub mod summary;
pub mod sync;
pub mod text;
pub mod tracing;
pub mod trials;
pub mod webhook_endpoints;
