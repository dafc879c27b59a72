//! Refunds and disputes.

use super::*;
use crate::letters::Letter;

#[test]
fn a_refund_is_a_level_of_the_charge() {
    let refund = Refund {
        id: "re_1".into(),
        amount: 250,
        status: "succeeded".into(),
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
        reversed_minor: 250,
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
            dispute: Some(dispute.into()),
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
    let clawback = |reversed_minor| Command::Clawback {
        source_key: key(),
        reversed_minor,
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
