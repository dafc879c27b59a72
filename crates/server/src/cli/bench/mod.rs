//! `bench`: measures how fast this machine serves requests, compared with the service's own no-op
//! endpoint.
//!
//! One process runs the service, a new database and the load, so figures can be compared within a
//! run but not between machines. Authentication, validation, idempotency and the real ledger are
//! on. Background work at Stripe is off, except in the part that measures it with a twin. An audit
//! runs at the end.

pub mod load;
pub mod synced;
pub mod table;

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use billing::actors::KEY_PREFIX;
use billing::app::App;
use billing::books::audit;
use billing::books::audit::Scope;
use billing::clock::SystemRng;
use billing::config::Settings;
use billing::secrets::{hash, new_secret};
use domain::ledger::{Command, GrantKind, NewGrant, Request};
use domain::money::Credits;
use domain::people::{MemberRole, UserRole};
use domain::plan::AccountKind;
use store::accounts::{NewAccount, TierOverride};
use store::api_keys::{KeyMode, KeyScope, NewApiKey};
use tokio::net::TcpListener;

use crate::cli::bench::load::{Kind, Load, Measured, Spender, Target};
use crate::cli::output::Output;
use crate::cli::{CommandResult, Context, DIFFERENT};
use crate::service::Service;

/// Connections of the loads with a fixed rate.
const STEADY_CONNECTIONS: usize = 64;

/// The loads with a fixed rate, in requests per second.
const STEADY: [(Kind, u32); 3] = [
    (Kind::Noop, 5_000),
    (Kind::DebitUniform, 5_000),
    (Kind::Webhook, 500),
];

/// Accounts created in one job.
const ACCOUNTS_PER_JOB: usize = 250;

/// How long a load runs unmeasured before each measurement.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long the disk's rate of small writes is measured.
const FSYNC_TIME: Duration = Duration::from_millis(500);

/// Load average above which other work distorts the figures.
const QUIET_LOAD: f64 = 3.0;

/// The command-line options of `bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Measures each figure for two seconds instead of ten, with 1,000 accounts instead of 10,000.
    #[arg(long)]
    quick: bool,
    /// Number of accounts that debits are spread over.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: Option<u32>,
    /// Seconds to measure each figure.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// Numbers of concurrent connections to measure with, a column each.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256",
          value_parser = clap::value_parser!(u16).range(1..=1_024))]
    connections: Vec<u16>,
    /// URL of an empty PostgreSQL database to measure instead of a file. The bench fills it with
    /// data.
    #[arg(long)]
    database_url: Option<String>,
}

impl Args {
    fn accounts(&self) -> u32 {
        self.accounts
            .unwrap_or(if self.quick { 1_000 } else { 10_000 })
    }

    fn time(&self) -> Duration {
        let seconds = self.seconds.unwrap_or(if self.quick { 2 } else { 10 });
        Duration::from_secs(seconds.into())
    }
}

/// All figures of one run.
pub(crate) struct Figures {
    database: &'static str,
    accounts: u32,
    time: Duration,
    fsyncs: f64,
    cells: Vec<Cell>,
    steady: Vec<Steady>,
    synced: Measured,
    audited: audit::Report,
}

/// A figure of a load with a fixed rate.
struct Steady {
    kind: Kind,
    rate: u32,
    measured: Measured,
}

/// A cell of the table: a load with a number of connections.
struct Cell {
    kind: Kind,
    connections: usize,
    measured: Measured,
    of_noop: f64,
}

/// Measures, audits and prints the table. Exits with 1 if requests were refused, and with 3 if the
/// audit found differences.
#[expect(
    clippy::print_stderr,
    reason = "a command speaks to its user on standard error"
)]
pub async fn run(context: &Context, args: &Args) -> CommandResult {
    crate::telemetry::start_as_text(None);
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build, so the figures mean little. Use a release build.");
    }
    if let Some(busy) = load_average().filter(|load| *load >= QUIET_LOAD) {
        eprintln!("This machine is busy (load {busy}), so the figures will be low.");
    }
    let parent = context.data.clone().unwrap_or_else(std::env::temp_dir);
    let folder = parent.join(format!("localboxs-bench-{}", &new_secret(&SystemRng)[..12]));
    std::fs::create_dir_all(&folder)?;
    let measured = in_folder(context, args, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

#[expect(
    clippy::print_stderr,
    reason = "a command speaks to its user on standard error"
)]
async fn in_folder(context: &Context, args: &Args, folder: &Path) -> CommandResult {
    let fsyncs = {
        let path = folder.join("fsync");
        tokio::task::spawn_blocking(move || fsync_rate(path)).await??
    };
    let mut settings = settings(context, args, folder)?;
    let synced = synced::measure(settings.clone(), args.time()).await?;
    eprintln!("{:<22} {:>27.0}/s", "events applied", synced.per_second);
    let app = App::open(settings.clone()).await?;
    let secret = format!("whsec_{}", new_secret(&SystemRng));
    app.add_webhook_secret(&secret).await?;
    let spenders = spenders(&app, usize::try_from(args.accounts())?).await?;
    let target = |address| {
        Arc::new(Target {
            address,
            spenders: spenders.clone(),
            webhook_secret: secret.clone(),
            counter: AtomicU64::new(1),
        })
    };
    // Pages are measured first, with billing on: no sync waits for Stripe before the first event.
    let service = start(app).await?;
    let mut cells = measure(&target(service.address), &Kind::PAGES, args).await?;
    service.stop().await;
    cells.retain(|cell| cell.kind != Kind::Noop);
    // With billing off, stored events wait and no worker asks Stripe about customers that it
    // doesn't have.
    settings.billing.enabled = false;
    let app = App::open(settings).await?;
    let service = start(app.clone()).await?;
    let target = target(service.address);
    cells.extend(measure(&target, &Kind::METERED, args).await?);
    let steady = steady(&target, args.time()).await?;
    let audited = audit::run(&app, Scope::Everything).await?;
    let database = match app.db.kind() {
        store::Kind::Sqlite => "SQLite",
        store::Kind::Postgres => "PostgreSQL",
    };
    service.stop().await;

    let figures = Figures {
        database,
        accounts: args.accounts(),
        time: args.time(),
        fsyncs,
        cells,
        steady,
        synced,
        audited,
    };
    let mut out = Output::new(context.json);
    out.answer(&table::json(&figures), table::text(&figures));
    out.print();
    Ok(match (figures.audited.findings_count, figures.refused()) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::FAILURE,
        _ => ExitCode::from(DIFFERENT),
    })
}

impl Figures {
    /// How many responses of all loads were refusals or errors.
    fn refused(&self) -> u64 {
        let cells = self.cells.iter().map(|cell| cell.measured.refused);
        let steady = self.steady.iter().map(|one| one.measured.refused);
        cells.chain(steady).sum::<u64>() + self.synced.refused
    }
}

/// Refuses a database with accounts: the bench fills it with artificial rows.
async fn require_empty_database(app: &App) -> anyhow::Result<()> {
    let any = app.read(|tx| store::accounts::ids_after(tx, 0, 1)).await?;
    anyhow::ensure!(
        any.is_empty(),
        "The bench fills its database: --database-url must name an empty one."
    );
    Ok(())
}

/// The configuration, with the bench's own database and without Stripe.
fn settings(context: &Context, args: &Args, folder: &Path) -> anyhow::Result<Settings> {
    let mut settings = context.settings()?;
    settings.database.url = args.database_url.clone().unwrap_or_default().into();
    settings.database.data = folder.to_owned();
    settings.stripe.webhook_secret = "".into();
    // No call goes to Stripe, and none would get a response: 9 is the port of "discard".
    settings.stripe.api_base = "http://127.0.0.1:9".to_owned();
    settings.stripe.events_poll_seconds = 0;
    settings.clock.follow.clear();
    settings.mail.host.clear();
    settings.service.noop = true;
    Ok(settings)
}

async fn start(app: App) -> anyhow::Result<Service> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Service::start(app, listener)
}

/// Creates accounts with an API key, a customer and plenty of credits, on a plan without limits.
async fn spenders(app: &App, count: usize) -> anyhow::Result<Vec<Spender>> {
    let mut spenders = Vec::with_capacity(count);
    while spenders.len() < count {
        let first = spenders.len();
        let part: Vec<Spender> = (first..count.min(first + ACCOUNTS_PER_JOB))
            .map(|number| Spender {
                key: format!("{KEY_PREFIX}test_{}", new_secret(&*app.rng)),
                customer: format!("cus_bench{number}"),
                session: new_secret(&*app.rng),
            })
            .collect();
        let (made, rules, now, real_now) = (part.clone(), app.rules(), app.now(), app.real_now());
        app.db
            .write(0, move |tx| {
                for (index, spender) in made.iter().enumerate() {
                    let account = spender_rows(tx, &rules, spender, first + index, now)?;
                    owner_rows(tx, spender, account, first + index, real_now)?;
                }
                Ok(())
            })
            .await?;
        spenders.extend(part);
    }
    Ok(spenders)
}

fn spender_rows(
    tx: &mut store::Tx<'_>,
    rules: &store::ledger::Rules,
    spender: &Spender,
    number: usize,
    now: domain::time::Timestamp,
) -> store::Result<i64> {
    let name = format!("acc_bench{number}");
    let new = NewAccount {
        public_id: &name,
        external_id: None,
        kind: AccountKind::Personal,
        name: &name,
        email: None,
        tier: "FREE",
        email_verified_at: None,
    };
    let account = store::accounts::insert(tx, &new, now)?.id;
    let unlimited = TierOverride {
        tier: "ENTERPRISE",
        reason: "bench",
        actor: "cli",
        until: None,
    };
    store::accounts::set_tier_override(tx, account, Some(&unlimited), now)?;
    store::customers::insert(tx, &spender.customer, account, now)?;
    let key = NewApiKey {
        public_id: &format!("key_bench{number}"),
        account_id: Some(account),
        name: "bench",
        prefix: &spender.key[..16],
        secret_hash: &hash(&spender.key),
        scope: KeyScope::Meter,
        mode: KeyMode::Test,
        created_by: "cli",
    };
    store::api_keys::insert(tx, &key, now)?;
    let plenty = Credits::parse("1000000000").expect("a number of credits");
    let grant = NewGrant::new(GrantKind::Promo, format!("bench:{account}"), plenty);
    let requests = [Request::internal(Command::Grant(grant))];
    store::ledger::execute(tx, rules, account, &requests, now)?;
    Ok(account)
}

/// Creates the owner of an account, and a session of the owner.
fn owner_rows(
    tx: &mut store::Tx<'_>,
    spender: &Spender,
    account: i64,
    number: usize,
    now: domain::time::Timestamp,
) -> store::Result<()> {
    let (id, email) = (
        format!("usr_bench{number}"),
        format!("bench{number}@example.com"),
    );
    let user = store::users::insert(tx, &id, &email, "Bench", UserRole::User, now)?
        .expect("the database is new, and so is the email address");
    store::users::put_member(tx, user.id, account, MemberRole::Owner, now)?;
    let until = now.plus_days(1);
    store::sessions::insert(tx, &hash(&spender.session), user.id, "bench", now, until)?;
    Ok(())
}

/// Measures these kinds of requests, of which the first is the reference.
#[expect(
    clippy::print_stderr,
    reason = "a command speaks to its user on standard error"
)]
async fn measure(target: &Arc<Target>, kinds: &[Kind], args: &Args) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for &connections in &args.connections {
        let connections = usize::from(connections);
        let mut noop = 0.0;
        for &kind in kinds {
            let load = |time| Load {
                connections,
                time,
                rate: None,
            };
            load::measure(target, kind, load(WARM_UP)).await?;
            let measured = load::measure(target, kind, load(args.time())).await?;
            if kind == Kind::Noop {
                noop = measured.per_second;
            }
            let of_noop = measured.per_second / noop;
            eprintln!(
                "{:<22} {connections:>4} connections {:>9.0}/s",
                kind.word(),
                measured.per_second
            );
            cells.push(Cell {
                kind,
                connections,
                measured,
                of_noop,
            });
        }
    }
    Ok(cells)
}

/// Measures the loads with a fixed rate.
async fn steady(target: &Arc<Target>, time: Duration) -> anyhow::Result<Vec<Steady>> {
    let mut all = Vec::with_capacity(STEADY.len());
    for (kind, rate) in STEADY {
        let load = |time| Load {
            connections: STEADY_CONNECTIONS,
            time,
            rate: Some(rate),
        };
        load::measure(target, kind, load(WARM_UP)).await?;
        let measured = load::measure(target, kind, load(time)).await?;
        all.push(Steady {
            kind,
            rate,
            measured,
        });
    }
    Ok(all)
}

/// How many small writes this disk syncs in a second, which limits a single connection.
fn fsync_rate(path: PathBuf) -> std::io::Result<f64> {
    let mut file = std::fs::File::create(path)?;
    let page = [7_u8; 4096];
    let started = Instant::now();
    let mut count = 0_u32;
    while started.elapsed() < FSYNC_TIME {
        file.write_all(&page)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

fn load_average() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next()?.parse().ok()
}
