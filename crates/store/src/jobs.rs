//! The positions of the service's background jobs.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

record! {
    /// The state of a background job.
    pub struct JobState {
        /// The name of the job.
        pub name: String,
        /// The position from which the job continues.
        pub cursor: Option<String>,
        /// The time at which it last ran.
        pub last_run_at: Timestamp,
    }
}

/// The state of the job; `None` before its first run.
pub fn find(tx: &mut Tx<'_>, name: &str) -> Result<Option<JobState>> {
    tx.query_opt(
        "select name, cursor, last_run_at from job_state where name = $1",
        args![name],
    )
}

/// Lists all jobs that have run, by name.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<JobState>> {
    tx.query(
        "select name, cursor, last_run_at from job_state order by name",
        args![],
    )
}

/// Records that the job ran up to `cursor`.
pub fn put(tx: &mut Tx<'_>, name: &str, cursor: Option<&str>, now: Timestamp) -> Result<u64> {
    tx.execute(
        "insert into job_state (name, cursor, last_run_at)
         values ($1, $2, $3)
             on conflict (name) do update
            set cursor = excluded.cursor, last_run_at = excluded.last_run_at",
        args![name, cursor, now],
    )
}

/// Claims the job's next run, if its last was at or before `due_before`: only one of several
/// processes gets it.
pub fn claim(tx: &mut Tx<'_>, name: &str, due_before: Timestamp, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "insert into job_state (name, last_run_at)
         values ($1, $3)
             on conflict (name) do update
            set last_run_at = excluded.last_run_at
          where job_state.last_run_at <= $2",
        args![name, due_before, now],
    )?;
    Ok(changed > 0)
}
