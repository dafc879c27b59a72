//! `bench`: how fast this machine serves, beside the service's own no-op endpoint.
//!
//! One process holds the service, a fresh database and the load, so figures compare within a run
//! and not between machines. Authentication, validation, idempotency and the real ledger are on;
//! background work at Stripe is off. The audit runs at the end.

mod load;

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use domain::ledger::{Command, GrantKind, NewGrant, Request};
use domain::money::Credits;
use serde_json::{Value, json};
use store::accounts::{NewAccount, TierOverride};
use store::api_keys::NewApiKey;
use tokio::net::TcpListener;

use load::{Kind, Measured, Spender, Target};

use super::output::Output;
use super::serve::{Service, log_as_text};
use super::{Context, DIFFERENT, Ended};
use crate::app::App;
use crate::audit::{self, Scope};
use crate::clock::{SystemChance, new_secret};
use crate::config::Settings;
use crate::http::callers::KEY_PREFIX;
use crate::http::keys::hash;

/// Connections of the columns.
const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];
/// Accounts made in one job.
const ACCOUNTS_PER_JOB: usize = 250;
/// Before each measurement the same load runs this long unmeasured.
const WARM_UP: Duration = Duration::from_millis(300);
const FSYNC_TIME: Duration = Duration::from_millis(500);
/// Above this load average other work disturbs the figures.
const QUIET_LOAD: f64 = 3.0;

/// How to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Two seconds a figure instead of ten, and a thousand accounts instead of ten thousand.
    #[arg(long)]
    quick: bool,
    /// Accounts that debits are spread over.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    accounts: Option<u32>,
}

/// A figure of the table.
struct Cell {
    kind: Kind,
    connections: usize,
    measured: Measured,
    of_noop: f64,
}

/// Measures, audits and prints the table.
pub async fn run(context: &Context, args: &Args) -> Ended {
    log_as_text();
    if cfg!(debug_assertions) {
        eprintln!("This is a debug build: its figures say nothing. Use a release build.");
    }
    if let Some(busy) = load_average().filter(|load| *load >= QUIET_LOAD) {
        eprintln!("This machine is busy (load {busy}): the figures will be low.");
    }
    let parent = context.data.clone().unwrap_or_else(std::env::temp_dir);
    let folder = parent.join(format!(
        "localboxs-bench-{}",
        &new_secret(&SystemChance)[..12]
    ));
    std::fs::create_dir_all(&folder)?;
    let measured = in_folder(context, args, &folder).await;
    std::fs::remove_dir_all(&folder)?;
    measured
}

async fn in_folder(context: &Context, args: &Args, folder: &Path) -> Ended {
    let fsyncs = {
        let path = folder.join("fsync");
        tokio::task::spawn_blocking(move || fsync_rate(path)).await??
    };
    let accounts = args
        .accounts
        .unwrap_or(if args.quick { 1_000 } else { 10_000 });
    let time = Duration::from_secs(if args.quick { 2 } else { 10 });
    let mut settings = settings(context, folder)?;
    let app = App::open(settings.clone()).await?;
    let secret = format!("whsec_{}", new_secret(&SystemChance));
    app.add_webhook_secret(&secret).await?;
    let spenders = spenders(&app, usize::try_from(accounts)?).await?;
    let target = |address| {
        Arc::new(Target {
            address,
            spenders: spenders.clone(),
            webhook_secret: secret.clone(),
            counter: AtomicU64::new(1),
        })
    };
    // Pages first, and with billing on: before the first event nothing waits for Stripe.
    let service = start(app).await?;
    let mut cells = measure(&target(service.address), &Kind::PAGES, time).await?;
    service.stop().await;
    cells.retain(|cell| cell.kind != Kind::Noop);
    // Stored events wait: no worker asks Stripe about customers that it does not have.
    settings.billing.enabled = false;
    let app = App::open(settings).await?;
    let service = start(app.clone()).await?;
    cells.extend(measure(&target(service.address), &Kind::METERED, time).await?);
    let audited = audit::run(&app, Scope::Everything).await?;
    service.stop().await;

    let mut out = Output::new(context.json);
    let refused: u64 = cells.iter().map(|cell| cell.measured.refused).sum();
    let value = value(&cells, fsyncs, accounts, time, &audited);
    out.answer(&value, table(&cells, fsyncs, accounts, &audited));
    out.print();
    Ok(match (audited.findings_count, refused) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::FAILURE,
        _ => ExitCode::from(DIFFERENT),
    })
}

/// The configured service on a database of its own, without Stripe.
fn settings(context: &Context, folder: &Path) -> anyhow::Result<Settings> {
    let mut settings = context.settings()?;
    settings.database.url = "".into();
    settings.database.data = folder.to_owned();
    settings.stripe.webhook_secret = "".into();
    settings.clock.follow.clear();
    settings.mail.host.clear();
    settings.service.noop = true;
    Ok(settings)
}

async fn start(app: App) -> anyhow::Result<Service> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Service::start(app, listener)
}

/// Accounts with a key, a customer and plenty of credits, on a plan without limits.
async fn spenders(app: &App, count: usize) -> anyhow::Result<Vec<Spender>> {
    let mut spenders = Vec::with_capacity(count);
    while spenders.len() < count {
        let first = spenders.len();
        let part: Vec<Spender> = (first..count.min(first + ACCOUNTS_PER_JOB))
            .map(|number| Spender {
                key: format!("{KEY_PREFIX}test_{}", new_secret(&*app.chance)),
                customer: format!("cus_bench{number}"),
                session: new_secret(&*app.chance),
            })
            .collect();
        let (made, rules, now, real_now) = (part.clone(), app.rules(), app.now(), app.real_now());
        app.write(0, move |tx| {
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
        kind: "personal",
        name: &name,
        email: None,
        tier: "FREE",
        subscription_status: "NONE",
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
        scope: "meter",
        mode: "test",
        created_by: "cli",
    };
    store::api_keys::insert(tx, &key, now)?;
    let plenty = Credits::parse("1000000000").expect("a number of credits");
    let grant = NewGrant::new(GrantKind::Promo, format!("bench:{account}"), plenty);
    let requests = [Request::internal(Command::Grant(grant))];
    store::ledger::execute(tx, rules, account, &requests, now)?;
    Ok(account)
}

/// The owner of an account, signed in.
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
    let user = store::users::insert(tx, &id, &email, "Bench", "user", now)?
        .expect("the database is new, and so is the address");
    store::users::put_member(tx, user.id, account, "owner", now)?;
    let until = now.plus_days(1);
    store::sessions::insert(tx, &hash(&spender.session), user.id, "bench", now, until)?;
    Ok(())
}

/// Measures these kinds, of which the first is the reference.
async fn measure(
    target: &Arc<Target>,
    kinds: &[Kind],
    time: Duration,
) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for connections in CONNECTIONS {
        let mut noop = 0.0;
        for &kind in kinds {
            load::measure(target, kind, connections, WARM_UP).await?;
            let measured = load::measure(target, kind, connections, time).await?;
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

/// How often this disk takes a small write to heart in a second: the bound of a lone writer.
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

fn value(
    cells: &[Cell],
    fsyncs: f64,
    accounts: u32,
    time: Duration,
    audited: &audit::Report,
) -> Value {
    let cells = cells.iter().map(|cell| {
        json!({
            "name": cell.kind.word(),
            "connections": cell.connections,
            "perSecond": cell.measured.per_second,
            "ofNoop": cell.of_noop,
            "p50Micros": cell.measured.p50_micros,
            "p95Micros": cell.measured.p95_micros,
            "p99Micros": cell.measured.p99_micros,
            "refused": cell.measured.refused,
            "firstRefusal": cell.measured.first_refusal,
        })
    });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "debug": cfg!(debug_assertions),
        "database": "sqlite",
        "accounts": accounts,
        "seconds": time.as_secs(),
        "fsyncsPerSecond": fsyncs,
        "cells": cells.collect::<Vec<_>>(),
        "audit": { "entries": audited.entries, "findings": audited.findings_count },
    })
}

fn table(cells: &[Cell], fsyncs: f64, accounts: u32, audited: &audit::Report) -> String {
    let mut text = format!(
        "SQLite, {accounts} accounts; answers a second (share of noop), 99% within\n\n{:<22}",
        "connections"
    );
    for connections in CONNECTIONS {
        text.push_str(&format!("{connections:>28}"));
    }
    for kind in Kind::METERED.into_iter().chain([Kind::BillingPage]) {
        text.push_str(&format!("\n{:<22}", kind.word()));
        for cell in cells.iter().filter(|cell| cell.kind == kind) {
            let Measured {
                per_second,
                p99_micros,
                ..
            } = cell.measured;
            #[expect(clippy::cast_precision_loss, reason = "a time for people")]
            let millis = p99_micros as f64 / 1_000.0;
            let figure = format!("{per_second:.0} ({:.2}) {millis:.1} ms", cell.of_noop);
            text.push_str(&format!("{figure:>28}"));
        }
    }
    let lone = cells
        .iter()
        .find(|cell| cell.kind == Kind::DebitUniform && cell.connections == 1)
        .map_or(0.0, |cell| cell.measured.per_second);
    text.push_str(&format!(
        "\n\nwrite and fdatasync: {fsyncs:.0}/s; a lone debit reaches {:.2} of it\n",
        lone / fsyncs
    ));
    for cell in cells.iter().filter(|cell| cell.measured.refused > 0) {
        text.push_str(&format!(
            "{}, {} connections: {} refused, first {}\n",
            cell.kind.word(),
            cell.connections,
            cell.measured.refused,
            cell.measured.first_refusal.as_deref().unwrap_or_default()
        ));
    }
    text.push_str(&format!(
        "audit: {} entries, {} differences",
        audited.entries, audited.findings_count
    ));
    text
}
