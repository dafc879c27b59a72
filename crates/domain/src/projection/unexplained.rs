//! The fact of a payment that nothing explains: it is counted and can be refunded, and brings
//! nothing until an operator decides what it was for (G2). So is money that arrived for an invoice
//! that had been voided, such as that of a bank debit.

use super::Desired;
use super::snapshot::{Charge, Snapshot};
use super::states::InvoiceStatus;
use super::transaction::{Transaction, TransactionStatus, TransactionType};
use crate::money::MinorUnits;

pub(super) fn project_unexplained(snapshot: &Snapshot, wanted: &mut Desired) {
    let charges = snapshot.charges.iter();
    let is_unexplained = |charge: &&Charge| {
        snapshot.unexplained.contains(&charge.id) || pays_void_invoice(snapshot, charge)
    };
    wanted
        .transactions
        .extend(charges.filter(is_unexplained).map(payment));
}

fn pays_void_invoice(snapshot: &Snapshot, charge: &Charge) -> bool {
    charge.is_paid
        && charge.payment_intent.is_some()
        && snapshot.invoices.iter().any(|invoice| {
            invoice.status() == Some(InvoiceStatus::Void)
                && invoice.payment_intent == charge.payment_intent
        })
}

fn payment(charge: &Charge) -> Transaction {
    let is_refunded = charge.amount > 0 && charge.reversed() >= charge.amount;
    let name = charge.payment_intent.as_ref().unwrap_or(&charge.id);
    Transaction {
        natural_key: format!("payment:{name}"),
        kind: TransactionType::CreditTopup,
        status: if is_refunded {
            TransactionStatus::Refunded
        } else {
            TransactionStatus::Completed
        },
        amount: MinorUnits::new(charge.amount, charge.currency),
        refunded_minor: charge.reversed(),
        tax_minor: 0,
        payment_intent: charge.payment_intent.clone(),
        session: None,
        invoice: None,
        refund: None,
        user: None,
        tier: None,
        credits: None,
        description: "Payment made at Stripe".to_owned(),
        failure: None,
        attempts: 0,
        receipt_url: charge.receipt_url.clone(),
        occurred_at: charge.created_at,
        is_disputed: charge.is_disputed(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::charge;
    use super::*;

    #[test]
    fn an_unexplained_payment_has_one_row_without_credits_and_is_refunded_when_all_went_back() {
        let paid = charge("pi_1", 700, 0);
        let back = Charge {
            id: "ch_2".into(),
            ..charge("pi_2", 300, 300)
        };
        let known = Charge {
            id: "ch_3".into(),
            ..charge("pi_3", 500, 0)
        };
        let snapshot = Snapshot {
            unexplained: [paid.id.clone(), back.id.clone()].into(),
            charges: vec![paid, back, known],
            ..Snapshot::default()
        };
        let mut wanted = Desired::default();

        project_unexplained(&snapshot, &mut wanted);

        let rows: Vec<_> = wanted
            .transactions
            .iter()
            .map(|row| (row.natural_key.as_str(), row.status, row.refunded_minor))
            .collect();
        assert_eq!(
            rows,
            [
                ("payment:pi_1", TransactionStatus::Completed, 0),
                ("payment:pi_2", TransactionStatus::Refunded, 300),
            ]
        );
        assert!(wanted.transactions.iter().all(|row| row.credits.is_none()));
        assert_eq!(wanted.commands, []);
    }
}
