//! A credit note: a correction of an invoice, on paper.

use super::{Customer, Expandable, Invoice, Metadata, Refund, or_default};
use serde::Deserialize;

/// A correction of an invoice.
///
/// Of an open invoice it lowers what is asked. Of a paid one it says how the money went back: by
/// refunds, to the customer's balance, or outside Stripe.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreditNote {
    /// `cn_...`
    pub id: String,
    /// The number on it.
    pub number: String,
    /// `issued` or `void`.
    pub status: String,
    /// Minor units, tax included.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Unix seconds.
    pub created: i64,
    /// Whose it is.
    #[serde(default)]
    pub customer: Expandable<Customer>,
    /// The invoice it corrects.
    #[serde(default)]
    pub invoice: Expandable<Invoice>,
    /// The refunds that belong to it.
    #[serde(default, deserialize_with = "or_default")]
    pub refunds: Vec<CreditNoteRefund>,
    /// The one refund, before there could be several.
    #[serde(default)]
    pub refund: Expandable<Refund>,
    /// Minor units that were paid back outside Stripe.
    pub out_of_band_amount: Option<i64>,
    /// Minor units that lowered the open invoice; missing in older versions.
    pub pre_payment_amount: Option<i64>,
    /// Minor units that were given back of the paid invoice; missing in older versions.
    pub post_payment_amount: Option<i64>,
    /// `pre_payment`, `post_payment` or `mixed`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `duplicate`, `fraudulent`, `order_change` or `product_unsatisfactory`.
    pub reason: Option<String>,
    /// Its file.
    pub pdf: Option<String>,
    /// Unix seconds.
    pub voided_at: Option<i64>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// A refund that belongs to a credit note.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CreditNoteRefund {
    /// Minor units of it that the note accounts for.
    pub amount_refunded: i64,
    /// The refund.
    #[serde(default)]
    pub refund: Expandable<Refund>,
}

impl CreditNote {
    /// Its refunds' ids, from the place where each version keeps them.
    #[must_use]
    pub fn refund_ids(&self) -> Vec<&str> {
        let many = self.refunds.iter().filter_map(|one| one.refund.id());
        let mut ids: Vec<&str> = many.collect();
        if ids.is_empty() {
            ids.extend(self.refund.id());
        }
        ids
    }

    /// Minor units of it that were refunded, where the version says so.
    #[must_use]
    pub fn refunded(&self) -> i64 {
        self.refunds.iter().map(|one| one.amount_refunded).sum()
    }

    /// Minor units of it that lowered an open invoice.
    #[must_use]
    pub fn pre_payment(&self) -> i64 {
        let whole = (self.kind.as_deref() == Some("pre_payment")).then_some(self.amount);
        self.pre_payment_amount.or(whole).unwrap_or(0)
    }
}
