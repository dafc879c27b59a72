//! The schema: migrations up and down, and its current version. Each migration is one tx, so that
//! an interrupted one leaves the schema unchanged.

use std::path::PathBuf;

use refinery::{Migration, Runner};

use crate::db::{self, Connection, Role};
use crate::error::{Error, Result};
use crate::files::guard_file;
use crate::threads::on_own_thread;
use crate::url::DatabaseUrl;

mod sqlite {
    refinery::embed_migrations!("migrations/sqlite");
}
mod postgres {
    refinery::embed_migrations!("migrations/postgres");
}
mod down_sqlite {
    refinery::embed_migrations!("migrations/down/sqlite");
}
mod down_postgres {
    refinery::embed_migrations!("migrations/down/postgres");
}

/// The lock that lets one process migrate at a time; the number is arbitrary.
const LOCK: &str = "select pg_advisory_lock(4907193)";
const UNLOCK: &str = "select pg_advisory_unlock(4907193)";

/// A migration of the schema and whether it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of the migration.
    pub version: i64,
    /// The name of the migration.
    pub name: String,
    /// The time at which it was applied, in RFC 3339; `None` while it is not.
    pub applied_at: Option<String>,
}

/// Applies every missing migration; returns their names. An embedded database that has rows is
/// copied first, next to its file.
pub fn up(url: &DatabaseUrl) -> Result<Vec<String>> {
    on_connection(url, up_on)
}

/// All migrations that this program knows, with the time at which they were applied.
pub fn status(url: &DatabaseUrl) -> Result<Vec<Step>> {
    on_connection(url, status_on)
}

/// Reverts the latest `count` migrations, newest first, including the data in their tables; returns
/// their names.
pub fn down(url: &DatabaseUrl, count: usize) -> Result<Vec<String>> {
    on_connection(url, move |connection| down_on(connection, count))
}

/// Numbers and names of the applied migrations of an open database, for a running service.
pub fn applied_on(tx: &mut crate::Tx<'_>) -> Result<Vec<(i64, String)>> {
    tx.query(
        "select cast(version as bigint), cast(name as text)
           from refinery_schema_history
          order by version",
        crate::args![],
    )
}

/// Names of the migrations that this program knows and that were not applied to the open database.
pub fn missing_on(tx: &mut crate::Tx<'_>) -> Result<Vec<String>> {
    let applied = applied_on(tx)?;
    let known = match tx {
        crate::Tx::Sqlite(_) => sqlite::migrations::runner(),
        crate::Tx::Postgres(_) => postgres::migrations::runner(),
    };
    let is_missing = |step: &&Migration| {
        let version = i64::from(step.version());
        !applied.iter().any(|(done, _)| *done == version)
    };
    let missing = known.get_migrations().iter().filter(is_missing);
    Ok(missing.map(ToString::to_string).collect())
}

fn on_connection<T: Send + 'static>(
    url: &DatabaseUrl,
    work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
) -> Result<T> {
    let url = url.clone();
    on_own_thread(move || match url {
        DatabaseUrl::Sqlite(path) => {
            let _guard = guard_file(&path)?;
            work(&mut db::open_sqlite(&path, Role::Migrator, true)?)
        }
        DatabaseUrl::Postgres(address) => {
            work(&mut db::open_postgres(&address, Role::Migrator, true)?)
        }
    })
}

/// Called by [`crate::Db::open`]: migrates, or refuses a schema that doesn't match this program.
pub(crate) fn prepare(connection: &mut Connection, may_migrate: bool) -> Result<()> {
    if may_migrate {
        up_on(connection)?;
        return Ok(());
    }
    let steps = status_on(connection)?;
    match steps.iter().find(|step| step.applied_at.is_none()) {
        Some(step) => Err(Error::Schema(format!(
            "the database lacks the migration V{}__{}; run `migrate up`",
            step.version, step.name
        ))),
        None => Ok(()),
    }
}

pub(crate) fn up_on(connection: &mut Connection) -> Result<Vec<String>> {
    locked(connection, |connection| {
        refuse_newer(connection)?;
        keep_copy(connection)?;
        let runner = runner_of(connection);
        let report = match connection {
            Connection::Sqlite(connection) => runner.run(&mut **connection),
            Connection::Postgres(session) => runner.run(&mut session.client),
        };
        let report = report.map_err(|error| Error::Schema(whole(&error)))?;
        Ok(report
            .applied_migrations()
            .iter()
            .map(ToString::to_string)
            .collect())
    })
}

/// Copies an embedded database that has rows before its schema changes, next to its file, as
/// `FILE.before-V5`. PostgreSQL servers have their own backups.
fn keep_copy(connection: &mut Connection) -> Result<()> {
    let steps = status_on(connection)?;
    let is_new = steps.iter().all(|step| step.applied_at.is_none());
    let missing = steps.iter().find(|step| step.applied_at.is_none());
    let (Some(missing), Some(file), false) = (missing, connection.file(), is_new) else {
        return Ok(());
    };
    let copy = PathBuf::from(format!("{}.before-V{}", file.display(), missing.version));
    if copy.exists() {
        // The copy is from an interrupted attempt: the database is unchanged since then, or newer.
        std::fs::remove_file(&copy).map_err(|error| Error::Unavailable(error.to_string()))?;
    }
    connection.copy_into(&copy)
}

fn status_on(connection: &mut Connection) -> Result<Vec<Step>> {
    refuse_newer(connection)?;
    let applied = applied(connection)?;
    let known = runner_of(connection);
    let mut steps: Vec<Step> = known
        .get_migrations()
        .iter()
        .map(|migration| {
            let done = applied
                .iter()
                .find(|done| done.version() == migration.version());
            Step {
                version: i64::from(migration.version()),
                name: migration.name().to_owned(),
                applied_at: done
                    .and_then(|done| done.applied_on())
                    .map(ToString::to_string),
            }
        })
        .collect();
    steps.sort_by_key(|step| step.version);
    Ok(steps)
}

fn down_on(connection: &mut Connection, count: usize) -> Result<Vec<String>> {
    locked(connection, |connection| {
        refuse_newer(connection)?;
        let mut applied = applied(connection)?;
        applied.sort_by_key(|migration| std::cmp::Reverse(migration.version()));
        let mut undone = Vec::new();
        for migration in applied.into_iter().take(count) {
            undo(connection, &migration)?;
            undone.push(migration.to_string());
        }
        Ok(undone)
    })
}

/// Runs the script that reverts `migration`, and removes it from the history, in one tx.
fn undo(connection: &mut Connection, migration: &Migration) -> Result<()> {
    let runner = match connection {
        Connection::Sqlite(_) => down_sqlite::migrations::runner(),
        Connection::Postgres(_) => down_postgres::migrations::runner(),
    };
    let script = runner
        .get_migrations()
        .iter()
        .find(|down| down.version() == migration.version())
        .and_then(Migration::sql)
        .ok_or_else(|| Error::Schema(format!("there is no down migration for {migration}")))?
        .to_owned();
    connection.begin_write()?;
    let mut tx = connection.tx(None);
    let undone = tx.execute_batch(&script).and_then(|()| {
        tx.execute(
            "delete from refinery_schema_history where version = cast($1 as integer)",
            crate::args![i64::from(migration.version())],
        )
    });
    match undone {
        Ok(_) => connection.commit(),
        Err(error) => {
            connection.rollback();
            Err(error)
        }
    }
}

/// An older program must not change rows whose rules it doesn't know.
fn refuse_newer(connection: &mut Connection) -> Result<()> {
    let newest_known = runner_of(connection)
        .get_migrations()
        .iter()
        .map(Migration::version)
        .max();
    let newest_applied = applied(connection)?.iter().map(Migration::version).max();
    match (newest_applied, newest_known) {
        (Some(applied), Some(known)) if applied > known => Err(Error::Schema(format!(
            "the database has schema version {applied}, this program knows versions up to {known}; \
             use the program that made it, or a newer one"
        ))),
        _ => Ok(()),
    }
}

fn applied(connection: &mut Connection) -> Result<Vec<Migration>> {
    let has_history = has_history(connection)?;
    if !has_history {
        return Ok(Vec::new());
    }
    let runner = runner_of(connection);
    let applied = match connection {
        Connection::Sqlite(connection) => runner.get_applied_migrations(&mut **connection),
        Connection::Postgres(session) => runner.get_applied_migrations(&mut session.client),
    };
    applied.map_err(|error| Error::Schema(whole(&error)))
}

/// Reading the status must not write to the database, so the history table is not created here.
fn has_history(connection: &mut Connection) -> Result<bool> {
    let sql = match connection {
        Connection::Sqlite(_) => {
            "select count(*) from sqlite_master where name = 'refinery_schema_history'"
        }
        Connection::Postgres(_) => {
            "select count(*) from pg_tables
              where schemaname = current_schema() and tablename = 'refinery_schema_history'"
        }
    };
    Ok(connection.tx(None).query_one::<i64>(sql, crate::args![])? > 0)
}

fn runner_of(connection: &Connection) -> Runner {
    match connection {
        Connection::Sqlite(_) => sqlite::migrations::runner(),
        Connection::Postgres(_) => postgres::migrations::runner(),
    }
}

/// Prevents other processes from migrating at the same time. For SQLite, the lock file does that.
fn locked<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    if let Connection::Postgres(session) = connection {
        session.client.batch_execute(LOCK)?;
    }
    let outcome = work(connection);
    if let Connection::Postgres(session) = connection {
        session.client.batch_execute(UNLOCK)?;
    }
    outcome
}

fn whole(error: &refinery::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
