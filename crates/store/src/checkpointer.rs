//! Copies SQLite's write-ahead log into the database file, on its own thread and connection: on the
//! writer, callers waiting for a commit would also wait for the copying.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::counters::Counters;
use crate::db::Connection;
use crate::error::Result;

/// The interval at which the log is checked.
const INTERVAL: Duration = Duration::from_millis(500);
/// Number of pages (16 MiB) at which the log must be restarted. That requires a moment when all of
/// it has been copied, which never occurs while the writer is writing; so the writer is asked to
/// copy the rest between two batches.
const LOG_PAGES_MAX: i64 = 4096;

/// The signal for the checkpointer to stop.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    pub(crate) fn set(&self) {
        *self.is_set.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits up to `duration`; returns whether to stop.
    fn is_set_within(&self, duration: Duration) -> bool {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(is_set, duration, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Copies the log until told to stop, and then one last time.
pub(crate) fn serve(mut connection: Connection, counters: &Arc<Counters>, stop: &Stop) {
    let mut commits_seen = 0;
    loop {
        let is_last = stop.is_set_within(INTERVAL);
        let commits = counters.commits.load(Ordering::Relaxed);
        if commits != commits_seen || is_last {
            commits_seen = commits;
            if let Err(error) = copy(&mut connection, counters) {
                tracing::warn!(%error, "A checkpoint failed");
            }
        }
        if is_last {
            return;
        }
    }
}

fn copy(connection: &mut Connection, counters: &Counters) -> Result<()> {
    let log_pages = connection.checkpoint()?;
    if log_pages > LOG_PAGES_MAX {
        // A second pass, so that the writer only has to copy what was written during this pass.
        connection.checkpoint()?;
        counters.wants_checkpoint.store(true, Ordering::Relaxed);
    }
    Ok(())
}
