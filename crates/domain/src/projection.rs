//! From Stripe's objects, as fetched, to the desired rows, ledger commands and emails.
//!
//! The projection reads no event and keeps no state: the same snapshot gives the same result, so it
//! doesn't matter which event, sweep, page or command requested it, nor how often
//! (`docs/reference/sync.md`). Anything that is only ever added has a natural key.

mod changes;
mod dispute;
mod duplicates;
mod emails;
mod findings;
mod items;
mod payment;
mod period;
mod plan;
mod reversal;
mod snapshot;
mod states;
mod transaction;
mod unexplained;

#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

pub use changes::{PendingChange, PendingKind};
pub use duplicates::{DuplicatePurchase, UndoReason};
pub use emails::Mail;
pub use findings::Finding;
pub use items::plan_among;
pub use reversal::refund_status;
pub use snapshot::{
    Addon, Charge, CreditNote, Dispute, Intent, Invoice, Phase, Refund, Schedule, Session,
    Snapshot, Subscription,
};
pub use states::{
    BillingReason, CreditNoteStatus, DisputeStatus, InvoiceStatus, PaymentStatus, RefundStatus,
    SessionMode, SessionStatus,
};
pub use transaction::{Transaction, TransactionStatus, TransactionType};

use crate::catalog::Terms;
use crate::ledger::Command;
use crate::plan::SubscriptionFacts;
use crate::time::Timestamp;

/// Facts older than this cause no email, so that the first sync of an old customer sends none,
/// except about payments and refunds that were stored as pending. In days.
pub const MAIL_AGE_DAYS_MAX: i64 = 7;

/// A subscription row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredSubscription {
    /// The subscription as it was fetched.
    pub fetched: Subscription,
    /// The facts that access depends on.
    pub facts: SubscriptionFacts,
    /// The pending change of plan, if any.
    pub pending: Option<PendingChange>,
}

/// An invoice row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredInvoice {
    /// The invoice as it was fetched.
    pub fetched: Invoice,
    /// The tier of its price, if it is for a plan.
    pub tier: Option<String>,
    /// The amount of the charge that paid it, in minor units; zero when none did.
    pub charged: i64,
    /// The part of the charge that went back, in minor units.
    pub reversed: i64,
    /// Whether a dispute about the charge is open.
    pub is_disputed: bool,
}

/// A dispute row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredDispute {
    /// The dispute as it was fetched.
    pub fetched: Dispute,
    /// Stripe's id of the disputed charge.
    pub charge: String,
    /// Stripe's id of the payment intent of that charge.
    pub payment_intent: String,
    /// The subscription that was paid for; `None` for a pack.
    pub subscription: Option<String>,
}

/// Everything a sync writes for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The subscriptions as their rows should be.
    pub subscriptions: Vec<DesiredSubscription>,
    /// The invoices as their rows should be.
    pub invoices: Vec<DesiredInvoice>,
    /// The disputes as their rows should be.
    pub disputes: Vec<DesiredDispute>,
    /// The credit notes as their rows should be.
    pub credit_notes: Vec<CreditNote>,
    /// Transaction rows to add or update.
    pub transactions: Vec<Transaction>,
    /// Commands to the ledger, each safe to repeat.
    pub commands: Vec<Command>,
    /// Emails to send, each once.
    pub mails: Vec<Mail>,
    /// What needs manual review.
    pub findings: Vec<Finding>,
    /// Duplicate purchases to undo at Stripe.
    pub undo: Vec<DuplicatePurchase>,
}

/// What the projection requires besides the snapshot.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// Tier by price id, old prices included.
    pub tier_of_price: &'a HashMap<String, String>,
    /// What a plan's price costs and how often, by price id.
    pub terms_of_price: &'a HashMap<String, Terms>,
    /// Prices of the catalog's add-ons, including old ones.
    pub addon_prices: &'a HashSet<String>,
    /// Stripe's ids of subscriptions that were canceled as duplicates.
    pub undone: &'a HashSet<String>,
    /// Since when the account is suspended: a plan bought on a page after that is undone.
    pub suspended_at: Option<Timestamp>,
    /// Tier by subscription id, as stored: kept when a price is unknown.
    pub tier_held: &'a HashMap<String, String>,
    /// Rank by tier, which determines the larger of two plans.
    pub rank_of_tier: &'a HashMap<String, usize>,
    /// Days for which an account keeps its tier after a failed payment.
    pub grace_days: i64,
    /// Stripe's ids of the disputes that are stored as open: the end of these is reported.
    pub open_disputes: &'a HashSet<String>,
    /// The keys of the transactions that are stored as pending: what becomes of these is news,
    /// however long ago they began.
    pub pending: &'a HashSet<String>,
    /// Whether a pack that a promotion code made free grants its credits (F10).
    pub gives_unpaid_credits: bool,
}

/// The rows, commands and emails that follow from a snapshot.
pub fn project(snapshot: &Snapshot, known: &Known, now: Timestamp) -> Desired {
    let mut wanted = Desired {
        credit_notes: snapshot.credit_notes.clone(),
        ..Desired::default()
    };
    plan::project_subscriptions(snapshot, known, now, &mut wanted);
    payment::project_sessions(snapshot, known, now, &mut wanted);
    period::project_invoices(snapshot, known, now, &mut wanted);
    unexplained::project_unexplained(snapshot, &mut wanted);
    reversal::project_refunds(snapshot, known, now, &mut wanted);
    dispute::project_disputes(snapshot, known, now, &mut wanted);
    changes::project_downgrades(snapshot, known, now, &mut wanted);
    wanted
}
