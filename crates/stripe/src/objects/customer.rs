//! A customer: Stripe's side of an account.

use super::{Expandable, Metadata, PaymentMethod, or_default};
use serde::Deserialize;

/// A customer. A deleted one is answered as a stub with `deleted` set and little else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// `cus_...`
    pub id: String,
    /// Whether the customer was deleted at Stripe.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// Unix seconds; missing on a deleted one.
    pub created: Option<i64>,
    /// Where Stripe writes to.
    pub email: Option<String>,
    /// As shown on invoices.
    pub name: Option<String>,
    /// Minor units owed by the customer; negative is credit for the next invoice.
    #[serde(default, deserialize_with = "or_default")]
    pub balance: i64,
    /// The currency the customer is bound to, once there was a payment.
    pub currency: Option<String>,
    /// Whether the latest invoice failed to be paid.
    pub delinquent: Option<bool>,
    /// What its invoices are paid with.
    pub invoice_settings: Option<CustomerInvoiceSettings>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// False for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl Customer {
    /// The payment method that invoices are charged to unless the subscription names its own.
    #[must_use]
    pub fn default_payment_method(&self) -> &Expandable<PaymentMethod> {
        match &self.invoice_settings {
            Some(settings) => &settings.default_payment_method,
            None => &Expandable::Absent,
        }
    }
}

/// What a customer's invoices are paid with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomerInvoiceSettings {
    /// The card or other method for invoices.
    #[serde(default)]
    pub default_payment_method: Expandable<PaymentMethod>,
}
