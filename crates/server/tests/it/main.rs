//! Stories over HTTP, against a running server and the twin, on both databases.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on ends with a panic"
)]

mod acceptance;
mod access;
mod audit;
mod buying;
mod catalog;
mod checkout;
mod closing;
mod crash;
mod hardening;
mod lifecycle;
mod limits;
mod members;
mod metering;
mod operators;
mod pages;
mod people;
mod plans;
mod resources;
mod stage;
mod sync;
mod webhooks;
