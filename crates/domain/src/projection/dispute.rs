//! The fact of a disputed payment: the bank reclaims it on behalf of the cardholder.
//!
//! An open dispute freezes the credits that the payment brought. A lost one is a refund that we did
//! not make: a row of its own, and the payment counts as refunded. A won one leaves everything as it
//! was. An inquiry has no effect on credits or money.

use super::emails;
use super::reversal::{Paid, paid_for};
use super::snapshot::{Charge, Dispute, Snapshot};
use super::states::DisputeStatus;
use super::transaction::{
    Transaction, TransactionStatus, TransactionType, free_of_charge, grouped,
};
use super::{Desired, DesiredDispute, Known};
use crate::letters::DisputeOutcome;
use crate::money::MinorUnits;
use crate::time::Timestamp;

pub(super) fn project_disputes(
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    let paid = paid_for(snapshot, wanted);
    for charge in &snapshot.charges {
        let Some((payment, paid)) = charge
            .payment_intent
            .as_ref()
            .and_then(|payment| Some((payment, paid.get(payment)?)))
        else {
            continue;
        };
        for dispute in &charge.disputes {
            emails::dispute(charge, dispute, step(dispute, known), now, wanted);
            wanted.transactions.extend(loss(charge, dispute, paid));
            wanted.disputes.push(DesiredDispute {
                fetched: dispute.clone(),
                charge: charge.id.clone(),
                payment_intent: payment.clone(),
                subscription: paid.subscription.clone(),
            });
        }
    }
}

/// What there is to report: that a dispute is open, or how one that we knew to be open ended.
fn step(dispute: &Dispute, known: &Known) -> Option<DisputeOutcome> {
    let was_open = known.open_disputes.contains(&dispute.id);
    match dispute.status()? {
        DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => Some(DisputeOutcome::Opened),
        DisputeStatus::Lost if was_open => Some(DisputeOutcome::Lost),
        DisputeStatus::Won if was_open => Some(DisputeOutcome::Won),
        _ => None,
    }
}

/// The row of a lost dispute. One that was lost and then won is a refund that was canceled.
fn loss(charge: &Charge, dispute: &Dispute, paid: &Paid) -> Option<Transaction> {
    let status = match dispute.status()? {
        DisputeStatus::Lost => TransactionStatus::Completed,
        DisputeStatus::Won => TransactionStatus::Cancelled,
        _ => return None,
    };
    Some(Transaction {
        natural_key: format!("dispute:{}", dispute.id),
        status,
        amount: MinorUnits::new(charge.lost_amount(dispute), charge.currency),
        tier: paid.tier.clone(),
        description: match paid.credits {
            Some(credits) => format!("Lost dispute about {} credits", grouped(credits)),
            None => "Lost dispute about a plan payment".to_owned(),
        },
        occurred_at: dispute.created_at,
        ..free_of_charge(TransactionType::Refund, charge.currency)
    })
}
