//! The rules of Stripe that the twin keeps, each a test. Every object and event that passes through a test is
//! held against Stripe's own schema.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

mod billing;
mod changes;
mod checkout;
mod checkout_subscriptions;
mod dunning;
mod money;
mod protocol;
mod reading;
mod schedules;
mod schema;
mod shop;
mod storm;
mod trials;
mod triggers;
