//! A payment intent: one payment from the first try to the end.

use super::words::words;
use super::{Charge, Customer, Expandable, Invoice, Metadata, PaymentMethod, or_default};
use serde::Deserialize;

/// A payment and its state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentIntent {
    /// `pi_...`
    pub id: String,
    /// Where the payment is.
    pub status: PaymentIntentStatus,
    /// Minor units asked for.
    pub amount: i64,
    /// Minor units received.
    #[serde(default, deserialize_with = "or_default")]
    pub amount_received: i64,
    /// Three small letters.
    pub currency: String,
    /// Unix seconds.
    pub created: i64,
    /// Who pays.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The latest try.
    #[serde(default)]
    pub latest_charge: Expandable<Charge>,
    /// The card or other method of the latest try.
    #[serde(default)]
    pub payment_method: Expandable<PaymentMethod>,
    /// Why the latest try failed.
    pub last_payment_error: Option<PaymentError>,
    /// The invoice it pays. Gone since basil: the invoice's `payments` say it instead.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// Why it was canceled.
    pub cancellation_reason: Option<String>,
    /// What the payment is for.
    pub description: Option<String>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// False for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

/// Why a payment failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentError {
    /// `card_error`, ...
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `card_declined`, `expired_card`, `authentication_required`, ...
    pub code: Option<String>,
    /// The bank's reason: `insufficient_funds`, ...
    pub decline_code: Option<String>,
    /// A sentence for the buyer.
    pub message: Option<String>,
}

words! {
    /// Where a payment is.
    PaymentIntentStatus {
        /// There is no payment method, or the latest one was declined.
        RequiresPaymentMethod = "requires_payment_method",
        /// It was not yet confirmed.
        RequiresConfirmation = "requires_confirmation",
        /// The buyer must authenticate.
        RequiresAction = "requires_action",
        /// A delayed method is on its way.
        Processing = "processing",
        /// Authorized, not captured.
        RequiresCapture = "requires_capture",
        /// Over, without payment.
        Canceled = "canceled",
        /// Paid.
        Succeeded = "succeeded",
    }
}
