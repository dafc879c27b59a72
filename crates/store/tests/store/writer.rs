//! Group commit: savepoints, answers, bounds.

use std::sync::mpsc;

use store::testing::{databases, on_both};
use store::{Error, Options, args};

fn count(db: &store::Db) -> i64 {
    db.read_blocking(|tx| tx.query_one("select count(*) from setting", args![]))
        .unwrap()
}

fn put(tx: &mut store::Tx<'_>, name: &str) -> store::Result<()> {
    tx.execute(
        "insert into setting (name, value, updated_at) values ($1, 'v', $2)",
        args![name, 1],
    )?;
    Ok(())
}

/// Keeps the writer of shard 0 busy until the sender is dropped, so that what follows shares one
/// batch.
fn hold_writer(db: &store::Db) -> (mpsc::Sender<()>, std::thread::JoinHandle<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (started, has_started) = mpsc::channel::<()>();
    let db = db.clone();
    let thread = std::thread::spawn(move || {
        db.write_blocking(0, move |_| {
            let _ = started.send(());
            let _ = released.recv();
            Ok(())
        })
        .unwrap();
    });
    has_started.recv().unwrap();
    (release, thread)
}

#[test]
fn a_failing_or_panicking_job_rolls_back_alone_and_its_neighbours_stand() {
    on_both(|db| {
        let (release, holder) = hold_writer(db);
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
            if tx.query_one::<i64>("select count(*) from setting", args![])? > 0 {
                panic!("a bug");
            }
            Ok(())
        });
        let last = db.write(0, |tx| put(tx, "last"));
        let before = db.stats().commits;
        drop(release);
        holder.join().unwrap();

        let answers = block_on(async {
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
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn a_full_queue_refuses_at_once_and_forgets_the_job() {
    for database in databases() {
        let options = Options {
            queue_max: 2,
            writers: 1,
            ..Options::default()
        };
        let db = database.open_with(&options);
        let (release, holder) = hold_writer(&db);
        let first = db.write(0, |tx| put(tx, "first"));
        let second = db.write(0, |tx| put(tx, "second"));

        let third = block_on(db.write(0, |tx| put(tx, "third")));

        assert_eq!(third, Err(Error::Busy));
        drop(release);
        holder.join().unwrap();
        assert_eq!(block_on(first), Ok(()));
        assert_eq!(block_on(second), Ok(()));
        assert_eq!(count(&db), 2);
    }
}

#[test]
fn a_closed_database_finishes_what_queued_and_takes_no_more() {
    on_both(|db| {
        let (release, holder) = hold_writer(db);
        let queued = db.write(0, |tx| put(tx, "queued"));
        drop(release);
        db.close();
        holder.join().unwrap();

        assert_eq!(block_on(queued), Ok(()));
        assert_eq!(
            block_on(db.write(0, |tx| put(tx, "late"))),
            Err(Error::Closed)
        );
    });
}

#[test]
fn a_reader_cannot_write() {
    on_both(|db| {
        let written = db.read_blocking(|tx| put(tx, "sneaky"));

        assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
        assert_eq!(count(db), 0);
    });
}

#[test]
fn jobs_of_a_simulation_run_at_once_on_the_callers_thread() {
    let db = store::Db::open_in_memory_inline().unwrap();

    let written = db.write(7, |tx| put(tx, "now"));

    assert_eq!(count(&db), 1, "before the future is polled");
    assert_eq!(block_on(written), Ok(()));
    assert_eq!(
        db.write_blocking(7, |tx| put(tx, "now"))
            .unwrap_err()
            .is_temporary(),
        false
    );
}
