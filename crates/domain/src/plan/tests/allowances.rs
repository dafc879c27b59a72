//! The free allowance over all kinds of dates (case C13).

use std::collections::BTreeMap;

use super::*;

/// Asks every seven hours for 26 months, as requests and the sweep do; returns what was granted,
/// by the start of the period.
fn granted_since(
    anchor: &str,
    has_downgraded_at: Option<&str>,
) -> BTreeMap<Timestamp, Vec<Credits>> {
    let (anchor_at, catalog) = (at(anchor), catalog());
    let mut granted: Vec<(String, Credits)> = Vec::new();
    let mut by_period: BTreeMap<Timestamp, Vec<Credits>> = BTreeMap::new();
    let end = anchor_at.plus_days(26 * 30);
    let mut now = anchor_at;
    while now < end {
        let paid = has_downgraded_at.map(|ended| SubscriptionFacts {
            status: SubscriptionStatus::from_word("canceled"),
            ended_at: Some(at(ended)),
            ..subscription("canceled")
        });
        let facts = AccountFacts {
            anchor_at,
            ..account(paid.into_iter().collect())
        };
        let plan = plan_at(&facts, &catalog, PlanRules::default(), now);
        // Two requests at once read the same rows; the key lets the ledger take one.
        let one = allowance_due(&facts, &plan, &granted, now);
        let other = allowance_due(&facts, &plan, &granted, now);
        assert_eq!(one, other);
        if let Some(due) = one {
            let start = due.effective_at.unwrap();
            assert!(
                start <= now && now < due.expires_at.unwrap(),
                "{anchor} at {now:?}"
            );
            by_period.entry(start).or_default().push(due.amount);
            granted.push((due.source_key, due.amount));
        }
        now = now.plus_seconds(7 * 3_600);
    }
    by_period
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
        let periods = granted_since(anchor, None);

        let amounts = periods.values().flatten();
        assert!(
            amounts.clone().all(|one| *one == Credits::new(100)),
            "{anchor}"
        );
        assert!(
            periods.values().all(|grants| grants.len() == 1),
            "{anchor}: once"
        );
        assert!(
            (25..=26).contains(&periods.len()),
            "{anchor}: {}",
            periods.len()
        );
        let starts: Vec<&Timestamp> = periods.keys().collect();
        for pair in starts.windows(2) {
            let days = (pair[1].seconds() - pair[0].seconds()) / 86_400;
            assert!((28..=31).contains(&days), "{anchor}: {days} days");
        }
    }
}

#[test]
fn case_c13_a_plan_that_ended_brings_no_second_free_allowance_in_the_same_month() {
    let periods = granted_since("2027-01-31", Some("2027-06-10"));

    assert!(periods.values().all(|grants| grants.len() == 1));
}
