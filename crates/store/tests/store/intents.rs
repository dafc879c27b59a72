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
    let due = |now| {
        read(db, move |tx| {
            intents::unfinished::due(tx, kind, at(now), 10)
        })
        .len()
    };
    assert_eq!(due(60), 0, "its process may still be sending it");
    assert_eq!(due(61), 1, "bob's alone");
    assert_eq!(due(63), 2);

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

fn started(db: &Db, id: &'static str, account: i64, kind: IntentKind, when: i64) {
    write(db, move |tx| {
        let new = NewIntent::new(id, account, kind, "{}");
        intents::insert(tx, &new, at(when))
    })
    .unwrap();
}

on_both!(a_due_intent_is_claimed_once_and_idle_ones_of_another_kind_do_not_hide_it);
fn a_due_intent_is_claimed_once_and_idle_ones_of_another_kind_do_not_hide_it(db: &Db) {
    for n in 0..20 {
        let name: &'static str = Box::leak(format!("idle-{n}").into_boxed_str());
        let idle = account(db, name).id;
        let id: &'static str = Box::leak(format!("int_idle_{n}").into_boxed_str());
        started(db, id, idle, IntentKind::CheckoutTopup, 1);
    }
    let ann = account(db, "ann").id;
    started(db, "int_end", ann, IntentKind::PlanEnd, 2);
    let kind = IntentKind::PlanEnd;

    let due = read(db, move |tx| intents::unfinished::due(tx, kind, at(62), 1));
    let claim = |now| {
        write(db, move |tx| {
            intents::unfinished::claim(tx, "int_end", at(now))
        })
    };

    assert_eq!(due.len(), 1);
    assert_eq!(due[0].id, "int_end");
    assert!(!claim(61), "not due yet");
    assert!(claim(62));
    assert!(!claim(63), "another process has it");
    assert!(claim(122), "that process ended");
}

on_both!(what_is_owed_makes_room_for_the_next_intent_and_is_continued_until_it_ends);
fn what_is_owed_makes_room_for_the_next_intent_and_is_continued_until_it_ends(db: &Db) {
    let ann = account(db, "ann").id;
    let kind = IntentKind::PlanEnd;
    started(db, "int_1", ann, kind, 1);
    let failure = intents::unfinished::Failure {
        error: "refused",
        needs_attention: true,
        counts: true,
        next_attempt_at: at(50),
    };
    write(db, move |tx| {
        intents::unfinished::set_owed(tx, "int_1", at(2))?;
        intents::unfinished::put_off(tx, "int_1", &failure, at(2))
    });

    started(db, "int_2", ann, kind, 3);
    let owed = read(db, move |tx| intents::unfinished::owed(tx, ann, 10));
    let needing = read(db, |tx| intents::unfinished::needing_attention(tx, 10));
    let due = read(db, move |tx| intents::unfinished::due(tx, kind, at(50), 10));

    assert_eq!((owed.len(), needing.len(), due.len()), (1, 1, 1));
    assert_eq!((owed[0].attempts, owed[0].is_owed), (1, true));
    assert_eq!(
        read(db, move |tx| intents::under_way(tx, ann, kind))
            .unwrap()
            .id,
        "int_2"
    );
    write(db, |tx| intents::close(tx, "int_1", at(60)));
    assert!(read(db, move |tx| intents::unfinished::owed(tx, ann, 10)).is_empty());
}

on_both!(a_wait_uses_up_no_retry_and_is_listed);
fn a_wait_uses_up_no_retry_and_is_listed(db: &Db) {
    let ann = account(db, "ann").id;
    started(db, "int_1", ann, IntentKind::Refund, 1);
    let listed = || read(db, move |tx| intents::unfinished::troubled(tx, ann, 10));
    assert!(listed().is_empty());
    for (counts, attempts) in [(false, 0), (true, 1), (false, 1)] {
        let failure = intents::unfinished::Failure {
            error: "disputed",
            needs_attention: false,
            counts,
            next_attempt_at: at(50),
        };
        write(db, move |tx| {
            intents::unfinished::put_off(tx, "int_1", &failure, at(2))
        });
        assert_eq!(listed()[0].attempts, attempts);
    }
    assert_eq!(
        read(db, intents::unfinished::count_needing_attention),
        0,
        "no one is alerted"
    );
}

on_both!(an_abandoned_intent_is_closed_and_one_with_an_object_is_not);
fn an_abandoned_intent_is_closed_and_one_with_an_object_is_not(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    let kind = IntentKind::CheckoutTopup;
    started(db, "int_1", ann, kind, 1);
    started(db, "int_2", bob, kind, 1);
    write(db, |tx| {
        intents::set_done(tx, "int_2", "cs_2", Some("u"), Some(at(9_000)), at(2))
    });
    let abandon = |before| {
        write(db, move |tx| {
            intents::unfinished::abandon(tx, kind, at(before), at(5_000), 10)
        })
    };

    assert_eq!(abandon(60), 0, "not long ago");
    assert_eq!(abandon(61), 1);
    let state = |account, id: &'static str| {
        read(db, move |tx| intents::find(tx, account, id))
            .unwrap()
            .state
    };
    assert_eq!(state(ann, "int_1"), IntentState::Closed);
    assert_eq!(state(bob, "int_2"), IntentState::Done);
}

on_both!(a_step_is_taken_once_and_its_key_is_replaced_once);
fn a_step_is_taken_once_and_its_key_is_replaced_once(db: &Db) {
    use store::intent_steps::{self, NewStep, StepKind, StepState};
    let ann = account(db, "ann").id;
    started(db, "int_1", ann, IntentKind::PlanEnd, 1);
    let steps = vec![
        NewStep::about(StepKind::Cancel, "sub_1"),
        NewStep {
            amount_minor: Some(4_900),
            ..NewStep::about(StepKind::Refund, "pi_1")
        },
    ];
    for _ in 0..2 {
        let steps = steps.clone();
        write(db, move |tx| {
            intent_steps::put(tx, (ann, "int_1"), &steps, at(1), at(1))
        });
    }
    let settle = |position| {
        write(db, move |tx| {
            intent_steps::settle(tx, ("int_1", position), StepState::Done, None, at(2))
        })
    };
    let replace = |number| {
        write(db, move |tx| {
            intent_steps::change_key(tx, ("int_1", 1), number, at(3))
        })
    };
    let owed = || read(db, move |tx| intent_steps::owed_refunds(tx, ann, 10)).len();

    assert_eq!(owed(), 0, "nothing was done that can't be taken back");
    assert!(settle(0));
    assert!(!settle(0), "taken before");
    write(db, |tx| intents::unfinished::set_owed(tx, "int_1", at(2)));
    assert_eq!(owed(), 1);
    assert!(replace(0));
    assert!(!replace(0), "another process replaced it");
    assert!(settle(1));
    assert!(!replace(1), "it was taken");
    assert_eq!(owed(), 0);
    let all = read(db, move |tx| intent_steps::of_intent(tx, ann, "int_1"));
    let numbers: Vec<i64> = all.iter().map(|step| step.key_number).collect();
    assert_eq!(numbers, [0, 1]);
}
