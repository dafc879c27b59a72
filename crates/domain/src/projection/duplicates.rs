//! Purchases of plans that are undone: of a second one while another is live, and of one while the
//! account is suspended. Only what the customer bought on our pages is.

use super::findings::Finding;
use super::snapshot::Snapshot;
use super::{Desired, Known, items};
use crate::plan::SubscriptionFacts;

/// Why a purchase is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoReason {
    /// Another subscription was live.
    Second,
    /// The account was suspended.
    Suspended,
    /// It was undone already, and only its payment arrived now: a bank debit takes days.
    Late,
}

/// A subscription that was bought on one of our pages while another was live (F27) or while the
/// account was suspended (G10): it is canceled and its payment refunded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicatePurchase {
    /// Stripe's id of the later subscription.
    pub subscription: String,
    /// Stripe's id of the payment intent that paid its first invoice, if that wasn't free.
    pub payment_intent: Option<String>,
    /// Why it is undone.
    pub reason: UndoReason,
}

impl DuplicatePurchase {
    /// The Stripe object that identifies this correction, so that it happens only once.
    pub fn object(&self) -> &str {
        match &self.payment_intent {
            Some(payment) if self.reason == UndoReason::Late => payment,
            _ => &self.subscription,
        }
    }
}

/// Finds all live subscriptions but the oldest, each a finding, and the oldest if it began while the
/// account was suspended. What was bought on one of our pages is undone.
pub(super) fn find_duplicates(snapshot: &Snapshot, known: &Known, wanted: &mut Desired) {
    // Lists are newest first; of two created in the same second, the later one is the duplicate.
    let subscriptions = wanted.subscriptions.iter().rev();
    let mut live: Vec<&SubscriptionFacts> = subscriptions
        // Add-ons that are billed separately aren't a second plan.
        .filter(|subscription| !items::is_addons_only(&subscription.fetched, known))
        .map(|subscription| &subscription.facts)
        .filter(|facts| facts.status.is_live())
        .collect();
    live.sort_by_key(|facts| facts.created_at);
    let second: Vec<String> = live.iter().skip(1).map(|facts| facts.id.clone()).collect();
    let is_late = |facts: &&SubscriptionFacts| {
        let suspended_at = known.suspended_at;
        suspended_at.is_some_and(|suspended_at| facts.created_at > suspended_at)
    };
    let first = live.first().copied().filter(is_late);
    let undone = first.map(|facts| facts.id.clone()).into_iter();
    let undone = undone.map(|id| (id, UndoReason::Suspended));
    let others = second.iter().map(|id| (id.clone(), UndoReason::Second));
    for (subscription, reason) in undone.chain(others) {
        let bought = snapshot.sessions.iter().any(|session| {
            session.intent.is_some() && session.subscription_id.as_ref() == Some(&subscription)
        });
        if bought {
            let paid = snapshot.invoices.iter().find(|invoice| {
                invoice.subscription_id.as_ref() == Some(&subscription)
                    && invoice.is_paid()
                    && invoice.amount_paid > 0
            });
            wanted.undo.push(DuplicatePurchase {
                subscription,
                payment_intent: paid.and_then(|invoice| invoice.payment_intent.clone()),
                reason,
            });
        }
    }
    let findings = second.into_iter();
    let findings = findings.map(|subscription| Finding::DuplicateSubscription { subscription });
    wanted.findings.extend(findings);
}

/// Finds payments that arrived after their duplicate was undone: they are also refunded.
pub(super) fn find_late_payments(snapshot: &Snapshot, known: &Known, wanted: &mut Desired) {
    for invoice in &snapshot.invoices {
        let Some(subscription) = invoice.subscription_id.as_ref() else {
            continue;
        };
        let charge = invoice
            .payment_intent
            .as_deref()
            .and_then(|payment| snapshot.paid_charge(payment));
        let is_kept =
            charge.is_some_and(|charge| charge.reversed() < charge.amount && !charge.is_disputed());
        if known.undone.contains(subscription) && invoice.is_paid() && is_kept {
            wanted.undo.push(DuplicatePurchase {
                subscription: subscription.clone(),
                payment_intent: invoice.payment_intent.clone(),
                reason: UndoReason::Late,
            });
        }
    }
}
