//! A charge: one attempt to move money, and how much of it was refunded.

use super::string_enum::string_enum;
use super::{
    Card, Customer, Expandable, Invoice, List, Metadata, PaymentIntent, Refund, or_default,
};
use serde::Deserialize;

/// A charge. Its `refunds` are only present if they were expanded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// The id, `ch_...`, or `py_...` for payment methods other than cards.
    pub id: String,
    /// The outcome of the attempt.
    pub status: ChargeStatus,
    /// The amount in minor units.
    pub amount: i64,
    /// The amount that was captured, in minor units.
    pub amount_captured: i64,
    /// The amount that was refunded, in minor units.
    pub amount_refunded: i64,
    /// The currency as a lowercase three-letter code.
    pub currency: String,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// Whether the charge succeeded or was authorized.
    #[serde(default, deserialize_with = "or_default")]
    pub paid: bool,
    /// Whether the charge was fully refunded. It is `false` after a partial refund.
    #[serde(default, deserialize_with = "or_default")]
    pub refunded: bool,
    /// Whether the charge is or was disputed.
    #[serde(default, deserialize_with = "or_default")]
    pub disputed: bool,
    /// The customer who was charged.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The payment intent that the attempt belongs to.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The invoice that it pays. Absent since basil, where the invoice's `payments` refer to the
    /// payment instead.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The refunds if they were expanded, newest first and at most ten. `None` doesn't mean that
    /// there are no refunds.
    pub refunds: Option<List<Refund>>,
    /// The URL of Stripe's receipt.
    pub receipt_url: Option<String>,
    /// The id of the payment method, `pm_...`.
    pub payment_method: Option<String>,
    /// The payment method as it was at the time of the charge.
    pub payment_method_details: Option<PaymentMethodDetails>,
    /// Stripe's code for the failure.
    pub failure_code: Option<String>,
    /// The message for the failure.
    pub failure_message: Option<String>,
    /// The description of the payment.
    pub description: Option<String>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whether the object is live. It is `false` for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl Charge {
    /// The card that was charged, if the payment method was a card.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.payment_method_details.as_ref()?.card.as_ref()
    }
}

/// The payment method of a charge.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentMethodDetails {
    /// The type, such as `card` or `sepa_debit`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The card, if the payment method was a card.
    pub card: Option<Card>,
}

string_enum! {
    /// The outcome of a charge.
    ChargeStatus {
        /// The money was captured, or authorized with manual capture.
        Succeeded = "succeeded",
        /// A delayed payment method is still processing.
        Pending = "pending",
        /// The charge was declined.
        Failed = "failed",
    }
}
