//! A dispute: the cardholder's bank reclaims a payment.

use super::string_enum::string_enum;
use super::{Charge, Expandable, Metadata, PaymentIntent, or_default};
use serde::Deserialize;

/// A dispute about a charge. It has no customer of its own; the charge leads to one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Dispute {
    /// The id, `du_...` or `dp_...`.
    pub id: String,
    /// The state of the dispute.
    pub status: DisputeStatus,
    /// The disputed amount in minor units.
    pub amount: i64,
    /// The currency as a lowercase three-letter code.
    pub currency: String,
    /// The time of creation, in seconds since 1970.
    pub created: i64,
    /// The reason, such as `fraudulent`, `product_not_received` or `general`.
    pub reason: Option<String>,
    /// The charge that is disputed, as an id or expanded.
    #[serde(default)]
    pub charge: Expandable<Charge>,
    /// The payment intent of the disputed charge.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// Whether the charge can still be refunded. It is `false` once the money has been withdrawn.
    #[serde(default, deserialize_with = "or_default")]
    pub is_charge_refundable: bool,
    /// The deadline for evidence.
    pub evidence_details: Option<DisputeEvidenceDetails>,
    /// The metadata that we set on the object.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

impl DisputeStatus {
    /// Whether the bank may withdraw the money or has withdrawn it. An inquiry withdraws nothing,
    /// and the money of a dispute that we won was returned.
    #[must_use]
    pub fn claims_money(&self) -> bool {
        let is_inquiry = self.as_str().starts_with("warning_");
        !is_inquiry && *self != Self::Won
    }
}

/// The state of the evidence for a dispute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DisputeEvidenceDetails {
    /// The deadline, in seconds since 1970. It is absent if the dispute cannot be answered.
    pub due_by: Option<i64>,
    /// Whether evidence was submitted.
    #[serde(default, deserialize_with = "or_default")]
    pub has_evidence: bool,
}

string_enum! {
    /// The state of a dispute.
    DisputeStatus {
        /// The bank has sent an inquiry and not withdrawn any money. We should answer or refund.
        WarningNeedsResponse = "warning_needs_response",
        /// We have answered the inquiry.
        WarningUnderReview = "warning_under_review",
        /// The inquiry was closed and didn't become a dispute.
        WarningClosed = "warning_closed",
        /// The money has been withdrawn. We may submit evidence.
        NeedsResponse = "needs_response",
        /// We have submitted evidence, and the bank decides.
        UnderReview = "under_review",
        /// We have won, and the money was returned to us.
        Won = "won",
        /// We have lost the money.
        Lost = "lost",
        /// The case was resolved before it became a dispute.
        Prevented = "prevented",
    }
}
