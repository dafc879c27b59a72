//! Invoices of plans.

use super::*;
use crate::letters::Letter;

#[test]
fn case_w15_a_paid_invoice_is_not_dunned() {
    let with = |status: &str, subscription_status: &str| {
        let snapshot = Snapshot {
            subscriptions: vec![subscription(subscription_status)],
            invoices: vec![invoice("in_1", status, "subscription_cycle")],
            ..Snapshot::default()
        };
        run(&snapshot)
            .mails
            .into_iter()
            .map(|mail| mail.key)
            .collect::<Vec<_>>()
    };

    assert_eq!(with("paid", "active"), ["receipt:in_1"]);
    assert_eq!(with("open", "past_due"), ["payment-failed:in_1"]);
}

#[test]
fn case_w16_one_payment_row_for_an_invoice_and_its_session() {
    let session = Session {
        mode: "subscription".into(),
        payment_intent: None,
        subscription_id: Some("sub_1".into()),
        invoice_id: Some("in_1".into()),
        ..topup("paid", "complete")
    };
    let snapshot = Snapshot {
        subscriptions: vec![subscription("active")],
        invoices: vec![invoice("in_1", "paid", "subscription_create")],
        sessions: vec![session],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    assert_eq!(wanted.transactions.len(), 1);
    assert_eq!(wanted.transactions[0].natural_key, "checkout:cs_1");
    assert_eq!(wanted.transactions[0].tier.as_deref(), Some("PRO"));
}

#[test]
fn a_renewal_that_needs_confirmation_is_reported_as_such_and_not_dunned_at_once() {
    let snapshot = Snapshot {
        subscriptions: vec![subscription("past_due")],
        invoices: vec![Invoice {
            needs_confirmation: true,
            ..invoice("in_1", "open", "subscription_cycle")
        }],
        ..Snapshot::default()
    };
    assert_eq!(mail_keys(&snapshot), ["confirm:in_1"]);

    let mut old = snapshot.clone();
    old.invoices[0].created_at = now().plus_days(-6);

    assert_eq!(mail_keys(&old), ["payment-ending-soon:in_1"]);
}

#[test]
fn an_upgrade_that_needs_confirmation_is_reported_and_a_first_payment_is_not() {
    for (reason, keys) in [
        ("subscription_update", vec!["confirm:in_1"]),
        ("subscription_create", vec![]),
    ] {
        let snapshot = Snapshot {
            subscriptions: vec![subscription("active")],
            invoices: vec![Invoice {
                needs_confirmation: true,
                ..invoice("in_1", "open", reason)
            }],
            ..Snapshot::default()
        };
        assert_eq!(mail_keys(&snapshot), keys, "{reason}");
    }
}

#[test]
fn a_renewal_that_failed_and_was_paid_is_reported_as_recovered() {
    let mut snapshot = Snapshot {
        subscriptions: vec![subscription("active")],
        invoices: vec![invoice("in_1", "paid", "subscription_cycle")],
        charges: vec![charge("pi_in_1", 1_900, 0)],
        ..Snapshot::default()
    };
    assert_eq!(mail_keys(&snapshot), ["receipt:in_1"]);

    snapshot.charges.push(Charge {
        is_paid: false,
        failure: Some("Your card has insufficient funds.".into()),
        ..charge("pi_in_1", 1_900, 0)
    });

    assert_eq!(mail_keys(&snapshot), ["recovered:in_1", "receipt:in_1"]);
}

#[test]
fn case_w17_a_free_a_prorated_and_a_hand_paid_invoice_are_recorded_and_grant_nothing() {
    let free = Invoice {
        amount_due: 0,
        amount_paid: 0,
        payment_intent: None,
        ..invoice("in_free", "paid", "subscription_create")
    };
    let by_hand = Invoice {
        payment_intent: None,
        ..invoice("in_hand", "paid", "subscription_cycle")
    };
    let snapshot = Snapshot {
        subscriptions: vec![subscription("trialing")],
        invoices: vec![
            free,
            invoice("in_up", "paid", "subscription_update"),
            by_hand,
        ],
        ..Snapshot::default()
    };

    let wanted = run(&snapshot);

    let rows: Vec<_> = wanted
        .transactions
        .iter()
        .map(|row| (row.kind, row.status, row.amount.amount))
        .collect();
    let completed = TransactionStatus::Completed;
    assert_eq!(
        rows,
        [
            (TransactionType::SubscriptionPayment, completed, 0),
            (TransactionType::SubscriptionUpgrade, completed, 1_900),
            (TransactionType::SubscriptionPayment, completed, 1_900),
        ]
    );
    assert!(wanted.commands.is_empty());
    let facts = &wanted.subscriptions[0].facts;
    assert_eq!(facts.status, SubscriptionStatus::Trialing);
    assert_eq!(mail_keys(&snapshot), ["receipt:in_up", "receipt:in_hand"]);
}

#[test]
fn a_payment_has_its_share_of_the_tax_when_the_balance_paid_the_rest() {
    let tax_of = |amount: i64| {
        let snapshot = Snapshot {
            subscriptions: vec![subscription("active")],
            invoices: vec![Invoice {
                amount_due: amount,
                amount_paid: amount,
                total: 5_390,
                tax: 490,
                ..invoice("in_1", "paid", "subscription_cycle")
            }],
            ..Snapshot::default()
        };
        run(&snapshot).transactions[0].tax_minor
    };

    assert_eq!(tax_of(390), 35);
    assert_eq!(tax_of(0), 0);
    assert_eq!(tax_of(5_390), 490);
    // What the customer owed from before is no sale of this invoice.
    assert_eq!(tax_of(6_000), 490);
}

/// Renewals that failed this many days ago.
fn unpaid(status: &str, days: &[i64]) -> Snapshot {
    let failed = |days: &i64| Invoice {
        created_at: now().plus_days(-days),
        ..invoice(&format!("in_{days}"), "open", "subscription_cycle")
    };
    Snapshot {
        subscriptions: vec![subscription(status)],
        invoices: days.iter().map(failed).collect(),
        ..Snapshot::default()
    }
}

#[test]
fn a_renewal_that_fails_after_access_ended_promises_none() {
    let mut two = unpaid("past_due", &[31, 0]);
    assert_eq!(mail_keys(&two), [""; 0]);

    two.invoices[1].needs_confirmation = true;
    assert_eq!(mail_keys(&two), ["confirm:in_0"], "it promises nothing");
}

#[test]
fn of_several_unpaid_renewals_the_oldest_decides_until_when_the_plan_works() {
    let two = unpaid("past_due", &[3, 0]);
    let until: Vec<_> = run(&two)
        .mails
        .into_iter()
        .map(|mail| match mail.letter {
            Letter::PaymentFailed { grace_until, .. } => grace_until,
            other => panic!("{other:?}"),
        })
        .collect();
    let wanted = now().plus_days(4);
    assert_eq!(until, [wanted.micros(); 2]);
    let since = run(&two).subscriptions[0].facts.past_due_since.unwrap();
    assert_eq!(since.plus_days(7), wanted, "as access does");

    let soon = mail_keys(&unpaid("past_due", &[6, 0]));
    assert_eq!(soon, ["payment-ending-soon:in_6"], "the end is told once");
    let ended = mail_keys(&unpaid("past_due", &[7, 0]));
    assert_eq!(ended, ["payment-ended:in_7"]);
}

#[test]
fn an_unpaid_plan_has_ended_whatever_is_left_of_its_grace_period() {
    assert_eq!(
        mail_keys(&unpaid("past_due", &[1])),
        ["payment-failed:in_1"]
    );
    assert_eq!(mail_keys(&unpaid("unpaid", &[1])), ["payment-ended:in_1"]);
}
