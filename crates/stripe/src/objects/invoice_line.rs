//! A line of an invoice: what is billed, for which period and at which price.

use super::{Expandable, Metadata, Price, Subscription, or_default};
use serde::Deserialize;

/// A line of an invoice.
///
/// Since basil, the price is in `pricing` and the rest in `parent`. The methods read every version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceLine {
    /// The id, `il_...`.
    pub id: String,
    /// The amount in minor units. It is negative for a proration credit.
    pub amount: i64,
    /// The currency as a lowercase three-letter code.
    pub currency: Option<String>,
    /// The description on the invoice.
    pub description: Option<String>,
    /// The number of units, if the line counts any.
    pub quantity: Option<i64>,
    /// The period that the line pays for.
    pub period: Option<Period>,
    /// The price, since basil.
    pub pricing: Option<LinePricing>,
    /// The source of the line, since basil.
    pub parent: Option<InvoiceLineParent>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,

    #[serde(default, rename = "price")]
    top_price: Expandable<Price>,
    #[serde(rename = "proration")]
    top_proration: Option<bool>,
    #[serde(default, rename = "subscription")]
    top_subscription: Expandable<Subscription>,
    #[serde(rename = "subscription_item")]
    top_subscription_item: Option<String>,
}

impl InvoiceLine {
    /// The price, wherever the version keeps it.
    #[must_use]
    pub fn price(&self) -> &Expandable<Price> {
        let details = self
            .pricing
            .as_ref()
            .and_then(|pricing| pricing.price_details.as_ref());
        match details {
            Some(details) => details.price.or(&self.top_price),
            None => &self.top_price,
        }
    }

    /// The id of the product, wherever the version keeps it.
    #[must_use]
    pub fn product_id(&self) -> Option<&str> {
        let details = self
            .pricing
            .as_ref()
            .and_then(|pricing| pricing.price_details.as_ref());
        let since_basil = details.and_then(|details| details.product.as_deref());
        since_basil.or_else(|| self.price().get()?.product.id())
    }

    /// Whether the line is a proration.
    #[must_use]
    pub fn is_proration(&self) -> bool {
        let since_basil = self.source().and_then(|source| source.proration);
        since_basil.or(self.top_proration).unwrap_or(false)
    }

    /// The id of the subscription, wherever the version keeps it.
    #[must_use]
    pub fn subscription_id(&self) -> Option<&str> {
        let since_basil = self
            .source()
            .and_then(|source| source.subscription.as_deref());
        since_basil.or_else(|| self.top_subscription.id())
    }

    /// The id of the subscription item, wherever the version keeps it.
    #[must_use]
    pub fn subscription_item_id(&self) -> Option<&str> {
        let since_basil = self
            .source()
            .and_then(|source| source.subscription_item.as_deref());
        since_basil.or(self.top_subscription_item.as_deref())
    }

    fn source(&self) -> Option<&InvoiceLineSource> {
        let parent = self.parent.as_ref()?;
        parent
            .subscription_item_details
            .as_ref()
            .or(parent.invoice_item_details.as_ref())
    }
}

/// A period of time, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Period {
    /// The first second of the period.
    pub start: i64,
    /// The second after the end of the period.
    pub end: i64,
}

/// The pricing of a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinePricing {
    /// The details of the price, if there is one.
    pub price_details: Option<LinePriceDetails>,
}

/// The price and the product of a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinePriceDetails {
    /// The price, as an id or expanded.
    #[serde(default)]
    pub price: Expandable<Price>,
    /// The id of the product.
    pub product: Option<String>,
}

/// The source of a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceLineParent {
    /// The source, if it is a subscription item.
    pub subscription_item_details: Option<InvoiceLineSource>,
    /// The source, if it is an invoice item.
    pub invoice_item_details: Option<InvoiceLineSource>,
}

/// The subscription item or the invoice item that a line comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceLineSource {
    /// Whether the line is a proration.
    pub proration: Option<bool>,
    /// The id of the subscription.
    pub subscription: Option<String>,
    /// The id of the subscription item.
    pub subscription_item: Option<String>,
    /// The id of the invoice item.
    pub invoice_item: Option<String>,
}
