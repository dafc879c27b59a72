//! Catalogs, settings, the outbox, rate limits, the audit log, jobs.

use store::catalog::{self, Price, PriceKind};
use store::outbox::{self, MessageKind, MessageState, NewMessage};
use store::rate_limit::{self, Admission};
use store::{Db, Error, args, audit_log, jobs, settings};

use crate::help::{account, at, on_both, read, write};

on_both!(a_catalog_is_appended_once_for_each_text_and_prices_stay_mapped);
fn a_catalog_is_appended_once_for_each_text_and_prices_stay_mapped(db: &Db) {
    let append =
        |digest: &'static str| write(db, move |tx| catalog::append(tx, digest, "text", at(1)));
    assert_eq!(read(db, catalog::latest), None);
    assert!(append("d1"));
    assert!(append("d2"));
    assert!(!append("d1"), "known");
    assert_eq!(read(db, catalog::latest).unwrap().version, 2);
    assert_eq!(
        read(db, |tx| catalog::by_digest(tx, "d1")).unwrap().version,
        1
    );
    assert_eq!(read(db, |tx| catalog::find(tx, 2)).unwrap().digest, "d2");

    let pro = Price {
        price_id: "price_1".into(),
        lookup_key: "pro".into(),
        kind: PriceKind::Tier,
        name: "PRO".into(),
        currency: "usd".into(),
        amount_minor: 1900,
        billing_interval: Some("month".into()),
        first_version: 1,
        archived_at: None,
    };
    let (old, new) = (pro.clone(), pro.clone());
    write(db, move |tx| catalog::put_price(tx, &old));
    write(db, move |tx| {
        let renamed = Price {
            lookup_key: "pro_1".into(),
            name: "GOLD".into(),
            ..new.clone()
        };
        catalog::put_price(tx, &renamed)
    });
    let kept = read(db, |tx| catalog::price(tx, "price_1")).unwrap();
    assert_eq!(
        kept,
        Price {
            lookup_key: "pro_1".into(),
            ..pro
        },
        "it sells what it sold"
    );
    assert_eq!(read(db, catalog::prices).len(), 1);
}

on_both!(a_setting_is_set_replaced_set_once_and_forgotten);
fn a_setting_is_set_replaced_set_once_and_forgotten(db: &Db) {
    write(db, |tx| settings::put(tx, "a", "1", at(1)));
    write(db, |tx| settings::put(tx, "a", "2", at(2)));
    assert_eq!(read(db, |tx| settings::get(tx, "a")), Some("2".into()));
    assert_eq!(write(db, |tx| settings::put_once(tx, "a", "3", at(3))), "2");
    assert_eq!(write(db, |tx| settings::put_once(tx, "b", "3", at(3))), "3");
    write(db, |tx| settings::remove(tx, "a"));
    assert_eq!(read(db, |tx| settings::get(tx, "a")), None);
}

on_both!(an_accounts_settings_are_its_own);
fn an_accounts_settings_are_its_own(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    write(db, move |tx| {
        settings::put_of_account(tx, ann, "low", "100", at(1))
    });
    write(db, move |tx| {
        settings::put_of_account(tx, ann, "low", "200", at(2))
    });
    write(db, move |tx| {
        settings::put_of_account(tx, bob, "low", "5", at(2))
    });

    let low = read(db, move |tx| settings::of_account(tx, ann, "low"));
    assert_eq!(low, Some("200".into()));
    let all = read(db, move |tx| settings::all_of_account(tx, bob));
    assert_eq!(all, [("low".into(), "5".into())]);
    assert_eq!(
        write(db, move |tx| settings::remove_of_account(tx, ann, "low")),
        1
    );
    assert_eq!(
        read(db, move |tx| settings::of_account(tx, bob, "low")),
        Some("5".into())
    );
}

fn mail(key: &str) -> NewMessage<'_> {
    NewMessage {
        key,
        kind: MessageKind::Mail,
        account_id: None,
        recipient: "ann@example.com",
        payload: "{}",
    }
}

on_both!(a_message_is_queued_once_for_its_key);
fn a_message_is_queued_once_for_its_key(db: &Db) {
    assert!(write(db, |tx| outbox::enqueue(
        tx,
        &mail("receipt:in_1"),
        at(1)
    )));
    assert!(!write(db, |tx| outbox::enqueue(
        tx,
        &mail("receipt:in_1"),
        at(2)
    )));
    let queued = read(db, |tx| outbox::by_key(tx, "receipt:in_1")).unwrap();
    assert_eq!((queued.created_at, queued.attempts), (at(1), 0));
}

on_both!(an_email_address_in_a_key_is_not_kept_and_the_key_still_counts_once);
fn an_email_address_in_a_key_is_not_kept_and_the_key_still_counts_once(db: &Db) {
    let key = "receipt:in_1:ann@example.com";
    assert!(write(db, move |tx| outbox::enqueue(tx, &mail(key), at(1))));
    assert!(!write(db, move |tx| outbox::enqueue(tx, &mail(key), at(2))));
    let other = "receipt:in_1:bob@example.com";
    assert!(write(db, move |tx| outbox::enqueue(
        tx,
        &mail(other),
        at(3)
    )));
    let kept = read(db, move |tx| outbox::by_key(tx, key)).unwrap().key;
    assert!(
        kept.starts_with("receipt:in_1:") && !kept.contains("ann"),
        "{kept}"
    );
}

#[test]
fn the_emails_of_an_address_are_found_by_an_index() {
    let db = store::testing::sqlite().opened();
    // As the statement of the erasure; a planner takes a partial index only if it sees its condition.
    let plan: Vec<(i64, i64, i64, String)> = read(&db, |tx| {
        tx.query(
            "explain query plan
             update outbox
                set recipient = '', payload = ''
              where kind = 'mail' and recipient <> '' and recipient = $1",
            args!["maya@example.com"],
        )
    });
    assert!(
        plan.iter().any(|step| step.3.contains("outbox_by_address")),
        "{plan:?}"
    );
}

on_both!(a_taken_message_is_due_again_unless_it_is_marked);
fn a_taken_message_is_due_again_unless_it_is_marked(db: &Db) {
    write(db, |tx| outbox::enqueue(tx, &mail("a"), at(10)));
    write(db, |tx| outbox::enqueue(tx, &mail("b"), at(20)));
    let take = |kind: MessageKind, now: i64| {
        write(db, move |tx| {
            outbox::take_due(tx, kind, at(now), at(now + 60), 10)
        })
    };
    assert_eq!(
        read(db, |tx| outbox::next_due(tx, MessageKind::Mail)),
        Some(at(10))
    );
    assert!(take(MessageKind::Mail, 9).is_empty());
    assert!(take(MessageKind::Webhook, 30).is_empty());
    let taken = take(MessageKind::Mail, 10);
    assert_eq!(
        (taken.len(), taken[0].key.as_str(), taken[0].attempts),
        (1, "a", 1)
    );
    let a = taken[0].id;
    assert_eq!(
        take(MessageKind::Mail, 30).len(),
        1,
        "b alone: a is on its way"
    );

    let again = take(MessageKind::Mail, 70);
    assert_eq!((again.len(), again[0].attempts), (1, 2), "its sender died");
    write(db, move |tx| outbox::set_sent(tx, a, at(71)));
    let sent = read(db, move |tx| outbox::find(tx, a)).unwrap();
    assert_eq!((sent.state.word(), sent.sent_at), ("sent", Some(at(71))));

    let b = take(MessageKind::Mail, 90)[0].id;
    write(db, move |tx| {
        outbox::set_failed(tx, b, "refused", Some(at(200)))
    });
    assert!(take(MessageKind::Mail, 199).is_empty());
    assert_eq!(take(MessageKind::Mail, 200).len(), 1);
    write(db, move |tx| outbox::set_failed(tx, b, "refused", None));
    let counts = read(db, outbox::count_by_state);
    assert_eq!(counts, [(MessageState::Failed, 1), (MessageState::Sent, 1)]);
    assert_eq!(
        read(db, |tx| outbox::list(
            tx,
            Some(MessageState::Failed.word()),
            None,
            None,
            9
        ))
        .len(),
        1
    );
    assert_eq!(
        read(db, move |tx| outbox::list(tx, None, None, Some(b), 9)).len(),
        1
    );

    write(db, move |tx| outbox::requeue(tx, b, at(300)));
    assert_eq!(take(MessageKind::Mail, 300).len(), 1);
    assert_eq!(write(db, |tx| outbox::forget_sent(tx, at(72))), 1);
    assert_eq!(
        read(db, move |tx| outbox::find(tx, a)).unwrap().recipient,
        ""
    );
    assert!(
        !write(db, |tx| outbox::enqueue(tx, &mail("a"), at(400))),
        "it never leaves again"
    );
}

const MINUTE: i64 = 60_000_000;

on_both!(five_requests_a_minute_are_admitted_and_the_sixth_learns_when_to_retry);
fn five_requests_a_minute_are_admitted_and_the_sixth_learns_when_to_retry(db: &Db) {
    let come = |key: &'static str, seconds| {
        write(db, move |tx| {
            rate_limit::admit(tx, key, 5, MINUTE, at(seconds))
        })
    };
    for _ in 0..5 {
        assert_eq!(come("ann", 1000), Admission::Allowed);
    }
    assert_eq!(come("ann", 1000), Admission::RetryAfter(12_000_000));
    assert_eq!(come("ann", 1005), Admission::RetryAfter(7_000_000));
    assert_eq!(come("bob", 1005), Admission::Allowed, "another key");
    assert_eq!(
        come("ann", 1012),
        Admission::Allowed,
        "a fifth of a minute later"
    );
    assert_eq!(come("ann", 1012), Admission::RetryAfter(12_000_000));
    for _ in 0..5 {
        assert_eq!(
            come("ann", 2000),
            Admission::Allowed,
            "long after: all five again"
        );
    }
    assert_eq!(come("ann", 2000), Admission::RetryAfter(12_000_000));
    assert_eq!(
        write(db, |tx| rate_limit::sweep(tx, at(2000))),
        1,
        "bob's time is over"
    );
    assert_eq!(write(db, |tx| rate_limit::sweep(tx, at(2060))), 1);
}

on_both!(of_many_simultaneous_requests_five_are_admitted);
fn of_many_simultaneous_requests_five_are_admitted(db: &Db) {
    let threads: Vec<_> = (0..32)
        .map(|number| {
            let db = db.clone();
            std::thread::spawn(move || {
                db.write_blocking(number, |tx| rate_limit::admit(tx, "ann", 5, MINUTE, at(1)))
                    .unwrap()
            })
        })
        .collect();

    let admitted = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .filter(|admission| *admission == Admission::Allowed);

    assert_eq!(admitted.count(), 5);
}

on_both!(the_audit_log_is_append_only);
fn the_audit_log_is_append_only(db: &Db) {
    for number in 1..=3 {
        write(db, move |tx| {
            let request = Some("req_1");
            let action = if number == 3 {
                "event.replay"
            } else {
                "credits.adjust"
            };
            audit_log::append(tx, "usr_1", action, "acc_1", "{}", request, at(number))
        });
    }
    let list = |subject: Option<&'static str>, action: Option<&'static str>, before| {
        read(db, move |tx| {
            audit_log::list(tx, subject, None, action, before, 10)
        })
        .len()
    };
    assert_eq!(list(Some("acc_1"), None, None), 3);
    assert_eq!(list(None, Some("credits.adjust"), None), 2);
    assert_eq!(list(Some("acc_2"), None, None), 0);
    let acts = read(db, |tx| {
        audit_log::list(tx, None, Some("usr_1"), None, None, 1)
    });
    assert_eq!(acts[0].at, at(3));
    assert_eq!(list(None, None, Some(acts[0].id)), 2);

    let changed = db.write_blocking(0, |tx| {
        tx.execute("update audit_log set actor = 'nobody'", args![])
    });
    assert!(matches!(changed, Err(Error::Constraint(_))), "{changed:?}");
    let deleted = db.write_blocking(0, |tx| tx.execute("delete from audit_log", args![]));
    assert!(matches!(deleted, Err(Error::Constraint(_))), "{deleted:?}");
    assert_eq!(list(None, None, None), 3);
}

on_both!(a_job_continues_where_it_stopped_and_one_process_claims_its_run);
fn a_job_continues_where_it_stopped_and_one_process_claims_its_run(db: &Db) {
    write(db, |tx| jobs::put(tx, "poll", Some("evt_9"), at(10)));
    let state = read(db, |tx| jobs::find(tx, "poll")).unwrap();
    assert_eq!(
        (state.cursor.as_deref(), state.last_run_at),
        (Some("evt_9"), at(10))
    );

    assert!(
        !write(db, |tx| jobs::claim(tx, "poll", at(9), at(11))),
        "it ran at 10"
    );
    assert!(write(db, |tx| jobs::claim(tx, "poll", at(10), at(12))));
    assert!(!write(db, |tx| jobs::claim(tx, "poll", at(10), at(12))));
    assert!(
        write(db, |tx| jobs::claim(tx, "sweep", at(10), at(12))),
        "its first run"
    );
    let names: Vec<_> = read(db, jobs::all)
        .into_iter()
        .map(|job| job.name)
        .collect();
    assert_eq!(names, ["poll", "sweep"]);
    let cursor = read(db, |tx| jobs::find(tx, "poll")).unwrap().cursor;
    assert_eq!(cursor.as_deref(), Some("evt_9"), "a claim keeps it");
}
