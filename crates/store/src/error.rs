//! The errors of this crate, named for what the caller can do about them.

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a job did not happen. Everything but [`Error::OutcomeUnknown`] promises that nothing of the
/// job was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue is full. Try again shortly.
    #[error("the database queue is full")]
    Busy,
    /// The database is being closed. Ask the next process.
    #[error("the database is closed")]
    Closed,
    /// The database cannot be reached or cannot write now. Try again later.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// Another database transaction conflicted with this one. The writer retries this itself and
    /// returns it only when the last attempt failed too.
    #[error("a conflict between writers persisted: {0}")]
    Contended(String),
    /// The commit was refused. Nothing was written.
    #[error("the commit failed: {0}")]
    CommitFailed(String),
    /// The connection broke while committing. The job happened, or it did not: ask again with the
    /// same key.
    #[error("the commit's outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// A unique index says that this is there already.
    #[error("it already exists: {0}")]
    Conflict(String),
    /// A rule of the schema (check, foreign key, append-only trigger) refused the row.
    #[error("the schema refused it: {0}")]
    Constraint(String),
    /// A row that must be there is not.
    #[error("no such row")]
    NotFound,
    /// Another worker has the lease. That worker's result counts; this one's was rolled back.
    #[error("another worker has the lease")]
    LeaseLost,
    /// The job chose to undo what it wrote, and says why.
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
    /// The address of the database cannot be used.
    #[error("{0}")]
    Address(String),
    /// Anything else the database said: a bug of ours.
    #[error("database error: {0}")]
    Database(String),
}

impl Error {
    /// Whether the same job may succeed when it is tried again by the caller a little later.
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

/// A row that no version of this program can have written: a damaged database.
pub(crate) fn unreadable(what: &str) -> Error {
    Error::Database(format!("a {what} row cannot be read; run audit"))
}
