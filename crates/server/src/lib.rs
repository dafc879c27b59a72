//! LocalBoxs Billing: tiers and prepaid API credits on Stripe.
//!
//! The rooms: [`config`] reads the outside, [`app`] is what a handler may reach, [`router`] has
//! every address on one screen, [`http`] stands before all handlers, [`api`] answers JSON and
//! [`pages`] HTML; [`webhooks`] records what Stripe tells, [`sync`] makes our rows agree with it,
//! [`payments`] asks it for something, [`jobs`] do what no request waits for, and [`cli`] is the
//! command line.

pub mod account;
pub mod actors;
pub mod api;
pub mod app;
pub mod audit;
pub mod books;
pub mod cli;
pub mod clock;
pub mod closing;
pub mod config;
pub mod error;
pub mod figures;
pub mod http;
pub mod idempotency;
pub mod jobs;
pub mod links;
pub mod members;
pub mod network;
pub mod notices;
pub mod operators;
pub mod outbound;
pub mod own_data;
pub mod pages;
pub mod payments;
pub mod people;
pub mod preferences;
pub mod rate_limit;
pub mod router;
pub mod secrets;
pub mod setup;
pub mod sync;
pub mod telemetry;
pub mod tracing;
pub mod webhooks;
