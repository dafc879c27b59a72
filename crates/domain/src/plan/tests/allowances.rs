//! The allowance over all kinds of dates (case C13).

use super::*;

/// What a month granted: its start, and the credits.
type Granted = (Timestamp, Credits);

/// PRO from the anchor on, in the month around `now`, until it ended.
fn paid(anchor_at: Timestamp, ended: Timestamp, now: Timestamp) -> SubscriptionFacts {
    let has_ended = now >= ended;
    let (start, end) = crate::time::period_around(anchor_at, 1, now.min(ended)).unwrap();
    SubscriptionFacts {
        period_start: start,
        period_end: end,
        anchor_at: Some(anchor_at),
        created_at: anchor_at,
        past_due_since: None,
        ended_at: has_ended.then_some(ended),
        ..subscription(if has_ended { "canceled" } else { "active" })
    }
}

/// Asks every seven hours for 26 months, as requests and the sweep do; returns what was granted,
/// oldest first.
fn granted_since(anchor: &str, plan_ended: Option<&str>) -> Vec<Granted> {
    let (anchor_at, catalog) = (at(anchor), catalog());
    let mut known: Vec<GrantedAllowance> = Vec::new();
    let mut granted = Vec::new();
    let end = anchor_at.plus_days(26 * 30);
    let mut now = anchor_at;
    while now < end {
        let held = plan_ended.map(|ended| paid(anchor_at, at(ended), now));
        let facts = AccountFacts {
            anchor_at,
            ..account(held.into_iter().collect())
        };
        let plan = plan_at(&facts, &catalog, PlanRules::default(), now);
        // A second request that read the same rows asks for the same key, so the ledger takes one.
        if let Some(due) = allowance_due(&facts, &plan, &known, now) {
            let start = due.effective_at.unwrap();
            assert!(
                start <= now && now < due.expires_at.unwrap(),
                "{anchor} at {now:?}"
            );
            assert!(
                known.iter().all(|one| one.source_key != due.source_key),
                "{anchor} at {now:?}: {}",
                due.source_key
            );
            granted.push((start, due.amount));
            known.push(given(&due));
        }
        now = now.plus_seconds(7 * 3_600);
    }
    granted
}

#[test]
fn case_c13_an_allowance_comes_once_a_month_from_every_anchor_day() {
    for anchor in [
        "2027-01-15",
        "2027-01-28",
        "2027-01-29",
        "2027-01-30",
        "2027-01-31",
        "2028-02-29",
        "2027-02-28",
        "2027-12-31T23:59:59Z",
        "2027-03-28T01:30:00Z",
        "2027-10-31T01:30:00Z",
    ] {
        let granted = granted_since(anchor, None);

        let months = (0..).map(|month| (at(anchor).plus_months(month), Credits::new(100)));
        let months: Vec<Granted> = months.take(granted.len()).collect();
        assert_eq!(granted, months, "{anchor}");
        assert!((25..=26).contains(&granted.len()), "{anchor}");
    }
}

#[test]
fn case_c13_a_plan_that_ended_brings_no_second_free_allowance_in_the_same_month() {
    let anchor = at("2027-01-31");
    let granted = granted_since("2027-01-31", Some("2027-06-10"));

    // Five months of PRO; the fifth had begun when the plan ended, so the sixth is the first free.
    let expected = (0..).map(|month| {
        let credits = if month < 5 { 1_000 } else { 100 };
        (anchor.plus_months(month), Credits::new(credits))
    });
    let expected: Vec<Granted> = expected.take(granted.len()).collect();
    assert_eq!(granted, expected);
    assert!((25..=26).contains(&granted.len()), "{}", granted.len());
}
