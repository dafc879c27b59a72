//! The calls, one file per group of resources. All are methods of [`Client`](crate::Client).
//!
//! A call that creates or changes something takes an idempotency key: the caller's name for one
//! attempt, the same however often it is sent. Its parameters are sent exactly as given, because
//! Stripe refuses a known key with different parameters. Each call that reads documents what it
//! expands. Lists are read page by page up to a limit that the caller sets; `has_more` on the
//! result says whether the list continues. Every call fails with an [`Error`](crate::Error), which
//! says whether it may have been executed.

mod account;
mod catalog;
mod checkout;
mod customers;
mod invoices;
mod payments;
mod portal;
mod subscriptions;
mod webhooks;
