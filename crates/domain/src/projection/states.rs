//! Stripe's words for the states of its objects. Fields keep the word as fetched, because Stripe
//! adds words; the words that matter to a decision are parsed here, in one place.

use crate::words::words;

pub use crate::invoices::{BillingReason, InvoiceStatus};

words! {
    /// What a Checkout session is for.
    pub enum SessionMode {
        /// A single payment, such as one for a credit pack.
        Payment = "payment",
        /// A new subscription.
        Subscription = "subscription",
        /// A payment method without a payment.
        Setup = "setup",
    }
}

words! {
    /// The status of a Checkout session.
    pub enum SessionStatus {
        /// The customer may still complete it.
        Open = "open",
        /// The customer completed it; the payment may still be under way.
        Complete = "complete",
        /// It expired.
        Expired = "expired",
    }
}

words! {
    /// Whether a Checkout session was paid.
    pub enum PaymentStatus {
        /// The money arrived.
        Paid = "paid",
        /// The money has not arrived.
        Unpaid = "unpaid",
        /// Nothing had to be paid.
        NoPaymentRequired = "no_payment_required",
    }
}

words! {
    /// The status of a refund.
    pub enum RefundStatus {
        /// It is in progress.
        Pending = "pending",
        /// The customer has to act before it can continue.
        RequiresAction = "requires_action",
        /// The money was returned.
        Succeeded = "succeeded",
        /// The bank returned the money to us.
        Failed = "failed",
        /// It was canceled.
        Canceled = "canceled",
    }
}

words! {
    /// The status of a dispute.
    pub enum DisputeStatus {
        /// An inquiry needs our response.
        WarningNeedsResponse = "warning_needs_response",
        /// The bank reviews an inquiry.
        WarningUnderReview = "warning_under_review",
        /// An inquiry ended without becoming a dispute.
        WarningClosed = "warning_closed",
        /// The dispute needs our response.
        NeedsResponse = "needs_response",
        /// The bank is reviewing the dispute.
        UnderReview = "under_review",
        /// It was decided in our favor; the money was returned to us.
        Won = "won",
        /// It was decided against us; the money is lost.
        Lost = "lost",
        /// Stripe prevented it.
        Prevented = "prevented",
    }
}

impl DisputeStatus {
    /// Whether the purchased credits are frozen: a dispute freezes them, an inquiry doesn't.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview
        )
    }
}

words! {
    /// The status of a credit note.
    pub enum CreditNoteStatus {
        /// It is valid.
        Issued = "issued",
        /// It was voided.
        Void = "void",
    }
}
