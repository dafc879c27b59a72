//! A Checkout session: a customer's visit to Stripe's payment page.

use super::string_enum::string_enum;
use super::{
    Customer, Expandable, Invoice, List, Metadata, PaymentIntent, Price, Subscription, or_default,
};
use serde::Deserialize;

/// A customer's visit to Stripe's payment page.
///
/// It is paid when `payment_status` says so, not when it is complete. A delayed payment method
/// completes the session days before the money arrives.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckoutSession {
    /// The id, `cs_...`.
    pub id: String,
    /// The purpose of the session: payment, subscription or setup.
    pub mode: CheckoutMode,
    /// The state of the session.
    pub status: Option<CheckoutStatus>,
    /// The state of the payment.
    pub payment_status: CheckoutPaymentStatus,
    /// The total after discounts and tax, in minor units.
    pub amount_total: Option<i64>,
    /// The tax and the discount in the total.
    pub total_details: Option<TotalDetails>,
    /// The currency as a lowercase three-letter code.
    pub currency: Option<String>,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The time at which the session expires, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// The customer who buys.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The details that the customer entered.
    pub customer_details: Option<CustomerDetails>,
    /// The id that we passed for the account.
    pub client_reference_id: Option<String>,
    /// The subscription that the session created.
    #[serde(default)]
    pub subscription: Expandable<Subscription>,
    /// The payment intent, in payment mode.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The invoice that the session created.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The line items, if they were expanded.
    pub line_items: Option<List<CheckoutLineItem>>,
    /// The URL of the payment page. It is absent once the session has ended.
    pub url: Option<String>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whether the object is live. It is `false` for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl CheckoutSession {
    /// Whether the session is complete and nothing is left to pay. An unknown payment status counts
    /// as not paid.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        let settled = matches!(
            self.payment_status,
            CheckoutPaymentStatus::Paid | CheckoutPaymentStatus::NoPaymentRequired
        );
        settled && self.status == Some(CheckoutStatus::Complete)
    }
}

/// The tax and the discount in a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct TotalDetails {
    /// The discount in minor units.
    pub amount_discount: Option<i64>,
    /// The tax in minor units.
    pub amount_tax: Option<i64>,
}

/// The details that a customer entered at Checkout.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomerDetails {
    /// The email address that the customer entered, or the one that we passed.
    pub email: Option<String>,
    /// The name of the customer.
    pub name: Option<String>,
}

/// A line item of a Checkout session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckoutLineItem {
    /// The id, `li_...`.
    pub id: String,
    /// The total after discounts and tax, in minor units.
    pub amount_total: Option<i64>,
    /// The currency as a lowercase three-letter code.
    pub currency: Option<String>,
    /// The description that the customer sees.
    pub description: Option<String>,
    /// The price. Stripe always sends the whole object rather than its id.
    pub price: Option<Price>,
    /// The number of units, if the line counts any.
    pub quantity: Option<i64>,
}

string_enum! {
    /// The purpose of a Checkout session.
    CheckoutMode {
        /// The session takes one payment.
        Payment = "payment",
        /// The session starts a subscription.
        Subscription = "subscription",
        /// The session saves a payment method.
        Setup = "setup",
    }
}

string_enum! {
    /// The state of a Checkout session.
    CheckoutStatus {
        /// The session accepts a payment.
        Open = "open",
        /// The session is complete. The payment may still be processing.
        Complete = "complete",
        /// The session has expired.
        Expired = "expired",
    }
}

string_enum! {
    /// The state of the payment of a Checkout session.
    CheckoutPaymentStatus {
        /// The payment has arrived.
        Paid = "paid",
        /// The payment has not arrived, and may never arrive.
        Unpaid = "unpaid",
        /// No payment is required, because of a trial or a full discount.
        NoPaymentRequired = "no_payment_required",
    }
}
