//! Which allowances a payment brought, and what its reversal claims back of them.

use super::turn::invoice;
use super::*;
use crate::invoices::InvoiceStatus;

fn paid(start: &str) -> PlanInvoice {
    invoice(InvoiceStatus::Paid, true, start)
}

/// The proration of a change to `PRO_PLUS` at `start` until `end`.
fn change(start: &str, end: &str) -> PlanInvoice {
    PlanInvoice {
        tier: Some("PRO_PLUS".into()),
        billing_reason: "subscription_update".into(),
        is_proration: true,
        period: Some((at(start), at(end))),
        charged: 1_500,
        ..paid(start)
    }
}

fn lot(tier: &str, start: &str, amount: i64) -> (String, Credits) {
    (allowance_key(1, tier, at(start)), Credits::new(amount))
}

fn claimed(lots: &[(String, Credits)], invoices: &[PlanInvoice]) -> Vec<(i64, bool)> {
    let claims = claims(lots, invoices, &catalog());
    claims
        .iter()
        .map(|claim| (claim.reversed.floor(), claim.is_frozen))
        .collect()
}

#[test]
fn a_refund_claims_its_share_of_the_allowance_of_its_own_period() {
    let half = PlanInvoice {
        reversed: 950,
        ..paid("2026-11-15")
    };
    let lots = [
        lot("PRO", "2026-10-15", 1_000),
        lot("PRO", "2026-11-15", 1_000),
        lot("FREE", "2026-11-30", 100),
    ];

    let claims = claimed(&lots, &[paid("2026-10-15"), half]);

    assert_eq!(claims, [(0, false), (500, false)]);
}

#[test]
fn a_change_brought_the_difference_and_its_period_brought_the_rest() {
    let lots = [
        lot("PRO", "2026-11-15", 1_000),
        lot("PRO_PLUS", "2026-11-15", 2_500),
    ];
    let upgrade = change("2026-11-30", "2026-12-15");
    let refunded = PlanInvoice {
        reversed: 1_500,
        ..upgrade.clone()
    };
    let disputed = PlanInvoice {
        is_disputed: true,
        ..paid("2026-11-15")
    };

    let of_the_change = claimed(&lots, &[paid("2026-11-15"), refunded]);
    let of_the_period = claimed(&lots, &[disputed.clone(), upgrade]);
    let free_of_charge = claimed(&lots, &[disputed]);

    assert_eq!(of_the_change, [(0, false), (2_500, false)]);
    assert_eq!(of_the_period, [(0, true), (0, false)]);
    assert_eq!(free_of_charge, [(0, true), (0, true)]);
}

#[test]
fn a_years_payment_brought_all_its_months_and_a_change_the_difference_of_those_after_it() {
    let year = PlanInvoice {
        period: Some((at("2026-01-15"), at("2027-01-15"))),
        reversed: 950,
        ..paid("2026-01-15")
    };
    let upgrade = PlanInvoice {
        reversed: 300,
        ..change("2026-03-20", "2027-01-15")
    };
    let lots = [
        lot("PRO", "2026-02-15", 1_000),
        lot("PRO", "2026-03-15", 1_000),
        lot("PRO_PLUS", "2026-03-15", 4_000),
        lot("PRO_PLUS", "2026-04-15", 6_000),
    ];

    let claims = claimed(&lots, &[year, upgrade]);

    // Half of 1,000; a fifth of 4,000; half of 1,000 and a fifth of 5,000.
    assert_eq!(
        claims,
        [(500, false), (500, false), (800, false), (1_500, false)]
    );
}

#[test]
fn of_two_subscriptions_that_began_at_once_each_payment_brought_its_own_credits() {
    let second = PlanInvoice {
        subscription: "sub_2".into(),
        tier: Some("PRO_PLUS".into()),
        charged: 4_900,
        reversed: 4_900,
        ..paid("2026-11-15")
    };
    let lots = [
        lot("PRO", "2026-11-15", 1_000),
        lot("PRO_PLUS", "2026-11-15", 4_999),
    ];
    let same_tier = PlanInvoice {
        tier: Some("PRO".into()),
        ..second.clone()
    };

    assert_eq!(
        claimed(&lots, &[paid("2026-11-15"), second]),
        [(0, false), (4_999, false)]
    );
    assert_eq!(
        claimed(&lots[..1], &[paid("2026-11-15"), same_tier]),
        [(0, false)]
    );
}

#[test]
fn after_a_downgrade_the_period_still_brought_its_credits() {
    let plus = PlanInvoice {
        tier: Some("PRO_PLUS".into()),
        period: Some((at("2026-01-15"), at("2027-01-15"))),
        charged: 49_000,
        reversed: 24_500,
        ..paid("2026-01-15")
    };
    let lots = [
        lot("PRO", "2026-03-15", 1_000),
        lot("PRO_PLUS", "2026-02-01", 6_000),
    ];

    // The second one is an operator's override, counted from another day.
    assert_eq!(
        claimed(&lots[..1], std::slice::from_ref(&plus)),
        [(500, false)]
    );
    assert_eq!(
        claimed(
            &lots[1..],
            &[PlanInvoice {
                tier: Some("PRO".into()),
                ..plus
            }]
        ),
        [(0, false)]
    );
}

#[test]
fn a_trial_and_credits_that_nothing_was_charged_for_are_not_reversed() {
    let free = PlanInvoice {
        charged: 0,
        amount_due: 0,
        ..paid("2026-11-15")
    };

    assert_eq!(
        claimed(&[lot("PRO", "2026-11-15", 1_000)], &[free]),
        [(0, false)]
    );
}

#[test]
fn a_payment_of_another_subscription_claims_nothing_of_a_trials_allowance() {
    let trial = PlanInvoice {
        subscription: "sub_trial".into(),
        tier: Some("PRO_PLUS".into()),
        amount_due: 0,
        charged: 0,
        ..paid("2026-11-15")
    };
    let refunded = PlanInvoice {
        reversed: 1_900,
        ..paid("2026-11-15")
    };
    let lots = [lot("PRO_PLUS", "2026-11-15", 6_000)];

    assert_eq!(claimed(&lots, &[trial, refunded]), [(0, false)]);
}
