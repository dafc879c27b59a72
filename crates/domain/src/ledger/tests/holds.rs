//! Holds and the calls of a period.

use super::*;

#[test]
fn a_hold_larger_than_what_is_available_is_refused_and_changes_nothing() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    let before = ledger.wallet.clone();

    let refusal = authorize(&mut ledger, "b", 31).unwrap_err();

    assert_eq!(
        refusal,
        Refusal::InsufficientCredits {
            needed: credits(31),
            available: credits(30)
        }
    );
    assert_eq!(ledger.wallet, before);
}

#[test]
fn case_c2_the_last_credit_may_be_spent() {
    let mut ledger = ledger_with(10);

    debit(&mut ledger, 10).unwrap();

    assert_eq!(ledger.wallet.posted, Credits::ZERO);
    assert!(debit(&mut ledger, 1).is_err());
}

#[test]
fn a_capture_below_the_hold_gives_the_rest_back_at_once() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();

    let outcome = capture(&mut ledger, "a", 20).unwrap();

    assert_eq!(settlement(&outcome), (20, 50, 0));
    assert_eq!(ledger.available(now()), credits(80));
    assert_eq!(ledger.wallet.held, Credits::ZERO);
}

#[test]
fn case_c6_a_capture_above_the_hold_takes_what_is_available_and_records_the_rest() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();

    let outcome = capture(&mut ledger, "a", 130).unwrap();

    assert_eq!(settlement(&outcome), (100, 0, 30));
    assert_eq!(ledger.wallet.posted, Credits::ZERO);
}

#[test]
fn case_c6_a_hold_is_settled_once() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    capture(&mut ledger, "a", 70).unwrap();

    let state = HoldState::Captured;
    assert_eq!(
        capture(&mut ledger, "a", 70),
        Err(Refusal::HoldSettled { state })
    );
    let release = run(&mut ledger, Command::Release { hold: "a".into() });
    assert_eq!(release, Err(Refusal::HoldSettled { state }));
    assert_eq!(ledger.wallet.posted, credits(30));
}

#[test]
fn a_capture_of_nothing_is_a_release() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();

    capture(&mut ledger, "a", 0).unwrap();

    assert_eq!(ledger.holds["a"].state, HoldState::Released);
    assert_eq!(ledger.available(now()), credits(100));
    assert_eq!(ledger.calls_this_period(), 0);
}

#[test]
fn case_c6_an_expired_hold_can_be_captured_late_once_from_what_is_available() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    let later = now().plus_seconds(121);
    ledger.settle(&[], later);
    assert_eq!(ledger.available(later), credits(100));
    ledger
        .apply(
            &Request::internal(Command::Debit {
                amount: credits(60),
            }),
            later,
        )
        .unwrap();
    let late = Request::internal(Command::Capture {
        hold: "a".into(),
        amount: None,
    });

    let outcome = ledger.apply(&late, later).unwrap();

    assert_eq!(settlement(&outcome), (40, 0, 30));
    let state = HoldState::Captured;
    assert_eq!(
        ledger.apply(&late, later),
        Err(Refusal::HoldSettled { state })
    );
}

#[test]
fn a_late_capture_ends_a_day_after_the_hold() {
    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 70).unwrap();
    let too_late = now().plus_seconds(120 + LATE_CAPTURE_SECONDS);
    ledger.settle(&[], too_late);

    let late = Request::internal(Command::Capture {
        hold: "a".into(),
        amount: None,
    });

    let state = HoldState::Expired;
    assert_eq!(
        ledger.apply(&late, too_late),
        Err(Refusal::HoldSettled { state })
    );
}

#[test]
fn holds_of_a_period_that_came_back_never_make_the_count_negative() {
    let mut ledger = ledger_with(100);
    let first = ledger.terms.period_start;
    authorize(&mut ledger, "a", 1).unwrap();
    authorize(&mut ledger, "b", 1).unwrap();
    ledger.terms.period_start = first.plus_days(1);
    debit(&mut ledger, 1).unwrap();
    ledger.terms.period_start = first;
    debit(&mut ledger, 1).unwrap();

    for hold in ["a", "b"] {
        run(&mut ledger, Command::Release { hold: hold.into() }).unwrap();
    }

    assert_eq!(ledger.calls_this_period(), 0);
}

#[test]
fn the_plans_calls_bound_a_period() {
    let mut ledger = ledger_with(100);
    ledger.terms.calls_limit = Some(2);
    debit(&mut ledger, 1).unwrap();
    debit(&mut ledger, 1).unwrap();

    let (needed, available) = (credits(1), credits(98));
    assert_eq!(
        debit(&mut ledger, 1),
        Err(Refusal::PlanLimit {
            limit: 2,
            needed,
            available
        })
    );

    ledger.terms.period_start = now().plus_days(30);
    assert!(debit(&mut ledger, 1).is_ok());
}
