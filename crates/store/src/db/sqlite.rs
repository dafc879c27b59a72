//! The SQLite driver: how to open a file, run statements and classify errors.

use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode;

use super::{Arg, Record, Role, Row, STATEMENT_CACHE};
use crate::cipher::Vault;
use crate::error::{Error, Result};

/// How long one attempt waits for another process's lock on the file. A job is attempted five times
/// within the two seconds after which a webhook must be answered with 503.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_millis(300);

/// Page caches: 8 MiB for the writer, 1 MiB for each of the others.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
const READER_CACHE_KIB: i64 = 1024;

/// A [`Tx`](super::Tx) on SQLite.
#[derive(Debug)]
pub struct SqliteTx<'a> {
    pub(crate) connection: &'a rusqlite::Connection,
    pub(super) vault: Option<&'a Vault>,
    pub(super) failed: Option<Error>,
}

impl rusqlite::ToSql for Arg<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Arg::Int(value) => ValueRef::Integer(*value),
            Arg::Text(value) => ValueRef::Text(value.as_bytes()),
            Arg::Blob(value) => ValueRef::Blob(value),
            Arg::NullInt | Arg::NullText | Arg::NullBlob => ValueRef::Null,
        }))
    }
}

pub(super) fn execute(
    connection: &rusqlite::Connection,
    sql: &'static str,
    args: &[Arg<'_>],
) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    Ok(statement.raw_execute()? as u64)
}

pub(super) fn query<T: Record>(
    connection: &rusqlite::Connection,
    vault: Option<&Vault>,
    sql: &'static str,
    args: &[Arg<'_>],
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let mut rows = statement.raw_query();
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(T::from_row(&Row::Sqlite(row, vault))?);
    }
    Ok(records)
}

/// Binds `$1` to the first argument and so on. For SQLite, `$1` is just a name: it numbers
/// parameters in order of appearance, so a statement that uses `$2` first would get its arguments
/// swapped.
pub(crate) fn bind(statement: &mut rusqlite::Statement<'_>, args: &[Arg<'_>]) -> Result<()> {
    let count = statement.parameter_count();
    if count != args.len() {
        let said = format!("{count} parameters and {} arguments", args.len());
        return Err(Error::Database(said));
    }
    for index in 1..=count {
        let number = statement
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok())
            .filter(|number| (1..=count).contains(number))
            .ok_or_else(|| Error::Database("a parameter is not a number".into()))?;
        statement.raw_bind_parameter(index, args[number - 1])?;
    }
    Ok(())
}

pub(super) fn run(connection: &rusqlite::Connection, sql: &'static str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Opens `path` for writing, creating the file if it doesn't exist.
pub(crate) fn open(path: &Path, role: Role, synchronous: bool) -> Result<rusqlite::Connection> {
    let flags = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writer | Role::Migrator => {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        }
    };
    // Each connection is used by one thread, so SQLite's own mutexes are unnecessary.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(|error| {
        Error::Unavailable(format!(
            "cannot open the database file {}: {error}",
            path.display()
        ))
    })?;
    configure(&connection, role, synchronous)?;
    Ok(connection)
}

/// A database that exists as long as its connection.
pub(crate) fn open_in_memory() -> Result<rusqlite::Connection> {
    let connection = rusqlite::Connection::open_in_memory()?;
    configure(&connection, Role::Writer, false)?;
    Ok(connection)
}

/// Replaces the contents of `to` with those of `from`, in one step.
pub(crate) fn copy(from: &rusqlite::Connection, to: &mut rusqlite::Connection) -> Result<()> {
    let backup = rusqlite::backup::Backup::new(from, to)?;
    backup.step(-1)?;
    Ok(())
}

fn configure(connection: &rusqlite::Connection, role: Role, synchronous: bool) -> Result<()> {
    connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Without this, SQLite compiles a statement again at each execution if it has a parameter that
    // might prove a partial index usable. Our statements name such states literally.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let cache_kib = if role == Role::Writer {
        WRITER_CACHE_KIB
    } else {
        READER_CACHE_KIB
    };
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    if role != Role::Reader {
        connection.pragma_update(None, "journal_mode", "wal")?;
        let level = if synchronous { "full" } else { "normal" };
        connection.pragma_update(None, "synchronous", level)?;
        // The checkpointer does this; on the writer, it would delay callers waiting for the commit.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    }
    Ok(())
}

pub(super) fn code_of(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        /// The extended codes `SQLITE_CONSTRAINT_UNIQUE`, `_PRIMARYKEY` and `_ROWID`.
        const ONCE: [i32; 3] = [2067, 1555, 2579];
        let said = error.to_string();
        let extended = error.sqlite_error().map(|failure| failure.extended_code);
        match code_of(&error) {
            Some(ErrorCode::ConstraintViolation)
                if extended.is_some_and(|code| ONCE.contains(&code)) =>
            {
                Error::Conflict(said)
            }
            Some(ErrorCode::ConstraintViolation) => Error::Constraint(said),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Contended(said),
            Some(
                ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory,
            ) => Error::Unavailable(said),
            _ => Error::Database(said),
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_compiled_once_although_its_parameters_change() {
        let connection = open_in_memory().unwrap();
        let table = "create table thing (id integer primary key, state text, owner text);
                     create index thing_due on thing (owner) where state = 'due'";
        connection.execute_batch(table).unwrap();
        let mut statement = connection
            .prepare("select id from thing where state = $1 and owner = $2")
            .unwrap();

        for (state, owner) in [("due", "a"), ("done", "b"), ("due", "c")] {
            bind(&mut statement, &[Arg::Text(state), Arg::Text(owner)]).unwrap();
            assert!(statement.raw_query().next().unwrap().is_none());
        }

        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}
