//! HTTP: every URL of the service ([`router`]), JSON ([`api`]), pages ([`pages`]), sign-in
//! ([`sign_in`]) and Stripe's webhooks ([`webhooks`]).
//!
//! Handlers extract, call one function of `billing`, and answer. They write no rows and never call
//! Stripe. [`http`] has the extractors (caller, body, idempotency key) and the error responses.

pub mod api;
pub mod around;
pub mod files;
pub mod frame;
pub mod http;
pub mod lists;
pub mod pages;
pub mod router;
pub mod rows;
pub mod sign_in;
pub mod site;
pub mod webhooks;
