//! Tests of Stripe's rules in the twin. Every object and event that passes through a test is
//! checked against Stripe's own schema.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod access;
mod balances;
mod billing;
mod changes;
mod checkout;
mod checkout_subscriptions;
mod coupons;
mod discounts;
mod dunning;
mod idempotency;
mod money;
mod previews;
mod prorations;
mod protocol;
mod reading;
mod schedules;
mod schema;
mod shop;
mod storm;
mod tax_ids;
mod taxes;
mod test_clocks;
mod trials;
mod triggers;
