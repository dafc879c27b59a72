//! The fact of a payment at Checkout: a credit pack, or a plan's pending first payment.

use super::emails;
use super::reversal::of_pack;
use super::snapshot::{Charge, Intent, Session, Snapshot};
use super::states::{PaymentStatus, SessionMode, SessionStatus};
use super::transaction::{Transaction, TransactionStatus, TransactionType, grouped};
use super::{Desired, Known};
use crate::ledger::{Command, GrantKind, NewGrant};
use crate::money::MinorUnits;
use crate::time::Timestamp;

pub(super) fn project_sessions(
    snapshot: &Snapshot,
    known: &Known,
    now: Timestamp,
    wanted: &mut Desired,
) {
    for session in &snapshot.sessions {
        let Some(intent) = &session.intent else {
            continue;
        };
        if session.mode() == Some(SessionMode::Payment) {
            let is_given = known.gives_unpaid_credits && is_given_away(session);
            if is_given {
                give_pack(session, intent, wanted);
            }
            let row = project_topup(snapshot, (session, intent), is_given, wanted);
            emails::pack(session, intent, &row, known, now, wanted);
            wanted.transactions.push(row);
        } else if session.mode() == Some(SessionMode::Subscription) && session.invoice_id.is_none()
        {
            wanted
                .transactions
                .push(pending_subscription(session, intent));
        }
    }
}

/// A pack that was ordered on our page and was free of charge.
fn is_given_away(session: &Session) -> bool {
    session.status() == Some(SessionStatus::Complete)
        && session.payment_status() == Some(PaymentStatus::NoPaymentRequired)
        && session.amount_total == Some(0)
}

/// A free pack is a gift from the operator: it is spent before purchased credits, and there is no
/// payment whose reversal could claw it back.
fn give_pack(session: &Session, intent: &Intent, wanted: &mut Desired) {
    let ends = |days: i64| session.created_at.plus_days(days);
    wanted.commands.push(Command::Grant(NewGrant {
        expires_at: intent.expires_after_days.map(ends),
        ..NewGrant::new(
            GrantKind::Promo,
            format!("topup:{}", session.id),
            intent.credits + intent.bonus,
        )
    }));
}

/// The row of a pack's payment. Adds the commands that it leads to.
fn project_topup(
    snapshot: &Snapshot,
    (session, intent): (&Session, &Intent),
    is_given: bool,
    wanted: &mut Desired,
) -> Transaction {
    let currency = session.currency.unwrap_or(intent.price.currency);
    let amount = session.amount_total.unwrap_or(intent.price.amount);
    let charge = session
        .payment_intent
        .as_deref()
        .and_then(|id| snapshot.paid_charge(id));
    let refunded = charge.map_or(0, Charge::reversed);
    let is_refunded = refunded > 0 && refunded >= amount;
    let status = topup_status(session, is_refunded, is_given);
    if let (Some(PaymentStatus::Paid), Some(payment)) =
        (session.payment_status(), &session.payment_intent)
    {
        let source_key = format!("topup:{payment}");
        let paid = MinorUnits::new((amount - session.amount_tax).max(0), currency);
        grant_pack(session, intent, payment, paid, wanted);
        if let Some(charge) = charge {
            wanted.commands.extend(of_pack(charge, &source_key));
        }
    }
    Transaction {
        natural_key: format!("topup:{}", session.id),
        kind: TransactionType::CreditTopup,
        status,
        amount: MinorUnits::new(amount, currency),
        refunded_minor: refunded,
        tax_minor: session.amount_tax,
        payment_intent: session.payment_intent.clone(),
        session: session.id.starts_with("cs_").then(|| session.id.clone()),
        invoice: None,
        refund: None,
        user: intent.user,
        tier: None,
        credits: Some(intent.credits),
        description: pack_description(intent),
        failure: snapshot.failure_of(session.payment_intent.as_deref()),
        attempts: 0,
        receipt_url: charge.and_then(|charge| charge.receipt_url.clone()),
        occurred_at: session.created_at,
        is_disputed: charge.is_some_and(Charge::is_disputed),
    }
}

fn topup_status(session: &Session, is_refunded: bool, is_given: bool) -> TransactionStatus {
    use PaymentStatus::{NoPaymentRequired, Paid, Unpaid};
    use SessionStatus::{Complete, Expired};
    match (session.payment_status(), session.status()) {
        (Some(Paid), _) if is_refunded => TransactionStatus::Refunded,
        (Some(Paid), _) => TransactionStatus::Completed,
        (_, Some(Expired)) => TransactionStatus::Cancelled,
        (Some(Unpaid), Some(Complete)) if session.payment_failed => TransactionStatus::Failed,
        // A coupon grants free credits only if the operator allows it (F10).
        (Some(NoPaymentRequired), Some(Complete)) if !is_given => TransactionStatus::Cancelled,
        (Some(NoPaymentRequired), Some(Complete)) => TransactionStatus::Completed,
        _ => TransactionStatus::Pending,
    }
}

/// The pack's credits, and its bonus as a child grant that expires and is clawed back with them.
fn grant_pack(
    session: &Session,
    intent: &Intent,
    payment: &str,
    paid: MinorUnits,
    wanted: &mut Desired,
) {
    let source_key = format!("topup:{payment}");
    let ends = |days: i64| session.created_at.plus_days(days);
    let expires_at = intent.expires_after_days.map(ends);
    wanted.commands.push(Command::Grant(NewGrant {
        paid: Some(paid),
        expires_at,
        ..NewGrant::new(GrantKind::Purchase, source_key.clone(), intent.credits)
    }));
    if intent.bonus.is_positive() {
        let bonus_key = format!("bonus:{payment}");
        wanted.commands.push(Command::Grant(NewGrant {
            parent: Some(source_key),
            expires_at,
            ..NewGrant::new(GrantKind::Bonus, bonus_key, intent.bonus)
        }));
    }
}

/// The description of a pack: `5,000 credits`, `5,000 credits and 500 as a bonus`.
fn pack_description(intent: &Intent) -> String {
    let credits = grouped(intent.credits);
    if intent.bonus.is_positive() {
        return format!("{credits} credits and {} as a bonus", grouped(intent.bonus));
    }
    format!("{credits} credits")
}

/// A subscription Checkout without an invoice, so far or for good.
fn pending_subscription(session: &Session, intent: &Intent) -> Transaction {
    let expired = session.status() == Some(SessionStatus::Expired);
    Transaction {
        natural_key: format!("checkout:{}", session.id),
        kind: TransactionType::SubscriptionPayment,
        status: if expired {
            TransactionStatus::Cancelled
        } else {
            TransactionStatus::Pending
        },
        amount: MinorUnits::new(
            session.amount_total.unwrap_or(intent.price.amount),
            session.currency.unwrap_or(intent.price.currency),
        ),
        refunded_minor: 0,
        tax_minor: session.amount_tax,
        payment_intent: None,
        session: Some(session.id.clone()),
        invoice: None,
        refund: None,
        user: intent.user,
        tier: intent.tier.clone(),
        credits: None,
        description: "Plan, first payment".to_owned(),
        failure: None,
        attempts: 0,
        receipt_url: None,
        occurred_at: session.created_at,
        is_disputed: false,
    }
}
