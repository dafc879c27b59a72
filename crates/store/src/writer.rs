//! Group commit: queued jobs -> one commit -> many results.
//!
//! A batch consists of the jobs queued during the last commit. Each of its steps runs under a
//! savepoint, so that a failed step is rolled back alone, and no caller gets a result before the
//! commit is on disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::cipher::Vault;
use crate::counters::Counters;
use crate::db::{Connection, Tx};
use crate::error::{Error, Result};
use crate::job::{BatchJob as _, ClosureJob};
use crate::ledger::LedgerJob;
use crate::queue::Queue;

/// How often a step is run in total while other writers conflict with it.
const TRIES_MAX: u32 = 5;
/// The pause before the second attempt; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The first and the longest pause between two attempts to reach a database that is down.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);
/// The size of SQLite's log on disk (64 MiB) above which the writer waits until it is copied.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// The pause between two attempts to empty a log that a long read kept from being emptied.
const LOG_RETRY: Duration = Duration::from_secs(1);

/// A job for the writer threads.
#[expect(
    clippy::large_enum_variant,
    reason = "most jobs are the large ones, and they are moved"
)]
pub(crate) enum Job {
    /// A closure over `Tx`.
    Closure(Box<dyn ClosureJob>),
    /// A ledger command. Consecutive ones in a batch are decided together.
    Ledger(LedgerJob),
}

/// The work of one savepoint, and its result.
struct Step {
    work: Work,
    outcome: Result<()>,
}

enum Work {
    Closure(Box<dyn ClosureJob>),
    Ledger(Vec<LedgerJob>),
}

impl Step {
    fn new(work: Work) -> Step {
        Step {
            work,
            outcome: Ok(()),
        }
    }

    /// Runs the step; a panic or an ignored failed statement makes the step fail.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let work = &mut self.work;
        let ran = catch_unwind(AssertUnwindSafe(|| match work {
            Work::Closure(job) => job.run(tx),
            Work::Ledger(jobs) => LedgerJob::run_batch(tx, jobs),
        }));
        let outcome = ran.unwrap_or_else(|panic| Err(Error::Panicked(panic_message(&*panic))));
        match (outcome, tx.failure()) {
            (Ok(()), Some(failure)) => Err(failure.clone()),
            (outcome, _) => outcome,
        }
    }

    fn answer(self, batch: &Result<()>) {
        let outcome = self.outcome.and_then(|()| batch.clone());
        match self.work {
            Work::Closure(job) => job.answer(outcome),
            Work::Ledger(jobs) => {
                for job in jobs {
                    job.answer(outcome.clone());
                }
            }
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let message = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(
        message,
        "A database job panicked; what it wrote was rolled back"
    );
    message
}

/// Jobs in the order of arrival; consecutive ledger commands share a step.
fn steps_of(jobs: Vec<Job>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(jobs.len());
    for job in jobs {
        match job {
            Job::Closure(job) => steps.push(Step::new(Work::Closure(job))),
            Job::Ledger(job) => match steps.last_mut() {
                Some(Step {
                    work: Work::Ledger(jobs),
                    ..
                }) => jobs.push(job),
                _ => steps.push(Step::new(Work::Ledger(vec![job]))),
            },
        }
    }
    steps
}

/// A connection that is opened when needed, and reopened after it was lost.
pub(crate) struct Link {
    open: Box<dyn Fn() -> Result<Connection> + Send>,
    vault: Option<Vault>,
    connection: Option<Connection>,
    retry_at: Option<Instant>,
    pause: Duration,
}

impl Link {
    pub(crate) fn new(
        vault: Option<Vault>,
        open: impl Fn() -> Result<Connection> + Send + 'static,
    ) -> Link {
        Link {
            open: Box::new(open),
            vault,
            connection: None,
            retry_at: None,
            pause: RECONNECT_PAUSE,
        }
    }

    /// The connection, opened if necessary. While the database is down, this fails immediately,
    /// except for an occasional attempt to reconnect.
    pub(crate) fn connection(&mut self) -> Result<&mut Connection> {
        if self.connection.as_ref().is_some_and(Connection::is_closed) {
            self.connection = None;
        }
        if self.connection.is_none() {
            if self.retry_at.is_some_and(|at| Instant::now() < at) {
                return Err(Error::Unavailable("the database is down".into()));
            }
            match (self.open)() {
                Ok(connection) => {
                    self.connection = Some(connection);
                    self.retry_at = None;
                    self.pause = RECONNECT_PAUSE;
                }
                Err(error) => {
                    tracing::warn!(%error, "The database cannot be reached");
                    self.retry_at = Some(Instant::now() + self.pause);
                    self.pause = (self.pause * 2).min(RECONNECT_PAUSE_MAX);
                    return Err(error);
                }
            }
        }
        Ok(self.connection.as_mut().expect("it was opened just now"))
    }

    /// Takes the connection out, to close it elsewhere.
    pub(crate) fn take_connection(&mut self) -> Option<Connection> {
        self.connection.take()
    }

    /// Rolls back the tx after `error`. Returns whether the connection was also lost; then the next
    /// use opens a new one.
    fn give_up(&mut self, error: &Error) -> bool {
        let Some(connection) = &mut self.connection else {
            return true;
        };
        let is_lost = connection.is_lost_by(error);
        if is_lost {
            self.connection = None;
        } else {
            connection.rollback();
        }
        is_lost
    }
}

/// Runs a writer thread until the queue is closed and empty.
pub(crate) fn serve_writes(
    queue: &Arc<Queue<Job>>,
    batch_max: usize,
    link: &mut Link,
    counters: &Counters,
) {
    let mut log_tried_at = None;
    loop {
        let jobs = queue.take(batch_max);
        if jobs.is_empty() {
            return;
        }
        counters
            .jobs
            .fetch_add(jobs.len() as u64, Ordering::Relaxed);
        write_batch(link, jobs, counters);
        if counters.wants_checkpoint.swap(false, Ordering::Relaxed) {
            finish_checkpoint(link);
        }
        bound_log(link, &mut log_tried_at);
    }
}

/// Stops writing until the log is empty if it exceeds [`LOG_BYTES_MAX`]: on a disk that copies more
/// slowly than it is written to, nothing else would stop its growth.
fn bound_log(link: &mut Link, tried_at: &mut Option<Instant>) {
    let Ok(connection) = link.connection() else {
        return;
    };
    let is_early = tried_at.is_some_and(|at| at.elapsed() < LOG_RETRY);
    if is_early || connection.log_bytes() <= LOG_BYTES_MAX {
        return;
    }
    match connection.empty_log() {
        Ok(true) => *tried_at = None,
        Ok(false) => *tried_at = Some(Instant::now()),
        Err(error) => {
            *tried_at = Some(Instant::now());
            tracing::warn!(%error, "Failed to truncate the write-ahead log");
        }
    }
}

/// Copies what the checkpointer could not, between two batches, so that the log restarts and
/// doesn't grow for as long as the load lasts.
fn finish_checkpoint(link: &mut Link) {
    if let Ok(connection) = link.connection()
        && let Err(error) = connection.checkpoint()
    {
        tracing::warn!(%error, "A checkpoint failed");
    }
}

/// Runs `jobs` as one commit and answers them all. After a conflict with another writer, each step
/// gets its own commit instead.
pub(crate) fn write_batch(link: &mut Link, jobs: Vec<Job>, counters: &Counters) {
    let mut steps = steps_of(jobs);
    let mut outcome = attempt(link, &mut steps, counters);
    if let Err(Retry::Steps(error)) = &outcome
        && steps.len() > 1
    {
        tracing::debug!(%error, steps = steps.len(), "A batch failed; running its jobs one by one");
        for step in steps {
            let mut alone = vec![step];
            let outcome = attempt(link, &mut alone, counters);
            let outcome = outcome.or_else(|again| try_again(link, &mut alone, counters, again));
            answer_all(
                alone,
                &outcome.unwrap_or_else(|retry| Err(retry.into_error())),
            );
        }
        return;
    }
    if let Err(again) = outcome {
        outcome = try_again(link, &mut steps, counters, again);
    }
    answer_all(
        steps,
        &outcome.unwrap_or_else(|retry| Err(retry.into_error())),
    );
}

fn answer_all(steps: Vec<Step>, outcome: &Result<()>) {
    for step in steps {
        step.answer(outcome);
    }
}

/// Nothing was written, and the same steps may be run once more.
enum Retry {
    /// The database transaction could not begin.
    Batch(Error),
    /// A step conflicted with another writer, or the connection broke during it.
    Steps(Error),
}

impl Retry {
    fn into_error(self) -> Error {
        match self {
            Retry::Batch(error) | Retry::Steps(error) => error,
        }
    }
}

/// The attempts after the first, with increasing pauses.
fn try_again(
    link: &mut Link,
    steps: &mut Vec<Step>,
    counters: &Counters,
    mut again: Retry,
) -> std::result::Result<Result<()>, Retry> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES_MAX {
        std::thread::sleep(pause);
        pause *= 2;
        match attempt(link, steps, counters) {
            Ok(outcome) => return Ok(outcome),
            Err(latest) => again = latest,
        }
    }
    Err(again)
}

/// Begins, runs the steps and commits once. `Ok` contains the result of the commit.
fn attempt(
    link: &mut Link,
    steps: &mut Vec<Step>,
    counters: &Counters,
) -> std::result::Result<Result<()>, Retry> {
    let vault = link.vault.clone();
    let connection = match link.connection() {
        Ok(connection) => connection,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = connection.begin_write() {
        let is_contended = matches!(error, Error::Contended(_));
        let is_lost = link.give_up(&error);
        return if is_contended || is_lost {
            Err(Retry::Batch(error))
        } else {
            Ok(Err(error))
        };
    }
    if let Err(error) = run_steps(connection, vault.as_ref(), steps) {
        let is_contended = matches!(error, Error::Contended(_));
        // If the connection is lost before the commit, nothing was written.
        let is_lost = link.give_up(&error);
        if is_contended || is_lost {
            return Err(Retry::Steps(error));
        }
        tracing::error!(%error, "A batch failed");
        return Ok(Err(error));
    }
    let committed = connection.commit();
    match &committed {
        Ok(()) => {
            counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            tracing::error!(%error, "A commit failed");
            link.give_up(error);
        }
    }
    Ok(committed)
}

/// Runs each step under its savepoint. An error ends the whole batch; a step's own failure is
/// stored with it. If ledger commands of one step fail, they are run one by one, so that only the
/// failing one fails.
fn run_steps(
    connection: &mut Connection,
    vault: Option<&Vault>,
    steps: &mut Vec<Step>,
) -> Result<()> {
    let mut index = 0;
    while index < steps.len() {
        let is_last = index + 1 == steps.len();
        let step = &mut steps[index];
        step.outcome = step.run(&mut connection.tx(vault));
        match &step.outcome {
            Ok(()) if is_last => {}
            Ok(()) => connection.keep_step()?,
            Err(error @ Error::Contended(_)) => return Err(error.clone()),
            Err(error) if connection.is_lost_by(error) || !connection.is_in_tx() => {
                return Err(error.clone());
            }
            Err(_) => {
                connection.undo_step()?;
                if split(steps, index) {
                    continue;
                }
            }
        }
        index += 1;
    }
    Ok(())
}

/// Splits a step into one step per ledger command. `false` when there is nothing to split.
fn split(steps: &mut Vec<Step>, index: usize) -> bool {
    let Work::Ledger(jobs) = &mut steps[index].work else {
        return false;
    };
    if jobs.len() < 2 {
        return false;
    }
    let alone = std::mem::take(jobs);
    let alone = alone
        .into_iter()
        .map(|job| Step::new(Work::Ledger(vec![job])));
    steps.splice(index..=index, alone);
    true
}

/// Runs a reader thread until the queue is closed and empty.
pub(crate) fn serve_reads(queue: &Arc<Queue<Box<dyn ClosureJob>>>, link: &mut Link) {
    while let Some(job) = queue.take(1).pop() {
        read_one(link, job);
    }
}

/// Runs one job on a snapshot and answers it. A connection that was lost while idle is replaced
/// once.
pub(crate) fn read_one(link: &mut Link, job: Box<dyn ClosureJob>) {
    let mut step = Step::new(Work::Closure(job));
    let mut outcome = read_attempt(link, &mut step);
    if let Err(error) = &outcome
        && link.give_up(error)
    {
        outcome = read_attempt(link, &mut step);
    }
    step.answer(&outcome);
}

fn read_attempt(link: &mut Link, step: &mut Step) -> Result<()> {
    let vault = link.vault.clone();
    let connection = link.connection()?;
    connection.begin_read()?;
    step.run(&mut connection.tx(vault.as_ref()))?;
    connection.rollback();
    Ok(())
}
