//! From Stripe's objects, as fetched, to the rows, ledger commands and emails we want.
//!
//! The projection reads no event and remembers nothing: the same snapshot gives the same answer,
//! so it does not matter which event, sweep, page or command asked for it, nor how often
//! (`docs/reference/sync.md`). What is only added carries a natural key.

mod changes;
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

#[cfg(test)]
mod orders;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

pub use changes::{PendingChange, PendingKind};
pub use duplicates::DuplicatePurchase;
pub use emails::Mail;
pub use findings::Finding;
pub use items::plan_among;
pub use reversal::refund_status;
pub use snapshot::{
    Addon, Charge, CreditNote, Intent, Invoice, Phase, Refund, Schedule, Session, Snapshot,
    Subscription,
};
pub use states::{
    BillingReason, CreditNoteStatus, DisputeStatus, InvoiceStatus, PaymentStatus, RefundStatus,
    SessionMode, SessionStatus,
};
pub use transaction::{Transaction, TransactionStatus, TransactionType};

use crate::ledger::Command;
use crate::plan::SubscriptionFacts;
use crate::time::Timestamp;

/// Facts older than this bring no email: a first sync of an old customer stays silent. In days.
pub const MAIL_AGE_DAYS_MAX: i64 = 7;

/// A subscription row as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredSubscription {
    /// The subscription as it was fetched.
    pub fetched: Subscription,
    /// What access depends on.
    pub facts: SubscriptionFacts,
    /// The change of plan that is pending, if one is.
    pub pending: Option<PendingChange>,
}

/// Everything a sync writes for one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The subscriptions as their rows should be.
    pub subscriptions: Vec<DesiredSubscription>,
    /// The invoices as their rows should be.
    pub invoices: Vec<Invoice>,
    /// The credit notes as their rows should be.
    pub credit_notes: Vec<CreditNote>,
    /// Rows to add, or to bring up to date.
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

/// What the projection must know besides the snapshot.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// Tier by price id, old prices included.
    pub tier_of_price: &'a HashMap<String, String>,
    /// Prices of the catalog's add-ons, old ones included.
    pub addon_prices: &'a HashSet<String>,
    /// Stripe's ids of subscriptions that were canceled as duplicates.
    pub undone: &'a HashSet<String>,
    /// Tier by subscription id, as held: kept when a price is unknown.
    pub tier_held: &'a HashMap<String, String>,
    /// Rank by tier: which of two is the larger plan.
    pub rank_of_tier: &'a HashMap<String, usize>,
    /// Days a failed payment keeps its tier.
    pub grace_days: i64,
    /// Whether a pack that a code took the whole price off brings its credits (F10).
    pub gives_unpaid_credits: bool,
}

/// The rows, commands and emails that a snapshot asks for.
pub fn project(snapshot: &Snapshot, known: &Known, now: Timestamp) -> Desired {
    let mut wanted = Desired {
        invoices: snapshot.invoices.clone(),
        credit_notes: snapshot.credit_notes.clone(),
        ..Desired::default()
    };
    plan::project_subscriptions(snapshot, known, now, &mut wanted);
    payment::project_sessions(snapshot, known, now, &mut wanted);
    period::project_invoices(snapshot, known, now, &mut wanted);
    reversal::project_charges(snapshot, now, &mut wanted);
    changes::project_downgrades(snapshot, known, now, &mut wanted);
    wanted
}
