//! LocalBoxs Billing: tiers and prepaid API credits on Stripe.
//!
//! The rooms: [`config`] reads the outside, [`app`] is what a handler may reach, [`router`] has
//! every address on one screen, [`http`] stands before all handlers, [`api`] answers JSON and
//! [`pages`] HTML; [`webhooks`] records what Stripe tells, [`sync`] makes our rows agree with it,
//! [`payments`] asks it for something, [`jobs`] do what no request waits for, and [`cli`] is the
//! command line.

pub mod cli;
pub mod mailer;
pub mod service;
pub mod telemetry;
