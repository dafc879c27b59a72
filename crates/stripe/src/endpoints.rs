//! The calls, one file a group of resources. All are methods of [`Client`](crate::Client).
//!
//! What creates or changes something takes an idempotency key: the caller's name for this one
//! attempt, the same however often it is sent. Its parameters go out exactly as given, since Stripe
//! refuses a known key with others. What is fetched comes with the expansions that each call tells.
//! Lists read page by page up to a bound that the caller names; `has_more` on the result tells
//! whether the bound cut it short.

mod account;
mod catalog;
mod checkout;
mod customers;
mod invoices;
mod payments;
mod portal;
mod subscriptions;
mod webhooks;
