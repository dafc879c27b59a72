//! Stripe's words about invoices, which the rules of plans and the projection share.

use crate::words::words;

words! {
    /// The status of an invoice at Stripe.
    pub enum InvoiceStatus {
        /// It is being prepared; no payment is due yet.
        Draft = "draft",
        /// Its payment is due.
        Open = "open",
        /// It was paid, or its total was zero.
        Paid = "paid",
        /// It was voided.
        Void = "void",
        /// It was written off; a late payment still counts.
        Uncollectible = "uncollectible",
    }
}

impl InvoiceStatus {
    /// Whether its payment may still arrive.
    pub const fn is_unpaid(self) -> bool {
        matches!(
            self,
            InvoiceStatus::Draft | InvoiceStatus::Open | InvoiceStatus::Uncollectible
        )
    }
}

words! {
    /// The reason for a subscription's invoice, as far as it matters here.
    pub enum BillingReason {
        /// The subscription was created.
        SubscriptionCreate = "subscription_create",
        /// A new period began.
        SubscriptionCycle = "subscription_cycle",
        /// The plan or its items changed.
        SubscriptionUpdate = "subscription_update",
    }
}
