//! Marks for sync, leases, back-off.

use std::sync::{Arc, Barrier};

use domain::backoff;
use domain::time::Timestamp;
use store::sync;
use store::{Db, Error, customers, settings};

use crate::help::{account, at, on_both, read, write};

on_both!(marking_an_account_for_sync_makes_it_due_and_finishing_its_generation_settles_it);
fn marking_an_account_for_sync_makes_it_due_and_finishing_its_generation_settles_it(db: &Db) {
    let id = account(db, "ann").id;
    assert_eq!(read(db, sync::next_due), None);
    assert_eq!(read(db, move |tx| sync::of_account(tx, id)), None);

    assert_eq!(write(db, move |tx| sync::mark_for_sync(tx, id, at(10))), 1);
    assert_eq!(write(db, move |tx| sync::mark_for_sync(tx, id, at(11))), 2);
    assert_eq!(read(db, sync::backlog), (1, 0));
    assert_eq!(
        read(db, |tx| sync::due(tx, at(10), 10)).len(),
        0,
        "marked again at 11"
    );
    assert_eq!(read(db, |tx| sync::due(tx, at(11), 10)).len(), 1);

    let lease = write(db, |tx| sync::lease_next(tx, at(12), at(72))).unwrap();
    assert_eq!(
        (lease.account_id, lease.dirty_gen, lease.attempts),
        (id, 2, 0)
    );
    assert_eq!(
        write(db, |tx| sync::lease_next(tx, at(13), at(73))),
        None,
        "it is leased"
    );
    assert_eq!(read(db, sync::next_due), Some(at(72)));

    write(db, move |tx| sync::mark_for_sync(tx, id, at(14)));
    write(db, move |tx| sync::finish(tx, &lease, at(15)));
    let stands = read(db, move |tx| sync::of_account(tx, id)).unwrap();
    assert_eq!(
        (stands.dirty_gen, stands.done_gen),
        (3, 2),
        "it was marked meanwhile"
    );
    assert_eq!(stands.last_synced_at, Some(at(15)));

    let lease = write(db, |tx| sync::lease_next(tx, at(16), at(76))).unwrap();
    assert_eq!(lease.last_synced_at, Some(at(15)));
    write(db, move |tx| sync::finish(tx, &lease, at(17)));
    assert_eq!(write(db, |tx| sync::lease_next(tx, at(18), at(78))), None);
    assert_eq!(read(db, sync::backlog), (0, 0));
}

on_both!(case_w27_a_worker_whose_lease_was_taken_over_cannot_write_its_result);
fn case_w27_a_worker_whose_lease_was_taken_over_cannot_write_its_result(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| sync::mark_for_sync(tx, id, at(1)));
    let slow = write(db, |tx| sync::lease_next(tx, at(2), at(62))).unwrap();
    let quick = write(db, |tx| sync::lease_next(tx, at(62), at(122))).unwrap();
    assert!(quick.token > slow.token);

    let (late, too_late) = (slow.clone(), slow.clone());
    let refused = db.write_blocking(0, move |tx| {
        settings::put(tx, "tier", "from the slow worker", at(63))?;
        sync::finish(tx, &late, at(63))
    });
    assert_eq!(refused, Err(Error::LeaseLost));
    assert_eq!(
        read(db, |tx| settings::get(tx, "tier")),
        None,
        "its rows went with it"
    );
    assert!(!write(db, move |tx| sync::renew(tx, &too_late, at(200))));

    write(db, move |tx| {
        settings::put(tx, "tier", "from the quick worker", at(64))?;
        sync::finish(tx, &quick, at(64))
    });
    let refused = db.write_blocking(0, move |tx| {
        settings::put(tx, "tier", "from the slow worker", at(65))?;
        sync::fail(tx, &slow, "slow", Some(at(70)), at(65))
    });
    assert_eq!(
        refused,
        Err(Error::LeaseLost),
        "after the quick one finished, too"
    );
    let tier = read(db, |tx| settings::get(tx, "tier"));
    assert_eq!(tier, Some("from the quick worker".into()));
}

type Mark = fn(&mut store::Tx<'_>, i64, Timestamp) -> store::Result<()>;

on_both!(a_sync_that_began_before_its_history_was_forgotten_cannot_write_what_it_read);
fn a_sync_that_began_before_its_history_was_forgotten_cannot_write_what_it_read(db: &Db) {
    let id = account(db, "ann").id;
    let one: Mark = |tx, id, now| sync::mark_whole(tx, id, now);
    let all: Mark = |tx, _, now| sync::mark_all_whole(tx, now).map(|_| ());
    write(db, move |tx| customers::insert(tx, "cus_1", id, at(0)));
    for mark in [one, all] {
        write(db, move |tx| sync::mark_for_sync(tx, id, at(1)));
        let lease = write(db, |tx| sync::lease_next(tx, at(2), at(62))).unwrap();
        write(db, move |tx| mark(tx, id, at(3)));

        let refused = db.write_blocking(0, move |tx| {
            let read = sync::Read {
                until: Some(at(2)),
                ..sync::Read::default()
            };
            sync::note_read(tx, id, &read)?;
            sync::finish(tx, &lease, at(4))
        });
        assert_eq!(refused, Err(Error::LeaseLost));
        let state = read(db, move |tx| sync::of_account(tx, id)).unwrap();
        assert_eq!(state.read_until, None);
        let again = write(db, |tx| sync::lease_next(tx, at(5), at(65))).unwrap();
        write(db, move |tx| sync::finish(tx, &again, at(6)));
    }
}

on_both!(of_many_workers_one_leases_the_account);
fn of_many_workers_one_leases_the_account(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| sync::mark_for_sync(tx, id, at(1)));
    let start = Arc::new(Barrier::new(16));
    let workers: Vec<_> = (0..16)
        .map(|number| {
            let (db, start) = (db.clone(), start.clone());
            std::thread::spawn(move || {
                start.wait();
                db.write_blocking(number, |tx| sync::lease_next(tx, at(2), at(62)))
                    .unwrap()
            })
        })
        .collect();

    let leases = workers
        .into_iter()
        .filter_map(|worker| worker.join().unwrap());

    assert_eq!(leases.count(), 1);
}

on_both!(the_account_that_waits_longest_comes_first);
fn the_account_that_waits_longest_comes_first(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    write(db, move |tx| sync::mark_for_sync(tx, ann, at(20)));
    write(db, move |tx| sync::mark_for_sync(tx, bob, at(10)));

    let first = write(db, |tx| sync::lease_next(tx, at(30), at(90))).unwrap();
    let second = write(db, |tx| sync::lease_next(tx, at(30), at(90))).unwrap();

    assert_eq!((first.account_id, second.account_id), (bob, ann));
}

fn is_parked(db: &Db, account: i64) -> bool {
    let state = read(db, move |tx| sync::of_account(tx, account));
    state.is_some_and(|state| state.parked_at.is_some())
}

on_both!(failed_attempts_back_off_and_the_tenth_parks_the_account_until_it_is_marked_for_sync);
fn failed_attempts_back_off_and_the_tenth_parks_the_account_until_it_is_marked_for_sync(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| sync::mark_for_sync(tx, id, at(0)));
    for attempt in 1..=10 {
        let now = at(attempt * 100);
        let lease = write(db, move |tx| {
            sync::lease_next(tx, now, now.plus_seconds(60))
        });
        let lease = lease.unwrap();
        assert_eq!(lease.attempts, attempt - 1);
        let next = now.plus_seconds(100);
        let retry_at = backoff::SYNC.next_seconds(attempt).map(|_| next);
        write(db, move |tx| sync::fail(tx, &lease, "no", retry_at, now));
        assert_eq!(is_parked(db, id), attempt == 10);
        let early = now.plus_seconds(99);
        assert_eq!(write(db, move |tx| sync::lease_next(tx, early, next)), None);
    }
    assert_eq!(
        write(db, |tx| sync::lease_next(tx, at(9_999), at(10_000))),
        None
    );
    let parked = read(db, |tx| sync::parked(tx, 10));
    assert_eq!(
        (parked.len(), parked[0].last_error.as_deref()),
        (1, Some("no"))
    );
    assert_eq!(read(db, sync::backlog), (0, 1));

    write(db, move |tx| sync::mark_for_sync(tx, id, at(20_000)));
    let lease = write(db, |tx| sync::lease_next(tx, at(20_000), at(20_060))).unwrap();
    assert_eq!(lease.attempts, 10);
    let retry_at = backoff::SYNC.next_seconds(lease.attempts + 1);
    let retry_at = retry_at.map(|_| at(20_100));
    write(db, move |tx| {
        sync::fail(tx, &lease, "no", retry_at, at(20_001))
    });
    assert!(is_parked(db, id), "one attempt for each mark");

    assert_eq!(write(db, move |tx| sync::unpark(tx, id, at(30_000))), 1);
    let lease = write(db, |tx| sync::lease_next(tx, at(30_000), at(30_060))).unwrap();
    assert_eq!(lease.attempts, 0);
    write(db, move |tx| {
        sync::fail(tx, &lease, "an unknown price", None, at(30_001))
    });
    assert_eq!(read(db, |tx| sync::parked(tx, 10)).len(), 1);
}

on_both!(marking_an_account_for_sync_does_not_shorten_its_back_off);
fn marking_an_account_for_sync_does_not_shorten_its_back_off(db: &Db) {
    let id = account(db, "ann").id;
    write(db, move |tx| sync::mark_for_sync(tx, id, at(0)));
    let lease = write(db, |tx| sync::lease_next(tx, at(1), at(61))).unwrap();
    write(db, move |tx| {
        sync::fail(tx, &lease, "no", Some(at(100)), at(2))
    });

    write(db, move |tx| sync::mark_for_sync(tx, id, at(3)));

    assert_eq!(write(db, |tx| sync::lease_next(tx, at(99), at(159))), None);
    assert!(write(db, |tx| sync::lease_next(tx, at(100), at(160))).is_some());
}

on_both!(an_account_can_be_leased_by_name_whether_it_is_due_or_not);
fn an_account_can_be_leased_by_name_whether_it_is_due_or_not(db: &Db) {
    let id = account(db, "ann").id;

    let lease = write(db, move |tx| sync::lease_account(tx, id, at(1), at(61))).unwrap();
    assert_eq!(lease.dirty_gen, 0);
    assert_eq!(
        write(db, move |tx| sync::lease_account(tx, id, at(2), at(62))),
        None
    );
    assert!(write(db, move |tx| sync::renew(tx, &lease, at(100))));
    assert_eq!(
        write(db, move |tx| sync::lease_account(tx, id, at(99), at(159))),
        None
    );

    let next = write(db, move |tx| sync::lease_account(tx, id, at(100), at(160))).unwrap();
    write(db, move |tx| sync::finish(tx, &next, at(101)));
    assert!(write(db, move |tx| sync::lease_account(tx, id, at(102), at(162))).is_some());
}

on_both!(what_an_event_named_is_fetched_until_its_generation_is_done);
fn what_an_event_named_is_fetched_until_its_generation_is_done(db: &Db) {
    let (ann, bob) = (account(db, "ann").id, account(db, "bob").id);
    write(db, move |tx| {
        sync::name_object(tx, ann, "charge", "ch_1", 1)
    });
    write(db, move |tx| {
        sync::name_object(tx, ann, "dispute", "dp_1", 1)
    });
    write(db, move |tx| {
        sync::name_object(tx, ann, "charge", "ch_1", 2)
    });
    write(db, move |tx| {
        sync::name_object(tx, ann, "charge", "ch_1", 1)
    });
    write(db, move |tx| {
        sync::name_object(tx, bob, "charge", "ch_2", 1)
    });

    let wanted = read(db, move |tx| sync::named_objects(tx, ann, 10));
    let names: Vec<_> = wanted
        .iter()
        .map(|w| (w.object_id.as_str(), w.wanted_gen))
        .collect();
    assert_eq!(names, [("dp_1", 1), ("ch_1", 2)]);

    let fetched = sync::NamedObject {
        wanted_gen: 1,
        ..wanted[1].clone()
    };
    let forgotten = write(db, move |tx| sync::forget_object(tx, ann, &fetched));
    assert_eq!(forgotten, 0, "it was asked for again meanwhile");
    let fetched = wanted[0].clone();
    let forgotten = write(db, move |tx| sync::forget_object(tx, ann, &fetched));
    assert_eq!(forgotten, 1);
    assert_eq!(
        read(db, move |tx| sync::named_objects(tx, ann, 10)).len(),
        1
    );
    assert_eq!(
        read(db, move |tx| sync::named_objects(tx, bob, 10)).len(),
        1
    );
}
