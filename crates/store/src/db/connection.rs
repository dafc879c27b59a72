//! A connection to either database, and the steps of a database transaction on it.

use std::path::{Path, PathBuf};

use rusqlite::ffi::ErrorCode;

use super::postgres::{
    self, CONNECT_TIMEOUT, PostgresAddress, PostgresTx, Session, is_plain_error,
};
use super::sqlite::{self, SqliteTx, code_of, run};
use super::{Role, Tx};
use crate::cipher::Vault;
use crate::error::{Error, Result};

/// A connection to either database, owned by a writer or reader thread.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(Box<Session>),
}

impl Connection {
    /// The tx in progress on this connection; call `begin` first.
    pub(crate) fn tx<'a>(&'a mut self, vault: Option<&'a Vault>) -> Tx<'a> {
        match self {
            Connection::Sqlite(connection) => Tx::Sqlite(SqliteTx {
                connection,
                vault,
                failed: None,
            }),
            Connection::Postgres(session) => Tx::Postgres(PostgresTx {
                session,
                vault,
                failed: None,
            }),
        }
    }

    /// Begins a tx for writing and, inside it, the savepoint of the first step.
    pub(crate) fn begin_write(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => {
                run(connection, "begin immediate")?;
                run(connection, "savepoint step")
            }
            Connection::Postgres(session) => {
                Ok(session.client.batch_execute("begin; savepoint step")?)
            }
        }
    }

    /// Begins a tx that reads a single snapshot of the database.
    pub(crate) fn begin_read(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => run(connection, "begin"),
            Connection::Postgres(session) => {
                let begin = "begin transaction isolation level repeatable read, read only";
                Ok(session.client.batch_execute(begin)?)
            }
        }
    }

    /// Keeps what the step wrote and begins the next step.
    pub(crate) fn keep_step(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => {
                run(connection, "release step")?;
                run(connection, "savepoint step")
            }
            Connection::Postgres(session) => Ok(session
                .client
                .batch_execute("release savepoint step; savepoint step")?),
        }
    }

    /// Rolls back what the step wrote and begins the next step.
    pub(crate) fn undo_step(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => run(connection, "rollback to step"),
            Connection::Postgres(session) => {
                Ok(session.client.batch_execute("rollback to savepoint step")?)
            }
        }
    }

    /// Makes all kept steps durable. The error says whether the commit may have happened
    /// nevertheless.
    pub(crate) fn commit(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => {
                let committed = connection
                    .prepare_cached("commit")
                    .and_then(|mut statement| statement.execute([]));
                match committed {
                    Ok(_) => Ok(()),
                    // After a failed fsync, it is unknown what would survive a crash.
                    Err(error) if code_of(&error) == Some(ErrorCode::SystemIoFailure) => {
                        Err(Error::OutcomeUnknown(error.to_string()))
                    }
                    Err(error) => Err(Error::CommitFailed(error.to_string())),
                }
            }
            // The savepoint is released first: a plain `commit` of a failed tx rolls back and
            // reports success.
            Connection::Postgres(session) => {
                match session
                    .client
                    .batch_execute("release savepoint step; commit")
                {
                    Ok(()) => Ok(()),
                    Err(error) if error.as_db_error().is_some_and(is_plain_error) => {
                        Err(Error::CommitFailed(error.to_string()))
                    }
                    Err(error) => Err(Error::OutcomeUnknown(error.to_string())),
                }
            }
        }
    }

    /// Rolls back the tx. Does nothing when there is none.
    pub(crate) fn rollback(&mut self) {
        let ended = match self {
            Connection::Sqlite(connection) if connection.is_autocommit() => Ok(()),
            Connection::Sqlite(connection) => run(connection, "rollback"),
            Connection::Postgres(session) => session
                .client
                .batch_execute("rollback")
                .map_err(Error::from),
        };
        if let Err(error) = ended {
            tracing::warn!(%error, "A rollback failed");
        }
    }

    /// Whether the tx is still open: SQLite rolls all of it back automatically when the disk is
    /// full.
    pub(crate) fn is_in_tx(&self) -> bool {
        match self {
            Connection::Sqlite(connection) => !connection.is_autocommit(),
            Connection::Postgres(_) => true,
        }
    }

    /// Whether the connection is known to be closed.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Connection::Sqlite(_) => false,
            Connection::Postgres(session) => session.client.is_closed(),
        }
    }

    /// Whether `error` means that the connection is lost; queries the server when in doubt.
    pub(crate) fn is_lost_by(&mut self, error: &Error) -> bool {
        match self {
            Connection::Sqlite(_) => false,
            Connection::Postgres(session) => {
                matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_))
                    && (session.client.is_closed()
                        || session.client.is_valid(CONNECT_TIMEOUT).is_err())
            }
        }
    }

    /// Copies the SQLite database, as this connection currently sees it, into a new file.
    pub(crate) fn copy_into(&mut self, to: &Path) -> Result<()> {
        let Connection::Sqlite(connection) = self else {
            return Err(Error::Database("this is not SQLite".into()));
        };
        let to = to
            .to_str()
            .ok_or_else(|| Error::Address("the path is not text".into()))?;
        connection.execute("vacuum into ?1", [to])?;
        Ok(())
    }

    /// Replaces the contents of another SQLite database with this one's.
    pub(crate) fn copy_over(&mut self, to: &mut Connection) -> Result<()> {
        let (Connection::Sqlite(from), Connection::Sqlite(to)) = (self, to) else {
            return Err(Error::Database("this is not SQLite".into()));
        };
        sqlite::copy(from, to)
    }

    /// Copies the contents of the log into the database file, without waiting for other
    /// connections. Returns the number of pages in the log; zero on PostgreSQL, which maintains its
    /// own log.
    pub(crate) fn checkpoint(&mut self) -> Result<i64> {
        match self {
            Connection::Sqlite(connection) => {
                let mut statement = connection.prepare_cached("pragma wal_checkpoint(passive)")?;
                Ok(statement.query_row([], |row| row.get(1))?)
            }
            Connection::Postgres(_) => Ok(0),
        }
    }

    /// The file of an embedded database; `None` for an in-memory one and on PostgreSQL.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let Connection::Sqlite(connection) = self else {
            return None;
        };
        let path = connection.path().filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    }

    /// The size of SQLite's log on disk, in bytes; zero for an in-memory database and on
    /// PostgreSQL.
    pub(crate) fn log_bytes(&self) -> u64 {
        let log = self.file().map(|file| format!("{}-wal", file.display()));
        log.and_then(|log| std::fs::metadata(log).ok())
            .map_or(0, |log| log.len())
    }

    /// Copies the whole log into the database file and truncates it, waiting for other readers and
    /// the checkpointer up to the busy timeout. Returns whether it succeeded.
    pub(crate) fn empty_log(&mut self) -> Result<bool> {
        let Connection::Sqlite(connection) = self else {
            return Ok(true);
        };
        let mut statement = connection.prepare_cached("pragma wal_checkpoint(truncate)")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? == 0)
    }
}

/// Opens the SQLite file `path` in a role; every role but the reader's creates a missing file.
pub(crate) fn open_sqlite(path: &Path, role: Role, synchronous: bool) -> Result<Connection> {
    let connection = sqlite::open(path, role, synchronous)?;
    Ok(Connection::Sqlite(Box::new(connection)))
}

/// Opens a SQLite database that exists as long as its connection.
pub(crate) fn open_sqlite_in_memory() -> Result<Connection> {
    Ok(Connection::Sqlite(Box::new(sqlite::open_in_memory()?)))
}

/// Connects to a PostgreSQL server in a role.
pub(crate) fn open_postgres(
    address: &PostgresAddress,
    role: Role,
    synchronous: bool,
) -> Result<Connection> {
    let session = postgres::open(address, role, synchronous)?;
    Ok(Connection::Postgres(Box::new(session)))
}
