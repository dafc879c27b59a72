//! A month is a month, whatever the interval of the price.

use super::turn::invoice;
use super::*;
use crate::invoices::InvoiceStatus;

fn with(interval: &str, period: (&str, &str), anchor: &str) -> SubscriptionFacts {
    SubscriptionFacts {
        interval: Some(interval.into()),
        period_start: at(period.0),
        period_end: at(period.1),
        anchor_at: Some(at(anchor)),
        created_at: at(anchor),
        ..subscription("active")
    }
}

fn month(facts: &SubscriptionFacts, now: &str) -> (Timestamp, Timestamp) {
    let plan = plan(&account(vec![facts.clone()]), at(now));
    (plan.month_start, plan.month_end)
}

fn days(start: &str, end: &str) -> (Timestamp, Timestamp) {
    (at(start), at(end))
}

#[test]
fn a_yearly_plan_brings_twelve_allowances_and_counts_calls_by_month() {
    let yearly = with("year", ("2026-01-31", "2027-01-31"), "2026-01-31");
    let facts = AccountFacts {
        invoices: vec![PlanInvoice {
            period: Some((at("2026-01-31"), at("2027-01-31"))),
            ..invoice(InvoiceStatus::Paid, true, "2026-01-31")
        }],
        ..account(vec![yearly.clone()])
    };
    let mut now = at("2026-01-31");
    let mut granted = Vec::new();

    while now < at("2027-01-31") {
        let plan = plan(&facts, now);
        assert_eq!(plan.period_end, at("2027-01-31"));
        if let Some(due) = allowance_due(&facts, &plan, &granted, now) {
            assert_eq!(due.expires_at, Some(plan.month_end));
            granted.push(given(&due));
        }
        now = now.plus_days(1);
    }

    assert_eq!(granted.len(), 12);
    let sum: Credits = granted.iter().map(|one| one.amount).sum();
    assert_eq!(sum, Credits::new(12_000));
    assert_eq!(
        month(&yearly, "2026-03-15"),
        days("2026-02-28", "2026-03-31")
    );
    assert_eq!(
        month(&yearly, "2026-03-31"),
        days("2026-03-31", "2026-04-30")
    );
    assert_eq!(
        month(&yearly, "2027-01-30"),
        days("2026-12-31", "2027-01-31")
    );
}

#[test]
fn a_monthly_plan_has_stripes_own_periods() {
    let february = with("month", ("2026-02-28", "2026-03-31"), "2026-01-31");
    assert_eq!(
        month(&february, "2026-03-30"),
        days("2026-02-28", "2026-03-31")
    );
    // A first period that is shorter, because the anchor was set to a day of the month.
    let stub = with("month", ("2026-02-20", "2026-03-01"), "2026-03-01");
    assert_eq!(month(&stub, "2026-02-25"), days("2026-02-20", "2026-03-01"));
}

#[test]
fn a_clock_behind_stripes_sees_the_first_month_of_a_period() {
    let early = "2026-01-30T23:59:57Z";
    let yearly = with("year", ("2026-01-31", "2027-01-31"), "2026-01-31");
    let monthly = with("month", ("2026-01-31", "2026-02-28"), "2026-01-31");
    let weekly = with("week", ("2026-01-31", "2026-02-07"), "2026-01-31");
    let unknown = SubscriptionFacts {
        anchor_at: None,
        ..yearly.clone()
    };
    for facts in [&yearly, &monthly, &weekly, &unknown] {
        assert_eq!(month(facts, early), days("2026-01-31", "2026-02-28"));
    }
    // A later year, whose anchor is that of the first one.
    let second = with("year", ("2027-01-31", "2028-01-31"), "2026-01-31");
    assert_eq!(
        month(&second, "2027-01-30T23:59:57Z"),
        days("2027-01-31", "2027-02-28")
    );

    let facts = account(vec![yearly.clone()]);
    let due = allowance_due(&facts, &plan(&facts, at(early)), &[], at(early)).unwrap();
    assert_eq!(due.expires_at, Some(at("2026-02-28")));

    // A difference is at most the whole difference.
    let facts = account(vec![SubscriptionFacts {
        tier: Some("PRO_PLUS".into()),
        ..yearly
    }]);
    let granted = [pro("2026-01-31", "2026-02-28")];
    let due = allowance_due(&facts, &plan(&facts, at(early)), &granted, at(early)).unwrap();
    assert_eq!(due.amount, Credits::new(5_000));
}

#[test]
fn other_intervals_have_months_too() {
    let quarter = with("month", ("2026-01-15", "2026-04-15"), "2026-01-15");
    assert_eq!(
        month(&quarter, "2026-03-20"),
        days("2026-03-15", "2026-04-15")
    );
    let week = with("week", ("2026-01-29", "2026-02-05"), "2026-01-15");
    assert_eq!(month(&week, "2026-01-30"), days("2026-01-15", "2026-02-15"));
    let trial = SubscriptionFacts {
        status: SubscriptionStatus::Trialing,
        ..with("week", ("2026-01-01", "2026-01-15"), "2026-01-15")
    };
    assert_eq!(
        month(&trial, "2026-01-10"),
        days("2026-01-01", "2026-01-15")
    );
    let unknown = SubscriptionFacts {
        anchor_at: None,
        ..with("year", ("2026-01-15", "2027-01-15"), "2026-01-15")
    };
    assert_eq!(
        month(&unknown, "2026-05-20"),
        days("2026-05-15", "2026-06-15")
    );
}

#[test]
fn a_yearly_plan_turns_at_the_end_of_its_year() {
    let yearly = with("year", ("2026-01-31", "2027-01-31"), "2026-01-31");
    let facts = account(vec![yearly]);

    assert_eq!(plan(&facts, at("2026-03-31")).turn, None);
    let turn = plan(&facts, at("2027-01-31"));
    assert_eq!(turn.turn.map(|turn| turn.at), Some(at("2027-01-31")));
    assert_eq!(
        (turn.month_start, turn.month_end),
        days("2027-01-31", "2027-02-28")
    );
}

#[test]
fn a_change_to_a_year_that_waits_for_its_payment_leaves_the_month_paid() {
    let monthly = with("month", ("2026-01-15", "2026-02-15"), "2026-01-15");
    let paid = invoice(InvoiceStatus::Paid, true, "2026-01-15");
    let year = |status| PlanInvoice {
        id: "in_year".into(),
        billing_reason: "subscription_update".into(),
        period: Some((at("2026-01-20"), at("2027-01-20"))),
        ..invoice(status, true, "2026-01-20")
    };
    let due = |held: &SubscriptionFacts, status| {
        let facts = AccountFacts {
            invoices: vec![paid.clone(), year(status)],
            ..account(vec![held.clone()])
        };
        let now = at("2026-01-25");
        allowance_due(&facts, &plan(&facts, now), &[], now).map(|due| due.expires_at)
    };

    for status in [InvoiceStatus::Open, InvoiceStatus::Void] {
        let until = Some(Some(at("2026-02-15")));
        assert_eq!(due(&monthly, status), until, "{status:?}");
    }
    // In effect, it must be paid.
    let yearly = with("year", ("2026-01-20", "2027-01-20"), "2026-01-20");
    assert_eq!(due(&yearly, InvoiceStatus::Open), None);
    let until = Some(Some(at("2026-02-20")));
    assert_eq!(due(&yearly, InvoiceStatus::Paid), until);
}

#[test]
fn an_unpaid_upgrade_of_a_yearly_plan_brings_the_larger_allowance_in_no_month() {
    let yearly = SubscriptionFacts {
        tier: Some("PRO_PLUS".into()),
        ..with("year", ("2026-01-15", "2027-01-15"), "2026-01-15")
    };
    let paid = PlanInvoice {
        tier: Some("PRO".into()),
        period: Some((at("2026-01-15"), at("2027-01-15"))),
        ..invoice(InvoiceStatus::Paid, true, "2026-01-15")
    };
    let change = |status| PlanInvoice {
        id: "in_change".into(),
        tier: Some("PRO_PLUS".into()),
        billing_reason: "subscription_update".into(),
        is_proration: true,
        period: Some((at("2026-03-20"), at("2027-01-15"))),
        ..invoice(status, true, "2026-03-20")
    };
    let facts = |status| AccountFacts {
        invoices: vec![paid.clone(), change(status)],
        ..account(vec![yearly.clone()])
    };
    let due = |status, granted: &[GrantedAllowance], now: &str| {
        let facts = facts(status);
        let due = allowance_due(&facts, &plan(&facts, at(now)), granted, at(now));
        due.map(|due| (due.source_key, due.amount))
    };
    let key = |start: &str| (allowance_key(1, "PRO", at(start)), Credits::new(1_000));

    for status in [
        InvoiceStatus::Open,
        InvoiceStatus::Uncollectible,
        InvoiceStatus::Void,
    ] {
        let march = [pro("2026-03-15", "2026-04-15")];
        assert_eq!(due(status, &march, "2026-03-21"), None, "{status:?}");
        // The months after it bring what was paid for.
        assert_eq!(due(status, &march, "2026-04-20"), Some(key("2026-04-15")));
        assert_eq!(due(status, &march, "2026-12-20"), Some(key("2026-12-15")));
    }
    // Paid in the middle of a month of 30 days, it brings the difference for what is left.
    let april = [pro("2026-04-15", "2026-05-15")];
    let (key, amount) = due(InvoiceStatus::Paid, &april, "2026-04-30").unwrap();
    assert_eq!(key, allowance_key(1, "PRO_PLUS", at("2026-04-15")));
    assert_eq!(amount, Credits::new(2_500));
}
