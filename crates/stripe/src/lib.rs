//! Stripe's API: the client, webhook signatures, events and objects. The crate knows nothing about
//! credits.
//!
//! - [`signature`] checks whether a delivery comes from Stripe, and [`event`] reads what it is about.
//! - [`objects`] are Stripe's objects in the formats of four API versions.
//! - [`Client`] makes the calls. It uses one idempotency key for all attempts, honors `Retry-After`
//!   and `Stripe-Should-Retry`, gives up at a deadline, and its errors say whether the call may have
//!   been executed.
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
//! // Store the key with the parameters before the call, so that a crash cannot charge twice.
//! let session = client.create_checkout_session(&params, "intent_7").await?;
//! # drop(session);
//! # Ok(())
//! # }
//! ```

pub mod carrier;
pub mod client;
pub mod endpoints;
pub mod error;
pub mod event;
pub mod form;
pub mod objects;
pub mod signature;

pub use carrier::{Carried, Carrier, Lost, Reply};
pub use client::{Client, ClientConfig, DEFAULT_API_VERSION};
pub use error::{Error, Result};
pub use event::{EventError, HANDLED_EVENTS};
pub use form::Form;
pub use objects::Expandable;
pub use signature::{SignatureError, sign, sign_with_all, verify};
