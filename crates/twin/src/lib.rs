//! A Stripe that runs on this machine.

pub mod core;
