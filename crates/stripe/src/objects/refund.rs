//! A refund: money given back.

use super::words::words;
use super::{Charge, Expandable, Metadata, PaymentIntent, or_default};
use serde::Deserialize;

/// Money given back of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// `re_...`
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Unix seconds.
    pub created: i64,
    /// How far it is. A refund that succeeded can still fail later.
    pub status: Option<RefundStatus>,
    /// What it is given back of.
    #[serde(default)]
    pub charge: Expandable<Charge>,
    /// What it is given back of.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// `duplicate`, `fraudulent`, `requested_by_customer`, ...
    pub reason: Option<String>,
    /// Why it failed.
    pub failure_reason: Option<String>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

words! {
    /// How far a refund is.
    RefundStatus {
        /// On its way.
        Pending = "pending",
        /// The buyer must do something.
        RequiresAction = "requires_action",
        /// Given back.
        Succeeded = "succeeded",
        /// The bank sent the money back to us.
        Failed = "failed",
        /// Taken back before it left.
        Canceled = "canceled",
    }
}
