//! Reversed payments, and corrections.

use super::*;

#[test]
fn case_c10_a_refund_takes_unspent_credits_and_the_rest_is_debt() {
    let mut ledger = ledger_with(1_000);
    debit(&mut ledger, 700).unwrap();
    let clawback = |minor| Command::Clawback {
        source_key: "topup:pi_1".into(),
        reversed_minor: minor,
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
            reversed_minor: 500,
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
        reversed_minor: minor,
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
