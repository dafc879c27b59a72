//! Conflicts between writers, lost connections and locked files: retried internally, or reported
//! with the matching error.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use store::testing::{postgres, sqlite};
use store::{Db, Error, Result, Tx, args, settings};

use crate::help::{at, block_on, read, write};

fn bump(tx: &mut Tx<'_>, name: &str) -> Result<u64> {
    tx.execute(
        "update setting set value = value || '+' where name = $1",
        args![name],
    )
}

#[test]
fn case_c17_two_writers_in_a_deadlock_both_succeed_in_the_end() {
    let database = postgres();
    let db = database.open();
    for name in ["a", "b"] {
        write(&db, move |tx| settings::put(tx, name, "", at(1)));
    }
    let (a_locked, a_is_locked) = mpsc::channel::<()>();
    let (b_locked, b_is_locked) = mpsc::channel::<()>();

    // On the first run, each writer waits until the other has locked its first row: a deadlock.
    let one = db.write(0, move |tx| {
        bump(tx, "a")?;
        let _ = a_locked.send(());
        let _ = b_is_locked.recv_timeout(Duration::from_secs(1));
        bump(tx, "b")
    });
    let other = db.write(1, move |tx| {
        bump(tx, "b")?;
        let _ = b_locked.send(());
        let _ = a_is_locked.recv_timeout(Duration::from_secs(1));
        bump(tx, "a")
    });

    assert_eq!(block_on(async { (one.await, other.await) }), (Ok(1), Ok(1)));
    for name in ["a", "b"] {
        assert_eq!(
            read(&db, move |tx| settings::get(tx, name)),
            Some("++".into())
        );
    }
}

#[test]
fn case_c17_a_file_that_another_program_locks_for_a_moment_is_waited_for() {
    let database = sqlite();
    let db = database.open();
    let path = database.url_text.strip_prefix("sqlite://").unwrap();
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("begin immediate").unwrap();

    let waiting = db.write(0, |tx| settings::put(tx, "a", "1", at(1)));
    std::thread::sleep(Duration::from_millis(500));
    other.execute_batch("rollback").unwrap();

    assert_eq!(block_on(waiting), Ok(1));
}

#[test]
fn case_w28_a_file_that_stays_locked_is_answered_within_two_seconds_with_nothing_written() {
    let database = sqlite();
    let db = database.open();
    let path = database.url_text.strip_prefix("sqlite://").unwrap();
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let began = Instant::now();

    let first = db.write(0, |tx| settings::put(tx, "a", "1", at(1)));
    let refused = block_on(first).unwrap_err();

    assert!(refused.is_temporary(), "{refused}");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    other.execute_batch("rollback").unwrap();
    assert_eq!(read(&db, |tx| settings::get(tx, "a")), None);
    assert_eq!(write(&db, |tx| settings::put(tx, "a", "1", at(1))), 1);
}

fn end_other_sessions(db: &Db) {
    write(db, |tx| {
        tx.query::<bool>(
            "select pg_terminate_backend(pid)
               from pg_stat_activity
              where datname = current_database() and pid <> pg_backend_pid()",
            args![],
        )
    });
}

#[test]
fn connections_that_the_server_ended_are_replaced_without_a_caller_noticing() {
    let database = postgres();
    let db = database.open();
    write(&db, |tx| settings::put(tx, "a", "1", at(1)));
    read(&db, |tx| settings::get(tx, "a"));
    read(&db, |tx| settings::get(tx, "a"));
    let operator = database.open();
    end_other_sessions(&operator);

    assert_eq!(write(&db, |tx| settings::put(tx, "a", "2", at(2))), 1);
    assert_eq!(read(&db, |tx| settings::get(tx, "a")), Some("2".into()));
    assert_eq!(read(&db, |tx| settings::get(tx, "a")), Some("2".into()));
}

/// Runs `body` during the commit, once for each row inserted into `setting`.
fn at_commit(db: &Db, body: &'static str) {
    write(db, move |tx| {
        tx.execute(body, args![])?;
        tx.execute(
            "create constraint trigger late after insert on setting
             deferrable initially deferred
             for each row execute function at_commit()",
            args![],
        )
    });
}

#[test]
fn a_connection_that_breaks_while_committing_leaves_an_unknown_outcome() {
    let database = postgres();
    let db = database.open();
    at_commit(
        &db,
        "create function at_commit() returns trigger language plpgsql as
         $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$",
    );

    let answer = db.write_blocking(0, |tx| settings::put(tx, "a", "1", at(1)));

    assert!(
        matches!(answer, Err(Error::OutcomeUnknown(_))),
        "{answer:?}"
    );
    write(&db, |tx| {
        tx.execute("drop trigger late on setting", args![])
    });
    assert_eq!(
        write(&db, |tx| settings::put(tx, "b", "1", at(1))),
        1,
        "the next one is served"
    );
}

#[test]
fn a_commit_that_is_refused_answers_every_job_in_its_batch_and_writes_nothing() {
    let database = postgres();
    let db = database.open();
    at_commit(
        &db,
        "create function at_commit() returns trigger language plpgsql as
         $$ begin raise exception 'not today'; end $$",
    );

    let answer = db.write_blocking(0, |tx| settings::put(tx, "a", "1", at(1)));

    assert!(matches!(&answer, Err(Error::CommitFailed(_))), "{answer:?}");
    assert_eq!(read(&db, |tx| settings::get(tx, "a")), None);
}

#[test]
fn case_w28_a_server_that_is_down_is_answered_within_two_seconds() {
    let database = postgres();
    let db = database.open();
    write(&db, |tx| settings::put(tx, "a", "1", at(1)));
    let office = postgres();
    let operator = office.open();
    let name = database_name(&database.url_text);
    write(&operator, move |tx| {
        tx.query::<i64>(
            "select count(*) from (select pg_terminate_backend(pid) from pg_stat_activity
              where datname = $1) ended",
            args![&name],
        )
    });
    // The server refuses all connections to this database, as if it were down.
    let name = database_name(&database.url_text);
    write(&operator, move |tx| {
        tx.execute(
            "update pg_database set datallowconn = false where datname = $1",
            args![&name],
        )
    });
    let began = Instant::now();

    let answers: Vec<_> = (0..20)
        .map(|_| db.write_blocking(0, |tx| settings::put(tx, "a", "2", at(2))))
        .collect();

    for answer in answers {
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let name = database_name(&database.url_text);
    write(&operator, move |tx| {
        tx.execute(
            "update pg_database set datallowconn = true where datname = $1",
            args![&name],
        )
    });
    let back = (0..50).find(|_| {
        std::thread::sleep(Duration::from_millis(100));
        db.write_blocking(0, |tx| settings::put(tx, "a", "3", at(3)))
            .is_ok()
    });
    assert!(back.is_some(), "it is served again once the server is back");
}

fn database_name(url: &str) -> String {
    let path = url.split('?').next().unwrap_or(url);
    path.rsplit('/').next().unwrap_or(path).to_owned()
}
