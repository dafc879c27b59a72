//! The fact of a plan's period: its invoices and whether they were paid.

use super::snapshot::{Charge, Invoice, Snapshot};
use super::states::{BillingReason, InvoiceStatus};
use super::transaction::{Transaction, TransactionStatus, TransactionType};
use super::{Desired, DesiredInvoice, Known, emails};
use crate::money::{MinorUnits, share_of};
use crate::time::Timestamp;

pub(super) fn project_invoices(
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    for invoice in &snapshot.invoices {
        let row = invoice_row(snapshot, known, invoice);
        wanted.invoices.push(row);
    }
    for invoice in &snapshot.invoices {
        let Some(subscription) = &invoice.subscription_id else {
            continue;
        };
        let session = snapshot
            .sessions
            .iter()
            .find(|session| session.invoice_id.as_deref() == Some(invoice.id.as_str()));
        let session = session.filter(|session| session.intent.is_some());
        let charge = invoice
            .payment_intent
            .as_deref()
            .and_then(|id| snapshot.paid_charge(id));
        let refunded = charge.map_or(0, Charge::reversed);
        let Some(status) = invoice_status(invoice, refunded) else {
            continue;
        };
        let tier = tier_of(invoice, known).or_else(|| known.tier_held.get(subscription).cloned());
        // Money that arrived for a voided invoice, such as that of a bank debit, is a payment of its own.
        let pays = status != TransactionStatus::Cancelled || charge.is_none();
        // Paid elsewhere, it has a payment intent that took nothing.
        let is_charged = charge.is_some() || !invoice.is_paid();
        let amount = invoice.amount_due.max(invoice.amount_paid);
        let row = Transaction {
            natural_key: match session {
                Some(session) => format!("checkout:{}", session.id),
                None => format!("invoice:{}", invoice.id),
            },
            kind: if invoice.billing_reason() == Some(BillingReason::SubscriptionUpdate) {
                TransactionType::SubscriptionUpgrade
            } else {
                TransactionType::SubscriptionPayment
            },
            status,
            amount: MinorUnits::new(amount, invoice.currency),
            refunded_minor: if pays { refunded } else { 0 },
            tax_minor: tax_in(invoice, amount),
            payment_intent: invoice
                .payment_intent
                .clone()
                .filter(|_| pays && is_charged),
            session: session.map(|session| session.id.clone()),
            invoice: Some(invoice.id.clone()),
            refund: None,
            user: session
                .and_then(|session| session.intent.as_ref())
                .and_then(|i| i.user),
            tier,
            credits: None,
            description: invoice_description(invoice),
            failure: snapshot.failure_of(invoice.payment_intent.as_deref()),
            attempts: invoice.attempt_count,
            receipt_url: invoice.hosted_url.clone(),
            occurred_at: invoice.paid_at.unwrap_or(invoice.created_at),
            is_disputed: pays && charge.is_some_and(Charge::is_disputed),
        };
        emails::invoice(invoice, &row, snapshot, known, now, wanted);
        wanted.transactions.push(row);
    }
}

/// The tax in an amount of the invoice. What the customer's balance paid is not in the amount, and
/// neither is its share of the tax.
fn tax_in(invoice: &Invoice, amount: i64) -> i64 {
    if amount < invoice.total {
        share_of(invoice.tax, amount, invoice.total)
    } else {
        invoice.tax
    }
}

fn tier_of(invoice: &Invoice, known: &Known) -> Option<String> {
    let price = invoice.price_id.as_ref()?;
    known.tier_of_price.get(price).cloned()
}

/// An invoice's row, with what became of its payment.
fn invoice_row(snapshot: &Snapshot, known: &Known, invoice: &Invoice) -> DesiredInvoice {
    let charge = invoice
        .payment_intent
        .as_deref()
        .and_then(|id| snapshot.paid_charge(id));
    DesiredInvoice {
        fetched: invoice.clone(),
        tier: tier_of(invoice, known),
        charged: charge.map_or(0, |charge| charge.amount),
        reversed: charge.map_or(0, Charge::reversed),
        is_disputed: charge.is_some_and(Charge::is_disputed),
    }
}

fn invoice_status(invoice: &Invoice, refunded: i64) -> Option<TransactionStatus> {
    let status = match invoice.status()? {
        InvoiceStatus::Paid if refunded > 0 && refunded >= invoice.amount_paid => {
            TransactionStatus::Refunded
        }
        InvoiceStatus::Paid => TransactionStatus::Completed,
        InvoiceStatus::Open if invoice.attempt_count > 0 => TransactionStatus::Failed,
        InvoiceStatus::Open => TransactionStatus::Pending,
        InvoiceStatus::Void => TransactionStatus::Cancelled,
        InvoiceStatus::Uncollectible => TransactionStatus::Failed,
        // A draft doesn't request payment yet.
        InvoiceStatus::Draft => return None,
    };
    Some(status)
}

fn invoice_description(invoice: &Invoice) -> String {
    let what = match invoice.billing_reason() {
        Some(BillingReason::SubscriptionCreate) => "Plan, first payment",
        Some(BillingReason::SubscriptionUpdate) => "Plan change",
        Some(BillingReason::SubscriptionCycle) | None => "Plan, renewal",
    };
    match invoice.period {
        Some((start, end)) => format!("{what}, {} to {}", start.date_text(), end.date_text()),
        None => what.to_owned(),
    }
}
