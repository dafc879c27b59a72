//! Tests of Stripe's rules in the twin. Every object and event that passes through a test is
//! checked against Stripe's own schema.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod access;
mod authorizations;
mod billing;
mod changes;
mod checkout;
mod checkout_subscriptions;
mod disputes;
mod dunning;
mod idempotency;
mod money;
mod parameters;
mod protocol;
mod reading;
mod refusals;
mod schedules;
mod schema;
mod shop;
mod storm;
mod test_clocks;
mod trials;
mod triggers;
