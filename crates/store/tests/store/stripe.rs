//! Events, customers, subscriptions, invoices, cards.

use domain::plan::SubscriptionStatus;
use std::sync::{Arc, Barrier};

use store::events::{self, EventState, Filter, NewEvent};
use store::invoices::Invoice;
use store::payment_methods::{self, PaymentMethod};
use store::subscriptions::Subscription;
use store::{Db, Error, accounts, customers, invoices, subscriptions, sync};

use crate::help::{account, at, on_both, read, write};

fn event(event_id: &str, account_id: Option<i64>) -> NewEvent<'_> {
    NewEvent {
        event_id,
        kind: "invoice.paid",
        created_at: at(9),
        object_type: Some("invoice"),
        object_id: Some("in_1"),
        customer_id: Some("cus_1"),
        account_id,
        state: if account_id.is_some() {
            EventState::Received
        } else {
            EventState::Unmatched
        },
        ..NewEvent::default()
    }
}

on_both!(case_w9_an_event_delivered_32_times_at_once_is_kept_once_and_marks_its_account_once);
fn case_w9_an_event_delivered_32_times_at_once_is_kept_once_and_marks_its_account_once(db: &Db) {
    let ann = account(db, "ann").id;
    let start = Arc::new(Barrier::new(32));
    let deliveries: Vec<_> = (0..32)
        .map(|number| {
            let (db, start) = (db.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                // Spread over the writers, as if several processes received the deliveries.
                db.write_blocking(number, move |tx| {
                    let n = events::insert(tx, &event("evt_1", Some(ann)), at(10))?;
                    if let Some(n) = n {
                        events::insert_payload(tx, n, b"{}")?;
                        sync::mark_for_sync(tx, ann, at(10))?;
                    }
                    Ok(n.is_some())
                })
                .unwrap()
            })
        })
        .collect();

    let firsts = deliveries.into_iter().map(|d| d.join().unwrap());

    assert_eq!(firsts.filter(|is_first| *is_first).count(), 1);
    assert_eq!(
        read(db, move |tx| sync::of_account(tx, ann))
            .unwrap()
            .dirty_gen,
        1
    );
    let kept = read(db, |tx| events::find(tx, "evt_1")).unwrap();
    assert_eq!((kept.state.word(), kept.received_at), ("received", at(10)));
    assert_eq!(
        read(db, move |tx| events::payload(tx, kept.n)),
        Some(b"{}".to_vec())
    );
}

on_both!(a_sync_settles_what_its_account_had_received_when_it_began);
fn a_sync_settles_what_its_account_had_received_when_it_began(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    let put = |id: &'static str, whose| {
        write(db, move |tx| {
            events::insert(tx, &event(id, Some(whose)), at(10))
        })
        .unwrap()
    };
    put("evt_1", ann);
    put("evt_2", bob);
    let last = read(db, move |tx| events::last_of_account(tx, ann));
    put("evt_3", ann);
    assert_eq!(read(db, events::oldest_open), Some(at(10)));

    let settled = write(db, move |tx| {
        events::settle_account(tx, ann, last, EventState::Done, "in sync", at(20))
    });

    assert_eq!(settled, 1);
    let states = ["evt_1", "evt_2", "evt_3"]
        .map(|id| read(db, move |tx| events::find(tx, id)).unwrap().state);
    assert_eq!(
        states.map(EventState::word),
        ["done", "received", "received"]
    );
    let counts = read(db, events::count_by_state);
    assert_eq!(counts, [(EventState::Done, 1), (EventState::Received, 2)]);
}

on_both!(an_event_without_an_account_is_retried_then_parked_then_requeued_by_hand);
fn an_event_without_an_account_is_retried_then_parked_then_requeued_by_hand(db: &Db) {
    let ann = account(db, "ann").id;
    let n = write(db, |tx| events::insert(tx, &event("evt_1", None), at(10))).unwrap();
    let due = |now| read(db, move |tx| events::unmatched_due(tx, at(now), 10)).len();
    assert_eq!((due(9), due(10)), (0, 1));

    write(db, move |tx| {
        events::set_failed(tx, n, "no account", Some(at(50)))
    });
    assert_eq!((due(49), due(50)), (0, 1));
    write(db, move |tx| events::set_failed(tx, n, "no account", None));
    let parked = read(db, |tx| events::find(tx, "evt_1")).unwrap();
    assert_eq!((parked.state.word(), parked.attempts), ("parked", 2));
    assert_eq!(parked.last_error.as_deref(), Some("no account"));
    assert_eq!(due(1000), 0);

    let again = write(db, move |tx| events::requeue(tx, n, at(60))).unwrap();
    assert_eq!((again.state.word(), again.attempts), ("unmatched", 0));
    assert_eq!(due(60), 1);
    assert_eq!(write(db, move |tx| events::assign(tx, n, ann)), 1);
    let found = read(db, |tx| events::find(tx, "evt_1")).unwrap();
    assert_eq!(
        (found.state.word(), found.account_id),
        ("received", Some(ann))
    );
    assert_eq!(due(1000), 0);
}

on_both!(events_are_listed_latest_first_and_narrowed);
fn events_are_listed_latest_first_and_narrowed(db: &Db) {
    let ann = account(db, "ann").id;
    let ids = ["evt_1", "evt_2", "evt_3"];
    for id in ids {
        let whose = (id != "evt_2").then_some(ann);
        write(db, move |tx| events::insert(tx, &event(id, whose), at(10)));
    }
    let list = |filter: Filter<'static>, before, limit| {
        let rows = read(db, move |tx| events::list(tx, &filter, before, limit));
        rows.into_iter()
            .map(|event| event.event_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default(), None, 2), ["evt_3", "evt_2"]);
    let n = read(db, |tx| events::find(tx, "evt_2")).unwrap().n;
    assert_eq!(list(Filter::default(), Some(n), 2), ["evt_1"]);
    let ann_only = Filter {
        account_id: Some(ann),
        ..Filter::default()
    };
    assert_eq!(list(ann_only, None, 9), ["evt_3", "evt_1"]);
    assert_eq!(
        list(
            Filter {
                state: Some(EventState::Unmatched.word()),
                ..Filter::default()
            },
            None,
            9
        )
        .len(),
        1
    );
    assert_eq!(
        list(
            Filter {
                kind: Some("x"),
                ..Filter::default()
            },
            None,
            9
        )
        .len(),
        0
    );
    assert_eq!(
        list(
            Filter {
                about: Some("in_1"),
                ..Filter::default()
            },
            None,
            9
        )
        .len(),
        3
    );
    assert_eq!(read(db, events::latest).unwrap().event_id, "evt_3");
}

on_both!(bodies_of_settled_events_are_dropped_after_their_time_and_those_of_open_ones_never);
fn bodies_of_settled_events_are_dropped_after_their_time_and_those_of_open_ones_never(db: &Db) {
    let ann = account(db, "ann").id;
    for id in ["evt_1", "evt_2"] {
        write(db, move |tx| {
            let n = events::insert(tx, &event(id, Some(ann)), at(10))?.expect("it is new");
            events::insert_payload(tx, n, id.as_bytes())
        });
    }
    let done = read(db, |tx| events::find(tx, "evt_1")).unwrap().n;
    write(db, move |tx| {
        events::settle(tx, done, EventState::Done, "paid", at(20))
    });

    assert_eq!(write(db, |tx| events::drop_payloads(tx, at(20), 10)), 0);
    assert_eq!(write(db, |tx| events::drop_payloads(tx, at(21), 10)), 1);
    assert_eq!(read(db, move |tx| events::payload(tx, done)), None);
    let open = read(db, |tx| events::find(tx, "evt_2")).unwrap().n;
    assert!(read(db, move |tx| events::payload(tx, open)).is_some());
}

on_both!(an_account_has_one_current_customer_and_its_former_ones_still_lead_to_it);
fn an_account_has_one_current_customer_and_its_former_ones_still_lead_to_it(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    assert!(write(db, move |tx| customers::insert(
        tx,
        "cus_1",
        ann,
        at(1)
    )));
    assert!(
        !write(db, move |tx| customers::insert(tx, "cus_1", bob, at(2))),
        "it is ann's"
    );
    let second = db.write_blocking(0, move |tx| customers::insert(tx, "cus_2", ann, at(2)));
    assert!(matches!(second, Err(Error::Conflict(_))), "{second:?}");

    write(db, move |tx| {
        customers::retire(tx, ann, "cus_1")?;
        customers::insert(tx, "cus_2", ann, at(3))
    });
    write(db, move |tx| {
        customers::insert_former(tx, "cus_0", ann, at(4))
    });

    assert_eq!(
        read(db, move |tx| customers::current(tx, ann)),
        Some("cus_2".into())
    );
    assert_eq!(read(db, move |tx| customers::current(tx, bob)), None);
    for id in ["cus_0", "cus_1", "cus_2"] {
        assert_eq!(read(db, move |tx| customers::account_of(tx, id)), Some(ann));
        let found = read(db, move |tx| accounts::of_customer(tx, id)).unwrap();
        assert_eq!(found.id, ann);
    }
    assert_eq!(read(db, move |tx| customers::of_account(tx, ann)).len(), 3);
    assert_eq!(read(db, |tx| customers::account_of(tx, "cus_9")), None);
}

fn subscription(id: &str, account_id: i64) -> Subscription {
    Subscription {
        subscription_id: id.into(),
        account_id,
        customer_id: "cus_1".into(),
        status: SubscriptionStatus::Active,
        tier: Some("PRO".into()),
        price_id: Some("price_1".into()),
        currency: Some("usd".into()),
        amount_minor: Some(1900),
        billing_interval: Some("month".into()),
        period_start: Some(at(1)),
        period_end: Some(at(100)),
        cancel_at: None,
        cancel_at_period_end: true,
        canceled_at: Some(at(50)),
        ended_at: None,
        trial_end: None,
        paused: false,
        past_due_since: None,
        pending_change: None,
        schedule_id: Some("sub_sched_1".into()),
        live: true,
        created_at: at(1),
        synced_at: at(2),
        items: Some("[]".into()),
        anchor_at: None,
        quantity: 1,
        monthly_minor: None,
        discount_ends_at: None,
        pause_behavior: None,
        paused_by_us: false,
        resumes_at: None,
    }
}

on_both!(a_subscription_is_overwritten_by_what_was_fetched_and_never_changes_its_account);
fn a_subscription_is_overwritten_by_what_was_fetched_and_never_changes_its_account(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    let first = subscription("sub_1", ann);
    let row = first.clone();
    write(db, move |tx| subscriptions::put(tx, &row));
    assert_eq!(
        read(db, move |tx| subscriptions::find(tx, ann, "sub_1")),
        Some(first.clone())
    );
    assert_eq!(
        read(db, move |tx| subscriptions::find(tx, bob, "sub_1")),
        None
    );
    assert_eq!(read(db, move |tx| subscriptions::live(tx, ann)).len(), 1);

    let ended = Subscription {
        status: SubscriptionStatus::Canceled,
        live: false,
        ended_at: Some(at(90)),
        schedule_id: None,
        synced_at: at(91),
        ..first
    };
    let row = ended.clone();
    write(db, move |tx| subscriptions::put(tx, &row));
    assert_eq!(
        read(db, move |tx| subscriptions::of_account(tx, ann)),
        [ended]
    );
    assert_eq!(read(db, move |tx| subscriptions::live(tx, ann)), []);

    let taken = db.write_blocking(0, move |tx| {
        subscriptions::put(tx, &subscription("sub_1", bob))
    });
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    assert_eq!(
        read(db, |tx| subscriptions::account_of(tx, "sub_1")),
        Some(ann)
    );
}

fn invoice(id: &str, account_id: i64, created: i64) -> Invoice {
    Invoice {
        invoice_id: id.into(),
        account_id,
        subscription_id: Some("sub_1".into()),
        number: Some("A-0001".into()),
        status: "open".into(),
        billing_reason: Some("subscription_cycle".into()),
        amount_due: 1900,
        amount_paid: 0,
        currency: "usd".into(),
        created_at: at(created),
        period_start: Some(at(1)),
        period_end: Some(at(100)),
        attempt_count: 1,
        next_payment_attempt: Some(at(200)),
        hosted_url: Some("https://invoice.example/1".into()),
        pdf_url: None,
        paid_at: None,
        discount_minor: 0,
        tier: None,
        prorated: false,
        charged_minor: 0,
        reversed_minor: 0,
        disputed: false,
    }
}

on_both!(invoices_are_overwritten_listed_and_found_unpaid_oldest_first);
fn invoices_are_overwritten_listed_and_found_unpaid_oldest_first(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    for (id, created) in [("in_2", 20), ("in_1", 10), ("in_3", 30)] {
        write(db, move |tx| invoices::put(tx, &invoice(id, ann, created)));
    }
    let paid = Invoice {
        status: "paid".into(),
        amount_paid: 1900,
        paid_at: Some(at(35)),
        next_payment_attempt: None,
        ..invoice("in_3", ann, 30)
    };
    let row = paid.clone();
    write(db, move |tx| invoices::put(tx, &row));

    let ids = |rows: Vec<Invoice>| {
        rows.into_iter()
            .map(|invoice| invoice.invoice_id)
            .collect::<Vec<_>>()
    };
    let listed = read(db, move |tx| invoices::of_account(tx, ann, 2));
    assert_eq!(ids(listed), ["in_3", "in_2"]);
    let unpaid = read(db, move |tx| invoices::unpaid(tx, ann));
    assert_eq!(ids(unpaid), ["in_1", "in_2"]);
    assert_eq!(
        read(db, move |tx| invoices::find(tx, ann, "in_3")),
        Some(paid)
    );
    assert_eq!(read(db, move |tx| invoices::find(tx, bob, "in_3")), None);
    let taken = db.write_blocking(0, move |tx| invoices::put(tx, &invoice("in_1", bob, 10)));
    assert!(matches!(taken, Err(Error::Conflict(_))), "{taken:?}");
    assert_eq!(read(db, |tx| invoices::account_of(tx, "in_1")), Some(ann));
}

on_both!(an_account_shows_one_card);
fn an_account_shows_one_card(db: &Db) {
    let ann = account(db, "ann").id;
    let card = PaymentMethod {
        account_id: ann,
        brand: "visa".into(),
        last4: "4242".into(),
        exp_month: 4,
        exp_year: 2030,
        synced_at: at(1),
    };
    let first = card.clone();
    write(db, move |tx| payment_methods::put(tx, &first));
    let second = PaymentMethod {
        last4: "0005".into(),
        synced_at: at(2),
        ..card
    };
    let row = second.clone();
    write(db, move |tx| payment_methods::put(tx, &row));

    assert_eq!(
        read(db, move |tx| payment_methods::of_account(tx, ann)),
        Some(second)
    );
    assert_eq!(write(db, move |tx| payment_methods::remove(tx, ann)), 1);
    assert_eq!(
        read(db, move |tx| payment_methods::of_account(tx, ann)),
        None
    );
}

#[test]
#[expect(clippy::cast_sign_loss, reason = "the value is not negative")]
#[expect(clippy::cast_possible_truncation, reason = "the value is small")]
fn case_d9_of_two_instances_on_one_postgresql_one_keeps_an_event_and_one_gets_the_account() {
    let database = store::testing::postgres();
    let instances = [database.open(), database.open()];
    let ann = account(&instances[0], "ann").id;
    let start = Arc::new(Barrier::new(16));
    let workers: Vec<_> = (0..16)
        .map(|number: i64| {
            let (db, start) = (instances[number as usize % 2].clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                let is_first = db.write_blocking(number, move |tx| {
                    let n = events::insert(tx, &event("evt_1", Some(ann)), at(10))?;
                    if n.is_some() {
                        sync::mark_for_sync(tx, ann, at(10))?;
                    }
                    Ok(n.is_some())
                });
                let lease = db
                    .write_blocking(number, |tx| sync::lease_next(tx, at(11), at(71)))
                    .unwrap();
                (is_first.unwrap(), lease.is_some())
            })
        })
        .collect();

    let answers: Vec<_> = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .collect();

    assert_eq!(answers.iter().filter(|(is_first, _)| *is_first).count(), 1);
    assert_eq!(
        answers.iter().filter(|(_, is_leased)| *is_leased).count(),
        1
    );
}
