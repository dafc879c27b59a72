//! The ledger over both databases: parallel callers, retries, and rows that follow from the journal.

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::ledger::{
    Command, Context, GrantKind, IdempotencyKey, Ledger, NewGrant, Refusal, Request, Terms,
    WalletStatus,
};
use domain::money::Credits;
use domain::plan::AccountStatus;
use domain::plan::PlanRules;
use domain::time::Timestamp;
use store::Db;
use store::ledger::{Decision, Rules};

use crate::help::{account, at, block_on, on_both, read, write};

fn rules() -> Arc<Rules> {
    let catalog = Catalog::parse(include_str!("../../../../catalog.toml")).unwrap();
    Arc::new(Rules {
        catalog,
        plan: PlanRules::default(),
        listener: store::ledger::Listener::default(),
        mailboxes: store::ledger::free_allowances::Mailboxes::default(),
    })
}

fn grant(amount: i64) -> Request {
    Request::internal(Command::Grant(NewGrant::new(
        GrantKind::Purchase,
        format!("topup:pi_{amount}"),
        Credits::new(amount),
    )))
}

#[expect(clippy::cast_sign_loss, reason = "the value is not negative")]
#[expect(clippy::cast_possible_truncation, reason = "the value is small")]
fn debit(amount: i64, key: &str) -> Request {
    Request {
        command: Command::Debit {
            amount: Credits::new(amount),
        },
        key: Some(IdempotencyKey {
            key: key.to_owned(),
            request_hash: [amount as u8; 32],
        }),
        context: Context::default(),
    }
}

fn run(db: &Db, account: i64, request: Request, now: Timestamp) -> Decision {
    block_on(db.ledger(rules(), account, request, now)).expect("the database works")
}

/// Sends all requests before waiting for the first response, so that they share batches.
fn run_all(db: &Db, account: i64, requests: Vec<Request>) -> Vec<Decision> {
    let sent: Vec<_> = requests
        .into_iter()
        .map(|request| db.ledger(rules(), account, request, at(10)))
        .collect();
    sent.into_iter()
        .map(|answer| block_on(answer).expect("the database works"))
        .collect()
}

/// Compares the rows of wallet, grants and holds with what a replay of the journal gives.
fn rows_follow_from_the_journal(db: &Db, account: i64) {
    let (stored, entries, grants) = read(db, move |tx| {
        let stored = store::ledger::loaded(tx, account)?;
        let entries = store::ledger::journal_after(tx, account, 0, 10_000)?;
        Ok((
            stored,
            entries,
            store::ledger::grants(tx, account, i64::MAX, 1_000)?,
        ))
    });
    let terms = Terms {
        period_start: Timestamp::default(),
        calls_limit: None,
        status: WalletStatus::Active,
    };
    let mut rebuilt = Ledger::new(account, terms);
    for entry in &entries {
        rebuilt.replay(entry);
        rebuilt.wallet.hash = entry.hash;
    }
    assert_eq!(rebuilt.wallet, stored.wallet);
    assert_eq!(grants.len(), rebuilt.lots.len());
    for grant in grants {
        assert_eq!(grant, rebuilt.lots[&grant.id]);
    }
}

on_both!(case_c1_sixty_four_debits_at_once_with_room_for_twenty);
fn case_c1_sixty_four_debits_at_once_with_room_for_twenty(db: &Db) {
    let ann = account(db, "ann").id;
    run(db, ann, grant(20), at(5)).unwrap();

    let all = (0..64).map(|n| debit(1, &format!("k{n}"))).collect();
    let answers = run_all(db, ann, all);

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 20);
    let short = |answer: &&Decision| matches!(answer, Err(Refusal::InsufficientCredits { .. }));
    assert_eq!(answers.iter().filter(short).count(), 44);
    rows_follow_from_the_journal(db, ann);
}

on_both!(case_c4_thirty_two_retries_of_one_key_are_one_debit);
fn case_c4_thirty_two_retries_of_one_key_are_one_debit(db: &Db) {
    let ann = account(db, "ann").id;
    run(db, ann, grant(100), at(5)).unwrap();

    let answers = run_all(db, ann, (0..32).map(|_| debit(7, "same")).collect());

    let first = answers
        .iter()
        .filter(|a| !a.as_ref().unwrap().replayed)
        .count();
    assert_eq!(first, 1);
    assert_eq!(
        run(db, ann, debit(8, "same"), at(11)),
        Err(Refusal::KeyReused)
    );
    let wallet = read(db, move |tx| store::ledger::wallet(tx, ann)).unwrap();
    assert_eq!(wallet.posted, Credits::new(93).micros());
    rows_follow_from_the_journal(db, ann);
}

on_both!(case_c4_two_accounts_may_use_the_same_key);
#[expect(clippy::cast_possible_wrap, reason = "the value is small")]
fn case_c4_two_accounts_may_use_the_same_key(db: &Db) {
    for (index, name) in ["ann", "bob"].into_iter().enumerate() {
        let id = account(db, name).id;
        run(db, id, grant(100 + index as i64), at(5)).unwrap();
        assert!(!run(db, id, debit(7, "same"), at(6)).unwrap().replayed);
    }
}

on_both!(holds_expire_and_allowances_come_when_their_time_has_come);
fn holds_expire_and_allowances_come_when_their_time_has_come(db: &Db) {
    let ann = account(db, "ann").id;
    write(db, move |tx| store::accounts::verify_email(tx, ann, at(2)));
    let hold = Command::Authorize {
        hold: "hold_1".to_owned(),
        amount: Credits::new(60),
        least: None,
        ttl_seconds: 120,
    };
    let held = run(db, ann, Request::internal(hold), at(10)).unwrap();
    assert_eq!(
        held.available,
        Credits::new(40),
        "the free month's hundred came first"
    );

    let refused = run(db, ann, debit(41, "a"), at(20));
    let after = run(db, ann, debit(41, "b"), at(130)).unwrap();

    assert!(matches!(refused, Err(Refusal::InsufficientCredits { .. })));
    assert_eq!(after.available, Credits::new(59));
    rows_follow_from_the_journal(db, ann);
}

on_both!(a_suspended_account_spends_nothing);
fn a_suspended_account_spends_nothing(db: &Db) {
    let ann = account(db, "ann").id;
    run(db, ann, grant(100), at(5)).unwrap();

    write(db, move |tx| {
        store::accounts::set_status(tx, ann, AccountStatus::Suspended, at(6))?;
        store::ledger::settle(tx, &rules(), ann, at(6)).map(|_| ())
    });

    let status = WalletStatus::Frozen;
    assert_eq!(
        run(db, ann, debit(1, "k"), at(7)),
        Err(Refusal::NotActive { status })
    );
}

on_both!(the_journal_is_append_only);
fn the_journal_is_append_only(db: &Db) {
    let ann = account(db, "ann").id;
    run(db, ann, grant(100), at(5)).unwrap();

    for forbidden in ["update journal set charged = 0", "delete from journal"] {
        let tried = db.write_blocking(0, move |tx| tx.execute(forbidden, &[]));
        assert!(tried.is_err(), "{forbidden}");
    }
}

/// Charges around the starts of months in chronological order: the time, the credits, and for a
/// hold the seconds until its capture (`None` is a direct debit).
fn charges() -> impl proptest::strategy::Strategy<Value = Vec<(Timestamp, i64, Option<i64>)>> {
    use proptest::prelude::*;
    let start = domain::time::parse("2026-01-01T00:00:00Z").unwrap();
    let one = (
        0..14_i64,
        -3..3_i64,
        1..50_i64,
        proptest::option::of(0..4_i64),
    );
    let all = proptest::collection::vec(one, 1..20);
    all.prop_map(move |all| {
        let at = |month, seconds| start.plus_months(month).plus_seconds(seconds);
        let charges = all.into_iter();
        let mut charges: Vec<_> = charges
            .map(|(month, seconds, credits, delay)| (at(month + 1, seconds), credits, delay))
            .collect();
        charges.sort_by_key(|charge| charge.0);
        charges
    })
}

on_both!(case_c15_the_usage_of_a_month_is_what_was_charged_in_it_to_the_second);
fn case_c15_the_usage_of_a_month_is_what_was_charged_in_it_to_the_second(db: &Db) {
    let config = proptest::test_runner::Config::with_cases(12);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let accounts = std::cell::Cell::new(0_i64);
    let property = |charges: Vec<(Timestamp, i64, Option<i64>)>| {
        accounts.set(accounts.get() + 1);
        let name: &'static str = format!("account{}", accounts.get()).leak();
        let id = account(db, name).id;
        run(db, id, grant(100_000 + accounts.get()), at(5)).unwrap();
        let mut charged: Vec<(Timestamp, i64)> = Vec::new();
        for (index, (moment, credits, delay)) in charges.iter().enumerate() {
            // No charge is made earlier than the one before it.
            let moment = charged.last().map_or(*moment, |last| last.0.max(*moment));
            let Some(delay) = delay else {
                run(db, id, debit(*credits, &format!("d{index}")), moment).unwrap();
                charged.push((moment, *credits));
                continue;
            };
            let hold = format!("{name}-{index}");
            let authorize = Command::Authorize {
                hold: hold.clone(),
                amount: Credits::new(*credits),
                least: None,
                ttl_seconds: 120,
            };
            run(db, id, Request::internal(authorize), moment).unwrap();
            let later = moment.plus_seconds(*delay);
            let amount = Some(Credits::new(*credits));
            let capture = Command::Capture { hold, amount };
            run(db, id, Request::internal(capture), later).unwrap();
            charged.push((later, *credits));
        }
        let start = domain::time::parse("2025-12-01T00:00:00Z").unwrap();
        for month in 0..18 {
            let (from, until) = (start.plus_months(month), start.plus_months(month + 1));
            let of_month = charged.iter().filter(|one| (from..until).contains(&one.0));
            let wanted: i64 = of_month.map(|one| Credits::new(one.1).micros()).sum();
            let (_, used) = read(db, move |tx| {
                store::ledger::used_between(tx, id, from.day(), until.day())
            });
            assert_eq!(used, wanted, "{}", from.date_text());
        }
        Ok(())
    };
    runner.run(&charges(), property).unwrap();
}
