//! Moves SQLite's log into the database file, on a thread and a connection of its own: on the
//! writer, callers that wait for a commit would wait for the copying too.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::counters::Counters;
use crate::db::Connection;
use crate::error::Result;

/// How often the log is checked.
const INTERVAL: Duration = Duration::from_millis(500);
/// A log of this many pages (16 MiB) must start over. That takes a moment in which all of it is
/// copied, which never comes while the writer writes; so the writer is asked to copy the rest
/// between two batches.
const LOG_PAGES_MAX: i64 = 4096;

/// The signal for the checkpointer to end.
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

    /// Waits for `duration`; returns whether to end.
    fn is_set_within(&self, duration: Duration) -> bool {
        let is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(is_set, duration, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Copies the log until told to stop, and one last time then.
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
        // A second time, so that little is left for the writer: what was written during the first
        // copy.
        connection.checkpoint()?;
        counters.wants_checkpoint.store(true, Ordering::Relaxed);
    }
    Ok(())
}
