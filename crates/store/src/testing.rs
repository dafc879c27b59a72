//! Fresh, migrated databases of both kinds for tests.
//!
//! For PostgreSQL, each test process creates one temporary cluster with the programs found in the
//! usual places, or uses the server that `LBX_TEST_POSTGRES_URL` names. If there is neither, the
//! test panics: a run that skips PostgreSQL is a failed run.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;

use crate::args;
use crate::db::{self, Role};
use crate::error::{Error, Result};
use crate::handle::{Db, Options};
use crate::threads::on_own_thread;
use crate::transactions::NewTransaction;
use crate::url::{DatabaseUrl, Kind};

/// A fresh cluster may take half a minute to accept connections: 300 checks, 0.1 s apart.
const START_LOOKS_MAX: u32 = 300;
const START_PAUSE: Duration = Duration::from_millis(100);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A completed top-up with empty fields, from which tests build the transactions they need.
pub fn transaction() -> NewTransaction<'static> {
    NewTransaction {
        public_id: "",
        account_id: 0,
        user_id: None,
        stripe_payment_intent_id: None,
        stripe_checkout_session_id: None,
        stripe_invoice_id: None,
        stripe_refund_id: None,
        natural_key: "",
        kind: TransactionType::CreditTopup,
        status: TransactionStatus::Completed,
        amount_minor: 0,
        currency: "usd",
        refunded_minor: 0,
        product_type: "credit_topup",
        subscription_tier: None,
        credits_purchased_micros: None,
        description: None,
        metadata: None,
        failure: None,
        attempts: 0,
        receipt_url: None,
        occurred_at: Timestamp::default(),
        disputed: false,
    }
}

/// A database for the exclusive use of one test; it is removed when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// The kind of database, for the messages of tests.
    pub kind: Kind,
    /// The address of the database.
    pub url: DatabaseUrl,
    /// The address as text, for other programs.
    pub url_text: String,
    folder: Option<PathBuf>,
    name: Option<String>,
}

impl TestDatabase {
    /// Opens it with the settings for tests: full durability, and a migrated schema.
    pub fn open(&self) -> Db {
        self.open_with(&Options::default())
    }

    /// Opens it, and closes it when the returned value is dropped.
    pub fn opened(self) -> OpenDatabase {
        OpenDatabase {
            db: self.open(),
            _database: self,
        }
    }

    /// Opens it with `options`.
    pub fn open_with(&self, options: &Options) -> Db {
        Db::open(&self.url, options).expect("a test database opens")
    }
}

/// An open database for the exclusive use of one test; it is closed and removed when this is
/// dropped.
#[derive(Debug)]
pub struct OpenDatabase {
    db: Db,
    _database: TestDatabase,
}

impl std::ops::Deref for OpenDatabase {
    type Target = Db;

    fn deref(&self) -> &Db {
        &self.db
    }
}

impl Drop for OpenDatabase {
    fn drop(&mut self) {
        self.db.close();
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
        if let Some(name) = &self.name {
            let _ = on_server(format!("drop database if exists {name} with (force)"));
        }
    }
}

/// A fresh SQLite file in its own folder.
pub fn sqlite() -> TestDatabase {
    let folder = std::env::temp_dir().join(unique("lbx-test-sqlite"));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let path = folder.join("billing.db");
    TestDatabase {
        kind: Kind::Sqlite,
        url_text: format!("sqlite://{}", path.display()),
        url: DatabaseUrl::Sqlite(path),
        folder: Some(folder),
        name: None,
    }
}

/// A fresh database on the test server.
pub fn postgres() -> TestDatabase {
    let server = server_url();
    let name = unique("lbx_test").replace('-', "_");
    on_server(format!("create database {name}")).expect("the test server creates a database");
    let url_text = with_database(server, &name);
    TestDatabase {
        kind: Kind::Postgres,
        url: DatabaseUrl::parse(&url_text).expect("it differs in the name only"),
        url_text,
        folder: None,
        name: Some(name),
    }
}

/// Runs one statement on the test server, outside a test database.
fn on_server(sql: String) -> Result<()> {
    let DatabaseUrl::Postgres(address) = DatabaseUrl::parse(server_url())? else {
        return Err(Error::Address(
            "LBX_TEST_POSTGRES_URL is not PostgreSQL's".into(),
        ));
    };
    on_own_thread(move || {
        let mut connection = db::open_postgres(&address, Role::Migrator, true)?;
        connection.tx(None).execute_batch(&sql)
    })
}

/// Blocks all writes until it is dropped.
#[derive(Debug)]
pub struct Blocked(#[expect(dead_code, reason = "held for its lock")] Option<db::Connection>);

impl TestDatabase {
    /// Makes writes fail: another process holds the file's lock, or the server refuses connections.
    pub fn block_writes(&self) -> Blocked {
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut connection =
                    db::open_sqlite(path, Role::Migrator, true).expect("the file opens");
                connection.begin_write().expect("no one holds the lock now");
                Blocked(Some(connection))
            }
            DatabaseUrl::Postgres(_) => {
                let name = self.url_text.rsplit('/').next().unwrap_or("").to_owned();
                let name = name.split('?').next().unwrap_or("").to_owned();
                let server = DatabaseUrl::parse(server_url()).expect("the server has an address");
                on_own_thread(move || {
                    let DatabaseUrl::Postgres(address) = server else {
                        unreachable!("it is one")
                    };
                    let mut connection = db::open_postgres(&address, Role::Migrator, true)?;
                    let close = format!(
                        "alter database {name} with allow_connections false;
                         select pg_terminate_backend(pid) from pg_stat_activity
                          where datname = '{name}'"
                    );
                    connection.tx(None).execute_batch(&close)
                })
                .expect("the server accepts no connection");
                Blocked(None)
            }
        }
    }
}

/// Deletes every customer of this account, as if none had ever been recorded.
pub fn forget_customers(tx: &mut db::Tx<'_>, account: i64) -> crate::Result<()> {
    tx.execute(
        "delete from stripe_customer where account_id = $1",
        args![account],
    )?;
    tx.execute(
        "update account set stripe_customer_id = null where id = $1",
        args![account],
    )?;
    Ok(())
}

/// Deletes everything that was read from Stripe: the rows that mirror its objects.
pub fn forget_mirror(tx: &mut db::Tx<'_>) -> crate::Result<()> {
    for statement in [
        "delete from subscription",
        "delete from invoice",
        "delete from transactions",
        "delete from payment_method",
        "delete from sync_object",
        "delete from account_sync",
    ] {
        tx.execute(statement, args![])?;
    }
    Ok(())
}

/// Sets the failed attempts of the account's sync so high that the next failure parks it.
pub fn near_parking(tx: &mut db::Tx<'_>, account: i64) -> crate::Result<()> {
    tx.execute(
        "insert into account_sync (account_id, dirty_gen, done_gen, lease_token, attempts,
                                   next_attempt_at)
         values ($1, 0, 0, 0, 9, 0)
             on conflict (account_id) do update set attempts = 9",
        args![account],
    )?;
    Ok(())
}

/// Replaces the database name in `url`; parameters after `?` are kept.
fn with_database(url: &str, name: &str) -> String {
    let (head, parameters) = url
        .split_once('?')
        .map_or((url, ""), |(head, tail)| (head, tail));
    let authority_end = head.find("://").map_or(0, |at| at + 3);
    let path_start = head[authority_end..]
        .find('/')
        .map_or(head.len(), |at| authority_end + at);
    let query = if parameters.is_empty() {
        String::new()
    } else {
        format!("?{parameters}")
    };
    format!("{}/{name}{query}", &head[..path_start])
}

fn unique(prefix: &str) -> String {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{number}", std::process::id())
}

#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn server_url() -> &'static str {
    static SERVER: OnceLock<(String, Option<Cluster>)> = OnceLock::new();
    let (url, _) = SERVER.get_or_init(|| match std::env::var("LBX_TEST_POSTGRES_URL") {
        Ok(url) if !url.is_empty() => (url, None),
        _ => {
            let cluster = Cluster::start();
            (cluster.url.clone(), Some(cluster))
        }
    });
    url
}

/// A PostgreSQL cluster in a temporary folder, on a free loopback port.
#[derive(Debug)]
struct Cluster {
    url: String,
    /// The server stops when this end of the pipe is closed, which happens however our process
    /// ends.
    _lifeline: ChildStdin,
}

/// Runs the server; when the pipe it reads from is closed, stops it and removes its folder.
const KEEPER: &str = r#"
folder=$1; shift
"$@" >"$folder.log" 2>&1 &
server=$!
cat >/dev/null
kill -INT $server
wait $server
rm -rf "$folder" "$folder.log"
"#;

impl Cluster {
    fn start() -> Cluster {
        let bin = server_programs();
        let folder = std::env::temp_dir().join(unique("lbx-test-postgres"));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        let is_root = is_root();
        if is_root {
            run(Command::new("chown").arg("postgres").arg(&folder), "chown");
        }
        let data = folder.join("data");
        run(
            as_postgres(is_root, &bin.join("initdb"))
                .args([
                    "-N",
                    "-U",
                    "postgres",
                    "-A",
                    "trust",
                    "-E",
                    "UTF8",
                    "--no-locale",
                    "-D",
                ])
                .arg(&data),
            "initdb",
        );
        let port = free_port();
        let server = as_postgres(is_root, &bin.join("postgres"));
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "keeper"])
            .arg(&folder)
            .arg(server.get_program());
        keeper.args(server.get_args()).arg("-D").arg(&data);
        for setting in settings(port, &folder) {
            keeper.args(["-c", &setting]);
        }
        let mut child = keeper
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the shell starts");
        let lifeline = child.stdin.take().expect("its input was piped");
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        wait_until_ready(&mut child, &url, &folder);
        Cluster {
            url,
            _lifeline: lifeline,
        }
    }
}

/// Temporary data doesn't need to be durable; the tests open many connections.
fn settings(port: u16, folder: &Path) -> Vec<String> {
    vec![
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        "listen_addresses=127.0.0.1".into(),
        "fsync=off".into(),
        "full_page_writes=off".into(),
        "autovacuum=off".into(),
        "max_connections=400".into(),
        "shared_buffers=32MB".into(),
    ]
}

fn wait_until_ready(child: &mut Child, url: &str, folder: &Path) {
    let Ok(DatabaseUrl::Postgres(address)) = DatabaseUrl::parse(url) else {
        panic!("the cluster's own address is one of PostgreSQL");
    };
    for _ in 0..START_LOOKS_MAX {
        let address = address.clone();
        let answers =
            on_own_thread(move || db::open_postgres(&address, Role::Migrator, true).map(drop));
        if answers.is_ok() {
            return;
        }
        if let Ok(Some(status)) = child.try_wait() {
            panic!("PostgreSQL ended at its start: {status}");
        }
        std::thread::sleep(START_PAUSE);
    }
    let mut log = String::new();
    if let Ok(mut file) = std::fs::File::open(folder.with_extension("log")) {
        let _ = file.read_to_string(&mut log);
    }
    panic!("PostgreSQL does not answer: {log}");
}

/// The folder with `initdb` and `postgres`: the newest version in the distribution's layout, or the
/// one on the search path.
#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn server_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    if let Some((_, bin)) = newest {
        return bin;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists())
        .expect(
            "these tests need PostgreSQL: install it, or name a server in LBX_TEST_POSTGRES_URL",
        )
}

/// PostgreSQL refuses to run as root; in that case it runs as the `postgres` user.
fn as_postgres(is_root: bool, program: &Path) -> Command {
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("`id` runs");
    id.stdout.trim_ascii() == b"0"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

fn run(command: &mut Command, name: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {said}");
}

/// Deletes every order of this account and the rows that mirror Stripe, as if the database were a
/// backup from before its purchases.
pub fn forget_orders(tx: &mut db::Tx<'_>, account: i64) -> crate::Result<()> {
    for statement in [
        "delete from checkout_attempt where account_id = $1",
        "delete from intent_step where account_id = $1",
        "delete from stripe_intent where account_id = $1",
    ] {
        tx.execute(statement, args![account])?;
    }
    forget_mirror(tx)
}
