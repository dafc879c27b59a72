//! Intents: requests to Stripe, recorded before they are sent.

use store::Db;
use store::intents::{self, IntentKind, IntentState, NewIntent};

use crate::help::{account, at, on_both, read, write};

fn intent(id: &str, account_id: i64) -> NewIntent<'_> {
    NewIntent {
        credits_micros: Some(500_000_000),
        amount_minor: Some(50),
        currency: Some("usd"),
        ..NewIntent::new(id, account_id, IntentKind::CheckoutTopup, "{\"pack\":500}")
    }
}

on_both!(of_64_clicks_at_once_one_intent_is_under_way);
fn of_64_clicks_at_once_one_intent_is_under_way(db: &Db) {
    let ann = account(db, "ann").id;
    let clicks: Vec<_> = (0..64)
        .map(|number: i64| {
            let db = db.clone();
            std::thread::spawn(move || {
                let id = format!("int_{number}");
                db.write_blocking(number, move |tx| {
                    Ok(intents::insert(tx, &intent(&id, ann), at(1))?.is_some())
                })
                .unwrap()
            })
        })
        .collect();

    let made = clicks.into_iter().map(|click| click.join().unwrap());

    assert_eq!(made.filter(|is_new| *is_new).count(), 1);
    assert_eq!(
        read(db, move |tx| intents::of_account(tx, ann, 100)).len(),
        1
    );
}

on_both!(an_intent_takes_its_steps_once_and_its_session_is_usable_until_it_ends);
fn an_intent_takes_its_steps_once_and_its_session_is_usable_until_it_ends(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    let made = write(db, move |tx| {
        intents::insert(tx, &intent("int_1", ann), at(1))
    })
    .unwrap();
    assert_eq!(
        (made.state.word(), made.params.as_str()),
        ("open", "{\"pack\":500}")
    );
    let other = write(db, move |tx| {
        intents::insert(tx, &intent("int_2", bob), at(1))
    });
    assert!(other.is_some(), "another account's");
    assert_eq!(
        read(db, move |tx| intents::find(tx, bob, "int_1")),
        None,
        "not bob's"
    );

    assert!(write(db, |tx| intents::set_calling(tx, "int_1", at(2))));
    assert!(
        write(db, |tx| intents::set_calling(tx, "int_1", at(3))),
        "asked again"
    );
    let under_way = read(db, move |tx| {
        intents::under_way(tx, ann, IntentKind::CheckoutTopup)
    });
    assert_eq!(under_way.unwrap().state, IntentState::Calling);
    let kind = IntentKind::CheckoutTopup;
    let waiting = |before| read(db, move |tx| intents::waiting(tx, kind, at(before), 10)).len();
    assert_eq!(waiting(2), 1, "bob's alone");
    assert_eq!(waiting(3), 2);

    let done = |now| {
        write(db, move |tx| {
            let url = Some("https://checkout.example/1");
            intents::set_done(tx, "int_1", "cs_1", url, Some(at(100)), at(now))
        })
    };
    assert!(done(5));
    assert!(!done(6), "settled");
    assert!(!write(db, |tx| intents::set_failed(
        tx,
        "int_1",
        "late",
        at(7)
    )));
    let usable = |now| {
        read(db, move |tx| {
            intents::usable(tx, ann, IntentKind::CheckoutTopup, at(now))
        })
    };
    assert_eq!(
        usable(99).unwrap().stripe_object_id.as_deref(),
        Some("cs_1")
    );
    assert_eq!(usable(100), None, "it ended");
    assert_eq!(
        read(db, |tx| intents::by_object(tx, "cs_1")).unwrap().id,
        "int_1"
    );
}

on_both!(a_closed_intent_makes_room_for_the_next_one_and_a_failed_one_says_why);
fn a_closed_intent_makes_room_for_the_next_one_and_a_failed_one_says_why(db: &Db) {
    let ann = account(db, "ann").id;
    write(db, move |tx| {
        intents::insert(tx, &intent("int_1", ann), at(1))
    });
    write(db, |tx| {
        let url = Some("https://checkout.example/1");
        intents::set_done(tx, "int_1", "cs_1", url, Some(at(100)), at(5))
    });

    assert!(write(db, |tx| intents::close(tx, "int_1", at(8))));
    assert!(!write(db, |tx| intents::close(tx, "int_1", at(9))));
    let usable = read(db, move |tx| {
        intents::usable(tx, ann, IntentKind::CheckoutTopup, at(50))
    });
    assert_eq!(usable, None, "it is closed");
    let next = write(db, move |tx| {
        intents::insert(tx, &intent("int_3", ann), at(10))
    });
    assert!(next.is_some(), "a new click, a new intent");
    assert!(write(db, |tx| intents::set_failed(
        tx,
        "int_3",
        "no such price",
        at(11)
    )));
    let failed = read(db, move |tx| intents::find(tx, ann, "int_3")).unwrap();
    assert_eq!(
        (failed.state.word(), failed.error.as_deref()),
        ("failed", Some("no such price"))
    );
}

on_both!(case_k4_one_page_of_a_kind_is_open_until_it_ends_or_is_closed);
fn case_k4_one_page_of_a_kind_is_open_until_it_ends_or_is_closed(db: &Db) {
    let ann = account(db, "ann").id;
    write(db, move |tx| {
        intents::insert(tx, &intent("int_1", ann), at(1))
    })
    .unwrap();
    write(db, |tx| {
        intents::set_done(tx, "int_1", "cs_1", Some("u"), Some(at(100)), at(2))
    });

    // Another process that saw no open page inserts its intent only now.
    let second = write(db, move |tx| {
        intents::insert(tx, &intent("int_2", ann), at(3))
    });

    assert_eq!(second, None);
    assert_eq!(
        write(db, move |tx| intents::close_expired(
            tx,
            ann,
            IntentKind::CheckoutTopup,
            at(99)
        )),
        0,
        "it can still be paid"
    );
    write(db, move |tx| {
        intents::close_expired(tx, ann, IntentKind::CheckoutTopup, at(100))
    });
    let third = write(db, move |tx| {
        intents::insert(tx, &intent("int_3", ann), at(101))
    });
    assert!(third.is_some());
}
