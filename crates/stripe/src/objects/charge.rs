//! A charge: one try to move money, with what was given back of it.

use super::words::words;
use super::{
    Card, Customer, Expandable, Invoice, List, Metadata, PaymentIntent, Refund, or_default,
};
use serde::Deserialize;

/// A charge. `refunds` is only there when it was expanded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// `ch_...`, or `py_...` for methods that are no cards.
    pub id: String,
    /// How the try ended.
    pub status: ChargeStatus,
    /// Minor units.
    pub amount: i64,
    /// Minor units that were taken.
    pub amount_captured: i64,
    /// Minor units that were given back.
    pub amount_refunded: i64,
    /// Three small letters.
    pub currency: String,
    /// Unix seconds.
    pub created: i64,
    /// Whether it succeeded or was authorized.
    #[serde(default, deserialize_with = "or_default")]
    pub paid: bool,
    /// Whether the whole of it was given back; false after a part.
    #[serde(default, deserialize_with = "or_default")]
    pub refunded: bool,
    /// Whether the buyer disputes or disputed it.
    #[serde(default, deserialize_with = "or_default")]
    pub disputed: bool,
    /// Who paid.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The payment it is a try of.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The invoice it pays. Gone since basil: the invoice's `payments` say it instead.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The refunds, newest first and at most ten, if expanded. None says nothing about refunds.
    pub refunds: Option<List<Refund>>,
    /// Stripe's receipt.
    pub receipt_url: Option<String>,
    /// `pm_...`
    pub payment_method: Option<String>,
    /// What was paid with, as it was then.
    pub payment_method_details: Option<PaymentMethodDetails>,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// Why it failed, as a sentence.
    pub failure_message: Option<String>,
    /// What the payment is for.
    pub description: Option<String>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// False for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl Charge {
    /// The card that was charged, if it was one.
    #[must_use]
    pub fn card(&self) -> Option<&Card> {
        self.payment_method_details.as_ref()?.card.as_ref()
    }
}

/// What was paid with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentMethodDetails {
    /// `card`, `sepa_debit`, ...
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The card, if it was one.
    pub card: Option<Card>,
}

words! {
    /// How a charge ended.
    ChargeStatus {
        /// The money moved.
        Succeeded = "succeeded",
        /// A delayed method is on its way.
        Pending = "pending",
        /// It was declined.
        Failed = "failed",
    }
}
