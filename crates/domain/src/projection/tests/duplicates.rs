//! Subscriptions that were bought while another one was live.

use super::*;

#[test]
fn case_k12_only_what_was_paid_on_a_page_of_ours_is_undone() {
    let second = Subscription {
        id: "sub_2".into(),
        created_at: at("2026-11-16"),
        ..subscription("active")
    };
    let paid = Invoice {
        subscription_id: Some("sub_2".into()),
        ..invoice("in_2", "paid", "subscription_create")
    };
    let mut snapshot = Snapshot {
        subscriptions: vec![second, subscription("active")],
        invoices: vec![paid],
        ..Snapshot::default()
    };
    assert!(run(&snapshot).undo.is_empty(), "made manually at Stripe");
    assert_eq!(run(&snapshot).findings.len(), 1);

    snapshot.sessions.push(Session {
        mode: "subscription".into(),
        subscription_id: Some("sub_2".into()),
        invoice_id: Some("in_2".into()),
        ..topup("paid", "complete")
    });

    let wanted = run(&snapshot);
    let undone = DuplicatePurchase {
        subscription: "sub_2".into(),
        payment_intent: Some("pi_in_2".into()),
        reason: UndoReason::Second,
    };
    assert_eq!(undone.object(), "sub_2");
    assert_eq!(wanted.undo, [undone]);
    assert_eq!(wanted.findings.len(), 1, "and it is shown");
}

#[test]
fn a_plan_bought_on_a_page_of_ours_after_the_suspension_is_undone() {
    let bought = Session {
        mode: "subscription".into(),
        subscription_id: Some("sub_1".into()),
        invoice_id: Some("in_1".into()),
        ..topup("paid", "complete")
    };
    let paid = Invoice {
        subscription_id: Some("sub_1".into()),
        ..invoice("in_1", "paid", "subscription_create")
    };
    let mut snapshot = Snapshot {
        subscriptions: vec![subscription("active")],
        invoices: vec![paid],
        sessions: vec![bought],
        ..Snapshot::default()
    };
    let began = snapshot.subscriptions[0].created_at;
    assert!(run(&snapshot).undo.is_empty(), "it isn't suspended");
    assert!(run_suspended(&snapshot, Some(began)).undo.is_empty());

    let wanted = run_suspended(&snapshot, Some(began.plus_seconds(-1)));

    assert_eq!(wanted.undo.len(), 1);
    assert_eq!(wanted.undo[0].payment_intent.as_deref(), Some("pi_in_1"));
    assert_eq!(wanted.undo[0].reason, UndoReason::Suspended);
    assert!(wanted.findings.is_empty(), "it is no duplicate");
    snapshot.sessions.clear();
    let wanted = run_suspended(&snapshot, Some(began.plus_seconds(-1)));
    assert!(wanted.undo.is_empty(), "made manually at Stripe");
}

#[test]
fn case_k12_the_payment_that_comes_after_a_second_plan_was_undone_goes_back_once() {
    let mut snapshot = Snapshot {
        invoices: vec![Invoice {
            subscription_id: Some("sub_undone".into()),
            ..invoice("in_9", "open", "subscription_create")
        }],
        ..Snapshot::default()
    };
    assert!(run(&snapshot).undo.is_empty(), "nothing came yet");

    snapshot.invoices[0].status = "paid".into();
    snapshot.charges = vec![charge("pi_in_9", 1_900, 0)];
    let undone = run(&snapshot).undo;
    assert_eq!(undone.len(), 1);
    let late = (undone[0].object(), undone[0].reason);
    assert_eq!(late, ("pi_in_9", UndoReason::Late));

    snapshot.charges = vec![charge("pi_in_9", 1_900, 1_900)];
    assert!(run(&snapshot).undo.is_empty(), "it went back");
}
