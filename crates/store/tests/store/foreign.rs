//! What belongs to another product, and payments that nothing explains.

use domain::projection::{TransactionStatus, TransactionType};
use store::foreign::{Foreign, ForeignKind};
use store::intents::{Intent, IntentKind, IntentState};
use store::transactions::{NewTransaction, unexplained};
use store::{Db, foreign, intents, transactions};

use crate::help::{account, at, on_both, read, write};

fn subscription(account: i64) -> Foreign {
    Foreign {
        object_id: "sub_other".to_owned(),
        account_id: account,
        kind: ForeignKind::Subscription,
        status: "active".to_owned(),
        amount_minor: Some(900),
        currency: Some("usd".to_owned()),
        price_id: Some("price_other".to_owned()),
        is_decided: false,
        created_at: at(5),
        seen_at: at(6),
    }
}

on_both!(another_products_object_is_kept_for_its_account_until_it_is_known_to_be_ours);
fn another_products_object_is_kept_for_its_account_until_it_is_known_to_be_ours(db: &Db) {
    let (ann, ben) = (account(db, "ann").id, account(db, "ben").id);
    let row = subscription(ann);
    let decided = Foreign {
        status: "canceled".to_owned(),
        is_decided: true,
        ..row.clone()
    };
    let again = row.clone();

    write(db, move |tx| foreign::put(tx, &row));
    assert_eq!(
        read(db, |tx| foreign::prices(tx, 10)),
        [(ann, "price_other".to_owned())]
    );
    write(db, move |tx| foreign::put(tx, &decided));
    write(db, move |tx| foreign::put(tx, &again));
    write(db, move |tx| foreign::put(tx, &subscription(ben)));

    let kept = read(db, move |tx| foreign::of_account(tx, ann, 10));
    assert_eq!(kept.len(), 1);
    assert!(kept[0].is_decided, "a sync does not undo a decision");
    assert_eq!(kept[0].status, "active");
    assert_eq!(read(db, |tx| foreign::prices(tx, 10)), []);
    assert_eq!(read(db, move |tx| foreign::of_account(tx, ben, 10)), []);
    assert_eq!(
        write(db, move |tx| foreign::remove(tx, ben, "sub_other")),
        0
    );
    assert_eq!(
        write(db, move |tx| foreign::remove(tx, ann, "sub_other")),
        1
    );
}

fn unexplained_row(account: i64) -> NewTransaction<'static> {
    NewTransaction {
        public_id: "txn_1",
        account_id: account,
        user_id: None,
        stripe_payment_intent_id: Some("pi_1"),
        stripe_checkout_session_id: None,
        stripe_invoice_id: None,
        stripe_refund_id: None,
        natural_key: "payment:pi_1",
        kind: TransactionType::CreditTopup,
        status: TransactionStatus::Completed,
        amount_minor: 500,
        currency: "usd",
        refunded_minor: 0,
        product_type: "credit_topup",
        subscription_tier: None,
        credits_purchased_micros: None,
        description: None,
        metadata: None,
        failure: None,
        attempts: 0,
        receipt_url: None,
        occurred_at: at(3),
        disputed: false,
    }
}

on_both!(an_unexplained_payment_is_open_until_it_is_accepted_or_taken_out);
fn an_unexplained_payment_is_open_until_it_is_accepted_or_taken_out(db: &Db) {
    let ann = account(db, "ann").id;
    write(db, move |tx| {
        transactions::put(tx, &unexplained_row(ann), at(4))
    });
    let open = |db: &Db| read(db, move |tx| unexplained::of_account(tx, ann, 10)).len();
    assert_eq!(open(db), 1);

    assert!(write(db, move |tx| unexplained::accept(tx, ann, "pi_1")));
    assert_eq!(open(db), 0);
    write(db, move |tx| {
        transactions::put(tx, &unexplained_row(ann), at(5))
    });
    assert_eq!(open(db), 0, "a later sync does not open it again");
    let taken = write(db, move |tx| unexplained::take_out(tx, ann, "pi_1"));
    assert_eq!(taken.as_deref(), Some("txn_1"));
    assert_eq!(
        write(db, move |tx| unexplained::take_out(tx, ann, "pi_1")),
        None
    );
}

on_both!(a_lost_intent_is_recovered_once_and_never_replaces_a_row);
fn a_lost_intent_is_recovered_once_and_never_replaces_a_row(db: &Db) {
    let ann = account(db, "ann").id;
    let lost = Intent {
        id: "int_lost".to_owned(),
        account_id: ann,
        user_id: None,
        kind: IntentKind::CheckoutTopup,
        state: IntentState::Closed,
        params: String::new(),
        credits_micros: Some(5_000_000_000),
        amount_minor: Some(500),
        currency: Some("usd".to_owned()),
        tier: None,
        price_id: Some("price_pack".to_owned()),
        stripe_object_id: Some("cs_1".to_owned()),
        url: None,
        error: None,
        created_at: at(1),
        updated_at: at(2),
        expires_at: None,
        bonus_micros: Some(0),
        expires_after_days: None,
        attempts: 0,
        next_attempt_at: domain::time::Timestamp::from_micros(0),
        is_owed: false,
        needs_attention: false,
    };
    let (first, other) = (
        lost.clone(),
        Intent {
            id: "int_other".to_owned(),
            ..lost.clone()
        },
    );
    let expected = lost.clone();

    assert!(write(db, move |tx| intents::recover(tx, &first)));
    assert!(!write(db, move |tx| intents::recover(tx, &lost)));
    assert!(
        !write(db, move |tx| intents::recover(tx, &other)),
        "one intent an object"
    );

    let found = read(db, |tx| intents::by_object(tx, "cs_1"));
    assert_eq!(found, Some(expected));
    assert_eq!(
        read(db, |tx| intents::account_of(tx, "int_lost")),
        Some(ann)
    );
}

on_both!(what_an_earlier_version_took_for_a_plan_is_removed_with_its_payments);
fn what_an_earlier_version_took_for_a_plan_is_removed_with_its_payments(db: &Db) {
    let ann = account(db, "ann").id;
    write(db, move |tx| {
        tx.execute(
            "insert into invoice (invoice_id, account_id, subscription_id, status, amount_due,
                                  amount_paid, currency, created_at, attempt_count,
                                  discount_minor)
             values ('in_1', $1, 'sub_other', 'paid', 900, 900, 'usd', 1, 1, 0)",
            store::args![ann],
        )?;
        let row = NewTransaction {
            stripe_invoice_id: Some("in_1"),
            natural_key: "invoice:in_1",
            kind: TransactionType::SubscriptionPayment,
            product_type: "subscription",
            ..unexplained_row(ann)
        };
        transactions::put(tx, &row, at(4))
    });

    assert!(write(db, move |tx| {
        foreign::take_out_subscription(tx, ann, "sub_other")
    }));
    assert!(!write(db, move |tx| {
        foreign::take_out_subscription(tx, ann, "sub_other")
    }));

    let start = transactions::Cursor::START;
    let left = read(db, move |tx| transactions::of_account(tx, ann, start, 10));
    assert_eq!(left, []);
}

on_both!(the_last_commit_is_what_the_service_noted_else_the_latest_event_act_or_sync);
fn the_last_commit_is_what_the_service_noted_else_the_latest_event_act_or_sync(db: &Db) {
    assert_eq!(read(db, store::clock::last_commit), None, "a new database");
    write(db, |tx| {
        store::audit_log::append(tx, "cli", "x", "y", "{}", None, at(50)).map(|_| ())
    });
    assert_eq!(read(db, store::clock::last_commit), Some(at(50)));
    write(db, |tx| store::clock::note(tx, at(40)));
    assert_eq!(read(db, store::clock::last_commit), Some(at(40)));
}

on_both!(customers_are_found_by_their_age_and_forgotten_only_for_their_own_account);
fn customers_are_found_by_their_age_and_forgotten_only_for_their_own_account(db: &Db) {
    let (ann, ben) = (account(db, "ann").id, account(db, "ben").id);
    assert_eq!(read(db, store::customers::latest), None);
    write(db, move |tx| {
        store::customers::insert(tx, "cus_1", ann, at(1))?;
        store::customers::insert(tx, "cus_2", ben, at(2))
    });

    assert_eq!(read(db, store::customers::latest).as_deref(), Some("cus_2"));
    let by_name = read(db, |tx| store::accounts::by_public_id(tx, "acc_ann"));
    assert_eq!(by_name.map(|row| row.id), Some(ann));
    let remove = |account| write(db, move |tx| store::customers::remove(tx, account, "cus_1"));
    assert_eq!((remove(ben), remove(ann)), (0, 1));
}
