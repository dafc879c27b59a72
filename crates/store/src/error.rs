//! The errors of this crate, named for what the caller can do about them.

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a job failed. Every error except [`Error::OutcomeUnknown`] guarantees that nothing of the
/// job was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue is full. Try again shortly.
    #[error("the database queue is full")]
    Busy,
    /// The database is being closed. Retry against the next process.
    #[error("the database is closed")]
    Closed,
    /// The database is unreachable or can't write at the moment. Try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Another database transaction conflicted with this one. The writer retries automatically and
    /// returns this only if the last attempt also failed.
    #[error("a conflict between writers persisted: {0}")]
    Contended(String),
    /// The commit was refused. Nothing was written.
    #[error("the commit failed: {0}")]
    CommitFailed(String),
    /// The connection broke during the commit. The job may or may not have been written: retry with
    /// the same key.
    #[error("the commit's outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// A unique index rejected the row because it already exists.
    #[error("it already exists: {0}")]
    Conflict(String),
    /// A rule of the schema (check, foreign key, append-only trigger) rejected the row.
    #[error("the schema refused it: {0}")]
    Constraint(String),
    /// A required row doesn't exist.
    #[error("no such row")]
    NotFound,
    /// Another worker has the lease. That worker's result counts; this one's was rolled back.
    #[error("another worker has the lease")]
    LeaseLost,
    /// The job decided to roll back what it wrote, for the given reason.
    #[error("the job was abandoned: {0}")]
    Abandoned(String),
    /// The job panicked; what it wrote was rolled back.
    #[error("a database job panicked: {0}")]
    Panicked(String),
    /// Another process has this database file open.
    #[error("{0}")]
    InUse(String),
    /// The schema is newer than this program, or not migrated.
    #[error("{0}")]
    Schema(String),
    /// The address of the database is invalid.
    #[error("{0}")]
    Address(String),
    /// Any other database error: a bug of ours.
    #[error("database error: {0}")]
    Database(String),
}

impl Error {
    /// Whether the same job may succeed if the caller retries it a little later.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Error::Busy
                | Error::Closed
                | Error::Unavailable(_)
                | Error::Contended(_)
                | Error::CommitFailed(_)
                | Error::OutcomeUnknown(_)
        )
    }
}

/// A row that no version of this program can have written: the database is damaged.
pub(crate) fn unreadable(what: &str) -> Error {
    Error::Database(format!("a {what} row cannot be read; run audit"))
}
