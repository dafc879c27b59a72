//! A credit note: a document that corrects an invoice.

use super::{Customer, Expandable, Invoice, Metadata, Refund, or_default};
use serde::Deserialize;

/// A document that corrects an invoice.
///
/// For an open invoice, it reduces the amount due. For a paid invoice, it says how the money was
/// returned: by refunds, to the customer's balance, or outside Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreditNote {
    /// The id, `cn_...`.
    pub id: String,
    /// The number of the credit note.
    pub number: String,
    /// The status, `issued` or `void`.
    pub status: String,
    /// The amount including tax, in minor units.
    pub amount: i64,
    /// The currency as a lowercase three-letter code.
    pub currency: String,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The customer of the invoice.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The invoice that it corrects.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The refunds that belong to the credit note.
    #[serde(default, deserialize_with = "or_default")]
    pub refunds: Vec<CreditNoteRefund>,
    /// The only refund, in versions that allow just one.
    #[serde(default)]
    pub refund: Expandable<Refund>,
    /// The amount that was paid back outside Stripe, in minor units.
    pub out_of_band_amount: Option<i64>,
    /// The amount that reduced the open invoice, in minor units. Older versions omit it.
    pub pre_payment_amount: Option<i64>,
    /// The amount that was returned from the paid invoice, in minor units. Older versions omit it.
    pub post_payment_amount: Option<i64>,
    /// The type: `pre_payment`, `post_payment` or `mixed`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The reason: `duplicate`, `fraudulent`, `order_change` or `product_unsatisfactory`.
    pub reason: Option<String>,
    /// The URL of the PDF.
    pub pdf: Option<String>,
    /// The time at which it was voided, in seconds since 1970.
    pub voided_at: Option<i64>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// A refund that belongs to a credit note.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreditNoteRefund {
    /// The part of the refund that the credit note covers, in minor units.
    pub amount_refunded: i64,
    /// The refund, as an id or expanded.
    #[serde(default)]
    pub refund: Expandable<Refund>,
}

impl CreditNote {
    /// The ids of the refunds, wherever the version keeps them.
    #[must_use]
    pub fn refund_ids(&self) -> Vec<&str> {
        let many = self.refunds.iter().filter_map(|one| one.refund.id());
        let mut ids: Vec<&str> = many.collect();
        if ids.is_empty() {
            ids.extend(self.refund.id());
        }
        ids
    }

    /// The amount that was refunded, in minor units; zero if the API version doesn't include it.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().map(|one| one.amount_refunded).sum()
    }

    /// The amount that reduced an open invoice, in minor units.
    #[must_use]
    pub fn pre_payment(&self) -> i64 {
        let whole = (self.kind.as_deref() == Some("pre_payment")).then_some(self.amount);
        self.pre_payment_amount.or(whole).unwrap_or(0)
    }
}
