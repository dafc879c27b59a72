//! Transactions: the records of payments and refunds.

use domain::projection::TransactionStatus::{Cancelled, Completed, Failed, Pending, Refunded};
use domain::projection::{TransactionStatus, TransactionType};
use store::transactions::{self, Cursor, Filter, NewTransaction, Transaction};
use store::{Db, Error};

use crate::help::{account, at, on_both, read, write};

fn topup(account_id: i64, session: &str, status: TransactionStatus) -> NewTransaction<'_> {
    NewTransaction {
        account_id,
        stripe_checkout_session_id: Some(session),
        status,
        amount_minor: 500,
        credits_purchased_micros: Some(5_000_000_000),
        occurred_at: at(10),
        ..store::testing::transaction()
    }
}

fn put(db: &Db, account_id: i64, session: &'static str, status: TransactionStatus) -> Transaction {
    write(db, move |tx| {
        let key = format!("topup:{session}");
        let public_id = format!("txn_{session}");
        let new = NewTransaction {
            natural_key: &key,
            public_id: &public_id,
            ..topup(account_id, session, status)
        };
        transactions::put(tx, &new, at(11))
    })
}

on_both!(a_status_takes_allowed_steps_and_ignores_all_others);
fn a_status_takes_allowed_steps_and_ignores_all_others(db: &Db) {
    let allowed = [
        (Pending, Completed),
        (Pending, Failed),
        (Pending, Cancelled),
        // It was paid and refunded between two syncs.
        (Pending, Refunded),
        (Failed, Completed),
        (Failed, Refunded),
        // Its invoice was voided.
        (Failed, Cancelled),
        (Completed, Refunded),
        // The refund failed after it had succeeded.
        (Refunded, Completed),
    ];
    let ann = account(db, "ann").id;
    for before in TransactionStatus::ALL {
        for after in TransactionStatus::ALL {
            let session: &'static str = format!("cs_{before:?}_{after:?}").leak();
            put(db, ann, session, before);

            let then = put(db, ann, session, after).status;

            let expected = if allowed.contains(&(before, after)) {
                after
            } else {
                before
            };
            assert_eq!(
                then,
                expected,
                "{before:?} then {after:?} on {:?}",
                db.kind()
            );
        }
    }
}

on_both!(a_refund_may_fail_after_it_succeeded_and_nothing_else_may);
fn a_refund_may_fail_after_it_succeeded_and_nothing_else_may(db: &Db) {
    let ann = account(db, "ann").id;
    for (index, after) in [Failed, Cancelled].into_iter().enumerate() {
        let key: &'static str = format!("refund:re_{index}").leak();
        let step = |status: TransactionStatus| {
            write(db, move |tx| {
                let new = NewTransaction {
                    natural_key: key,
                    public_id: key,
                    kind: TransactionType::Refund,
                    stripe_checkout_session_id: None,
                    ..topup(ann, "cs_none", status)
                };
                transactions::put(tx, &new, at(20)).map(|row| row.status)
            })
        };

        let steps = [Pending, Completed, after, Completed].map(step);

        assert_eq!(steps, [Pending, Completed, after, after]);
    }
}

on_both!(what_was_paid_is_frozen_once_it_is_completed_and_what_is_learned_later_is_added);
fn what_was_paid_is_frozen_once_it_is_completed_and_what_is_learned_later_is_added(db: &Db) {
    let ann = account(db, "ann").id;
    put(db, ann, "cs_1", Pending);
    let step = |status: TransactionStatus, amount_minor, refunded_minor, intent| {
        write(db, move |tx| {
            let new = NewTransaction {
                natural_key: "topup:cs_1",
                public_id: "txn_other",
                amount_minor,
                refunded_minor,
                stripe_payment_intent_id: intent,
                attempts: 1,
                ..topup(ann, "cs_1", status)
            };
            transactions::put(tx, &new, at(20))
        })
    };
    let completed = step(Completed, 450, 0, Some("pi_1"));
    assert_eq!(
        (completed.amount_minor, completed.public_id.as_str()),
        (450, "txn_cs_1")
    );
    assert_eq!(completed.stripe_payment_intent_id.as_deref(), Some("pi_1"));

    let partly = step(Completed, 999, 100, None);
    assert_eq!((partly.amount_minor, partly.refunded_minor), (450, 100));
    assert_eq!(
        partly.stripe_payment_intent_id.as_deref(),
        Some("pi_1"),
        "kept"
    );
    let refunded = step(Refunded, 450, 450, None);
    assert_eq!((refunded.status, refunded.refunded_minor), (Refunded, 450));
    assert_eq!(refunded.id, completed.id);

    let too_much = db.write_blocking(0, move |tx| {
        let new = NewTransaction {
            natural_key: "topup:cs_1",
            refunded_minor: 451,
            ..topup(ann, "cs_1", Refunded)
        };
        transactions::put(tx, &new, at(30))
    });
    assert!(
        matches!(too_much, Err(Error::Constraint(_))),
        "{too_much:?}"
    );
}

on_both!(one_fact_is_one_transaction_whatever_it_is_called);
fn one_fact_is_one_transaction_whatever_it_is_called(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    put(db, ann, "cs_1", Completed);
    let refused = |new: NewTransaction<'static>| {
        let answer = db.write_blocking(0, move |tx| transactions::put(tx, &new, at(12)));
        assert!(matches!(answer, Err(Error::Conflict(_))), "{answer:?}");
    };
    // The same session under another key, and the same key for another account.
    refused(NewTransaction {
        natural_key: "other",
        public_id: "txn_2",
        ..topup(ann, "cs_1", Completed)
    });
    refused(NewTransaction {
        natural_key: "topup:cs_1",
        ..topup(bob, "cs_1", Completed)
    });
    // An invoice is paid once, and its payment may also be refunded.
    let invoice = |key: &'static str, kind: TransactionType| NewTransaction {
        natural_key: key,
        public_id: key,
        kind,
        stripe_invoice_id: Some("in_1"),
        stripe_checkout_session_id: None,
        product_type: "subscription",
        ..topup(ann, "", Completed)
    };
    let paid = invoice("invoice:in_1", TransactionType::SubscriptionPayment);
    write(db, move |tx| transactions::put(tx, &paid, at(12)));
    let back = invoice("refund:re_1", TransactionType::Refund);
    write(db, move |tx| transactions::put(tx, &back, at(12)));
    refused(invoice(
        "invoice:in_1:again",
        TransactionType::SubscriptionPayment,
    ));
    let sums = read(db, |tx| transactions::sums(tx, &Filter::default()));
    assert_eq!(sums.iter().map(|sum| sum.count).sum::<i64>(), 3);
}

on_both!(of_64_records_of_one_fact_at_once_one_row_stands);
fn of_64_records_of_one_fact_at_once_one_row_stands(db: &Db) {
    let ann = account(db, "ann").id;
    let threads: Vec<_> = (0..64)
        .map(|number: i64| {
            let db = db.clone();
            std::thread::spawn(move || {
                let public_id = format!("txn_{number}");
                db.write_blocking(number, move |tx| {
                    let new = NewTransaction {
                        natural_key: "topup:cs_1",
                        public_id: &public_id,
                        ..topup(ann, "cs_1", Completed)
                    };
                    Ok(transactions::put(tx, &new, at(1))?.id)
                })
                .unwrap()
            })
        })
        .collect();

    let mut ids: Vec<i64> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    ids.dedup();

    assert_eq!(ids.len(), 1);
}

fn spread(db: &Db) -> (i64, i64) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    // Two have the same time, so the row id decides their order.
    for (whose, session, status, seconds) in [
        (ann, "cs_1", Completed, 10),
        (bob, "cs_2", Completed, 20),
        (ann, "cs_3", Failed, 20),
        (ann, "cs_4", Completed, 30),
        (ann, "cs_0", Completed, 5),
    ] {
        write(db, move |tx| {
            let new = NewTransaction {
                natural_key: session,
                public_id: session,
                occurred_at: at(seconds),
                description: Some("1,000 credits"),
                ..topup(whose, session, status)
            };
            transactions::put(tx, &new, at(40))
        });
    }
    (ann, bob)
}

fn names(rows: &[Transaction]) -> Vec<&str> {
    rows.iter()
        .map(|transaction| transaction.public_id.as_str())
        .collect()
}

on_both!(pages_of_a_list_follow_one_another_without_gap_or_repetition);
fn pages_of_a_list_follow_one_another_without_gap_or_repetition(db: &Db) {
    let (ann, _) = spread(db);
    let page = |after| {
        read(db, move |tx| {
            transactions::list(tx, &Filter::default(), after, 2)
        })
    };
    let first = page(Cursor::START);
    let second = page(first[1].cursor());
    let third = page(second[1].cursor());
    assert_eq!(names(&first), ["cs_4", "cs_3"]);
    assert_eq!(names(&second), ["cs_2", "cs_1"]);
    assert_eq!(names(&third), ["cs_0"]);
    assert!(page(third[0].cursor()).is_empty());

    let own = read(db, move |tx| {
        transactions::of_account(tx, ann, Cursor::START, 10)
    });
    assert_eq!(names(&own), ["cs_4", "cs_3", "cs_1", "cs_0"]);
}

on_both!(a_list_is_narrowed_by_account_type_status_time_and_words);
fn a_list_is_narrowed_by_account_type_status_time_and_words(db: &Db) {
    let (ann, bob) = spread(db);
    let list = |filter: Filter<'static>| {
        let rows = read(db, move |tx| {
            transactions::list(tx, &filter, Cursor::START, 100)
        });
        rows.into_iter()
            .map(|row| row.public_id)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = Filter::default();
    let of_bob = Filter {
        account_id: Some(bob),
        ..all
    };
    let failed = Filter {
        status: Some("FAILED"),
        ..all
    };
    let refunds = Filter {
        kind: Some("REFUND"),
        ..all
    };
    let from_20 = Filter {
        from: Some(at(20)),
        ..all
    };
    let until_20 = Filter {
        until: Some(at(20)),
        ..all
    };
    let searched = |search| {
        list(Filter {
            search: Some(search),
            ..all
        })
    };

    assert_eq!(list(of_bob), "cs_2");
    assert_eq!(list(failed), "cs_3");
    assert_eq!(list(refunds), "");
    assert_eq!(list(from_20), "cs_4 cs_3 cs_2");
    assert_eq!(list(until_20), "cs_1 cs_0");
    assert_eq!(searched("CS_4"), "cs_4");
    assert_eq!(searched("bob"), "cs_2", "the account's name");
    assert_eq!(searched("1,000 CREDITS").len(), 24);
    assert_eq!(searched("%"), "");

    let ann_only = Filter {
        account_id: Some(ann),
        ..all
    };
    let sums = read(db, move |tx| transactions::sums(tx, &ann_only));
    let sums: Vec<_> = sums
        .iter()
        .map(|sum| (sum.status, sum.count, sum.amount_minor))
        .collect();
    assert_eq!(sums, [(Completed, 3, 1500), (Failed, 1, 500)]);
}

on_both!(a_transaction_is_found_by_its_account_and_name_and_by_what_it_is_about);
fn a_transaction_is_found_by_its_account_and_name_and_by_what_it_is_about(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    let made = put(db, ann, "cs_1", Pending);

    let found = read(db, move |tx| transactions::find(tx, ann, "txn_cs_1"));
    assert_eq!(found, Some(made.clone()));
    assert_eq!(
        read(db, move |tx| transactions::find(tx, bob, "txn_cs_1")),
        None
    );
    let found = read(db, move |tx| {
        transactions::by_natural_key(tx, ann, "topup:cs_1")
    });
    assert_eq!(found, Some(made.clone()));
    assert_eq!(
        read(db, move |tx| transactions::by_natural_key(
            tx,
            bob,
            "topup:cs_1"
        )),
        None
    );
    assert_eq!(read(db, |tx| transactions::about(tx, "cs_1")), Some(made));
    assert_eq!(read(db, |tx| transactions::about(tx, "pi_1")), None);
}
