//! A line of an invoice: what is billed, for which period and at which price.

use super::{Expandable, Metadata, Price, Subscription, or_default};
use serde::Deserialize;

/// One thing an invoice is for.
///
/// Since basil the price is in `pricing` and the rest in `parent`; ask the methods.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceLine {
    /// `il_...`
    pub id: String,
    /// Minor units; negative for what is given back in a proration.
    pub amount: i64,
    /// Three small letters.
    pub currency: Option<String>,
    /// As on the paper.
    pub description: Option<String>,
    /// How many.
    pub quantity: Option<i64>,
    /// What time it pays for.
    pub period: Option<Period>,
    /// The price since basil.
    pub pricing: Option<LinePricing>,
    /// What the line comes from, since basil.
    pub parent: Option<InvoiceLineParent>,
    /// Our words on it.
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
    /// The price, wherever this version keeps it.
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

    /// The product's id, wherever this version keeps it.
    #[must_use]
    pub fn product_id(&self) -> Option<&str> {
        let details = self
            .pricing
            .as_ref()
            .and_then(|pricing| pricing.price_details.as_ref());
        let since_basil = details.and_then(|details| details.product.as_deref());
        since_basil.or_else(|| self.price().get()?.product.id())
    }

    /// Whether the line settles the rest of a period after a change.
    #[must_use]
    pub fn is_proration(&self) -> bool {
        let since_basil = self.source().and_then(|source| source.proration);
        since_basil.or(self.top_proration).unwrap_or(false)
    }

    /// The subscription's id, wherever this version keeps it.
    #[must_use]
    pub fn subscription_id(&self) -> Option<&str> {
        let since_basil = self
            .source()
            .and_then(|source| source.subscription.as_deref());
        since_basil.or_else(|| self.top_subscription.id())
    }

    /// The subscription item's id, wherever this version keeps it.
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

/// A span of time in unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Period {
    /// The first second.
    pub start: i64,
    /// The second after the last.
    pub end: i64,
}

/// What a line costs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinePricing {
    /// The price, if there is one.
    pub price_details: Option<LinePriceDetails>,
}

/// The price of a line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinePriceDetails {
    /// The price.
    #[serde(default)]
    pub price: Expandable<Price>,
    /// The product's id.
    pub product: Option<String>,
}

/// What a line comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceLineParent {
    /// Set if it comes from a subscription's item.
    pub subscription_item_details: Option<InvoiceLineSource>,
    /// Set if it comes from an invoice item.
    pub invoice_item_details: Option<InvoiceLineSource>,
}

/// The subscription's item or the invoice item that a line comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InvoiceLineSource {
    /// Whether the line settles the rest of a period after a change.
    pub proration: Option<bool>,
    /// The subscription's id.
    pub subscription: Option<String>,
    /// The subscription item's id.
    pub subscription_item: Option<String>,
    /// The invoice item's id.
    pub invoice_item: Option<String>,
}
