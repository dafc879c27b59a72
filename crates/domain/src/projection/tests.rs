//! The projection of a snapshot, fact by fact.

mod duplicates;
mod payment;
mod period;
mod plan;
mod reversal;
mod states;

use super::*;
use crate::ledger::{GrantKind, NewGrant};
use crate::money::{Credits, Currency, MinorUnits};
use crate::plan::SubscriptionStatus;
use crate::time::parse;

pub(super) fn at(text: &str) -> Timestamp {
    parse(text).unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

pub(super) fn topup(payment_status: &str, status: &str) -> Session {
    Session {
        id: "cs_1".into(),
        intent: Some(Intent {
            id: "int_1".into(),
            user: Some(1),
            credits: Credits::new(5_000),
            bonus: Credits::ZERO,
            expires_after_days: None,
            price: MinorUnits::new(500, Currency::USD),
            tier: None,
        }),
        mode: "payment".into(),
        status: status.into(),
        payment_status: payment_status.into(),
        amount_total: Some(500),
        amount_tax: 0,
        currency: Some(Currency::USD),
        payment_intent: Some("pi_1".into()),
        payment_failed: false,
        subscription_id: None,
        invoice_id: None,
        is_automatic: false,
        created_at: now(),
    }
}

pub(super) fn charge(payment_intent: &str, amount: i64, refunded: i64) -> Charge {
    Charge {
        id: "ch_1".into(),
        payment_intent: Some(payment_intent.into()),
        amount,
        amount_refunded: refunded,
        currency: Currency::USD,
        receipt_url: None,
        failure: None,
        is_paid: true,
        refunds: vec![],
        disputes: vec![],
        created_at: now(),
    }
}

pub(super) fn dispute(status: &str, amount: i64) -> Dispute {
    Dispute {
        id: "dp_1".into(),
        status: status.into(),
        amount,
        currency: Currency::USD,
        reason: Some("fraudulent".into()),
        due_by: Some(at("2026-11-30")),
        created_at: now(),
    }
}

pub(super) fn invoice(id: &str, status: &str, reason: &str) -> Invoice {
    Invoice {
        id: id.into(),
        number: None,
        status: status.into(),
        billing_reason: reason.into(),
        subscription_id: Some("sub_1".into()),
        payment_intent: Some(format!("pi_{id}")),
        amount_due: 1_900,
        amount_paid: if status == "paid" { 1_900 } else { 0 },
        total: 1_900,
        discount: 0,
        tax: 0,
        currency: Currency::USD,
        created_at: now(),
        paid_at: None,
        attempt_count: 1,
        next_payment_attempt: None,
        needs_confirmation: false,
        period: None,
        is_proration: false,
        price_id: Some("price_pro".into()),
        hosted_url: None,
        pdf_url: None,
    }
}

pub(super) fn subscription(status: &str) -> Subscription {
    Subscription {
        id: "sub_1".into(),
        status: SubscriptionStatus::from_word(status),
        customer_id: Some("cus_1".into()),
        addons: Vec::new(),
        price_id: Some("price_pro".into()),
        price: Some(MinorUnits::new(1_900, Currency::USD)),
        interval: Some("month".into()),
        quantity: 1,
        monthly_minor: Some(1_900),
        discount_ends_at: None,
        next_charge: None,
        period_start: at("2026-11-15"),
        period_end: at("2026-12-15"),
        cancel_at_period_end: false,
        cancel_at: None,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        is_paused: false,
        pause_behavior: None,
        is_paused_by_us: false,
        resumes_at: None,
        anchor_at: None,
        schedule_id: None,
        pending_update: None,
        created_at: at("2026-11-15"),
    }
}

fn run(snapshot: &Snapshot) -> Desired {
    run_suspended(snapshot, None)
}

fn run_suspended(snapshot: &Snapshot, suspended_at: Option<Timestamp>) -> Desired {
    run_with(snapshot, suspended_at, &[])
}

/// With these transactions stored as pending.
fn run_pending(snapshot: &Snapshot, pending: &[&str]) -> Desired {
    run_with(snapshot, None, pending)
}

fn run_with(snapshot: &Snapshot, suspended_at: Option<Timestamp>, pending: &[&str]) -> Desired {
    let pending = pending.iter().map(|key| (*key).to_owned()).collect();
    let tier_of_price = HashMap::from([
        ("price_pro".to_owned(), "PRO".to_owned()),
        ("price_plus".to_owned(), "PRO_PLUS".to_owned()),
    ]);
    let rank_of_tier = HashMap::from([("PRO".to_owned(), 1), ("PRO_PLUS".to_owned(), 2)]);
    let tier_held = HashMap::from([("sub_1".to_owned(), "PRO_PLUS".to_owned())]);
    let addon_prices = HashSet::from(["price_seats".to_owned()]);
    let undone = HashSet::from(["sub_undone".to_owned()]);
    let open_disputes = HashSet::from(["dp_1".to_owned()]);
    let known = Known {
        tier_of_price: &tier_of_price,
        terms_of_price: &HashMap::new(),
        tier_held: &tier_held,
        rank_of_tier: &rank_of_tier,
        grace_days: 7,
        gives_unpaid_credits: false,
        addon_prices: &addon_prices,
        undone: &undone,
        suspended_at,
        open_disputes: &open_disputes,
        pending: &pending,
    };
    project(snapshot, &known, now())
}

fn grants(wanted: &Desired) -> Vec<&NewGrant> {
    let commands = wanted.commands.iter();
    let grants = commands.filter_map(|command| match command {
        Command::Grant(grant) => Some(grant),
        _ => None,
    });
    grants.collect()
}

fn mail_keys(snapshot: &Snapshot) -> Vec<String> {
    keys_of(run(snapshot))
}

fn keys_of(wanted: Desired) -> Vec<String> {
    wanted.mails.into_iter().map(|mail| mail.key).collect()
}
