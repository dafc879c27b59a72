//! The two drivers behind one `Tx`. With `ledger.rs` the only file that names a driver.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::time::Timestamp;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use rusqlite::OpenFlags;
use rusqlite::ffi::ErrorCode;

use crate::cipher::Vault;
use crate::error::{Error, Result};

/// Statements kept prepared on a connection; more than the crate has.
const STATEMENT_CACHE: usize = 512;
/// How long one attempt waits for another process's lock on the file. A job is tried five times
/// within the two seconds after which a webhook must have its 503.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_millis(300);
/// Page caches: 8 MiB for the writer, 1 MiB for each of the others.
const WRITER_CACHE_KIB: i64 = 8 * 1024;
const READER_CACHE_KIB: i64 = 1024;
/// A database that does not answer the handshake in this time counts as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// One database transaction: every statement of a job goes through it.
///
/// A statement that fails dooms its job on both databases: what the job wrote is rolled back even
/// if it returns `Ok`. Ask with `on conflict do nothing returning` instead of catching errors.
#[derive(Debug)]
pub enum Tx<'a> {
    /// On SQLite.
    Sqlite(SqliteTx<'a>),
    /// On PostgreSQL.
    Postgres(PostgresTx<'a>),
}

/// The SQLite arm of a [`Tx`].
#[derive(Debug)]
pub struct SqliteTx<'a> {
    pub(crate) connection: &'a rusqlite::Connection,
    vault: Option<&'a Vault>,
    failed: Option<Error>,
}

/// The PostgreSQL arm of a [`Tx`].
#[derive(Debug)]
pub struct PostgresTx<'a> {
    pub(crate) session: &'a mut Session,
    vault: Option<&'a Vault>,
    failed: Option<Error>,
}

/// A PostgreSQL client with its prepared statements.
pub(crate) struct Session {
    pub(crate) client: postgres::Client,
    statements: HashMap<&'static str, postgres::Statement>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("statements", &self.statements.len())
            .finish()
    }
}

impl Session {
    /// The prepared statement of `sql`, whose parameters have the types of `args`.
    pub(crate) fn prepared(
        &mut self,
        sql: &'static str,
        types: &[Type],
    ) -> Result<postgres::Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENT_CACHE {
            self.statements.clear();
        }
        let statement = self.client.prepare_typed(sql, types)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// A value bound to a statement. Nulls carry their type, since PostgreSQL asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg<'a> {
    /// `bigint`
    Int(i64),
    /// `text`
    Text(&'a str),
    /// `blob`, `bytea`
    Blob(&'a [u8]),
    /// A null `bigint`
    NullInt,
    /// A null `text`
    NullText,
    /// A null `blob`
    NullBlob,
}

static NULL_INT: Option<i64> = None;
static NULL_TEXT: Option<&str> = None;
static NULL_BLOB: Option<&[u8]> = None;

impl Arg<'_> {
    fn for_postgres(&self) -> &(dyn ToSql + Sync) {
        match self {
            Arg::Int(value) => value,
            Arg::Text(value) => value,
            Arg::Blob(value) => value,
            Arg::NullInt => &NULL_INT,
            Arg::NullText => &NULL_TEXT,
            Arg::NullBlob => &NULL_BLOB,
        }
    }

    fn postgres_type(&self) -> Type {
        match self {
            Arg::Int(_) | Arg::NullInt => Type::INT8,
            Arg::Text(_) | Arg::NullText => Type::TEXT,
            Arg::Blob(_) | Arg::NullBlob => Type::BYTEA,
        }
    }
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

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Arg::Int(value)
    }
}

impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Arg::Int(i64::from(value))
    }
}

impl From<Timestamp> for Arg<'_> {
    fn from(value: Timestamp) -> Self {
        Arg::Int(value.micros())
    }
}

impl From<Option<i64>> for Arg<'_> {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Arg::NullInt, Arg::Int)
    }
}

impl From<Option<Timestamp>> for Arg<'_> {
    fn from(value: Option<Timestamp>) -> Self {
        value.map_or(Arg::NullInt, |at| Arg::Int(at.micros()))
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Arg::Text(value)
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Arg::Text(value)
    }
}

impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Arg::NullText, Arg::Text)
    }
}

impl<'a> From<&'a Option<String>> for Arg<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().into()
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Arg::Blob(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Arg<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Arg::Blob(value)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Arg<'a> {
    fn from(value: &'a [u8; N]) -> Self {
        Arg::Blob(value)
    }
}

impl<'a> From<Option<&'a [u8]>> for Arg<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        value.map_or(Arg::NullBlob, Arg::Blob)
    }
}

/// The arguments of a statement: `args![account, name, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        &[$($crate::Arg::from($value)),*] as &[$crate::Arg<'_>]
    };
}

/// One row of an answer; columns are read by position.
pub enum Row<'r> {
    /// From SQLite.
    Sqlite(&'r rusqlite::Row<'r>, Option<&'r Vault>),
    /// From PostgreSQL.
    Postgres(&'r postgres::Row, Option<&'r Vault>),
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row")
    }
}

impl Row<'_> {
    /// How many columns the row has.
    pub(crate) fn len(&self) -> usize {
        match self {
            Row::Sqlite(row, _) => row.as_ref().column_count(),
            Row::Postgres(row, _) => row.len(),
        }
    }

    /// The value of column `index`, counted from zero.
    pub fn get<T: Column>(&self, index: usize) -> Result<T> {
        T::read(self, index)
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    /// Reads column `index` of `row`; a null where none may be, or another type, is an error.
    fn read(row: &Row<'_>, index: usize) -> Result<Self>;
}

impl Column for Option<i64> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row, _) => Ok(row.get(index)?),
            // A comparison is a boolean and a bare literal an `int` here, both integers in SQLite.
            Row::Postgres(row, _) => match *row.columns()[index].type_() {
                Type::BOOL => Ok(row.try_get::<_, Option<bool>>(index)?.map(i64::from)),
                Type::INT4 => Ok(row.try_get::<_, Option<i32>>(index)?.map(i64::from)),
                _ => Ok(row.try_get(index)?),
            },
        }
    }
}

impl Column for Option<String> {
    /// What was sealed is opened here, whatever statement asked for it.
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        let (text, vault): (Option<String>, _) = match row {
            Row::Sqlite(row, vault) => (row.get(index)?, vault),
            Row::Postgres(row, vault) => (row.try_get(index)?, vault),
        };
        Ok(match vault {
            Some(vault) => text.map(|text| vault.open(text)),
            None => text,
        })
    }
}

impl Column for Option<Vec<u8>> {
    /// As for text.
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        let (bytes, vault): (Option<Vec<u8>>, _) = match row {
            Row::Sqlite(row, vault) => (row.get(index)?, vault),
            Row::Postgres(row, vault) => (row.try_get(index)?, vault),
        };
        Ok(match vault {
            Some(vault) => bytes.map(|bytes| vault.open_bytes(bytes)),
            None => bytes,
        })
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(Option::<i64>::read(row, index)?.map(Timestamp::from_micros))
    }
}

/// Reads a column that is never null through its optional form.
fn present<T>(row: &Row<'_>, index: usize) -> Result<T>
where
    Option<T>: Column,
{
    Option::<T>::read(row, index)?
        .ok_or_else(|| Error::Database(format!("column {index} is null where none may be")))
}

impl Column for i64 {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        present(row, index)
    }
}

impl Column for String {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        present(row, index)
    }
}

impl Column for Vec<u8> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        present(row, index)
    }
}

impl Column for Timestamp {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        present(row, index)
    }
}

impl Column for bool {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(present::<i64>(row, index)? != 0)
    }
}

/// A type that a whole row is read as.
pub trait Record: Sized {
    /// Reads the row; the columns stand in the order of the statement.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

impl<T: Column> Record for T {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        row.get(0)
    }
}

macro_rules! tuple_record {
    ($($column:ident $index:tt),+) => {
        impl<$($column: Column),+> Record for ($($column,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.get::<$column>($index)?,)+))
            }
        }
    };
}
tuple_record!(A 0, B 1);
tuple_record!(A 0, B 1, C 2);
tuple_record!(A 0, B 1, C 2, D 3);
tuple_record!(A 0, B 1, C 2, D 3, E 4);
tuple_record!(A 0, B 1, C 2, D 3, E 4, F 5);

/// What `like $n escape '\'` finds `text` anywhere with; the column is lowered beside it.
pub(crate) fn anywhere(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// A struct whose fields are the columns of a statement, in order.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)+
        }

        impl $crate::Record for $name {
            fn from_row(row: &$crate::Row<'_>) -> $crate::Result<Self> {
                let mut column = 0..;
                let mut next = || column.next().expect("columns are counted without an end");
                Ok($name { $($field: row.get(next())?,)+ })
            }
        }
    };
}
pub(crate) use record;

/// One statement of several pieces, so that a table's columns are listed once.
macro_rules! sql {
    ($($piece:expr),+ $(,)?) => {
        concat!($($piece),+)
    };
}
pub(crate) use sql;

impl Tx<'_> {
    /// Runs one statement; answers how many rows it changed.
    pub fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
        let outcome = match self {
            Tx::Sqlite(tx) => sqlite_execute(tx.connection, sql, args),
            Tx::Postgres(tx) => postgres_execute(tx.session, sql, args),
        };
        self.noting(outcome)
    }

    /// All rows of one statement.
    pub fn query<T: Record>(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<T>> {
        let outcome = match self {
            Tx::Sqlite(tx) => sqlite_query(tx.connection, tx.vault, sql, args),
            Tx::Postgres(tx) => postgres_query(tx.session, tx.vault, sql, args),
        };
        self.noting(outcome)
    }

    /// The one row of a statement that finds at most one.
    pub fn query_opt<T: Record>(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> Result<Option<T>> {
        let mut rows = self.query(sql, args)?;
        if rows.len() > 1 {
            let many = Err(Error::Database(format!(
                "{} rows where one may be",
                rows.len()
            )));
            return self.noting(many);
        }
        Ok(rows.pop())
    }

    /// The one row of a statement that always finds one; [`Error::NotFound`] otherwise.
    pub fn query_one<T: Record>(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<T> {
        self.query_opt(sql, args)?.ok_or(Error::NotFound)
    }

    /// Runs a script without parameters or answers: migrations only.
    pub(crate) fn execute_batch(&mut self, sql: &str) -> Result<()> {
        let outcome = match self {
            Tx::Sqlite(tx) => tx.connection.execute_batch(sql).map_err(Error::from),
            Tx::Postgres(tx) => tx.session.client.batch_execute(sql).map_err(Error::from),
        };
        self.noting(outcome)
    }

    /// The operator's keys, where there are any.
    pub(crate) fn vault(&self) -> Option<&Vault> {
        match self {
            Tx::Sqlite(tx) => tx.vault,
            Tx::Postgres(tx) => tx.vault,
        }
    }

    /// The first failure of a statement of this job, if one failed.
    pub(crate) fn failure(&self) -> Option<&Error> {
        match self {
            Tx::Sqlite(tx) => tx.failed.as_ref(),
            Tx::Postgres(tx) => tx.failed.as_ref(),
        }
    }

    /// Marks the job as failed when `outcome` is an error. `ledger.rs` calls it for its own arms.
    pub(crate) fn noting<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if let Err(error) = &outcome {
            let failed = match self {
                Tx::Sqlite(tx) => &mut tx.failed,
                Tx::Postgres(tx) => &mut tx.failed,
            };
            failed.get_or_insert_with(|| error.clone());
        }
        outcome
    }
}

fn sqlite_execute(
    connection: &rusqlite::Connection,
    sql: &'static str,
    args: &[Arg<'_>],
) -> Result<u64> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    Ok(statement.raw_execute()? as u64)
}

fn sqlite_query<T: Record>(
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

/// Binds `$1` to the first argument and so on. To SQLite `$1` is a name like any other: it counts
/// parameters as they appear, so a statement that says `$2` first would get them crossed.
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

fn postgres_execute(session: &mut Session, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
    let types: Vec<Type> = args.iter().map(Arg::postgres_type).collect();
    let statement = session.prepared(sql, &types)?;
    let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(Arg::for_postgres).collect();
    Ok(session.client.execute(&statement, &params)?)
}

fn postgres_query<T: Record>(
    session: &mut Session,
    vault: Option<&Vault>,
    sql: &'static str,
    args: &[Arg<'_>],
) -> Result<Vec<T>> {
    let types: Vec<Type> = args.iter().map(Arg::postgres_type).collect();
    let statement = session.prepared(sql, &types)?;
    let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(Arg::for_postgres).collect();
    let rows = session.client.query(&statement, &params)?;
    rows.iter()
        .map(|row| T::from_row(&Row::Postgres(row, vault)))
        .collect()
}

/// One connection to either database, as the writer and reader threads hold it.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Box<rusqlite::Connection>),
    Postgres(Box<Session>),
}

/// What a session of the database may do and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Migrations take as long as they take.
    Migrator,
}

impl Connection {
    /// The tx that runs on this connection now; `begin` comes first.
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

    /// Opens a tx for writing and, inside it, the savepoint of the first step.
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

    /// Opens a tx that reads one state of the database.
    pub(crate) fn begin_read(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => run(connection, "begin"),
            Connection::Postgres(session) => {
                let begin = "begin transaction isolation level repeatable read, read only";
                Ok(session.client.batch_execute(begin)?)
            }
        }
    }

    /// Keeps what the step wrote and opens the next one.
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

    /// Undoes what the step wrote and opens the next one in its place.
    pub(crate) fn undo_step(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => run(connection, "rollback to step"),
            Connection::Postgres(session) => {
                Ok(session.client.batch_execute("rollback to savepoint step")?)
            }
        }
    }

    /// Makes all kept steps durable. An error says whether that may have happened all the same.
    pub(crate) fn commit(&mut self) -> Result<()> {
        match self {
            Connection::Sqlite(connection) => {
                let committed = connection
                    .prepare_cached("commit")
                    .and_then(|mut statement| statement.execute([]));
                match committed {
                    Ok(_) => Ok(()),
                    // A failed sync says nothing about what a crash would leave.
                    Err(error) if sqlite_code(&error) == Some(ErrorCode::SystemIoFailure) => {
                        Err(Error::OutcomeUnknown(error.to_string()))
                    }
                    Err(error) => Err(Error::CommitFailed(error.to_string())),
                }
            }
            // Releasing first: a plain `commit` of a failed tx rolls back and reports success.
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

    /// Ends the tx without a trace. Harmless when there is none.
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

    /// Whether the tx is still open: a full disk makes SQLite roll all of it back at once.
    pub(crate) fn is_in_tx(&self) -> bool {
        match self {
            Connection::Sqlite(connection) => !connection.is_autocommit(),
            Connection::Postgres(_) => true,
        }
    }

    /// Whether the connection is known to be of no more use.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Connection::Sqlite(_) => false,
            Connection::Postgres(session) => session.client.is_closed(),
        }
    }

    /// Whether `error` means that the connection is gone; asks the server when it may be.
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

    /// Writes the SQLite database, as this connection sees it now, into a new file.
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

    /// Copies what the log holds into the database file, without waiting for anyone. Answers how
    /// many pages the log holds; none on PostgreSQL, which looks after its own.
    pub(crate) fn checkpoint(&mut self) -> Result<i64> {
        match self {
            Connection::Sqlite(connection) => {
                let mut statement = connection.prepare_cached("pragma wal_checkpoint(passive)")?;
                Ok(statement.query_row([], |row| row.get(1))?)
            }
            Connection::Postgres(_) => Ok(0),
        }
    }

    /// The file of an embedded database; none in memory and on PostgreSQL.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let Connection::Sqlite(connection) = self else {
            return None;
        };
        let path = connection.path().filter(|path| !path.is_empty());
        path.map(PathBuf::from)
    }

    /// How many bytes SQLite's log takes on the disk; none in memory and on PostgreSQL.
    pub(crate) fn log_bytes(&self) -> u64 {
        let log = self.file().map(|file| format!("{}-wal", file.display()));
        log.and_then(|log| std::fs::metadata(log).ok())
            .map_or(0, |log| log.len())
    }

    /// Copies the whole log into the database file and cuts it to nothing, waiting for whoever
    /// reads or copies, up to the busy limit. Answers whether that came to pass.
    pub(crate) fn empty_log(&mut self) -> Result<bool> {
        let Connection::Sqlite(connection) = self else {
            return Ok(true);
        };
        let mut statement = connection.prepare_cached("pragma wal_checkpoint(truncate)")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? == 0)
    }
}

fn run(connection: &rusqlite::Connection, sql: &'static str) -> Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn is_plain_error(error: &postgres::error::DbError) -> bool {
    error.parsed_severity() == Some(postgres::error::Severity::Error)
}

/// Opens `path` for writing, creating the file when there is none.
pub(crate) fn open_sqlite(path: &Path, role: Role, synchronous: bool) -> Result<Connection> {
    let flags = match role {
        Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Role::Writer | Role::Migrator => {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        }
    };
    // Each connection has one thread: SQLite's own mutexes are needless.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(|error| {
        Error::Unavailable(format!(
            "cannot open the database file {}: {error}",
            path.display()
        ))
    })?;
    configure_sqlite(&connection, role, synchronous)?;
    Ok(Connection::Sqlite(Box::new(connection)))
}

/// A database that lives as long as its connection.
pub(crate) fn open_sqlite_in_memory() -> Result<Connection> {
    let connection = rusqlite::Connection::open_in_memory()?;
    configure_sqlite(&connection, Role::Writer, false)?;
    Ok(Connection::Sqlite(Box::new(connection)))
}

fn configure_sqlite(
    connection: &rusqlite::Connection,
    role: Role,
    synchronous: bool,
) -> Result<()> {
    connection.busy_timeout(SQLITE_BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
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
        // The checkpointer does it; on the writer it would stall whoever waits for the commit.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    }
    Ok(())
}

/// Where a PostgreSQL server is. It may hold a password, so it is never shown.
#[derive(Clone)]
pub struct PostgresAddress(postgres::Config);

impl std::fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresAddress")
            .field("database", &self.0.get_dbname())
            .finish()
    }
}

impl PostgresAddress {
    pub(crate) fn parse(url: &str) -> Result<PostgresAddress> {
        let config = url.parse().map_err(|error: postgres::Error| {
            Error::Address(format!(
                "the PostgreSQL address cannot be read: {}",
                whole(&error)
            ))
        })?;
        Ok(PostgresAddress(config))
    }
}

/// Connects to PostgreSQL. The one place where a TLS connector would be chosen.
pub(crate) fn open_postgres(
    address: &PostgresAddress,
    role: Role,
    synchronous: bool,
) -> Result<Connection> {
    let mut config = address.0.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("localboxs-billing");
    }
    let mut client = config.connect(postgres::NoTls).map_err(|error| {
        Error::Unavailable(format!("cannot connect to PostgreSQL: {}", whole(&error)))
    })?;
    let (statement, lock) = match role {
        Role::Writer => ("10s", "2s"),
        Role::Reader => ("30s", "2s"),
        Role::Migrator => ("0", "30s"),
    };
    let commit = if synchronous { "on" } else { "off" };
    client.batch_execute(&format!(
        "set synchronous_commit = {commit};
         set statement_timeout = '{statement}';
         set lock_timeout = '{lock}';
         set idle_in_transaction_session_timeout = '60s';
         set client_min_messages = 'warning';
         set jit = off"
    ))?;
    Ok(Connection::Postgres(Box::new(Session {
        client,
        statements: HashMap::new(),
    })))
}

/// The message with its causes: this driver's own says only "db error".
fn whole(error: &postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

fn sqlite_code(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        /// `SQLITE_CONSTRAINT_UNIQUE`, `_PRIMARYKEY` and `_ROWID`.
        const ONCE: [i32; 3] = [2067, 1555, 2579];
        let said = error.to_string();
        let extended = error.sqlite_error().map(|failure| failure.extended_code);
        match sqlite_code(&error) {
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

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Self {
        let said = whole(&error);
        let Some(code) = error.code() else {
            // No word from the server: the connection broke, unless a value had the wrong type.
            let is_broken = error.is_closed()
                || std::error::Error::source(&error)
                    .is_some_and(|cause| cause.is::<std::io::Error>());
            return if is_broken {
                Error::Unavailable(said)
            } else {
                Error::Database(said)
            };
        };
        match code {
            &SqlState::UNIQUE_VIOLATION => Error::Conflict(said),
            &SqlState::T_R_SERIALIZATION_FAILURE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::LOCK_NOT_AVAILABLE => Error::Contended(said),
            &SqlState::QUERY_CANCELED | &SqlState::READ_ONLY_SQL_TRANSACTION => {
                Error::Unavailable(said)
            }
            other => match other.code().get(..2) {
                Some("23") => Error::Constraint(said),
                // Connection, resources, shutdown, the machine below.
                Some("08" | "53" | "57" | "58") => Error::Unavailable(said),
                _ => Error::Database(said),
            },
        }
    }
}
