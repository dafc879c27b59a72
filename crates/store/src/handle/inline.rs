//! Databases whose jobs run one at a time while their caller waits; used by the simulation.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Db, Inner, Mode};
use crate::db::{self, Connection, PostgresAddress, Role};
use crate::error::{Error, Result};
use crate::migrate;
use crate::threads::on_own_thread;
use crate::url::Kind;
use crate::writer::Link;

impl Db {
    /// An empty, migrated SQLite database in memory, whose jobs run immediately on the caller's
    /// thread: no threads, fully deterministic.
    pub fn open_in_memory_inline() -> Result<Db> {
        let mut connection = db::open_sqlite_in_memory()?;
        migrate::up_on(&mut connection)?;
        Ok(Db::inline(connection))
    }

    /// A copy of a database in memory, as it is now.
    pub fn copy_in_memory(&self) -> Result<Db> {
        let Mode::Inline(link) = &self.inner.mode else {
            return Err(Error::Address("this database is not in memory".into()));
        };
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        let mut copy = db::open_sqlite_in_memory()?;
        link.connection()?.copy_over(&mut copy)?;
        Ok(Db::inline(copy))
    }

    /// A migrated PostgreSQL database, whose jobs run one at a time while their caller waits, as
    /// those of [`Db::open_in_memory_inline`] do.
    pub fn open_postgres_inline(address: &PostgresAddress) -> Result<Db> {
        let address = address.clone();
        on_own_thread(move || {
            let mut migrator = db::open_postgres(&address, Role::Migrator, true)?;
            migrate::up_on(&mut migrator)?;
            let link = Link::new(None, move || {
                db::open_postgres(&address, Role::Writer, true)
            });
            Ok(Db::inline_over(Kind::Postgres, link))
        })
    }

    fn inline(connection: Connection) -> Db {
        let first = Mutex::new(Some(connection));
        let link = Link::new(None, move || {
            let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
            first
                .take()
                .ok_or_else(|| Error::Unavailable("the database was in memory".into()))
        });
        Db::inline_over(Kind::Sqlite, link)
    }

    fn inline_over(kind: Kind, link: Link) -> Db {
        let inner = Inner {
            kind,
            path: None,
            counters: Arc::default(),
            mode: Mode::Inline(Mutex::new(link)),
        };
        Db {
            inner: Arc::new(inner),
        }
    }
}

impl Inner {
    /// Runs a job while the caller waits. The PostgreSQL driver runs its own small async runtime,
    /// which must not be nested in the caller's.
    pub(super) fn waited(&self, work: impl FnOnce() + Send) {
        match self.kind {
            Kind::Sqlite => work(),
            Kind::Postgres => std::thread::scope(|scope| {
                // A job catches its own panics.
                let _ = scope.spawn(work).join();
            }),
        }
    }
}
