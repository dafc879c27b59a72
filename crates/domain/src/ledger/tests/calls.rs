//! Free calls, holds for as much as there is, and the bounds of what a call may name.

use std::collections::BTreeMap;

use super::*;
use crate::money::CREDITS_MAX;
use crate::units::{Quantity, Units};

fn up_to(ledger: &mut Ledger, hold: &str, most: i64, least: i64) -> Result<Outcome, Refusal> {
    run(
        ledger,
        Command::Authorize {
            hold: hold.into(),
            amount: credits(most),
            least: Some(credits(least)),
            ttl_seconds: 120,
        },
    )
}

#[test]
fn a_free_call_is_admitted_without_credits_and_counted() {
    let mut ledger = Ledger::new(7, terms());

    debit(&mut ledger, 0).unwrap();
    authorize(&mut ledger, "a", 0).unwrap();
    let outcome = capture(&mut ledger, "a", 0).unwrap();

    assert_eq!(settlement(&outcome), (0, 0, 0));
    assert_eq!(ledger.holds["a"].state, HoldState::Captured);
    assert_eq!(ledger.calls_this_period(), 2);
    assert_eq!(ledger.wallet.open_holds, 0);
}

#[test]
fn a_free_call_that_was_released_is_not_counted() {
    let mut ledger = Ledger::new(7, terms());
    authorize(&mut ledger, "a", 0).unwrap();

    run(&mut ledger, Command::Release { hold: "a".into() }).unwrap();

    assert_eq!(ledger.calls_this_period(), 0);
}

#[test]
fn a_free_call_keeps_to_the_plans_limit_to_debt_and_to_the_status() {
    let mut ledger = Ledger::new(7, terms());
    ledger.terms.calls_limit = Some(1);
    debit(&mut ledger, 0).unwrap();
    let refused = |ledger: &mut Ledger| debit(ledger, 0).unwrap_err();

    assert!(matches!(refused(&mut ledger), Refusal::PlanLimit { .. }));
    ledger.wallet.debt = credits(1);
    assert!(matches!(refused(&mut ledger), Refusal::Debt { .. }));
    for status in [WalletStatus::Frozen, WalletStatus::Closed] {
        ledger.terms.status = status;
        assert_eq!(refused(&mut ledger), Refusal::NotActive { status });
    }
}

#[test]
fn a_hold_for_as_much_as_there_is_keeps_to_its_bound_and_needs_what_one_unit_costs() {
    let mut ledger = ledger_with(70);

    up_to(&mut ledger, "a", 50, 2).unwrap();
    assert_eq!(ledger.holds["a"].amount, credits(50));
    up_to(&mut ledger, "b", 50, 2).unwrap();
    assert_eq!(ledger.holds["b"].amount, credits(20));

    let (needed, available) = (credits(2), Credits::ZERO);
    assert_eq!(
        up_to(&mut ledger, "c", 50, 2),
        Err(Refusal::InsufficientCredits { needed, available })
    );
}

#[test]
fn a_hold_for_as_much_as_there_is_keeps_to_the_spend_limits() {
    let mut ledger = ledger_with(70);
    let (scope, window) = (LimitScope::Account, LimitWindow::Day);
    ledger.limits = vec![Limit::new(1, scope, 0, window, credits(30))];

    up_to(&mut ledger, "a", 50, 2).unwrap();

    assert_eq!(ledger.holds["a"].amount, credits(30));
    assert!(matches!(
        up_to(&mut ledger, "b", 50, 2),
        Err(Refusal::SpendLimit { .. })
    ));
}

#[test]
fn a_capture_is_at_most_a_hundred_times_its_hold_or_a_billion_credits() {
    let of = |held: i64| capture_max(credits(held), false);

    assert_eq!(of(1), credits(100));
    assert_eq!(of(7), credits(700));
    assert_eq!(capture_max(Credits::from_micros(1), false), credits(100));
    assert_eq!(of(20_000_000), credits(1_000_000_000));
    assert_eq!(of(2_000_000_000), credits(2_000_000_000), "its own hold");
    assert_eq!(capture_max(credits(1), true), credits(1_000_000_000));

    let mut ledger = ledger_with(100);
    authorize(&mut ledger, "a", 1).unwrap();
    let max = credits(1_000_000_000);
    assert_eq!(
        capture(&mut ledger, "a", 1_000_000_001),
        Err(Refusal::CaptureTooLarge { max })
    );
    assert_eq!(ledger.wallet.held, credits(1));
}

#[test]
fn an_account_holds_at_most_a_trillion_credits_but_what_comes_back_is_never_refused() {
    let most = CREDITS_MAX.floor();
    let mut ledger = ledger_with(most - 10);

    let too_much = run(&mut ledger, Command::Grant(purchase("topup:pi_2", 11, 11)));
    assert_eq!(too_much, Err(Refusal::TooLarge));
    run(&mut ledger, Command::Grant(purchase("topup:pi_3", 10, 10))).unwrap();
    assert_eq!(ledger.room(), Credits::ZERO);
    // An allowance waits for room; the settlement continues.
    let allowance = NewGrant::new(GrantKind::Allowance, "allowance:1", credits(100));
    ledger.settle(std::slice::from_ref(&allowance), now());
    assert_eq!(ledger.wallet.posted, CREDITS_MAX);

    // Ten are spent, claimed back and so owed; ten others are bought; then the dispute is won.
    debit(&mut ledger, most).unwrap();
    let claw = |reversed| Command::Clawback {
        source_key: "topup:pi_3".into(),
        reversed,
        whole: 10,
    };
    run(&mut ledger, claw(10)).unwrap();
    run(&mut ledger, Command::Grant(purchase("topup:pi_4", most, 1))).unwrap();
    run(&mut ledger, Command::Grant(purchase("topup:pi_5", 10, 1))).unwrap();
    assert_eq!(ledger.wallet.posted, CREDITS_MAX);
    run(&mut ledger, claw(0)).unwrap();
    assert_eq!(ledger.wallet.posted, CREDITS_MAX + credits(10));
}

#[test]
fn an_entry_of_whole_units_keeps_the_bytes_of_the_first_version() {
    let mut ledger = ledger_with(10);
    let entry_of = |ledger: &mut Ledger, units: Option<Quantity>| {
        let request = Request {
            context: Context {
                operation: Some("chat".into()),
                units,
                ..Context::default()
            },
            ..Request::internal(Command::Debit { amount: credits(1) })
        };
        let outcome = ledger.apply(&request, now()).unwrap();
        let entry = outcome.entry.unwrap();
        let bytes = entry.canonical_bytes();
        assert_eq!(Entry::from_canonical(&bytes, entry.hash).unwrap(), entry);
        bytes
    };
    let meters = |units| BTreeMap::from([("output_tokens".to_owned(), units)]);

    let whole = entry_of(&mut ledger, Some(Quantity::Units(Units::whole(4))));
    let none = entry_of(&mut ledger, None);
    let part = entry_of(&mut ledger, Some(Quantity::Units(Units::from_micros(1))));
    let many = entry_of(&mut ledger, Some(Quantity::of_meters(meters(Units::ONE))));

    // The tag of the option, then the whole number, after the operation's text.
    let at = whole.windows(4).position(|part| part == b"chat").unwrap() + 4;
    assert_eq!(whole[at..at + 9], [1, 0, 0, 0, 0, 0, 0, 0, 4]);
    assert_eq!(none[at], 0);
    assert_eq!([whole[0], none[0], part[0], many[0]], [1, 1, 2, 2]);
}
