//! Stripe's objects with the fields that billing reads, one file per object.
//!
//! Parsing is lenient where versions differ (acacia, basil, dahlia, endive): such fields are
//! optional and have a method that knows where each version keeps them. Unknown values are kept.
//! Parsing is strict for fields that every version has and that money depends on: a missing amount,
//! currency or time is an error, never zero.

mod account;
mod charge;
mod checkout_session;
mod credit_note;
mod customer;
mod discount;
mod dispute;
mod error_body;
mod event;
mod expandable;
mod invoice;
mod invoice_line;
mod list;
mod payment_intent;
mod payment_method;
mod portal;
mod price;
mod product;
mod refund;
mod string_enum;
mod subscription;
mod subscription_schedule;
mod webhook_endpoint;

pub use account::Account;
pub use charge::{Charge, ChargeStatus, PaymentMethodDetails};
pub use checkout_session::{
    CheckoutLineItem, CheckoutMode, CheckoutPaymentStatus, CheckoutSession, CheckoutStatus,
    CustomerDetails, TotalDetails,
};
pub use credit_note::{CreditNote, CreditNoteRefund};
pub use customer::{Customer, CustomerInvoiceSettings};
pub use discount::{Coupon, CouponProducts, Discount};
pub use dispute::{Dispute, DisputeEvidenceDetails, DisputeStatus};
pub use error_body::{ApiError, ApiErrorBody};
pub use event::Event;
pub use expandable::Expandable;
pub use invoice::{
    BillingReason, DiscountAmount, FinalizationError, Invoice, InvoiceParent, InvoicePayment,
    InvoicePaymentTarget, InvoiceStatus, InvoiceStatusTransitions, InvoiceSubscriptionDetails,
    TaxAmount,
};
pub use invoice_line::{
    InvoiceLine, InvoiceLineParent, InvoiceLineSource, LinePriceDetails, LinePricing, Period,
};
pub use list::List;
pub use payment_intent::{PaymentError, PaymentIntent, PaymentIntentStatus};
pub use payment_method::{Card, PaymentMethod};
pub use portal::{PortalConfiguration, PortalSession};
pub use price::{Interval, Price, Recurring};
pub use product::Product;
pub use refund::{Refund, RefundStatus};
pub use subscription::{
    CancellationDetails, CollectionMethod, PauseCollection, PendingUpdate, Subscription,
    SubscriptionItem, SubscriptionStatus,
};
pub use subscription_schedule::{
    CurrentPhase, ScheduleItem, SchedulePhase, ScheduleStatus, SubscriptionSchedule,
};
pub use webhook_endpoint::WebhookEndpoint;

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The metadata of an object: keys and values that the caller set.
pub type Metadata = BTreeMap<String, String>;

/// An object with an id.
pub trait Identified {
    /// The object's id, such as `cus_...`.
    fn id(&self) -> &str;
}

/// Implements [`Identified`] for objects that have an `id` field.
macro_rules! identified {
    ($($object:ty),+ $(,)?) => {
        $(impl Identified for $object {
            fn id(&self) -> &str {
                &self.id
            }
        })+
    };
}

identified!(
    Account,
    Charge,
    Coupon,
    Discount,
    CheckoutLineItem,
    CheckoutSession,
    CreditNote,
    Customer,
    Dispute,
    Event,
    Invoice,
    InvoiceLine,
    InvoicePayment,
    PaymentIntent,
    PaymentMethod,
    PortalConfiguration,
    PortalSession,
    Price,
    Product,
    Refund,
    Subscription,
    SubscriptionItem,
    SubscriptionSchedule,
    WebhookEndpoint,
);

/// Reads `null` as the default value. With `#[serde(default)]`, a missing field is read the same
/// way.
fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
