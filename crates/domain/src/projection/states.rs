//! Stripe's words for the states of its objects. Fields keep the word as fetched, since Stripe adds
//! words; the words that decide something are read here, in one place.

use crate::words::words;

words! {
    /// Where an invoice stands at Stripe.
    pub enum InvoiceStatus {
        /// It is being made and asks for nothing yet.
        Draft = "draft",
        /// It asks for its amount.
        Open = "open",
        /// It was paid, or asked for nothing.
        Paid = "paid",
        /// It was withdrawn.
        Void = "void",
        /// It was given up; a late payment still counts.
        Uncollectible = "uncollectible",
    }
}

impl InvoiceStatus {
    /// Whether its payment may still come.
    pub const fn is_unpaid(self) -> bool {
        matches!(
            self,
            InvoiceStatus::Draft | InvoiceStatus::Open | InvoiceStatus::Uncollectible
        )
    }
}

words! {
    /// Why an invoice of a subscription exists, as far as it matters here.
    pub enum BillingReason {
        /// The subscription was made.
        SubscriptionCreate = "subscription_create",
        /// A period began.
        SubscriptionCycle = "subscription_cycle",
        /// The plan or its items changed.
        SubscriptionUpdate = "subscription_update",
    }
}

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
    /// Where a Checkout session stands.
    pub enum SessionStatus {
        /// The customer may still complete it.
        Open = "open",
        /// The customer completed it; the payment may still be under way.
        Complete = "complete",
        /// Its time ran out.
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
    /// Where a refund stands.
    pub enum RefundStatus {
        /// It is under way.
        Pending = "pending",
        /// The customer has to act before it can continue.
        RequiresAction = "requires_action",
        /// The money went back.
        Succeeded = "succeeded",
        /// The bank sent the money back to us.
        Failed = "failed",
        /// It was taken back.
        Canceled = "canceled",
    }
}

words! {
    /// Where a dispute stands.
    pub enum DisputeStatus {
        /// An inquiry needs our response.
        WarningNeedsResponse = "warning_needs_response",
        /// The bank reviews an inquiry.
        WarningUnderReview = "warning_under_review",
        /// An inquiry ended without becoming a dispute.
        WarningClosed = "warning_closed",
        /// The dispute needs our response.
        NeedsResponse = "needs_response",
        /// The bank decides.
        UnderReview = "under_review",
        /// The money came back to us.
        Won = "won",
        /// The money is gone.
        Lost = "lost",
        /// Stripe prevented it.
        Prevented = "prevented",
    }
}

impl DisputeStatus {
    /// Whether the credits that were bought are set aside: a dispute does that, an inquiry does
    /// not.
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            DisputeStatus::NeedsResponse | DisputeStatus::UnderReview
        )
    }
}

words! {
    /// Where a credit note stands.
    pub enum CreditNoteStatus {
        /// It counts.
        Issued = "issued",
        /// It was taken back.
        Void = "void",
    }
}
