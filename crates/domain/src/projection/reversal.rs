//! The fact of a reversed payment: refunds and disputes.

use std::collections::HashMap;

use super::snapshot::{Charge, Snapshot};
use super::states::{DisputeStatus, RefundStatus};
use super::transaction::{Transaction, TransactionStatus, TransactionType, grouped};
use super::{Desired, emails};
use crate::ledger::Command;
use crate::money::{Credits, MinorUnits, share_of};
use crate::time::Timestamp;

pub(super) fn project_charges(snapshot: &Snapshot, now: Timestamp, wanted: &mut Desired) {
    let ours: HashMap<String, (Option<String>, Option<Credits>)> = wanted
        .transactions
        .iter()
        .filter_map(|row| Some((row.payment_intent.clone()?, (row.tier.clone(), row.credits))))
        .collect();
    for charge in &snapshot.charges {
        let Some(payment) = charge.payment_intent.as_ref() else {
            continue;
        };
        let Some((tier, credits)) = ours.get(payment) else {
            continue;
        };
        for refund in &charge.refunds {
            let status = refund_status(&refund.status);
            emails::refund(charge, refund, *credits, now, wanted);
            wanted.transactions.push(Transaction {
                natural_key: format!("refund:{}", refund.id),
                kind: TransactionType::Refund,
                status,
                amount: MinorUnits::new(refund.amount, charge.currency),
                refunded_minor: 0,
                payment_intent: None,
                session: None,
                invoice: None,
                refund: Some(refund.id.clone()),
                user: None,
                tier: tier.clone(),
                credits: None,
                description: match credits {
                    Some(credits) => format!("Refund of {} credits", grouped(*credits)),
                    None => "Refund of a plan payment".to_owned(),
                },
                failure: None,
                attempts: 0,
                receipt_url: charge.receipt_url.clone(),
                occurred_at: refund.created_at,
            });
        }
    }
}

/// The status of a refund's transaction, from Stripe's word.
pub fn refund_status(word: &str) -> TransactionStatus {
    match RefundStatus::from_word(word) {
        Some(RefundStatus::Succeeded) => TransactionStatus::Completed,
        Some(RefundStatus::Failed) => TransactionStatus::Failed,
        Some(RefundStatus::Canceled) => TransactionStatus::Cancelled,
        Some(RefundStatus::Pending | RefundStatus::RequiresAction) | None => {
            TransactionStatus::Pending
        }
    }
}

/// The clawback for a payment: the amount reversed so far by refunds, or all of it when a dispute
/// was lost.
pub(super) fn clawback_for(charge: &Charge, source_key: &str, paid: MinorUnits) -> Command {
    let lost = charge.dispute() == Some(DisputeStatus::Lost);
    let reversed = if lost {
        charge.amount
    } else {
        charge.amount_refunded
    };
    let reversed_minor = if charge.amount > 0 {
        share_of(paid.amount, reversed.clamp(0, charge.amount), charge.amount)
    } else {
        0
    };
    Command::Clawback {
        source_key: source_key.to_owned(),
        reversed_minor,
    }
}
