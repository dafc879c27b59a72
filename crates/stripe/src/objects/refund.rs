//! A refund: money that is returned to the customer.

use super::string_enum::string_enum;
use super::{Charge, Expandable, Metadata, PaymentIntent, or_default};
use serde::Deserialize;

/// A full or partial refund of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// The id, `re_...`.
    pub id: String,
    /// The amount in minor units.
    pub amount: i64,
    /// The currency as a lowercase three-letter code.
    pub currency: String,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The state of the refund. A refund that succeeded can still fail later.
    pub status: Option<RefundStatus>,
    /// The charge that is refunded, as an id or expanded.
    #[serde(default)]
    pub charge: Expandable<Charge>,
    /// The payment intent of the refunded charge.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The reason, such as `duplicate`, `fraudulent` or `requested_by_customer`.
    pub reason: Option<String>,
    /// The reason why the refund failed.
    pub failure_reason: Option<String>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

string_enum! {
    /// The state of a refund.
    RefundStatus {
        /// The refund is in progress.
        Pending = "pending",
        /// The customer must take an action.
        RequiresAction = "requires_action",
        /// The bank accepted the refund.
        Succeeded = "succeeded",
        /// The refund failed, and the bank returned the money to us.
        Failed = "failed",
        /// The refund was canceled before it was sent.
        Canceled = "canceled",
    }
}
