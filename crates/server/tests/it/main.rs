//! Stories over HTTP, against a running server and the twin, on both databases.

mod access;
mod buying;
mod checkout;
mod crash;
mod lifecycle;
mod metering;
mod stage;
mod webhooks;
