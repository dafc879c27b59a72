//! `Db`: accepts jobs and returns their results.

mod inline;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use domain::ledger::Request;
use domain::time::Timestamp;

use crate::checkpointer::{self, Stop};
use crate::cipher::Vault;
use crate::counters::Counters;
use crate::db::{self, Connection, PostgresAddress, Role, Tx};
use crate::error::{Error, Result};
use crate::files::{guard_file, make_private_file};
use crate::job::{ClosureJob, closure};
use crate::ledger::{Decision, LedgerJob, Rules};
use crate::migrate;
use crate::queue::Queue;
use crate::threads::on_own_thread;
use crate::url::{DatabaseUrl, Kind};
use crate::writer::{self, Job, Link};

/// What a write survives once it was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power failure: the write is on disk before it is acknowledged.
    #[default]
    Full,
    /// A crash of our process, but not a power failure: the last acknowledged writes may be lost.
    Relaxed,
}

/// The options for opening a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// The number of reader threads, each with its own read-only connection.
    pub readers: usize,
    /// Writer threads on PostgreSQL; SQLite has one.
    pub writers: usize,
    /// The maximum number of jobs queued for one writer, and for all readers together, before
    /// callers are refused.
    pub queue_max: usize,
    /// The most jobs in one commit.
    pub batch_max: usize,
    /// What a write survives once it was acknowledged.
    pub durability: Durability,
    /// Encrypts personal data and secrets before they are written.
    pub vault: Option<Vault>,
    /// Whether to migrate the schema when opening, instead of refusing an outdated one.
    pub migrate: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            readers: 2,
            writers: 2,
            queue_max: 4096,
            batch_max: 512,
            durability: Durability::Full,
            vault: None,
            migrate: true,
        }
    }
}

/// Work completed and work queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Commits since the database was opened.
    pub commits: u64,
    /// Jobs that these commits contained.
    pub jobs: u64,
    /// Jobs that are waiting for a writer.
    pub writes_waiting: usize,
    /// Jobs that are waiting for a reader.
    pub reads_waiting: usize,
}

/// An open database. Clones share its threads; [`Db::close`] or dropping the last clone stops them,
/// after all queued jobs were completed and answered.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("kind", &self.kind())
            .finish_non_exhaustive()
    }
}

struct Inner {
    kind: Kind,
    /// The path of the SQLite file.
    path: Option<PathBuf>,
    counters: Arc<Counters>,
    mode: Mode,
}

enum Mode {
    Threads(Threads),
    /// Jobs run on the caller's thread, one at a time; used by the simulation.
    Inline(Mutex<Link>),
}

struct Threads {
    writers: Vec<Arc<Queue<Job>>>,
    readers: Arc<Queue<Box<dyn ClosureJob>>>,
    stop: Arc<Stop>,
    handles: Mutex<Vec<JoinHandle<()>>>,
    /// The lock on the file, held while the threads run.
    guard: Option<File>,
}

impl Db {
    /// Opens the database and starts its threads. Blocks until it is open; in an async program,
    /// call it before serving.
    pub fn open(url: &DatabaseUrl, options: &Options) -> Result<Db> {
        match url {
            DatabaseUrl::Sqlite(path) => Db::open_sqlite(path, options),
            DatabaseUrl::Postgres(address) => {
                // The driver runs its own small async runtime, which must not be nested in another
                // one.
                let (address, options) = (address.clone(), options.clone());
                on_own_thread(move || Db::open_postgres(&address, &options))
            }
        }
    }

    fn open_sqlite(path: &Path, options: &Options) -> Result<Db> {
        let guard = guard_file(path)?;
        make_private_file(path).map_err(|error| {
            Error::Unavailable(format!("cannot make the file {}: {error}", path.display()))
        })?;
        let is_synced = options.durability == Durability::Full;
        let mut writer = db::open_sqlite(path, Role::Writer, is_synced)?;
        migrate::prepare(&mut writer, options.migrate)?;
        let checkpointing = db::open_sqlite(path, Role::Migrator, is_synced)?;

        let mut threads = Starting::new(options);
        let path = path.to_owned();
        let mut first = Some(writer);
        let writer_path = path.clone();
        let open = Mutex::new(move || match first.take() {
            Some(connection) => Ok(connection),
            None => db::open_sqlite(&writer_path, Role::Writer, is_synced),
        });
        let link = Link::new(options.vault.clone(), move || {
            open.lock().unwrap_or_else(PoisonError::into_inner)()
        });
        threads.start_writer(0, link)?;
        for number in 0..options.readers.max(1) {
            let path = path.clone();
            let link = Link::new(options.vault.clone(), move || {
                db::open_sqlite(&path, Role::Reader, is_synced)
            });
            threads.start_reader(number, link)?;
        }
        threads.start_checkpointer(checkpointing)?;
        Ok(threads.into_db(Kind::Sqlite, Some((path, guard))))
    }

    fn open_postgres(address: &PostgresAddress, options: &Options) -> Result<Db> {
        let is_synced = options.durability == Durability::Full;
        let mut migrator = db::open_postgres(address, Role::Migrator, is_synced)?;
        migrate::prepare(&mut migrator, options.migrate)?;
        drop(migrator);

        let mut threads = Starting::new(options);
        for number in 0..options.writers.max(1) {
            let address = address.clone();
            let link = Link::new(options.vault.clone(), move || {
                db::open_postgres(&address, Role::Writer, is_synced)
            });
            threads.start_writer(number, link)?;
        }
        for number in 0..options.readers.max(1) {
            let address = address.clone();
            let link = Link::new(options.vault.clone(), move || {
                db::open_postgres(&address, Role::Reader, is_synced)
            });
            threads.start_reader(number, link)?;
        }
        Ok(threads.into_db(Kind::Postgres, None))
    }

    /// The kind of database.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// Queues a job that writes; its result is returned after its commit. `shard_key` is the
    /// account, so that an account's jobs stay in order. The job runs even if the future is
    /// dropped. It may run more than once; the writes of an earlier run are rolled back first.
    ///
    /// The job is queued by the call itself; the future may be awaited on any executor.
    pub fn write<T, F>(
        &self,
        shard_key: i64,
        job: F,
    ) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = closure(job);
        let queued = self.push(shard_key, Job::Closure(job));
        async move {
            queued?;
            answer.await.unwrap_or(Err(Error::Closed))
        }
    }

    /// Queues a job that reads a single snapshot of the database, as of now or later.
    pub fn read<T, F>(&self, job: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = closure(job);
        let queued = self.push_read(job);
        async move {
            queued?;
            answer.await.unwrap_or(Err(Error::Closed))
        }
    }

    /// Like [`Db::write`], for a thread that may block. Panics on an async runtime's thread.
    pub fn write_blocking<T, F>(&self, shard_key: i64, job: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = closure(job);
        self.push(shard_key, Job::Closure(job))?;
        answer.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    /// Like [`Db::read`], for a thread that may block. Panics on an async runtime's thread.
    pub fn read_blocking<T, F>(&self, job: F) -> Result<T>
    where
        F: FnMut(&mut Tx<'_>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = closure(job);
        self.push_read(job)?;
        answer.blocking_recv().unwrap_or(Err(Error::Closed))
    }

    /// Sends a job to the writer of its shard. A refused job is dropped without an answer.
    fn push(&self, shard_key: i64, job: Job) -> Result<()> {
        match &self.inner.mode {
            Mode::Threads(threads) => {
                let shard = shard_key.unsigned_abs() % threads.writers.len() as u64;
                threads.writers[usize::try_from(shard).expect("there are few writers")].push(job)
            }
            Mode::Inline(link) => {
                self.inner.counters.jobs.fetch_add(1, Ordering::Relaxed);
                self.inner.waited(|| {
                    let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
                    writer::write_batch(&mut link, vec![job], &self.inner.counters);
                });
                Ok(())
            }
        }
    }

    /// Sends one command to the ledger; its result is returned after its commit. Commands of one
    /// account stay in order; those queued together share one commit.
    pub fn ledger(
        &self,
        rules: Arc<Rules>,
        account: i64,
        request: Request,
        now: Timestamp,
    ) -> impl Future<Output = Result<Decision>> + Send + use<> {
        let (job, answer) = LedgerJob::new(rules, account, request, now);
        let queued = self.push(account, Job::Ledger(job));
        async move {
            queued?;
            answer.await.unwrap_or(Err(Error::Closed))
        }
    }

    fn push_read(&self, job: Box<dyn ClosureJob>) -> Result<()> {
        match &self.inner.mode {
            Mode::Threads(threads) => threads.readers.push(job),
            Mode::Inline(link) => {
                self.inner.waited(|| {
                    let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
                    writer::read_one(&mut link, job);
                });
                Ok(())
            }
        }
    }

    /// Statistics of completed and queued work.
    pub fn stats(&self) -> Stats {
        let (writes_waiting, reads_waiting) = match &self.inner.mode {
            Mode::Threads(threads) => (
                threads.writers.iter().map(|queue| queue.len()).sum(),
                threads.readers.len(),
            ),
            Mode::Inline(_) => (0, 0),
        };
        Stats {
            commits: self.inner.counters.commits.load(Ordering::Relaxed),
            jobs: self.inner.counters.jobs.load(Ordering::Relaxed),
            writes_waiting,
            reads_waiting,
        }
    }

    /// Copies the SQLite database, as it is now, into the new file `to`, while jobs continue to
    /// run. For PostgreSQL, use the server's own tools.
    pub fn backup(&self, to: &Path) -> Result<()> {
        let Some(path) = &self.inner.path else {
            let said = "only a SQLite file is copied this way; use pg_dump or a base backup";
            return Err(Error::Address(said.into()));
        };
        let (path, to) = (path.clone(), to.to_owned());
        // A copy must be as private as the original.
        make_private_file(&to).map_err(|error| {
            Error::Unavailable(format!("cannot make {}: {error}", to.display()))
        })?;
        on_own_thread(move || db::open_sqlite(&path, Role::Reader, true)?.copy_into(&to))
    }

    /// Stops accepting jobs, finishes those that are queued, and waits for the threads to stop.
    pub fn close(&self) {
        if let Mode::Threads(threads) = &self.inner.mode {
            threads.close();
        }
    }
}

impl Threads {
    fn close(&self) {
        for queue in &self.writers {
            queue.close();
        }
        self.readers.close();
        self.stop.set();
        let handles =
            std::mem::take(&mut *self.handles.lock().unwrap_or_else(PoisonError::into_inner));
        for handle in handles {
            // A job may hold the last handle to its own database.
            if handle.thread().id() != std::thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

/// Threads that are being started.
struct Starting {
    options: Options,
    counters: Arc<Counters>,
    threads: Threads,
}

impl Starting {
    fn new(options: &Options) -> Starting {
        let threads = Threads {
            writers: Vec::new(),
            readers: Arc::new(Queue::new(options.queue_max)),
            stop: Arc::default(),
            handles: Mutex::default(),
            guard: None,
        };
        Starting {
            options: options.clone(),
            counters: Arc::default(),
            threads,
        }
    }

    fn start_writer(&mut self, number: usize, mut link: Link) -> Result<()> {
        let queue = Arc::new(Queue::new(self.options.queue_max));
        self.threads.writers.push(queue.clone());
        let (counters, batch_max) = (self.counters.clone(), self.options.batch_max.max(1));
        self.spawn(format!("db-writer-{number}"), move || {
            writer::serve_writes(&queue, batch_max, &mut link, &counters);
        })
    }

    fn start_reader(&mut self, number: usize, mut link: Link) -> Result<()> {
        let queue = self.threads.readers.clone();
        self.spawn(format!("db-reader-{number}"), move || {
            writer::serve_reads(&queue, &mut link);
        })
    }

    fn start_checkpointer(&mut self, connection: Connection) -> Result<()> {
        let (counters, stop) = (self.counters.clone(), self.threads.stop.clone());
        self.spawn("db-checkpointer".into(), move || {
            checkpointer::serve(connection, &counters, &stop);
        })
    }

    fn spawn(&mut self, name: String, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(body)
            .map_err(|error| Error::Unavailable(format!("cannot start a thread: {error}")))?;
        self.threads
            .handles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handle);
        Ok(())
    }

    fn into_db(mut self, kind: Kind, file: Option<(PathBuf, File)>) -> Db {
        let (path, guard) = file.unzip();
        self.threads.guard = guard;
        let mode = Mode::Threads(self.threads);
        let inner = Inner {
            kind,
            path,
            counters: self.counters,
            mode,
        };
        Db {
            inner: Arc::new(inner),
        }
    }
}
