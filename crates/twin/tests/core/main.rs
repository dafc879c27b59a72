//! Tests of Stripe's rules in the twin. Every object and event that passes through a test is
//! checked against Stripe's own schema.

#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod access;
mod authorizations;
mod balances;
mod beginnings;
mod billing;
mod changes;
mod checkout;
mod checkout_invoices;
mod checkout_settings;
mod checkout_subscriptions;
mod coupons;
mod crossings;
mod customers;
mod discounts;
mod disputes;
mod dunning;
mod embedded;
mod endings;
mod idempotency;
mod invoice_items;
mod invoice_lines;
mod invoices;
mod last_events;
mod limits;
mod listing;
mod money;
mod money_events;
mod new_previews;
mod old_states;
mod parameters;
mod phases;
mod portal_flows;
mod previews;
mod prorations;
mod protocol;
mod reading;
mod recorded;
mod refusals;
mod refused_sales;
mod schedules;
mod schema;
mod searches;
mod sending;
mod shop;
mod statuses;
mod storm;
mod strictness;
mod tax_ids;
mod taxes;
mod test_clocks;
mod trial_ends;
mod trials;
mod triggers;
