//! Stripe's wire: the client, webhook signatures, events and objects. Knows nothing of credits.
//!
//! - [`signature`] tells whether a delivery is Stripe's; [`event`] reads what it is about.
//! - [`objects`] are what Stripe answers, in the shapes of four API versions.
//! - [`Client`] makes the calls: one idempotency key over all tries, `Retry-After` and
//!   `Stripe-Should-Retry` honoured, a deadline over everything, and errors that say whether the
//!   call may have been done.
//!
//! ```no_run
//! # async fn example() -> stripe::Result<()> {
//! use stripe::{Client, ClientConfig, Form};
//!
//! let client = Client::new(ClientConfig::new("https://api.stripe.com", "sk_test_..."))?;
//! let params = Form::new()
//!     .push("mode", "payment")
//!     .push("line_items[0][price]", "price_...")
//!     .push("line_items[0][quantity]", 1)
//!     .push("success_url", "https://example.com/done");
//!
//! // The key is kept with the parameters before the call, so that a crash cannot sell twice.
//! let session = client.create_checkout_session(&params, "intent_7").await?;
//! # drop(session);
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod endpoints;
pub mod error;
pub mod event;
pub mod form;
pub mod objects;
pub mod signature;

pub use client::{Client, ClientConfig, DEFAULT_API_VERSION};
pub use error::{Error, Result};
pub use event::{EventError, HANDLED_EVENTS};
pub use form::Form;
pub use objects::Expandable;
pub use signature::{SignatureError, sign, sign_with_all, verify};
