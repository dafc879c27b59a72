//! The program: `LocalBoxs` Billing, which sells plans and prepaid API credits on Stripe.
//!
//! [`cli`] is the command line, [`service`] runs the HTTP listener and the background jobs,
//! [`mailer`] sends emails, and [`telemetry`] sets up logs and traces. The business logic is in
//! the crate `billing`, HTML in `views`, and HTTP in `web`.

pub mod cli;
pub mod mailer;
pub mod service;
pub mod telemetry;
