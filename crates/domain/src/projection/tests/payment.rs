//! Payments at Checkout.

use super::*;
use crate::letters::Letter;

#[test]
fn a_paid_session_grants_what_its_intent_sold() {
    let snapshot = Snapshot {
        sessions: vec![topup("paid", "complete")],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(grants(&wanted)[0].amount, Credits::new(5_000));
    assert_eq!(grants(&wanted)[0].source_key, "topup:pi_1");
    assert_eq!(wanted.transactions[0].status, TransactionStatus::Completed);
    assert_eq!(wanted.transactions[0].description, "5,000 credits");
}

#[test]
fn case_w11_an_unpaid_session_grants_nothing() {
    for (payment, status, word) in [
        ("unpaid", "open", TransactionStatus::Pending),
        ("unpaid", "complete", TransactionStatus::Pending),
        ("unpaid", "expired", TransactionStatus::Cancelled),
        (
            "no_payment_required",
            "complete",
            TransactionStatus::Cancelled,
        ),
    ] {
        let snapshot = Snapshot {
            sessions: vec![topup(payment, status)],
            ..Snapshot::default()
        };
        let wanted = run(&snapshot);
        assert!(wanted.commands.is_empty());
        assert_eq!(wanted.transactions[0].status, word);
    }
}

#[test]
fn a_session_that_another_program_created_is_left_alone() {
    let foreign = Session {
        intent: None,
        ..topup("paid", "complete")
    };

    let wanted = run(&Snapshot {
        sessions: vec![foreign],
        ..Snapshot::default()
    });

    assert_eq!(wanted, Desired::default());
}

#[test]
fn a_bonus_is_a_child_of_its_purchase_and_ends_with_it() {
    let mut session = topup("paid", "complete");
    let intent = session.intent.as_mut().unwrap();
    intent.bonus = Credits::new(500);
    intent.expires_after_days = Some(365);
    let snapshot = Snapshot {
        sessions: vec![session],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    let grants = grants(&wanted);
    assert_eq!(grants.len(), 2);
    assert_eq!(grants[1].kind, GrantKind::Bonus);
    assert_eq!(grants[1].parent.as_deref(), Some("topup:pi_1"));
    assert_eq!(grants[1].amount, Credits::new(500));
    assert_eq!(grants[0].expires_at, Some(now().plus_days(365)));
    assert_eq!(grants[1].expires_at, grants[0].expires_at);
}

#[test]
fn an_automatic_payment_grants_as_a_session_does_and_is_reported_as_automatic() {
    let mut session = topup("paid", "complete");
    session.id = "pi_1".into();
    session.is_automatic = true;
    let snapshot = Snapshot {
        sessions: vec![session],
        charges: vec![charge("pi_1", 500, 0)],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(grants(&wanted)[0].source_key, "topup:pi_1");
    assert_eq!(wanted.transactions[0].session, None);
    assert_eq!(wanted.transactions[0].natural_key, "topup:pi_1");
    assert!(matches!(
        wanted.mails[0].letter,
        Letter::AutoTopupDone { credits, .. } if credits == Credits::new(5_000).micros()
    ));
}

#[test]
fn case_k22_what_was_charged_is_recorded_in_its_currency_and_the_credits_are_those_sold() {
    let snapshot = Snapshot {
        sessions: vec![Session {
            amount_total: Some(460),
            currency: Currency::parse("eur"),
            ..topup("paid", "complete")
        }],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    let charged = MinorUnits::new(460, Currency::parse("eur").unwrap());
    assert_eq!(wanted.transactions[0].amount, charged);
    assert_eq!(grants(&wanted)[0].amount, Credits::new(5_000));
}

/// A pack whose bank debit began ten days ago and has failed, or is in progress.
fn debit(payment_failed: bool) -> Snapshot {
    Snapshot {
        sessions: vec![Session {
            payment_failed,
            created_at: now().plus_days(-10),
            ..topup("unpaid", "complete")
        }],
        charges: vec![Charge {
            is_paid: false,
            failure: payment_failed.then(|| "The account was closed.".into()),
            created_at: now().plus_days(-10),
            ..charge("pi_1", 500, 0)
        }],
        ..Snapshot::default()
    }
}

#[test]
fn a_payment_in_progress_that_fails_is_reported_once_it_has_failed() {
    let pending = ["topup:cs_1"];
    assert_eq!(run_pending(&debit(false), &pending).mails, []);

    let wanted = run_pending(&debit(true), &pending);

    assert_eq!(wanted.transactions[0].status, TransactionStatus::Failed);
    let told = Letter::PurchaseFailed {
        description: "5,000 credits".to_owned(),
        failure: Some("The account was closed.".to_owned()),
        amount: 500,
        currency: "usd".to_owned(),
    };
    let mail = wanted.mails.into_iter().next().unwrap();
    assert_eq!((&*mail.key, mail.letter), ("payment-failed:cs_1", told));
    assert_eq!(mail_keys(&debit(true)), [""; 0], "of an old customer");
}

#[test]
fn a_card_that_is_declined_on_the_page_and_an_automatic_purchase_that_fails_are_not_reported() {
    let mut snapshot = debit(true);
    snapshot.sessions[0].created_at = now();
    assert_eq!(mail_keys(&snapshot), ["payment-failed:cs_1"]);

    let mut automatic = snapshot.clone();
    automatic.sessions[0].is_automatic = true;
    assert_eq!(mail_keys(&automatic), [""; 0]);
    snapshot.sessions[0].status = "open".into();
    snapshot.sessions[0].payment_failed = false;
    assert_eq!(mail_keys(&snapshot), [""; 0]);
}

#[test]
fn a_payment_that_took_weeks_has_a_receipt_and_an_old_one_that_is_first_seen_has_none() {
    let mut snapshot = debit(false);
    snapshot.sessions[0].payment_status = "paid".into();
    snapshot.charges[0].is_paid = true;

    assert_eq!(
        keys_of(run_pending(&snapshot, &["topup:cs_1"])),
        ["receipt:cs_1"]
    );
    assert_eq!(keys_of(run_pending(&snapshot, &[])), [""; 0]);
}
