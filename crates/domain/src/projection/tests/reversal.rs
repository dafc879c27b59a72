//! Refunds and disputes.

use super::*;
use crate::letters::Letter;

#[test]
fn a_refund_is_a_level_of_the_charge() {
    let refund = Refund {
        id: "re_1".into(),
        amount: 250,
        status: "succeeded".into(),
        is_ours: false,
        created_at: now(),
    };
    let charge = Charge {
        refunds: vec![refund],
        ..charge("pi_1", 500, 250)
    };
    let sessions = vec![topup("paid", "complete")];

    let wanted = run(&Snapshot {
        sessions,
        charges: vec![charge],
        ..Snapshot::default()
    });

    let clawback = Command::Clawback {
        source_key: "topup:pi_1".into(),
        reversed: 250,
        whole: 500,
    };
    assert!(wanted.commands.contains(&clawback));
    let rows: Vec<_> = wanted
        .transactions
        .iter()
        .map(|row| (row.kind.word(), row.status.word()))
        .collect();
    assert_eq!(
        rows,
        [("CREDIT_TOPUP", "COMPLETED"), ("REFUND", "COMPLETED")]
    );
}

#[test]
fn a_lost_dispute_takes_all_and_an_open_one_freezes() {
    let with = |dispute: &str| {
        let charge = Charge {
            disputes: vec![super::dispute(dispute, 500)],
            ..charge("pi_1", 500, 0)
        };
        let sessions = vec![topup("paid", "complete")];
        run(&Snapshot {
            sessions,
            charges: vec![charge],
            ..Snapshot::default()
        })
        .commands
    };
    let key = || "topup:pi_1".to_owned();
    let clawback = |reversed| Command::Clawback {
        source_key: key(),
        reversed,
        whole: 500,
    };
    let freeze = |frozen| Command::Freeze {
        source_key: key(),
        frozen,
    };

    assert_eq!(with("lost")[1..], [clawback(500), freeze(false)]);
    assert_eq!(with("needs_response")[1..], [clawback(0), freeze(true)]);
    assert_eq!(
        with("warning_needs_response")[1..],
        [clawback(0), freeze(false)]
    );
}

#[test]
fn a_refund_is_reported_once_it_went_through_with_the_credits_it_took() {
    let mut snapshot = Snapshot {
        sessions: vec![topup("paid", "complete")],
        charges: vec![charge("pi_1", 500, 250)],
        ..Snapshot::default()
    };
    snapshot.charges[0].refunds.push(Refund {
        id: "re_1".into(),
        amount: 250,
        status: "pending".into(),
        is_ours: false,
        created_at: now(),
    });
    assert_eq!(mail_keys(&snapshot), ["receipt:cs_1"]);

    snapshot.charges[0].refunds[0].status = "succeeded".into();

    let mail = run(&snapshot).mails.pop().unwrap();
    let told = Letter::Refunded {
        amount: 250,
        currency: "usd".to_owned(),
        credits: Credits::new(-2_500).micros(),
    };
    assert_eq!((mail.key.as_str(), mail.letter), ("refunded:re_1", told));
}

fn plan_payment(disputes: Vec<Dispute>, refunded: i64) -> Snapshot {
    Snapshot {
        subscriptions: vec![subscription("active")],
        invoices: vec![invoice("in_1", "paid", "subscription_cycle")],
        charges: vec![Charge {
            disputes,
            ..charge("pi_in_1", 1_900, refunded)
        }],
        ..Snapshot::default()
    }
}

fn rows(wanted: &Desired) -> Vec<(&str, TransactionStatus, i64, i64)> {
    let rows = wanted.transactions.iter();
    rows.map(|row| {
        let refunded = row.refunded_minor;
        (
            row.natural_key.as_str(),
            row.status,
            row.amount.amount,
            refunded,
        )
    })
    .collect()
}

#[test]
fn a_lost_dispute_is_a_refund_and_leaves_the_payment_refunded() {
    let wanted = run(&plan_payment(vec![dispute("lost", 1_900)], 0));

    let (completed, refunded) = (TransactionStatus::Completed, TransactionStatus::Refunded);
    assert_eq!(
        rows(&wanted),
        [
            ("invoice:in_1", refunded, 1_900, 1_900),
            ("dispute:dp_1", completed, 1_900, 0),
        ]
    );
    assert_eq!(
        (wanted.invoices[0].charged, wanted.invoices[0].reversed),
        (1_900, 1_900)
    );
    let keys: Vec<_> = wanted.mails.iter().map(|mail| mail.key.as_str()).collect();
    assert_eq!(keys, ["dispute-lost:dp_1"]);
}

#[test]
fn a_dispute_about_a_part_takes_that_part_and_never_more_than_was_left() {
    let part = run(&plan_payment(vec![dispute("lost", 500)], 900));
    let beyond = run(&plan_payment(vec![dispute("lost", 1_500)], 900));

    assert_eq!(part.invoices[0].reversed, 1_400);
    assert_eq!(part.transactions[0].status, TransactionStatus::Completed);
    assert_eq!(beyond.invoices[0].reversed, 1_900);
    assert_eq!(beyond.transactions[0].status, TransactionStatus::Refunded);
}

#[test]
fn an_open_dispute_marks_its_payment_and_is_reported_with_its_deadline() {
    let wanted = run(&plan_payment(vec![dispute("needs_response", 1_900)], 0));

    assert!(wanted.invoices[0].is_disputed);
    assert_eq!(wanted.transactions[0].status, TransactionStatus::Completed);
    let found = &wanted.disputes[0];
    assert_eq!(found.subscription.as_deref(), Some("sub_1"));
    assert_eq!(found.fetched.due_by, Some(at("2026-11-30")));
    let keys: Vec<_> = wanted.mails.iter().map(|mail| mail.key.as_str()).collect();
    assert_eq!(keys, ["receipt:in_1", "dispute-opened:dp_1"]);
}

#[test]
fn an_inquiry_has_no_effect_and_a_won_dispute_leaves_the_payment_as_it_was() {
    for (status, mails) in [
        ("warning_needs_response", vec!["receipt:in_1"]),
        ("won", vec!["receipt:in_1", "dispute-won:dp_1"]),
    ] {
        let wanted = run(&plan_payment(vec![dispute(status, 1_900)], 0));

        let kept = wanted.transactions.iter().filter(|row| !row.is_nothing());
        assert_eq!(kept.count(), 1, "{status}");
        assert_eq!(wanted.invoices[0].reversed, 0);
        assert!(!wanted.invoices[0].is_disputed);
        let keys: Vec<_> = wanted.mails.iter().map(|mail| mail.key.as_str()).collect();
        assert_eq!(keys, mails, "{status}");
    }
}

#[test]
fn a_refund_of_ours_that_failed_is_a_finding_until_the_payment_went_back() {
    let refund = |id: &str, amount, status: &str, day: &str| Refund {
        id: id.into(),
        amount,
        status: status.into(),
        is_ours: true,
        created_at: at(day),
    };
    let found = |refunds: Vec<Refund>, refunded| {
        let wanted = run(&Snapshot {
            sessions: vec![topup("paid", "complete")],
            charges: vec![Charge {
                refunds,
                ..charge("pi_1", 500, refunded)
            }],
            ..Snapshot::default()
        });
        let all = wanted.findings.into_iter();
        let all = all.map(|one| match one {
            Finding::FailedRefund { refund, .. } => refund,
            other => panic!("{other:?}"),
        });
        all.collect::<Vec<String>>()
    };
    let failed = || refund("re_1", 200, "failed", "2026-11-16");
    let later = |status| refund("re_2", 200, status, "2026-11-17");
    let earlier = refund("re_0", 200, "succeeded", "2026-11-15");
    let by_hand = |one: Refund| Refund {
        is_ours: false,
        ..one
    };

    assert_eq!(found(vec![failed()], 0), ["re_1"]);
    assert_eq!(found(vec![failed(), earlier], 200), ["re_1"]);
    assert_eq!(found(vec![by_hand(failed())], 0), [""; 0]);
    assert_eq!(found(vec![later("pending"), failed()], 200), [""; 0]);
    assert_eq!(
        found(vec![by_hand(later("succeeded")), failed()], 200),
        [""; 0]
    );
    assert_eq!(found(vec![later("failed"), failed()], 0), ["re_2"]);
    assert_eq!(found(vec![by_hand(later("failed")), failed()], 0), ["re_1"]);
    assert_eq!(found(vec![failed()], 500), [""; 0], "all went back");
}

#[test]
fn the_email_about_a_refund_counts_the_bonus_which_it_takes_too() {
    let mut session = topup("paid", "complete");
    session.intent.as_mut().unwrap().bonus = Credits::new(500);
    let mut charge = charge("pi_1", 500, 500);
    charge.refunds.push(refund("re_1", 500));
    let snapshot = Snapshot {
        sessions: vec![session],
        charges: vec![charge],
        ..Snapshot::default()
    };

    let mail = run(&snapshot).mails.pop().unwrap();

    assert!(matches!(
        mail.letter,
        Letter::Refunded { credits, .. } if credits == Credits::new(-5_500).micros()
    ));
}

#[test]
fn a_refund_that_took_weeks_is_reported_and_an_old_one_that_is_first_seen_is_not() {
    let mut snapshot = plan_payment(Vec::new(), 1_900);
    snapshot.invoices[0].created_at = now().plus_days(-10);
    snapshot.charges[0].refunds.push(Refund {
        created_at: now().plus_days(-10),
        ..refund("re_1", 1_900)
    });

    assert_eq!(
        keys_of(run_pending(&snapshot, &["refund:re_1"])),
        ["refunded:re_1"]
    );
    assert_eq!(keys_of(run_pending(&snapshot, &[])), [""; 0]);
}

fn refund(id: &str, amount: i64) -> Refund {
    Refund {
        id: id.into(),
        amount,
        status: "succeeded".into(),
        is_ours: false,
        created_at: now(),
    }
}
