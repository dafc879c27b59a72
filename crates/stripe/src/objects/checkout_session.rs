//! A Checkout session: a buyer's visit to Stripe's payment page.

use super::words::words;
use super::{
    Customer, Expandable, Invoice, List, Metadata, PaymentIntent, Price, Subscription, or_default,
};
use serde::Deserialize;

/// A buyer's visit to Stripe's payment page.
///
/// It is paid when `payment_status` says so, not when it is complete: a delayed method completes
/// the session days before the money comes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckoutSession {
    /// `cs_...`
    pub id: String,
    /// Payment, subscription or setup.
    pub mode: CheckoutMode,
    /// Whether the buyer is through.
    pub status: Option<CheckoutStatus>,
    /// Whether the money came.
    pub payment_status: CheckoutPaymentStatus,
    /// Minor units after discounts and tax.
    pub amount_total: Option<i64>,
    /// What of the total is tax and what was taken off.
    pub total_details: Option<TotalDetails>,
    /// Three small letters.
    pub currency: Option<String>,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub expires_at: Option<i64>,
    /// Who buys.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// What the buyer typed.
    pub customer_details: Option<CustomerDetails>,
    /// Our name for the buyer.
    pub client_reference_id: Option<String>,
    /// The subscription that was made.
    #[serde(default)]
    pub subscription: Expandable<Subscription>,
    /// The payment, in payment mode.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// The invoice that was made.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// What is bought, if expanded.
    pub line_items: Option<List<CheckoutLineItem>>,
    /// Where to send the browser; missing once the session is over.
    pub url: Option<String>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// False for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl CheckoutSession {
    /// Whether the buyer is through and nothing is left to be paid. A payment status that we do
    /// not know is not paid.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        let settled = matches!(
            self.payment_status,
            CheckoutPaymentStatus::Paid | CheckoutPaymentStatus::NoPaymentRequired
        );
        settled && self.status == Some(CheckoutStatus::Complete)
    }
}

/// What of a total is tax and what was taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct TotalDetails {
    /// Minor units.
    pub amount_discount: Option<i64>,
    /// Minor units.
    pub amount_tax: Option<i64>,
}

/// What the buyer typed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomerDetails {
    /// The mail address.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
}

/// What is bought.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CheckoutLineItem {
    /// `li_...`
    pub id: String,
    /// Minor units after discounts and tax.
    pub amount_total: Option<i64>,
    /// Three small letters.
    pub currency: Option<String>,
    /// As shown.
    pub description: Option<String>,
    /// The price. Always whole, never just an id.
    pub price: Option<Price>,
    /// How many.
    pub quantity: Option<i64>,
}

words! {
    /// What a session is for.
    CheckoutMode {
        /// Once.
        Payment = "payment",
        /// Again and again.
        Subscription = "subscription",
        /// A payment method to keep.
        Setup = "setup",
    }
}

words! {
    /// Whether the buyer is through.
    CheckoutStatus {
        /// Still there.
        Open = "open",
        /// Through; the payment may still be on its way.
        Complete = "complete",
        /// Gone.
        Expired = "expired",
    }
}

words! {
    /// Whether the money came.
    CheckoutPaymentStatus {
        /// It came.
        Paid = "paid",
        /// Not yet, or never.
        Unpaid = "unpaid",
        /// None is needed: a trial, or a discount of all.
        NoPaymentRequired = "no_payment_required",
    }
}
