mod allowances;

use super::allowance::allowance_key;
use super::*;
use crate::ledger::NewGrant;
use crate::time::parse;

mod months;
mod reversals;
mod turn;

fn catalog() -> Catalog {
    Catalog::parse(include_str!("../../../../catalog.toml")).unwrap()
}

fn at(text: &str) -> Timestamp {
    parse(text).unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

fn subscription(status: &str) -> SubscriptionFacts {
    SubscriptionFacts {
        id: "sub_1".into(),
        status: SubscriptionStatus::from_word(status),
        tier: Some("PRO".into()),
        period_start: at("2026-11-15"),
        period_end: at("2026-12-15"),
        cancel_at: None,
        ended_at: None,
        trial_end: None,
        past_due_since: Some(at("2026-11-20")),
        interval: Some("month".into()),
        anchor_at: Some(at("2026-11-15")),
        is_paused: false,
        is_paused_by_us: false,
        created_at: at("2026-11-15"),
    }
}

fn account(subscriptions: Vec<SubscriptionFacts>) -> AccountFacts {
    AccountFacts {
        account: 1,
        anchor_at: at("2026-10-31"),
        is_verified: true,
        status: AccountStatus::Active,
        free_claim: None,
        tier_override: None,
        subscriptions,
        invoices: vec![],
    }
}

fn plan(facts: &AccountFacts, now: Timestamp) -> Plan {
    plan_at(facts, &catalog(), PlanRules::default(), now)
}

#[test]
fn case_w33_every_status_has_its_access() {
    let table = [
        ("incomplete", "FREE", "INCOMPLETE"),
        ("incomplete_expired", "FREE", "CANCELED"),
        ("trialing", "PRO", "TRIALING"),
        ("active", "PRO", "ACTIVE"),
        ("past_due", "PRO", "PAST_DUE"),
        ("unpaid", "FREE", "UNPAID"),
        ("paused", "FREE", "PAUSED"),
        ("canceled", "FREE", "CANCELED"),
        ("something_new", "PRO", "ACTIVE"),
    ];
    for (status, access, shown) in table {
        let plan = plan(&account(vec![subscription(status)]), now());
        assert_eq!(
            (plan.access_tier.as_str(), plan.status.word()),
            (access, shown),
            "{status}"
        );
    }
}

#[test]
fn a_failed_payment_keeps_the_tier_for_the_grace_period_only() {
    let facts = account(vec![subscription("past_due")]);
    let end = at("2026-11-27");

    let before = plan(&facts, Timestamp::from_micros(end.micros() - 1));
    let after = plan(&facts, end);

    assert_eq!(
        (before.access_tier.as_str(), before.grace_until),
        ("PRO", Some(end))
    );
    assert_eq!(before.valid_until, end);
    assert_eq!(
        (after.access_tier.as_str(), after.tier.as_str()),
        ("FREE", "PRO")
    );
}

#[test]
fn a_cancellation_takes_effect_at_its_moment_without_an_event() {
    let cancel_at = Some(at("2026-12-15"));
    let facts = account(vec![SubscriptionFacts {
        cancel_at,
        ..subscription("active")
    }]);

    assert_eq!(plan(&facts, now()).access_tier, "PRO");
    assert_eq!(plan(&facts, at("2026-12-15")).access_tier, "FREE");
}

#[test]
fn case_w13_a_late_end_of_the_old_subscription_leaves_the_new_one() {
    let old = SubscriptionFacts {
        id: "sub_0".into(),
        ..subscription("canceled")
    };
    let new = SubscriptionFacts {
        created_at: at("2026-11-20"),
        ..subscription("active")
    };

    let plan = plan(&account(vec![new, old]), now());

    assert_eq!(
        (plan.access_tier.as_str(), plan.subscription_id.as_deref()),
        ("PRO", Some("sub_1"))
    );
}

#[test]
fn an_override_wins_until_it_ends() {
    let tier_override = Some(("PRO_PLUS".to_owned(), Some(at("2026-12-01"))));
    let facts = AccountFacts {
        tier_override,
        ..account(vec![])
    };

    assert_eq!(plan(&facts, now()).access_tier, "PRO_PLUS");
    assert_eq!(plan(&facts, at("2026-12-01")).access_tier, "FREE");
}

#[test]
fn case_c13_an_allowance_comes_once_a_period() {
    let facts = account(vec![]);
    let plan = plan(&facts, now());

    let due = allowance_due(&facts, &plan, &[], now()).unwrap();

    assert_eq!(
        (due.amount, due.expires_at),
        (Credits::new(100), Some(at("2026-11-30")))
    );
    let granted = [given(&due)];
    assert_eq!(allowance_due(&facts, &plan, &granted, now()), None);
}

#[test]
fn an_unverified_address_brings_no_allowance() {
    let facts = AccountFacts {
        is_verified: false,
        ..account(vec![])
    };

    assert_eq!(
        allowance_due(&facts, &plan(&facts, now()), &[], now()),
        None
    );
}

#[test]
fn an_upgrade_brings_the_difference_for_the_time_left() {
    let upgraded = SubscriptionFacts {
        tier: Some("PRO_PLUS".into()),
        ..subscription("active")
    };
    let facts = account(vec![upgraded]);
    let half = at("2026-11-30");
    let plan = plan(&facts, half);

    let due = allowance_due(&facts, &plan, &[pro("2026-11-15", "2026-12-15")], half).unwrap();

    assert_eq!(due.amount, Credits::new(2_500));
}

/// An allowance after it was granted.
fn given(due: &NewGrant) -> GrantedAllowance {
    GrantedAllowance {
        source_key: due.source_key.clone(),
        amount: due.amount,
        went_back: Credits::ZERO,
        from: due.effective_at.unwrap(),
        until: due.expires_at.unwrap(),
    }
}

#[test]
fn an_override_beside_a_paid_plan_brings_what_exceeds_it() {
    let overridden = |tier: &str| AccountFacts {
        tier_override: Some((tier.to_owned(), None)),
        ..account(vec![subscription("active")])
    };
    let due = |facts: &AccountFacts, granted: &[GrantedAllowance], at: Timestamp| {
        let due = allowance_due(facts, &plan(facts, at), granted, at);
        due.map(|due| due.amount.floor())
    };
    let paid = pro("2026-11-15", "2026-12-15");
    let paid_plus = GrantedAllowance {
        amount: Credits::new(6_000),
        ..paid.clone()
    };
    let plus = overridden("PRO_PLUS");

    // The months of an override are counted from the account's first day, the 31st: half of one is
    // left, and half of the paid one falls into it.
    let half = at("2026-11-15");
    assert_eq!(due(&plus, std::slice::from_ref(&paid), half), Some(2_500));
    assert_eq!(due(&plus, std::slice::from_ref(&paid_plus), half), None);
    // What ends with the first minutes of the month leaves all but those.
    let ending = pro("2026-10-31T00:05:00Z", "2026-11-30T00:05:00Z");
    assert_eq!(due(&plus, &[ending], at("2026-11-30")), Some(5_999));
    // What was voided, is frozen, went back or has ended is no part of it.
    let gone = GrantedAllowance {
        until: half,
        ..paid_plus.clone()
    };
    let back = GrantedAllowance {
        went_back: Credits::new(6_000),
        ..paid_plus.clone()
    };
    assert_eq!(due(&plus, &[gone, back], half), Some(6_000));
    assert_eq!(
        due(&plus, std::slice::from_ref(&paid_plus), at("2026-12-31")),
        Some(6_000)
    );
    // A smaller tier waits until the larger allowance has ended.
    let smaller = overridden("PRO");
    assert_eq!(due(&smaller, std::slice::from_ref(&paid_plus), half), None);
    let next = next_by_hand(&plan(&smaller, half), &[paid_plus], half);
    assert_eq!(next, Some(at("2026-12-15")));
}

#[test]
fn an_overrides_allowance_is_granted_once_and_belongs_to_no_payment() {
    let facts = AccountFacts {
        tier_override: Some(("PRO".to_owned(), None)),
        ..account(vec![subscription("active")])
    };
    let now = at("2026-11-15");
    let by_hand = given(&allowance_due(&facts, &plan(&facts, now), &[], now).unwrap());
    let again = [by_hand.clone()];
    assert_eq!(allowance_due(&facts, &plan(&facts, now), &again, now), None);

    // What was paid for brings its own credits, and a refund of it takes only those.
    let facts = account(vec![subscription("active")]);
    let due = allowance_due(&facts, &plan(&facts, now), &again, now).unwrap();
    assert_eq!(due.amount, Credits::new(1_000));
    let invoice = PlanInvoice {
        id: "in_1".into(),
        subscription: "sub_1".into(),
        tier: Some("PRO".into()),
        status: Some(crate::invoices::InvoiceStatus::Paid),
        billing_reason: "subscription_cycle".into(),
        is_proration: false,
        amount_due: 1_900,
        is_tried: true,
        period: Some((at("2026-10-15"), at("2026-11-15"))),
        charged: 1_900,
        reversed: 1_900,
        is_disputed: false,
    };
    let allowances = [(by_hand.source_key, by_hand.amount)];
    assert_eq!(claims(&allowances, &[invoice], &catalog()), []);
}

/// The allowance of a month of PRO.
fn pro(start: &str, until: &str) -> GrantedAllowance {
    GrantedAllowance {
        source_key: allowance_key(1, "PRO", at(start)),
        amount: Credits::new(1_000),
        went_back: Credits::ZERO,
        from: at(start),
        until: at(until),
    }
}
