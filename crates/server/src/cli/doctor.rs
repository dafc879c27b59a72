//! `doctor`: the deployment checklist. Checks what the service needs before the first customer;
//! with `--deployed` also what must have happened since. Exits with 1 if a check fails.

use billing::app::App;
use billing::binding;
use billing::jobs::nightly;
use billing::setup;
use domain::time::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::alerts::Severity;

use crate::cli::backup;
use crate::cli::output::{Output, counted};

/// How many seconds our clock may differ from Stripe's. Beyond 300, signatures of events are
/// refused.
const SKEW_SECONDS_MAX: i64 = 60;

/// Days after which a backup is too old.
const BACKUP_DAYS_MAX: i64 = 7;

/// The most incidents and administrators that are read.
const ROWS_MAX: i64 = 100;

const SECONDS_PER_MINUTE: i64 = 60;

/// The command-line options of `doctor`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Also checks what happens only after launch: a payment, a charged call, a plan change and an
    /// audit without differences.
    #[arg(long)]
    deployed: bool,
}

/// The outcome of a check: what was found, or what is wrong and how to fix it.
type CheckResult = Result<String, String>;

/// Checks everything the service needs.
pub async fn run(app: &App, args: &Args, out: &mut Output) -> anyhow::Result<u8> {
    let mut checks = vec![
        ("schema", schema(app).await),
        ("configuration", configuration(app)),
        ("Stripe", stripe(app).await),
        ("catalog", catalog(app).await),
        ("webhook endpoint", endpoint(app).await),
        ("webhooks", webhooks(app).await),
        ("sync", backlog(app).await),
        ("clock", clock(app).await),
        ("mail", mail(app)),
        ("monitoring", monitoring(app).await),
        ("backup", backed_up(app).await),
    ];
    if args.deployed {
        checks.extend(deployed(app).await);
    }
    let mut lines = Vec::new();
    let mut values = Vec::new();
    for (name, found) in &checks {
        let (state, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILS", text),
        };
        lines.push(format!("{state:<6}{name}: {text}"));
        values.push(json!({ "name": name, "ok": found.is_ok(), "detail": text }));
    }
    let is_ok = checks.iter().all(|(_, found)| found.is_ok());
    out.answer(&json!({ "ok": is_ok, "checks": values }), lines.join("\n"));
    Ok(u8::from(!is_ok))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn schema(app: &App) -> CheckResult {
    let (applied, missing) = app
        .read(|tx| {
            let applied = store::migrate::applied_on(tx)?.len();
            Ok((applied, store::migrate::missing_on(tx)?))
        })
        .await
        .map_err(text)?;
    match missing.first() {
        None => Ok(format!(
            "{} is reachable, all {applied} migrations are applied",
            database_name(app)
        )),
        Some(first) => Err(format!("{first} is not applied; run `migrate up`")),
    }
}

fn database_name(app: &App) -> &'static str {
    match app.db.kind() {
        store::Kind::Sqlite => "SQLite",
        store::Kind::Postgres => "PostgreSQL",
    }
}

fn configuration(app: &App) -> CheckResult {
    let faults = app.settings.check();
    // The secret that `setup` stored is enough; the check of the webhook endpoint looks for it.
    let fault = faults.iter().find(|fault| fault.is_certain());
    match fault {
        Some(fault) => Err(fault.to_string()),
        None if app.settings.stripe.secret_key.expose_secret().is_empty() => {
            Err("STRIPE_SECRET_KEY is not set".to_owned())
        }
        None if app.settings.stripe.is_live() => Ok("complete, with a live key".to_owned()),
        None => Ok("complete, with a test key: no real money moves".to_owned()),
    }
}

async fn stripe(app: &App) -> CheckResult {
    binding::check(app).await.map_err(|error| {
        let fact = error.0;
        let cause = fact.cause.map(|cause| format!(" ({cause})"));
        format!("{}{}", fact.detail, cause.unwrap_or_default())
    })?;
    let account = setup::stripe_account(app).await.map_err(text)?;
    let base = &app.settings.stripe.api_base;
    Ok(format!(
        "connected to {account} at {base}, which the database belongs to"
    ))
}

async fn catalog(app: &App) -> CheckResult {
    let report = setup::run(app, true).await.map_err(text)?;
    match report.changes.first() {
        None => Ok("products, prices, portal and webhook endpoint match the catalog".to_owned()),
        Some(first) => Err(format!(
            "{} at Stripe, the first is {first}; run `setup`",
            counted(report.changes.len(), "difference")
        )),
    }
}

async fn endpoint(app: &App) -> CheckResult {
    let url = setup::webhook_url(app);
    let known = setup::registered_endpoints(app).await.map_err(text)?;
    match known.first() {
        None => Err(format!("{url} is not registered; run `setup`")),
        Some(_) if app.webhook_secrets().is_empty() => {
            Err("its signing secret is unknown; set STRIPE_WEBHOOK_SECRET".to_owned())
        }
        Some(found) if found.is_disabled() => Err(format!("{} is disabled at Stripe", found.id)),
        Some(found) => Ok(format!("{} delivers to {url}", found.id)),
    }
}

/// Checks that signed events arrive and are processed.
async fn webhooks(app: &App) -> CheckResult {
    let overdue_since = app.settings.alerts.inbox_minutes * SECONDS_PER_MINUTE;
    let overdue_since = app.real_now().plus_seconds(-overdue_since);
    let (latest, oldest, parked) = app
        .read(|tx| {
            Ok((
                store::events::latest(tx)?,
                store::events::oldest_open(tx)?,
                store::alerts::parked_events(tx)?,
            ))
        })
        .await
        .map_err(text)?;
    let Some(latest) = latest else {
        let how = "no event has arrived yet; send one: `stripe trigger payment_intent.succeeded`";
        return Err(how.to_owned());
    };
    if parked > 0 {
        return Err(format!(
            "failed events need manual review: {parked}; see /admin/events"
        ));
    }
    if oldest.is_some_and(|oldest| oldest < overdue_since) {
        return Err("an event has been waiting too long; see /admin/events".to_owned());
    }
    let at = latest.received_at.rfc3339();
    Ok(format!("the last event arrived at {at}; none is overdue"))
}

async fn backlog(app: &App) -> CheckResult {
    let (waiting, parked) = app.read(store::sync::backlog).await.map_err(text)?;
    match parked {
        0 => Ok(format!("accounts waiting for a sync: {waiting}")),
        _ => Err(format!(
            "accounts whose sync failed: {parked}; run `sync --all`"
        )),
    }
}

/// Compares our clock with the last commit at the start, and with the `Date` header of Stripe's responses.
async fn clock(app: &App) -> CheckResult {
    if let Some(doubt) = app.clock_doubt() {
        return Err(doubt.text());
    }
    let theirs = stripe_date(app)
        .await
        .map_err(|error| format!("{error:#}"))?;
    skewed(app.real_now().seconds() - theirs)
}

fn skewed(skew: i64) -> CheckResult {
    if skew.abs() <= SKEW_SECONDS_MAX {
        return Ok(format!("{skew} s from Stripe's clock"));
    }
    Err(format!(
        "{skew} s from Stripe's clock; beyond 300 s no event can be verified"
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client with bounds, built in one place"
)]
async fn stripe_date(app: &App) -> anyhow::Result<i64> {
    let client = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(10))
        .build()?;
    let answer = client.get(&app.settings.stripe.api_base).send().await?;
    let date = answer.headers().get(http::header::DATE);
    let date = date.and_then(|date| date.to_str().ok()).unwrap_or_default();
    let date = jiff::fmt::rfc2822::parse(date)?;
    Ok(date.timestamp().as_second())
}

fn mail(app: &App) -> CheckResult {
    let mail = &app.settings.mail;
    if mail.host.is_empty() {
        return Err("SMTP_HOST is not set, so emails stay in the outbox".to_owned());
    }
    Ok(format!("{}:{}", mail.host, mail.port))
}

/// Checks that an administrator receives alerts, and that no critical alert is open.
async fn monitoring(app: &App) -> CheckResult {
    let (recipients, open) = app
        .read(|tx| {
            Ok((
                store::alerts::listeners(tx, ROWS_MAX)?.len(),
                store::alerts::all_open(tx, ROWS_MAX)?,
            ))
        })
        .await
        .map_err(text)?;
    if recipients == 0 {
        let how = "no one receives alerts; set LBX_ADMINS, or run `admin user EMAIL --role admin`";
        return Err(how.to_owned());
    }
    match open
        .iter()
        .find(|alert| alert.severity == Severity::Critical)
    {
        Some(alert) => Err(format!("an alert is open: {}", alert.summary)),
        None => Ok(format!(
            "{} {} alerts",
            counted(recipients, "administrator"),
            if recipients == 1 {
                "receives"
            } else {
                "receive"
            }
        )),
    }
}

async fn backed_up(app: &App) -> CheckResult {
    let taken = app
        .read(|tx| store::settings::get(tx, backup::LAST))
        .await
        .map_err(text)?;
    let taken = taken.as_deref().and_then(domain::time::parse);
    let Some(taken) = taken else {
        let how = "there is none; run `backup FILE`, or `backup --noted` after pg_dump";
        return Err(how.to_owned());
    };
    let at = taken.rfc3339();
    if taken < app.real_now().plus_days(-BACKUP_DAYS_MAX) {
        return Err(format!("the last one, from {at}, is older than a week"));
    }
    Ok(format!("the last one is from {at}"))
}

/// Checks what happens only after launch.
async fn deployed(app: &App) -> Vec<(&'static str, CheckResult)> {
    let read = app
        .read(|tx| {
            let seen = store::metrics::seen(tx)?;
            Ok((seen, store::settings::get(tx, nightly::LAST)?))
        })
        .await
        .map_err(text);
    let of = |check: &dyn Fn(&store::metrics::Seen) -> CheckResult| match &read {
        Ok((seen, _)) => check(seen),
        Err(error) => Err(error.clone()),
    };
    let books = match &read {
        Ok((_, last)) => books(last.as_deref()),
        Err(error) => Err(error.clone()),
    };
    let latest = |at: Option<Timestamp>, what: &str, missing: &str| match at {
        Some(at) => Ok(format!("{what} at {}", at.rfc3339())),
        None => Err(missing.to_owned()),
    };
    vec![
        (
            "payments",
            of(&|seen| latest(seen.paid_at, "the last one", "none has completed yet")),
        ),
        (
            "credits",
            of(&|seen| match seen.calls {
                0 => Err("no call has been charged yet".to_owned()),
                calls => Ok(format!("calls charged: {calls}")),
            }),
        ),
        (
            "plan changes",
            of(&|seen| {
                latest(
                    seen.changed_at,
                    "the last one",
                    "no plan has been changed yet",
                )
            }),
        ),
        ("books", books),
    ]
}

fn books(last: Option<&str>) -> CheckResult {
    let last: Value = match last.map(serde_json::from_str) {
        Some(Ok(last)) => last,
        _ => return Err("they have not been audited yet; run `audit`".to_owned()),
    };
    let at = last["at"].as_str().unwrap_or_default();
    match last["differences"].as_u64() {
        Some(0) => Ok(format!("the audit at {at} found no differences")),
        _ => Err(format!("the audit at {at} found differences; run `audit`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_by_more_than_a_minute_fails() {
        for skew in [0, 60, -60] {
            assert!(skewed(skew).is_ok(), "{skew}");
        }
        for skew in [61, -61, 100_000] {
            assert!(skewed(skew).is_err(), "{skew}");
        }
    }
}
