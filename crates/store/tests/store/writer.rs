//! Group commit: savepoints, results, limits.

use std::sync::mpsc;

use store::testing::{TestDatabase, sqlite};
use store::{Db, Error, Options, Result, Tx, args, settings};

use crate::help::{at, block_on, on_both, poll, read};

fn count(db: &Db) -> i64 {
    read(db, |tx| {
        tx.query_one("select count(*) from setting", args![])
    })
}

/// Fails if `name` already exists.
fn put(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    tx.execute(
        "insert into setting (name, value, updated_at) values ($1, 'v', $2)",
        args![name, 1],
    )?;
    Ok(())
}

/// A job that keeps its batch open until the sender is dropped.
struct Gate {
    release: mpsc::Sender<()>,
    started: mpsc::Receiver<()>,
}

fn gate(db: &Db) -> (Gate, impl Future<Output = Result<()>>) {
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel::<()>();
    let done = db.write(0, move |_| {
        let _ = start.send(());
        let _ = released.recv();
        Ok(())
    });
    (Gate { release, started }, done)
}

/// Blocks the writer of shard 0, so that the jobs sent next share one batch.
fn hold_writer(db: &Db) -> (Gate, impl Future<Output = Result<()>>) {
    let (gate, done) = gate(db);
    gate.started.recv().expect("the writer takes the job");
    (gate, done)
}

on_both!(a_failing_or_panicking_job_rolls_back_alone_and_its_neighbors_stand);
fn a_failing_or_panicking_job_rolls_back_alone_and_its_neighbors_stand(db: &Db) {
    let (holder, held) = hold_writer(db);
    let good = db.write(0, |tx| put(tx, "good"));
    let abandoned = db.write(0, |tx| {
        put(tx, "abandoned")?;
        Err::<(), _>(Error::Abandoned("changed my mind".into()))
    });
    let refused = db.write(0, |tx| put(tx, "good"));
    let hidden = db.write(0, |tx| {
        put(tx, "hidden")?;
        let _ = put(tx, "good");
        Ok(())
    });
    let panicked = db.write(0, |tx| {
        put(tx, "panicked")?;
        assert!(
            tx.query_one::<i64>("select count(*) from setting", args![])? <= 0,
            "a bug"
        );
        Ok(())
    });
    let last = db.write(0, |tx| put(tx, "last"));
    let before = db.stats().commits;
    drop(holder);

    let answers = block_on(async {
        held.await.unwrap();
        (
            good.await,
            abandoned.await,
            refused.await,
            hidden.await,
            panicked.await,
            last.await,
        )
    });

    assert_eq!(answers.0, Ok(()));
    assert_eq!(answers.1, Err(Error::Abandoned("changed my mind".into())));
    assert!(
        matches!(answers.2, Err(Error::Conflict(_))),
        "{:?}",
        answers.2
    );
    assert!(
        matches!(answers.3, Err(Error::Conflict(_))),
        "{:?}",
        answers.3
    );
    assert_eq!(answers.4, Err(Error::Panicked("a bug".into())));
    assert_eq!(answers.5, Ok(()));
    assert_eq!(count(db), 2);
    assert_eq!(
        db.stats().commits,
        before + 2,
        "the holder's commit and one for all six"
    );
}

on_both!(no_one_is_answered_before_the_commit);
fn no_one_is_answered_before_the_commit(db: &Db) {
    let (holder, held) = hold_writer(db);
    let mut early = std::pin::pin!(db.write(0, |tx| put(tx, "early")));
    let (late, late_done) = gate(db);
    drop(holder);
    block_on(held).unwrap();
    late.started.recv().unwrap();

    assert_eq!(poll(early.as_mut()), None, "its batch is still open");
    assert_eq!(count(db), 0);

    drop(late.release);
    assert_eq!(block_on(early), Ok(()));
    assert_eq!(count(db), 1);
    block_on(late_done).unwrap();
}

on_both!(unopened a_full_queue_refuses_at_once_and_forgets_the_job);
fn a_full_queue_refuses_at_once_and_forgets_the_job(database: TestDatabase) {
    let options = Options {
        queue_max: 2,
        writers: 1,
        ..Options::default()
    };
    let db = database.open_with(&options);
    let (holder, held) = hold_writer(&db);
    let first = db.write(0, |tx| put(tx, "first"));
    let second = db.write(0, |tx| put(tx, "second"));

    let third = block_on(db.write(0, |tx| put(tx, "third")));

    assert_eq!(third, Err(Error::Busy));
    drop(holder);
    assert_eq!(
        block_on(async { (held.await, first.await, second.await) }),
        (Ok(()), Ok(()), Ok(()))
    );
    assert_eq!(count(&db), 2);
}

on_both!(unopened a_batch_takes_no_more_jobs_than_its_bound);
fn a_batch_takes_no_more_jobs_than_its_bound(database: TestDatabase) {
    let options = Options {
        batch_max: 2,
        writers: 1,
        ..Options::default()
    };
    let db = database.open_with(&options);
    let (holder, held) = hold_writer(&db);
    let names = ["a", "b", "c", "d", "e"];
    let jobs: Vec<_> = names
        .map(|name| db.write(0, move |tx| put(tx, name)))
        .into();
    let before = db.stats().commits;
    drop(holder);

    block_on(async {
        held.await.unwrap();
        for job in jobs {
            job.await.unwrap();
        }
    });

    assert_eq!(
        db.stats().commits,
        before + 1 + 3,
        "five jobs are three batches of two"
    );
}

on_both!(a_closed_database_finishes_what_was_queued_and_accepts_no_more);
fn a_closed_database_finishes_what_was_queued_and_accepts_no_more(db: &Db) {
    let (holder, held) = hold_writer(db);
    let queued = db.write(0, |tx| put(tx, "queued"));
    drop(holder);
    db.close();

    assert_eq!(block_on(held), Ok(()));
    assert_eq!(block_on(queued), Ok(()));
    assert_eq!(
        block_on(db.write(0, |tx| put(tx, "late"))),
        Err(Error::Closed)
    );
}

on_both!(a_job_runs_even_when_no_one_waits_for_it);
fn a_job_runs_even_when_no_one_waits_for_it(db: &Db) {
    drop(db.write(0, |tx| put(tx, "alone")));
    db.write_blocking(0, |tx| put(tx, "behind")).unwrap();

    assert_eq!(count(db), 2);
}

on_both!(a_reader_cannot_write);
fn a_reader_cannot_write(db: &Db) {
    let written = db.read_blocking(|tx| put(tx, "sneaky"));

    assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
    assert_eq!(count(db), 0);
}

on_both!(a_reader_sees_one_state_for_the_whole_of_its_job);
fn a_reader_sees_one_state_for_the_whole_of_its_job(db: &Db) {
    let (looked, has_looked) = mpsc::channel::<()>();
    let (wrote, has_written) = mpsc::channel::<()>();
    let reading = db.read(move |tx| {
        let before = tx.query_one::<i64>("select count(*) from setting", args![])?;
        looked.send(()).unwrap();
        has_written.recv().unwrap();
        Ok((
            before,
            tx.query_one::<i64>("select count(*) from setting", args![])?,
        ))
    });
    has_looked.recv().unwrap();
    db.write_blocking(0, |tx| put(tx, "meanwhile")).unwrap();
    wrote.send(()).unwrap();

    assert_eq!(block_on(reading), Ok((0, 0)));
    assert_eq!(count(db), 1);
}

#[test]
fn what_was_queued_on_a_full_disk_is_written_or_answered_with_an_error_and_never_half() {
    let database = sqlite();
    let db = database.open();
    let pages = |tx: &mut Tx<'_>, sql| tx.query_one::<i64>(sql, args![]);
    db.write_blocking(0, move |tx| pages(tx, "pragma max_page_count = 1"))
        .unwrap();
    let (holder, held) = hold_writer(&db);
    let small = db.write(0, |tx| put(tx, "small"));
    let large = db.write(0, |tx| {
        settings::put(tx, "large", &"x".repeat(1_000_000), at(1))
    });
    let behind = db.write(0, |tx| put(tx, "behind"));
    drop(holder);

    let (small, large, behind) = block_on(async {
        held.await.unwrap_or_default();
        (small.await, large.await, behind.await)
    });

    assert!(matches!(large, Err(Error::Unavailable(_))), "{large:?}");
    assert_eq!(
        count(&db),
        i64::from(small.is_ok()) + i64::from(behind.is_ok())
    );
    db.write_blocking(0, move |tx| pages(tx, "pragma max_page_count = 1000000"))
        .unwrap();
    db.write_blocking(0, |tx| put(tx, "later")).unwrap();
}

#[test]
fn the_log_of_a_file_does_not_grow_for_as_long_as_the_load_lasts() {
    const JOB_BYTES: u64 = 20_000;
    const JOBS: u64 = 12_000;
    let database = sqlite();
    let db = database.open();

    // There is no pause between jobs, so the log is never copied completely.
    let mut waiting = std::collections::VecDeque::new();
    for number in 0..JOBS {
        // The text is different each time, because SQLite does not write an unchanged value.
        let (name, text) = (
            format!("{}", number % 500),
            format!("{number:010}").repeat(2_000),
        );
        waiting.push_back(db.write(0, move |tx| settings::put(tx, &name, &text, at(1))));
        if waiting.len() == 50 {
            block_on(waiting.pop_front().expect("there are fifty")).unwrap();
        }
    }
    for job in waiting {
        block_on(job).unwrap();
    }

    let path = database.url_text.strip_prefix("sqlite://").unwrap();
    let log = std::fs::metadata(format!("{path}-wal")).unwrap().len();
    let written = JOBS * JOB_BYTES;
    assert!(
        log < written / 2,
        "{log} bytes of log after {written} bytes written"
    );
}

#[test]
fn a_backup_of_a_file_is_a_database_of_its_own() {
    let database = sqlite();
    let db = database.open();
    db.write_blocking(0, |tx| put(tx, "kept")).unwrap();
    let copy = sqlite();
    let path = copy.url_text.strip_prefix("sqlite://").unwrap();

    db.backup(std::path::Path::new(path)).unwrap();
    db.write_blocking(0, |tx| put(tx, "too late")).unwrap();

    assert_eq!(count(&copy.open()), 1);
    let again = db.backup(std::path::Path::new(path));
    assert!(again.is_err(), "a file that is there is not overwritten");
}

#[test]
fn jobs_of_a_simulation_run_at_once_on_the_callers_thread() {
    let db = Db::open_in_memory_inline().unwrap();

    let written = db.write(7, |tx| put(tx, "now"));

    assert_eq!(count(&db), 1, "before the future is polled");
    assert_eq!(block_on(written), Ok(()));
    let again = db.write_blocking(7, |tx| put(tx, "now"));
    assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
}

on_both!(of_64_threads_that_try_to_be_first_one_is);
fn of_64_threads_that_try_to_be_first_one_is(db: &Db) {
    let threads: Vec<_> = (0..64)
        .map(|number| {
            let db = db.clone();
            std::thread::spawn(move || db.write_blocking(number, |tx| put(tx, "the one")).is_ok())
        })
        .collect();

    let firsts = threads.into_iter().map(|t| t.join().unwrap());

    assert_eq!(firsts.filter(|is_first| *is_first).count(), 1);
    assert_eq!(count(db), 1);
}

on_both!(processes_that_start_at_once_agree_on_a_value);
fn processes_that_start_at_once_agree_on_a_value(db: &Db) {
    let threads: Vec<_> = (0..64)
        .map(|number: i64| {
            let db = db.clone();
            std::thread::spawn(move || {
                let mine = format!("value {number}");
                db.write_blocking(number, move |tx| settings::put_once(tx, "s", &mine, at(1)))
                    .unwrap()
            })
        })
        .collect();

    let mut values: Vec<String> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    values.dedup();

    assert_eq!(values.len(), 1, "{values:?}");
}
