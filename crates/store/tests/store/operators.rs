//! What operators read: metrics, saved searches, exports, and the actions of one actor.

use domain::plan::SubscriptionStatus;
use domain::projection::TransactionStatus;
use store::next_charges::{self, NextCharge};
use store::subscriptions::{self, Subscription};
use store::transactions::{self, NewTransaction};
use store::{Db, audit_log, due, events, export, metrics, operator_views, sync};

use crate::help::{account, at, on_both, read, user, write};

const DAY: i64 = 86_400;

fn subscription(account: i64, id: &'static str, from_day: i64) -> Subscription {
    Subscription {
        subscription_id: id.to_owned(),
        account_id: account,
        customer_id: format!("cus_{id}"),
        status: SubscriptionStatus::Active,
        tier: Some("PRO".to_owned()),
        price_id: None,
        currency: Some("usd".to_owned()),
        amount_minor: Some(1_900),
        billing_interval: Some("month".to_owned()),
        period_start: None,
        period_end: None,
        cancel_at: None,
        cancel_at_period_end: false,
        canceled_at: None,
        ended_at: None,
        trial_end: None,
        paused: false,
        past_due_since: None,
        pending_change: None,
        schedule_id: None,
        live: true,
        created_at: at(from_day * DAY),
        synced_at: at(from_day * DAY),
        items: None,
        anchor_at: None,
        quantity: 1,
        monthly_minor: None,
        discount_ends_at: None,
        pause_behavior: None,
        paused_by_us: false,
        resumes_at: None,
    }
}

fn put(db: &Db, row: Subscription) {
    write(db, move |tx| subscriptions::put(tx, &row));
}

fn pay(
    db: &Db,
    account_id: i64,
    key: &'static str,
    status: TransactionStatus,
    minor: i64,
    back: i64,
    day: i64,
) {
    write(db, move |tx| {
        let public_id = format!("txn_{key}");
        let new = NewTransaction {
            public_id: &public_id,
            account_id,
            natural_key: key,
            status,
            amount_minor: minor,
            refunded_minor: back,
            credits_purchased_micros: Some(minor * 1_000_000),
            occurred_at: at(day * DAY),
            ..store::testing::transaction()
        };
        transactions::put(tx, &new, at(day * DAY)).map(|_| ())
    });
}

on_both!(churn_counts_accounts_that_subscribed_then_and_do_not_now);
fn churn_counts_accounts_that_subscribed_then_and_do_not_now(db: &Db) {
    let names = [
        "stays", "leaves", "switches", "new", "trial", "never", "back",
    ];
    let ids: Vec<i64> = names.into_iter().map(|name| account(db, name).id).collect();
    let ended = |row: Subscription, day: i64| Subscription {
        ended_at: Some(at(day * DAY)),
        status: SubscriptionStatus::Canceled,
        live: false,
        ..row
    };
    put(db, subscription(ids[0], "stays", 1));
    put(db, ended(subscription(ids[1], "leaves", 1), 90));
    put(db, ended(subscription(ids[2], "old", 1), 80));
    put(db, subscription(ids[2], "next", 80));
    put(db, subscription(ids[3], "new", 95));
    put(
        db,
        Subscription {
            trial_end: Some(at(200 * DAY)),
            ..subscription(ids[4], "trial", 1)
        },
    );
    put(
        db,
        Subscription {
            status: SubscriptionStatus::IncompleteExpired,
            ..subscription(ids[5], "never", 1)
        },
    );
    put(db, ended(subscription(ids[6], "gone", 1), 40));

    let churn = read(db, |tx| metrics::churn(tx, at(70 * DAY), at(100 * DAY)));
    let left = read(db, |tx| {
        metrics::churned(tx, at(70 * DAY), at(100 * DAY), None, 10)
    });
    let pays = read(db, |tx| metrics::subscribed(tx, at(100 * DAY), None, 10));

    // On day 70, stays, leaves and switches were subscribed; on day 100, leaves no longer was.
    assert_eq!(churn, (3, 1));
    assert_eq!(left, [ids[1]]);
    assert_eq!(pays, [ids[3], ids[2], ids[0]]);
}

on_both!(recurring_revenue_counts_subscriptions_that_run_and_pay);
fn recurring_revenue_counts_subscriptions_that_run_and_pay(db: &Db) {
    let ann = account(db, "ann").id;
    put(db, subscription(ann, "month", 1));
    put(
        db,
        Subscription {
            amount_minor: Some(19_000),
            billing_interval: Some("year".to_owned()),
            status: SubscriptionStatus::PastDue,
            ..subscription(ann, "year", 1)
        },
    );
    for (id, paused, status) in [
        ("paused", true, SubscriptionStatus::Active),
        ("unpaid", false, SubscriptionStatus::Unpaid),
    ] {
        put(
            db,
            Subscription {
                paused,
                status,
                ..subscription(ann, id, 1)
            },
        );
    }

    let rows = read(db, |tx| metrics::recurring(tx, at(100 * DAY)));

    let told: Vec<(&str, i64, i64)> = rows
        .iter()
        .map(|row| (row.interval.as_str(), row.count, row.amount_minor))
        .collect();
    assert_eq!(told, [("month", 1, 1_900), ("year", 1, 19_000)]);
}

on_both!(payments_of_a_span_are_counted_without_what_is_open_or_older);
fn payments_of_a_span_are_counted_without_what_is_open_or_older(db: &Db) {
    let (ann, ben) = (account(db, "ann").id, account(db, "ben").id);
    pay(db, ann, "a1", TransactionStatus::Completed, 500, 0, 80);
    pay(db, ann, "a2", TransactionStatus::Refunded, 300, 300, 81);
    pay(db, ben, "b1", TransactionStatus::Completed, 1_000, 250, 82);
    pay(db, ben, "b2", TransactionStatus::Failed, 900, 0, 83);
    pay(db, ben, "b3", TransactionStatus::Pending, 700, 0, 84);
    pay(db, ben, "b4", TransactionStatus::Completed, 700, 0, 10);

    let rows = read(db, |tx| metrics::payments(tx, at(70 * DAY), at(100 * DAY)));
    let (sold, granted) = read(db, metrics::bought);

    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.paid, row.failed, row.accounts), (3, 1, 2));
    assert_eq!(row.net_minor, 500 + 750);
    assert_eq!((sold, granted), (2_500_000_000, 0));
    assert_eq!(read(db, metrics::balances), (0, 0));
    assert!(read(db, |tx| metrics::events(tx, at(0))).is_empty());
}

fn preview(db: &Db, account_id: i64, id: &'static str, fetched: i64) {
    let row = NextCharge {
        subscription_id: id.to_owned(),
        account_id,
        inputs: "digest".to_owned(),
        due_at: Some(at(40 * DAY)),
        currency: Some("usd".to_owned()),
        amount_minor: Some(1_900),
        lines: None,
        fetched_at: at(fetched),
    };
    write(db, move |tx| next_charges::put(tx, &row));
}

on_both!(previews_that_are_a_day_old_stale_or_missing_are_due_oldest_first);
fn previews_that_are_a_day_old_stale_or_missing_are_due_oldest_first(db: &Db) {
    let now = 30 * DAY;
    let names = ["old", "older", "fresh", "stale", "paused", "marked", "none"];
    let ids: Vec<i64> = names.into_iter().map(|name| account(db, name).id).collect();
    for (account, name) in ids.iter().zip(names) {
        let row = Subscription {
            paused: name == "paused",
            ..subscription(*account, name, 20)
        };
        put(db, row);
        let fetched = match name {
            "old" => now - DAY,
            "fresh" => now - DAY + 1,
            "stale" => now - 7_200,
            _ => now - 2 * DAY,
        };
        if name != "none" {
            preview(db, *account, name, fetched);
        }
    }
    let (old, stale, marked, none) = (ids[0], ids[3], ids[5], ids[6]);
    write(db, move |tx| next_charges::mark_stale(tx, stale, "stale"));
    write(db, move |tx| sync::mark_for_sync(tx, marked, at(now)));
    let due_at = |seconds, limit| read(db, move |tx| due::previews(tx, at(seconds), limit));

    assert_eq!(due_at(now, 10), [none, ids[1], old, stale]);
    assert_eq!(due_at(now, 1), [none]);
    let found = read(db, move |tx| next_charges::find(tx, stale, "stale"));
    assert!(found.is_some_and(|row| row.is_stale()));

    // A sync that couldn't fetch it is repeated after an hour.
    let synced = Subscription {
        synced_at: at(now),
        ..subscription(old, "old", 20)
    };
    put(db, synced);
    assert_eq!(due_at(now + 3_599, 10), [none, ids[1], ids[2], stale]);
    assert_eq!(due_at(now + 3_600, 10), [none, ids[1], old, ids[2], stale]);
}

on_both!(the_tax_in_large_payments_is_exact);
fn the_tax_in_large_payments_is_exact(db: &Db) {
    // Amount, tax and what was refunded.
    let cases: [(i64, i64, i64); 7] = [
        (900_000_000_000, 89_189_189_189, 300_000_000_001),
        (900_000_000_000, 89_189_189_189, 0),
        (1_000_000_000_000, 1_000_000_000_000, 1),
        (999_999_999_999, 999_999_999_998, 123_456_789),
        (7_000_000, 636_364, 3_500_000),
        (1_999, 333, 1_000),
        (2, 1, 1),
    ];
    let ann = account(db, "ann").id;
    let mut expected = 0;
    for (number, (amount_minor, tax_minor, refunded_minor)) in cases.into_iter().enumerate() {
        let kept = amount_minor - refunded_minor;
        expected += kept - domain::money::share_of(tax_minor, kept, amount_minor);
        write(db, move |tx| {
            let key = format!("large{number}");
            let new = NewTransaction {
                public_id: &key,
                account_id: ann,
                natural_key: &key,
                status: TransactionStatus::Completed,
                amount_minor,
                refunded_minor,
                occurred_at: at(80 * DAY),
                ..store::testing::transaction()
            };
            transactions::put(tx, &new, at(80 * DAY))?;
            transactions::note_tax(tx, ann, &key, tax_minor)
        });
    }

    let rows = read(db, |tx| metrics::payments(tx, at(70 * DAY), at(100 * DAY)));

    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].net_minor, expected);
}

on_both!(a_view_belongs_to_its_operator_and_their_number_is_bounded);
fn a_view_belongs_to_its_operator_and_their_number_is_bounded(db: &Db) {
    let (ann, ben) = (
        user(db, "ann@example.com").id,
        user(db, "ben@example.com").id,
    );
    for number in 0..operator_views::VIEWS_MAX {
        let name = format!("view {number:02}");
        let put = write(db, move |tx| {
            operator_views::put(tx, ann, &name, "q=1", at(2))
        });
        assert!(put);
    }

    let one_more = write(db, move |tx| {
        operator_views::put(tx, ann, "more", "q=2", at(3))
    });
    let again = write(db, move |tx| {
        operator_views::put(tx, ann, "view 00", "q=3", at(3))
    });
    let first = read(db, move |tx| operator_views::of_user(tx, ann)).remove(0);
    let (id, others) = (first.id, ben);
    let stolen = write(db, move |tx| operator_views::remove(tx, others, id));
    let removed = write(db, move |tx| operator_views::remove(tx, ann, id));

    assert!(!one_more && again);
    assert_eq!(
        (first.name.as_str(), first.query.as_str()),
        ("view 00", "q=3")
    );
    assert_eq!((stolen, removed), (0, 1));
    assert!(read(db, move |tx| operator_views::of_user(tx, ben)).is_empty());
}

on_both!(every_table_is_exported_page_by_page_in_the_order_of_its_key);
fn every_table_is_exported_page_by_page_in_the_order_of_its_key(db: &Db) {
    for name in ["ann", "ben", "cid"] {
        account(db, name);
    }

    for table in export::TABLES {
        let rows = read(db, move |tx| export::page(tx, table, None, None, 2));
        assert!(rows.len() <= 2, "{}", table.name);
        let widths = rows.iter().map(|row| row.0.len());
        assert!(widths.into_iter().all(|width| width == table.columns.len()));
    }

    let accounts = export::table("account").unwrap();
    let first = read(db, move |tx| export::page(tx, accounts, None, None, 2));
    let last = first[1].clone();
    let rest = read(db, move |tx| {
        export::page(tx, accounts, None, Some(&last), 2)
    });
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert_eq!(rest[0].0[1].as_deref(), Some("acc_cid"));
    let sessions = export::table("session").unwrap();
    assert!(
        sessions
            .columns
            .iter()
            .all(|(name, _)| *name != "token_hash")
    );
}

on_both!(an_actors_acts_are_read_from_a_moment_on);
fn an_actors_acts_are_read_from_a_moment_on(db: &Db) {
    for (second, actor) in [(1, "usr_a"), (5, "usr_a"), (6, "usr_b")] {
        write(db, move |tx| {
            let detail = "{}";
            audit_log::append(
                tx,
                actor,
                "credits.adjust",
                "acc_1",
                detail,
                None,
                at(second),
            )
        });
    }

    let acts = read(db, |tx| {
        audit_log::since(tx, "usr_a", "credits.adjust", at(5), 10)
    });

    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].at, at(5));
    let filter = events::Filter {
        from: Some(at(1)),
        ..events::Filter::default()
    };
    assert!(read(db, move |tx| events::list(tx, &filter, None, 10)).is_empty());
}
