//! Reversed payments, and corrections.

use super::*;

#[test]
fn case_c10_a_refund_takes_unspent_credits_and_the_rest_is_debt() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    let clawback = |minor| Command::Clawback {
        source_key: "topup:pi_1".into(),
        reversed: minor,
        whole: 1_000,
    };

    run(&mut ledger, clawback(500)).unwrap();
    run(&mut ledger, clawback(500)).unwrap();

    assert_eq!(ledger.wallet.posted, Credits::ZERO);
    assert_eq!(ledger.wallet.debt, credits(200));
    let refusal = Refusal::Debt {
        debt: credits(200),
        needed: credits(1),
    };
    assert_eq!(debit(&mut ledger, 1), Err(refusal));
}

#[test]
fn the_next_credits_settle_debt_first() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    run(
        &mut ledger,
        Command::Clawback {
            source_key: "topup:pi_1".into(),
            reversed: 500,
            whole: 1_000,
        },
    )
    .unwrap();

    run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_2", 500, 500)),
    )
    .unwrap();

    assert_eq!(
        (ledger.wallet.debt, ledger.wallet.posted),
        (Credits::ZERO, credits(300))
    );
}

#[test]
fn case_c11_a_won_dispute_gives_back_what_was_taken() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    let clawback = |minor| Command::Clawback {
        source_key: "topup:pi_1".into(),
        reversed: minor,
        whole: 1_000,
    };
    run(&mut ledger, clawback(1_000)).unwrap();
    run(
        &mut ledger,
        Command::Grant(purchase("topup:pi_2", 500, 500)),
    )
    .unwrap();
    assert_eq!(
        (ledger.wallet.debt, ledger.wallet.posted),
        (credits(200), Credits::ZERO)
    );

    run(&mut ledger, clawback(0)).unwrap();

    assert_eq!(ledger.wallet.debt, Credits::ZERO);
    assert_eq!(ledger.wallet.posted, credits(800));
}

#[test]
fn a_disputed_purchase_cannot_be_spent_but_its_hold_can_be_captured() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 40).unwrap();
    let freeze = |frozen| Command::Freeze {
        source_key: "topup:pi_1".into(),
        frozen,
    };
    run(&mut ledger, freeze(true)).unwrap();

    assert_eq!(ledger.available(now()), Credits::ZERO);
    capture(&mut ledger, "a", 40).unwrap();
    run(&mut ledger, freeze(false)).unwrap();

    assert_eq!(ledger.available(now()), credits(60));
}

#[test]
fn an_adjustment_never_goes_below_what_is_available() {
    let mut ledger = ledger_with(10);
    let adjust = |amount| Command::Adjust {
        amount: credits(amount),
        source_key: "adj".into(),
    };

    let refusal = Refusal::InsufficientCredits {
        needed: credits(11),
        available: credits(10),
    };
    assert_eq!(run(&mut ledger, adjust(-11)), Err(refusal));
    run(&mut ledger, adjust(-10)).unwrap();

    assert_eq!(ledger.wallet.posted, Credits::ZERO);
}

fn take(ledger: &mut Ledger, source_key: &str, reversed: i64, whole: i64) {
    let source_key = source_key.into();
    let clawback = Command::Clawback {
        source_key,
        reversed,
        whole,
    };
    run(ledger, clawback).unwrap();
}

fn void(ledger: &mut Ledger, source_key: &str) {
    let source_key = source_key.into();
    run(ledger, Command::Void { source_key }).unwrap();
}

fn sums(ledger: &Ledger) -> (i64, i64) {
    (ledger.wallet.posted.floor(), ledger.wallet.debt.floor())
}

#[test]
fn a_refund_with_tax_is_rounded_once() {
    // 75 yen and 7 yen of tax; half of it went back.
    let mut ledger = ledger_with(500);

    take(&mut ledger, "topup:pi_1", 41, 82);

    assert_eq!(ledger.lots[&1].reversed, credits(250));
    assert_eq!(ledger.available(now()), credits(250));
}

#[test]
fn what_was_voided_counts_as_taken() {
    let mut ledger = ledger_with(5_000);
    let free = NewGrant::new(GrantKind::Allowance, "a", credits(100));
    run(&mut ledger, Command::Grant(free)).unwrap();
    void(&mut ledger, "topup:pi_1");

    take(&mut ledger, "topup:pi_1", 500, 500);

    assert_eq!(sums(&ledger), (100, 0));
    assert_eq!(ledger.lots[&1].reversed, credits(5_000));
}

#[test]
fn what_was_voided_stays_void_when_its_refund_fails() {
    let mut ledger = ledger_with(5_000);
    debit(&mut ledger, 1_000).unwrap();
    take(&mut ledger, "topup:pi_1", 1, 5);
    void(&mut ledger, "topup:pi_1");
    take(&mut ledger, "topup:pi_1", 5, 5);
    assert_eq!(sums(&ledger), (0, 1_000));

    take(&mut ledger, "topup:pi_1", 0, 5);

    assert_eq!(sums(&ledger), (0, 0));
}

#[test]
fn what_expired_counts_as_taken_and_only_what_was_spent_is_owed() {
    let mut ledger = Ledger::new(7, terms());
    let expires_at = Some(now().plus_days(1));
    let pack = NewGrant {
        expires_at,
        ..purchase("topup:pi_1", 1_000, 1_000)
    };
    run(&mut ledger, Command::Grant(pack)).unwrap();
    debit(&mut ledger, 300).unwrap();
    ledger.settle(&[], now().plus_days(1));

    take(&mut ledger, "topup:pi_1", 70, 100);
    assert_eq!(sums(&ledger), (0, 0));

    take(&mut ledger, "topup:pi_1", 90, 100);
    assert_eq!(sums(&ledger), (0, 200));

    take(&mut ledger, "topup:pi_1", 0, 100);
    assert_eq!(
        sums(&ledger),
        (0, 0),
        "nothing was taken that had not expired"
    );
}

#[test]
fn a_part_that_a_hold_releases_after_its_grant_was_voided_is_void() {
    let mut ledger = ledger_with(1_000);
    authorize(&mut ledger, "a", 600).unwrap();
    void(&mut ledger, "topup:pi_1");
    assert_eq!(sums(&ledger), (600, 0));

    run(&mut ledger, Command::Release { hold: "a".into() }).unwrap();

    assert_eq!(sums(&ledger), (0, 0));
    let last = ledger.take_changes().entries.pop().unwrap();
    assert_eq!(
        (last.kind, last.posted_delta),
        (EntryKind::Void, credits(-600))
    );
}

#[test]
fn a_part_of_a_voided_grant_that_is_captured_is_spent_and_its_rest_is_void() {
    let mut ledger = ledger_with(1_000);
    authorize(&mut ledger, "a", 600).unwrap();
    void(&mut ledger, "topup:pi_1");

    capture(&mut ledger, "a", 250).unwrap();

    assert_eq!(sums(&ledger), (0, 0));
    assert_eq!(ledger.lots[&1].used, credits(250));
}

#[test]
fn a_hold_released_after_its_voided_grant_was_refunded_settles_the_debt() {
    let mut ledger = ledger_with(1_000);
    authorize(&mut ledger, "a", 300).unwrap();
    take(&mut ledger, "topup:pi_1", 1, 1);
    void(&mut ledger, "topup:pi_1");
    assert_eq!(sums(&ledger), (300, 300));

    run(&mut ledger, Command::Release { hold: "a".into() }).unwrap();

    assert_eq!(sums(&ledger), (0, 0));
}

/// An allowance of 1,000 with 300 spent, and 700 carried over into the next period.
fn carried_over() -> Ledger {
    let mut ledger = Ledger::new(7, terms());
    let end = now().plus_days(1);
    let allowance = NewGrant {
        expires_at: Some(end),
        ..NewGrant::new(GrantKind::Allowance, "a:1", credits(1_000))
    };
    run(&mut ledger, Command::Grant(allowance)).unwrap();
    debit(&mut ledger, 300).unwrap();
    let rule = crate::catalog::Rollover {
        cap: credits(700),
        months: 1,
    };
    let carried = ledger.rollover_due(Some(rule), end);
    ledger.settle(&carried, end);
    assert_eq!(ledger.available(end), credits(700));
    ledger
}

#[test]
fn a_refund_takes_what_its_allowance_carried_over() {
    let mut ledger = carried_over();

    take(&mut ledger, "a:1", 1, 2);
    assert_eq!(sums(&ledger), (200, 0));

    take(&mut ledger, "a:1", 2, 2);
    assert_eq!(sums(&ledger), (0, 300));

    take(&mut ledger, "a:1", 0, 2);
    assert_eq!(sums(&ledger), (700, 0));
}

#[test]
fn a_dispute_freezes_what_its_allowance_carried_over() {
    let mut ledger = carried_over();
    let freeze = |frozen| Command::Freeze {
        source_key: "a:1".into(),
        frozen,
    };

    run(&mut ledger, freeze(true)).unwrap();
    assert_eq!(ledger.available(now()), Credits::ZERO);

    run(&mut ledger, freeze(false)).unwrap();
    assert_eq!(ledger.available(now().plus_days(1)), credits(700));
}

#[test]
fn what_expires_while_a_dispute_freezes_it_ends_with_the_dispute_whoever_wins() {
    let freeze = |frozen| Command::Freeze {
        source_key: "topup:pi_1".into(),
        frozen,
    };
    let lost = Command::Clawback {
        source_key: "topup:pi_1".into(),
        reversed: 500,
        whole: 500,
    };
    for is_lost in [false, true] {
        let mut ledger = Ledger::new(7, terms());
        let promo = NewGrant {
            expires_at: Some(now().plus_days(10)),
            ..purchase("topup:pi_1", 500, 500)
        };
        run(&mut ledger, Command::Grant(promo)).unwrap();
        run(&mut ledger, freeze(true)).unwrap();
        let later = now().plus_days(30);
        ledger.settle(&[], later);

        if is_lost {
            ledger
                .apply(&Request::internal(lost.clone()), later)
                .unwrap();
        }
        ledger
            .apply(&Request::internal(freeze(false)), later)
            .unwrap();
        ledger.settle(&[], later);

        assert_eq!(ledger.available(later), Credits::ZERO, "{is_lost}");
        assert_eq!(ledger.wallet.posted, Credits::ZERO, "{is_lost}");
        assert_eq!(ledger.wallet.debt, Credits::ZERO, "{is_lost}");
    }
}
