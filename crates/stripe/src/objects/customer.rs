//! A customer: the object at Stripe that belongs to an account.

use super::{Discount, Expandable, Metadata, PaymentMethod, or_default};
use serde::Deserialize;

/// A customer. For a deleted one, Stripe sends a stub with `deleted` set and little else.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Customer {
    /// The id, `cus_...`.
    pub id: String,
    /// Whether the customer was deleted at Stripe.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: bool,
    /// The time of creation, in seconds since 1970. A deleted customer has none.
    pub created: Option<i64>,
    /// The email address that Stripe writes to.
    pub email: Option<String>,
    /// The name that invoices show.
    pub name: Option<String>,
    /// The balance in minor units. A positive balance is owed by the customer; a negative one is
    /// credit toward the next invoice.
    #[serde(default, deserialize_with = "or_default")]
    pub balance: i64,
    /// The currency that the customer is bound to after the first payment.
    pub currency: Option<String>,
    /// Whether the payment of the latest invoice failed.
    pub delinquent: Option<bool>,
    /// The discount of all subscriptions that have none of their own.
    pub discount: Option<Discount>,
    /// The settings for the customer's invoices.
    pub invoice_settings: Option<CustomerInvoiceSettings>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whether the object is live. It is `false` for test data.
    #[serde(default, deserialize_with = "or_default")]
    pub livemode: bool,
}

impl Customer {
    /// The payment method that pays invoices unless the subscription has its own.
    #[must_use]
    pub fn default_payment_method(&self) -> &Expandable<PaymentMethod> {
        match &self.invoice_settings {
            Some(settings) => &settings.default_payment_method,
            None => &Expandable::Absent,
        }
    }
}

/// The settings for a customer's invoices.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CustomerInvoiceSettings {
    /// The default payment method for invoices.
    #[serde(default)]
    pub default_payment_method: Expandable<PaymentMethod>,
}
