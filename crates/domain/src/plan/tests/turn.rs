//! The turn of a period: what it brings, and what serves until it is settled.

use super::*;
use crate::invoices::InvoiceStatus;

/// An invoice for a period of PRO, a month from `start` unless said otherwise.
pub(super) fn invoice(status: InvoiceStatus, is_tried: bool, start: &str) -> PlanInvoice {
    let start = at(start);
    PlanInvoice {
        id: "in_1".into(),
        subscription: "sub_1".into(),
        tier: Some("PRO".into()),
        status: Some(status),
        billing_reason: "subscription_cycle".into(),
        is_proration: false,
        amount_due: 1_900,
        is_tried,
        period: Some((start, start.plus_months(1))),
        charged: if status == InvoiceStatus::Paid {
            1_900
        } else {
            0
        },
        reversed: 0,
        is_disputed: false,
    }
}

fn renewing(status: &str, invoices: Vec<PlanInvoice>) -> AccountFacts {
    AccountFacts {
        invoices,
        ..account(vec![subscription(status)])
    }
}

fn due(facts: &AccountFacts, now: Timestamp) -> Option<Credits> {
    allowance_due(facts, &plan(facts, now), &[], now).map(|due| due.amount)
}

const PRO: Credits = Credits::new(1_000);

#[test]
fn a_renewal_brings_its_allowance_when_it_is_paid() {
    use InvoiceStatus::{Draft, Open, Paid, Uncollectible, Void};
    let table = [
        (Draft, false, None),
        (Open, false, None),
        (Open, true, None),
        (Void, true, None),
        (Uncollectible, true, None),
        (Paid, true, Some(PRO)),
    ];
    for (status, is_tried, expected) in table {
        let facts = renewing("active", vec![invoice(status, is_tried, "2026-11-15")]);
        assert_eq!(due(&facts, now()), expected, "{status} {is_tried}");
    }
    let facts = renewing("active", vec![invoice(Paid, true, "2026-11-15")]);
    let plan = plan(&facts, now());
    let renewed = allowance_due(&facts, &plan, &[], now()).unwrap();
    assert_eq!(
        (renewed.effective_at, renewed.expires_at),
        (Some(at("2026-11-15")), Some(at("2026-12-15")))
    );
    let granted = [given(&renewed)];
    assert_eq!(allowance_due(&facts, &plan, &granted, now()), None, "once");
    let of_another = PlanInvoice {
        subscription: "sub_2".into(),
        ..invoice(Paid, true, "2026-11-15")
    };
    let both = vec![invoice(Open, true, "2026-11-15"), of_another];
    assert_eq!(due(&renewing("active", both), now()), None);
    let free = PlanInvoice {
        amount_due: 0,
        charged: 0,
        ..invoice(Paid, false, "2026-11-15")
    };
    assert_eq!(due(&renewing("trialing", vec![free]), now()), Some(PRO));
    assert_eq!(due(&renewing("active", vec![]), now()), Some(PRO));
    let paid = vec![invoice(Paid, true, "2026-11-15")];
    assert_eq!(due(&renewing("past_due", paid), now()), None);
}

#[test]
fn an_invoice_of_an_earlier_period_says_nothing_about_this_one() {
    let facts = renewing(
        "active",
        vec![
            invoice(InvoiceStatus::Void, true, "2026-10-15"),
            invoice(InvoiceStatus::Paid, true, "2026-11-15"),
        ],
    );

    assert_eq!(due(&facts, now()), Some(PRO));
}

#[test]
fn a_period_whose_money_went_back_brings_nothing() {
    let refunded = PlanInvoice {
        reversed: 1_900,
        ..invoice(InvoiceStatus::Paid, true, "2026-11-15")
    };

    assert_eq!(due(&renewing("active", vec![refunded]), now()), None);
}

#[test]
fn the_old_allowance_serves_until_the_renewal_is_settled_and_72_hours_at_most() {
    let turn = |invoice, now| plan(&renewing("active", vec![invoice]), now).turn;
    let start = at("2026-11-15");
    let open = Some(Turn {
        at: start,
        until: at("2026-11-18"),
    });
    let soon = start.plus_seconds(600);

    let drafted = invoice(InvoiceStatus::Draft, false, "2026-11-15");
    assert_eq!(turn(drafted.clone(), soon), open);
    let drafted_facts = renewing("active", vec![drafted.clone()]);
    assert_eq!(plan(&drafted_facts, soon).valid_until, at("2026-11-18"));
    assert_eq!(turn(drafted, at("2026-11-18")), None);
    for (status, is_tried, expected) in [
        (InvoiceStatus::Open, false, open),
        (InvoiceStatus::Open, true, None),
        (InvoiceStatus::Paid, true, None),
        (InvoiceStatus::Void, false, None),
    ] {
        let invoice = invoice(status, is_tried, "2026-11-15");
        assert_eq!(turn(invoice, soon), expected, "{status} {is_tried}");
    }
}

#[test]
fn a_turn_that_no_sync_has_seen_yet_is_one_too() {
    let paid = vec![invoice(InvoiceStatus::Paid, true, "2026-11-15")];
    let end = at("2026-12-15");
    let turn = |status: &str, now| plan(&renewing(status, paid.clone()), now).turn;
    let open = Some(Turn {
        at: end,
        until: at("2026-12-18"),
    });

    assert_eq!(
        turn("active", Timestamp::from_micros(end.micros() - 1)),
        None
    );
    assert_eq!(turn("active", end), open);
    assert_eq!(turn("trialing", end), open);
    assert_eq!(turn("past_due", end), None);
    assert_eq!(turn("active", at("2026-12-18")), None);
    let late = plan(&renewing("active", paid.clone()), end);
    assert_eq!((late.month_start, late.month_end), (end, at("2027-01-15")));
    assert_eq!(late.allowance, Credits::ZERO);
}

#[test]
fn a_plan_that_ends_with_its_period_or_is_paused_has_no_turn() {
    let end = at("2026-12-15");
    let ending = SubscriptionFacts {
        cancel_at: Some(end),
        ..subscription("active")
    };
    let paused = SubscriptionFacts {
        is_paused: true,
        ..subscription("active")
    };

    for facts in [ending, paused, subscription("canceled")] {
        assert_eq!(plan(&account(vec![facts]), end).turn, None);
    }
    assert_eq!(plan(&account(vec![]), at("2026-11-30")).turn, None);
}

#[test]
fn a_paused_collection_earns_what_the_setting_says_whatever_happens_to_its_invoices() {
    use InvoiceStatus::{Draft, Open, Uncollectible, Void};
    let paused = SubscriptionFacts {
        is_paused: true,
        ..subscription("active")
    };
    let full = PlanRules {
        while_paused: AllowanceWhilePaused::Full,
        ..PlanRules::default()
    };
    let invoices = [Draft, Open, Uncollectible, Void]
        .map(|status| vec![invoice(status, status != Draft, "2026-11-15")]);
    for invoices in invoices.into_iter().chain([vec![]]) {
        let facts = AccountFacts {
            invoices,
            ..account(vec![paused.clone()])
        };

        let by_default = plan(&facts, now());
        assert!(by_default.is_paused);
        assert_eq!(by_default.access_tier, "PRO");
        assert_eq!(by_default.allowance, Credits::ZERO, "{:?}", facts.invoices);
        let paid_anyway = plan_at(&facts, &catalog(), full, now());
        assert_eq!(paid_anyway.allowance, PRO, "{:?}", facts.invoices);
        // A suspension isn't paid for, nor is what it paused when it has been lifted.
        let suspended = AccountFacts {
            status: AccountStatus::Suspended,
            ..facts.clone()
        };
        let mut lifted = facts;
        lifted.subscriptions[0].is_paused_by_us = true;
        for facts in [suspended, lifted] {
            let unpaid = plan_at(&facts, &catalog(), full, now());
            assert_eq!(unpaid.allowance, Credits::ZERO, "{:?}", facts.invoices);
        }
    }
    let paid_before = AccountFacts {
        invoices: vec![invoice(InvoiceStatus::Paid, true, "2026-11-15")],
        status: AccountStatus::Suspended,
        ..account(vec![paused])
    };
    assert_eq!(plan(&paid_before, now()).allowance, PRO);
}

#[test]
fn a_change_whose_invoice_is_not_paid_brings_no_difference() {
    let upgraded = SubscriptionFacts {
        tier: Some("PRO_PLUS".into()),
        ..subscription("active")
    };
    let change = |status| PlanInvoice {
        tier: Some("PRO_PLUS".into()),
        billing_reason: "subscription_update".into(),
        is_proration: true,
        ..invoice(status, true, "2026-11-20")
    };
    let granted = [pro("2026-11-15", "2026-12-15")];
    let difference = |status| {
        let facts = AccountFacts {
            invoices: vec![
                invoice(InvoiceStatus::Paid, true, "2026-11-15"),
                change(status),
            ],
            ..account(vec![upgraded.clone()])
        };
        let now = at("2026-11-30");
        allowance_due(&facts, &plan(&facts, now), &granted, now).map(|due| due.amount)
    };

    assert_eq!(difference(InvoiceStatus::Paid), Some(Credits::new(2_500)));
    for status in [
        InvoiceStatus::Open,
        InvoiceStatus::Void,
        InvoiceStatus::Uncollectible,
    ] {
        assert_eq!(difference(status), None, "{status}");
    }
}
