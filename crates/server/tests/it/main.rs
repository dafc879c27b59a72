//! User stories over HTTP, against a running server and the twin, on both databases.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue panics")]

mod acceptance;
mod access;
mod alerts;
mod audit;
mod buying;
mod cases;
mod catalog;
mod chains;
mod checkout;
mod clients;
mod clocks;
mod closing;
mod crash;
mod credits;
mod deploy;
mod doctor;
mod hardening;
mod lifecycle;
mod limits;
mod listening;
mod members;
mod metering;
mod mistakes;
mod money;
mod notices;
mod notifications;
mod numbers;
mod on_behalf;
mod operators;
mod ours;
mod own_data;
mod pages;
mod people;
mod plans;
mod privacy;
mod problems;
mod questions;
mod reads;
mod recovery;
mod resources;
mod same_key;
mod settings;
mod setup;
mod sign_in;
mod stage;
mod stripe_proxy;
mod sync;
mod topup;
#[cfg(feature = "otel")]
mod traces;
mod webhooks;
