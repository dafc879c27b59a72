//! A payment intent: one payment with all its attempts.

use super::string_enum::string_enum;
use super::{Charge, Customer, Expandable, Invoice, Metadata, PaymentMethod, or_default};
use serde::Deserialize;

/// A payment and its state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentIntent {
    /// The id, `pi_...`.
    pub id: String,
    /// The state of the payment.
    pub status: PaymentIntentStatus,
    /// The requested amount in minor units.
    pub amount: i64,
    /// The amount that was received, in minor units.
    #[serde(default, deserialize_with = "or_default")]
    pub amount_received: i64,
    /// The currency as a lowercase three-letter code.
    pub currency: String,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The customer who pays.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The charge of the latest attempt.
    #[serde(default)]
    pub latest_charge: Expandable<Charge>,
    /// The payment method of the latest attempt.
    #[serde(default)]
    pub payment_method: Expandable<PaymentMethod>,
    /// The error of the latest attempt.
    pub last_payment_error: Option<PaymentError>,
    /// The invoice that it pays. Absent since basil, where the invoice's `payments` refer to the
    /// payment instead.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The reason why the payment was canceled.
    pub cancellation_reason: Option<String>,
    /// The description of the payment.
    pub description: Option<String>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whether the object is live. It is `false` for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

/// The error of a failed payment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PaymentError {
    /// The type, such as `card_error`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The code, such as `card_declined`, `expired_card` or `authentication_required`.
    pub code: Option<String>,
    /// The reason that the bank gave, such as `insufficient_funds`.
    pub decline_code: Option<String>,
    /// The message for the customer.
    pub message: Option<String>,
}

string_enum! {
    /// The state of a payment.
    PaymentIntentStatus {
        /// The payment has no payment method, or the latest one was declined.
        RequiresPaymentMethod = "requires_payment_method",
        /// The payment is not confirmed yet.
        RequiresConfirmation = "requires_confirmation",
        /// The customer must authenticate.
        RequiresAction = "requires_action",
        /// A delayed payment method is still processing.
        Processing = "processing",
        /// The payment is authorized but not captured.
        RequiresCapture = "requires_capture",
        /// The payment was canceled.
        Canceled = "canceled",
        /// The payment is complete.
        Succeeded = "succeeded",
    }
}
