//! The two drivers behind one `Tx`. The only module besides `ledger/` that names a driver.

mod arg;
mod connection;
mod postgres;
mod row;
mod sqlite;

pub use arg::Arg;
pub(crate) use connection::{Connection, open_postgres, open_sqlite, open_sqlite_in_memory};
pub use postgres::{PostgresAddress, PostgresTx};
pub(crate) use row::word_column;
pub use row::{Column, Record, Row};
pub use sqlite::SqliteTx;

use crate::cipher::Vault;
use crate::error::{Error, Result};

/// Prepared statements cached per connection; more than the crate has.
const STATEMENT_CACHE: usize = 512;

/// The permissions and timeouts of a database session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Migrations have no time limit.
    Migrator,
}

/// One database transaction: every statement of a job goes through it.
///
/// A failed statement fails its whole job on both databases: what the job wrote is rolled back even
/// if it returns `Ok`. Use `on conflict do nothing returning` instead of catching errors.
#[derive(Debug)]
pub enum Tx<'a> {
    /// The transaction runs on SQLite.
    Sqlite(SqliteTx<'a>),
    /// The transaction runs on PostgreSQL.
    Postgres(PostgresTx<'a>),
}

/// The arguments of a statement: `args![account, name, now]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        &[$($crate::Arg::from($value)),*] as &[$crate::Arg<'_>]
    };
}

/// The pattern for `like $n escape '\'` that finds `text` anywhere in a lower-case column.
pub(crate) fn like_pattern(text: &str) -> String {
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

/// One statement made of several pieces, so that a table's columns are listed only once.
macro_rules! sql {
    ($($piece:expr),+ $(,)?) => {
        concat!($($piece),+)
    };
}
pub(crate) use sql;

/// The sum of an integer expression over rows, 0 without any, which saturates at the range of 64
/// bits: neither database fails, and a report is never lost to one absurd row (G11).
///
/// SQLite adds up 64-bit integers and fails on overflow; PostgreSQL's `numeric` doesn't fit a
/// bigint. So both add up the two halves of each number, which can't overflow, and then look.
macro_rules! total {
    ($of:expr) => {
        concat!(
            "cast(case when coalesce(sum((",
            $of,
            ") / 4294967296), 0) + coalesce(sum((",
            $of,
            ") % 4294967296), 0) / 4294967296 > 2147483646 then 9223372036854775807
                 when coalesce(sum((",
            $of,
            ") / 4294967296), 0) + coalesce(sum((",
            $of,
            ") % 4294967296), 0) / 4294967296 < -2147483646 then -9223372036854775807
                 else coalesce(sum((",
            $of,
            ") / 4294967296), 0) * 4294967296 + coalesce(sum((",
            $of,
            ") % 4294967296), 0) end as bigint)"
        )
    };
}
pub(crate) use total;

impl Tx<'_> {
    /// Runs one statement; returns the number of rows it changed.
    pub fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
        let outcome = match self {
            Tx::Sqlite(tx) => sqlite::execute(tx.connection, sql, args),
            Tx::Postgres(tx) => postgres::execute(tx.session, sql, args),
        };
        self.note_failure(outcome)
    }

    /// Runs one statement; returns all its rows.
    pub fn query<T: Record>(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<T>> {
        let outcome = match self {
            Tx::Sqlite(tx) => sqlite::query(tx.connection, tx.vault, sql, args),
            Tx::Postgres(tx) => postgres::query(tx.session, tx.vault, sql, args),
        };
        self.note_failure(outcome)
    }

    /// The row of a statement that returns at most one.
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
            return self.note_failure(many);
        }
        Ok(rows.pop())
    }

    /// The row of a statement that always returns one; [`Error::NotFound`] otherwise.
    pub fn query_one<T: Record>(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<T> {
        self.query_opt(sql, args)?.ok_or(Error::NotFound)
    }

    /// Runs a script without parameters or results: migrations only.
    pub(crate) fn execute_batch(&mut self, sql: &str) -> Result<()> {
        let outcome = match self {
            Tx::Sqlite(tx) => tx.connection.execute_batch(sql).map_err(Error::from),
            Tx::Postgres(tx) => tx.session.client.batch_execute(sql).map_err(Error::from),
        };
        self.note_failure(outcome)
    }

    /// The operator's keys, if any are configured.
    pub(crate) fn vault(&self) -> Option<&Vault> {
        match self {
            Tx::Sqlite(tx) => tx.vault,
            Tx::Postgres(tx) => tx.vault,
        }
    }

    /// The first failed statement of this job, if any.
    pub(crate) fn failure(&self) -> Option<&Error> {
        match self {
            Tx::Sqlite(tx) => tx.failed.as_ref(),
            Tx::Postgres(tx) => tx.failed.as_ref(),
        }
    }

    /// Marks the job as failed when `outcome` is an error.
    pub(crate) fn note_failure<T>(&mut self, outcome: Result<T>) -> Result<T> {
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
