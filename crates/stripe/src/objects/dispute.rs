//! A dispute: the buyer's bank asks for the money back.

use super::words::words;
use super::{Charge, Expandable, Metadata, PaymentIntent, or_default};
use serde::Deserialize;

/// A dispute of a charge. It carries no customer: its charge leads to one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Dispute {
    /// `du_...` or `dp_...`
    pub id: String,
    /// Where it stands.
    pub status: DisputeStatus,
    /// Minor units disputed.
    pub amount: i64,
    /// Three small letters.
    pub currency: String,
    /// Unix seconds.
    pub created: i64,
    /// `fraudulent`, `product_not_received`, `general`, ...
    pub reason: Option<String>,
    /// What is disputed.
    #[serde(default)]
    pub charge: Expandable<Charge>,
    /// What is disputed.
    #[serde(default)]
    pub payment_intent: Expandable<PaymentIntent>,
    /// False once the money has been taken from us.
    #[serde(default, deserialize_with = "or_default")]
    pub is_charge_refundable: bool,
    /// Until when we may answer.
    pub evidence_details: Option<DisputeEvidenceDetails>,
    /// Our words on it.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
}

/// Until when a dispute may be answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DisputeEvidenceDetails {
    /// Unix seconds; missing when it cannot be answered.
    pub due_by: Option<i64>,
    /// Whether evidence was given.
    #[serde(default, deserialize_with = "or_default")]
    pub has_evidence: bool,
}

words! {
    /// Where a dispute stands.
    DisputeStatus {
        /// An inquiry, no money taken: we should answer or refund.
        WarningNeedsResponse = "warning_needs_response",
        /// An inquiry that we answered.
        WarningUnderReview = "warning_under_review",
        /// An inquiry that became no dispute.
        WarningClosed = "warning_closed",
        /// The money is taken; we may answer.
        NeedsResponse = "needs_response",
        /// We answered; the bank decides.
        UnderReview = "under_review",
        /// The money came back to us.
        Won = "won",
        /// The money is gone.
        Lost = "lost",
        /// Resolved before it became a dispute.
        Prevented = "prevented",
    }
}
