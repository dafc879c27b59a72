//! The fact of a reversed payment: its refunds, and the credits that go back with it.

use std::collections::HashMap;

use super::findings::Finding;
use super::snapshot::{Charge, Refund, Snapshot};
use super::states::RefundStatus;
use super::transaction::{
    Transaction, TransactionStatus, TransactionType, free_of_charge, grouped,
};
use super::{Desired, Known, emails};
use crate::ledger::Command;
use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;

/// What a payment was for.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    pub(super) tier: Option<String>,
    /// The credits of the pack; `None` for a plan.
    pub(super) credits: Option<Credits>,
    /// The bonus that came with the pack.
    pub(super) bonus: Option<Credits>,
    pub(super) subscription: Option<String>,
}

/// What each payment was for, by payment intent, from the rows that were projected already.
pub(super) fn paid_for(snapshot: &Snapshot, wanted: &Desired) -> HashMap<String, Paid> {
    let subscription = |row: &Transaction| {
        let invoice = row.invoice.as_ref()?;
        let invoice = snapshot.invoices.iter().find(|one| one.id == *invoice)?;
        invoice.subscription_id.clone()
    };
    let sessions = snapshot.sessions.iter();
    let bonus_of: HashMap<&str, Credits> = sessions
        .filter_map(|session| {
            let intent = session.intent.as_ref()?;
            Some((session.payment_intent.as_deref()?, intent.bonus))
        })
        .collect();
    let rows = wanted.transactions.iter();
    rows.filter_map(|row| {
        let payment = row.payment_intent.clone()?;
        let paid = Paid {
            tier: row.tier.clone(),
            credits: row.credits,
            bonus: row
                .credits
                .and_then(|_| bonus_of.get(payment.as_str()).copied()),
            subscription: subscription(row),
        };
        Some((payment, paid))
    })
    .collect()
}

pub(super) fn project_refunds(
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    let ours = paid_for(snapshot, wanted);
    for charge in &snapshot.charges {
        let Some(paid) = charge
            .payment_intent
            .as_ref()
            .and_then(|payment| ours.get(payment))
        else {
            continue;
        };
        wanted.findings.extend(failed_refunds(charge));
        for refund in &charge.refunds {
            let natural_key = format!("refund:{}", refund.id);
            let brought = [paid.credits, paid.bonus].into_iter().flatten();
            let brought: Vec<Credits> = brought.collect();
            emails::refund((charge, refund), &natural_key, &brought, known, now, wanted);
            wanted.transactions.push(Transaction {
                natural_key,
                status: refund_status(&refund.status),
                amount: MinorUnits::new(refund.amount, charge.currency),
                refund: Some(refund.id.clone()),
                tier: paid.tier.clone(),
                description: match paid.credits {
                    Some(credits) => format!("Refund of {} credits", grouped(credits)),
                    None => "Refund of a plan payment".to_owned(),
                },
                receipt_url: charge.receipt_url.clone(),
                occurred_at: refund.created_at,
                ..free_of_charge(TransactionType::Refund, charge.currency)
            });
        }
    }
}

/// The refunds of a charge that we requested and that failed, unless the payment went back since: all of
/// it, or by later refunds. Of those, one of ours that failed, too, is a finding of its own.
fn failed_refunds(charge: &Charge) -> impl Iterator<Item = Finding> {
    let failed = charge.refunds.iter();
    let failed = failed.filter(|refund| refund.is_ours && refund.is_void());
    let is_owed = |refund: &&Refund| {
        let later = charge
            .refunds
            .iter()
            .filter(|one| one.created_at > refund.created_at && (one.is_ours || !one.is_void()));
        let later = later.fold(0_i64, |sum, one| sum.saturating_add(one.amount));
        charge.reversed() < charge.amount && later < refund.amount
    };
    failed.filter(is_owed).map(|refund| Finding::FailedRefund {
        refund: refund.id.clone(),
        payment: charge.payment_intent.clone().unwrap_or_default(),
        amount: MinorUnits::new(refund.amount, charge.currency),
    })
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

/// The commands that make a pack's credits match what went back of its payment: taken in
/// proportion, and frozen while a dispute is open. A part of the charge is the same part of its
/// price without tax, so the credits are rounded once.
pub(super) fn of_pack(charge: &Charge, source_key: &str) -> [Command; 2] {
    [
        Command::Clawback {
            source_key: source_key.to_owned(),
            reversed: charge.reversed(),
            whole: charge.amount,
        },
        Command::Freeze {
            source_key: source_key.to_owned(),
            frozen: charge.is_disputed(),
        },
    ]
}
