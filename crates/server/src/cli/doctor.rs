//! `doctor`: the deployment checklist, line by line. What must be so before customers come; with
//! `--deployed` also what must have been seen since. Exit code 1 while a line fails.

use billing::app::App;
use billing::jobs::nightly;
use billing::setup;
use domain::time::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::cli::backup;
use crate::cli::output::Output;

/// Seconds that our clock may differ from Stripe's: beyond 300 no event would be believed.
const SKEW_SECONDS_MAX: i64 = 60;

/// Days after which a backup is an old one.
const BACKUP_DAYS_MAX: i64 = 7;

/// Incidents and administrators that are looked at.
const ROWS_MAX: i64 = 100;

const SECONDS_PER_MINUTE: i64 = 60;

/// How far to look.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Also what is seen only once customers came: a payment, a charged call, a changed plan, an
    /// audit without differences.
    #[arg(long)]
    deployed: bool,
}

/// What a line came to: what is so, or what is wrong and what to do.
type Found = Result<String, String>;

/// Looks at everything the service needs.
pub async fn run(app: &App, args: &Args, out: &mut Output) -> anyhow::Result<u8> {
    let mut looks = vec![
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
        looks.extend(deployed(app).await);
    }
    let mut lines = Vec::new();
    let mut values = Vec::new();
    for (name, found) in &looks {
        let (state, text) = match found {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILS", text),
        };
        lines.push(format!("{state:<6}{name}: {text}"));
        values.push(json!({ "name": name, "ok": found.is_ok(), "detail": text }));
    }
    let is_well = looks.iter().all(|(_, found)| found.is_ok());
    out.answer(
        &json!({ "ok": is_well, "checks": values }),
        lines.join("\n"),
    );
    Ok(u8::from(!is_well))
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn schema(app: &App) -> Found {
    let (applied, missing) = app
        .read(|tx| {
            let applied = store::migrate::applied_on(tx)?.len();
            Ok((applied, store::migrate::missing_on(tx)?))
        })
        .await
        .map_err(said)?;
    match missing.first() {
        None => Ok(format!(
            "{:?} answers, with all {applied} steps",
            app.db.kind()
        )),
        Some(first) => Err(format!("{first} is missing; run `migrate up`")),
    }
}

fn configuration(app: &App) -> Found {
    let faults = app.settings.check();
    // The secret that `setup` stored serves as well; whether there is one is the endpoint's line.
    let fault = faults.iter().find(|fault| fault.is_certain());
    match fault {
        Some(fault) => Err(fault.to_string()),
        None if app.settings.stripe.secret_key.expose_secret().is_empty() => {
            Err("STRIPE_SECRET_KEY is not set".to_owned())
        }
        None if app.settings.stripe.is_live() => Ok("complete, with a live key".to_owned()),
        None => Ok("complete, with a test key: no money moves".to_owned()),
    }
}

async fn stripe(app: &App) -> Found {
    let account = setup::stripe_account(app).await.map_err(said)?;
    let base = &app.settings.stripe.api_base;
    Ok(format!("{account} answers at {base}"))
}

async fn catalog(app: &App) -> Found {
    let report = setup::run(app, true).await.map_err(said)?;
    match report.changes.first() {
        None => Ok("products, prices, portal and endpoint are as the catalog says".to_owned()),
        Some(first) => Err(format!(
            "{} things differ at Stripe, the first is {first}; run `setup`",
            report.changes.len()
        )),
    }
}

async fn endpoint(app: &App) -> Found {
    let url = setup::webhook_url(app);
    let known = setup::registered_endpoints(app).await.map_err(said)?;
    match known.first() {
        None => Err(format!("{url} is not registered; run `setup`")),
        Some(_) if app.webhook_secrets().is_empty() => {
            Err("its secret is not known here; set STRIPE_WEBHOOK_SECRET".to_owned())
        }
        Some(found) if found.status.as_deref() == Some("disabled") => {
            Err(format!("{} is disabled at Stripe", found.id))
        }
        Some(found) => Ok(format!("{} delivers to {url}", found.id)),
    }
}

/// Whether signed events arrive and are worked off.
async fn webhooks(app: &App) -> Found {
    let waits_since = app.settings.alerts.inbox_minutes * SECONDS_PER_MINUTE;
    let waits_since = app.real_now().plus_seconds(-waits_since);
    let (latest, oldest, parked) = app
        .read(|tx| {
            Ok((
                store::events::latest(tx)?,
                store::events::oldest_open(tx)?,
                store::alerts::parked_events(tx)?,
            ))
        })
        .await
        .map_err(said)?;
    let Some(latest) = latest else {
        let how = "no event arrived yet; send one: `stripe trigger payment_intent.succeeded`";
        return Err(how.to_owned());
    };
    if parked > 0 {
        return Err(format!(
            "{parked} events wait for a person; see /admin/events"
        ));
    }
    if oldest.is_some_and(|oldest| oldest < waits_since) {
        return Err("an event waits too long; see /admin/events".to_owned());
    }
    let at = latest.received_at.rfc3339();
    Ok(format!("the last event came at {at}, none waits"))
}

async fn backlog(app: &App) -> Found {
    let (waiting, parked) = app.read(store::sync::backlog).await.map_err(said)?;
    match parked {
        0 => Ok(format!("{waiting} accounts wait for a sync")),
        _ => Err(format!("{parked} accounts were given up; see `sync --all`")),
    }
}

/// Our clock against the `Date` that Stripe answers with.
async fn clock(app: &App) -> Found {
    let theirs = stripe_date(app)
        .await
        .map_err(|error| format!("{error:#}"))?;
    skewed(app.real_now().seconds() - theirs)
}

fn skewed(skew: i64) -> Found {
    if skew.abs() <= SKEW_SECONDS_MAX {
        return Ok(format!("{skew} s from Stripe's"));
    }
    Err(format!(
        "{skew} s from Stripe's: beyond 300 s no event is believed"
    ))
}

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

fn mail(app: &App) -> Found {
    let mail = &app.settings.mail;
    if mail.host.is_empty() {
        return Err("SMTP_HOST is not set: mails stay in the outbox".to_owned());
    }
    Ok(format!("{}:{}", mail.host, mail.port))
}

/// Whether somebody would be told, and nothing is to be told now.
async fn monitoring(app: &App) -> Found {
    let (listeners, open) = app
        .read(|tx| {
            Ok((
                store::alerts::listeners(tx, ROWS_MAX)?.len(),
                store::alerts::all_open(tx, ROWS_MAX)?,
            ))
        })
        .await
        .map_err(said)?;
    if listeners == 0 {
        let how = "nobody is told of alerts; set LBX_ADMINS, or `admin user MAIL --role admin`";
        return Err(how.to_owned());
    }
    match open.iter().find(|alert| alert.severity == "critical") {
        Some(alert) => Err(format!("an alert is open: {}", alert.summary)),
        None => Ok(format!("{listeners} administrators are told of alerts")),
    }
}

async fn backed_up(app: &App) -> Found {
    let taken = app
        .read(|tx| store::settings::get(tx, backup::LAST))
        .await
        .map_err(said)?;
    let taken = taken.as_deref().and_then(domain::time::parse);
    let Some(taken) = taken else {
        let how = "none was taken; run `backup FILE`, or after pg_dump `backup --noted`";
        return Err(how.to_owned());
    };
    let at = taken.rfc3339();
    if taken < app.real_now().plus_days(-BACKUP_DAYS_MAX) {
        return Err(format!("the last one is of {at}, older than a week"));
    }
    Ok(format!("the last one is of {at}"))
}

/// What is seen only once customers came.
async fn deployed(app: &App) -> Vec<(&'static str, Found)> {
    let read = app
        .read(|tx| {
            let seen = store::metrics::seen(tx)?;
            Ok((seen, store::settings::get(tx, nightly::LAST)?))
        })
        .await
        .map_err(said);
    let of = |look: &dyn Fn(&store::metrics::Seen) -> Found| match &read {
        Ok((seen, _)) => look(seen),
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
            of(&|seen| latest(seen.paid_at, "the last one", "none was completed yet")),
        ),
        (
            "credits",
            of(&|seen| match seen.calls {
                0 => Err("no call was charged yet".to_owned()),
                calls => Ok(format!("{calls} calls were charged")),
            }),
        ),
        (
            "plan changes",
            of(&|seen| latest(seen.changed_at, "the last one", "no plan was changed yet")),
        ),
        ("books", books),
    ]
}

fn books(last: Option<&str>) -> Found {
    let last: Value = match last.map(serde_json::from_str) {
        Some(Ok(last)) => last,
        _ => return Err("they were not audited yet; run `audit`".to_owned()),
    };
    let at = last["at"].as_str().unwrap_or_default();
    match last["differences"].as_u64() {
        Some(0) => Ok(format!("no difference at {at}")),
        _ => Err(format!("the audit of {at} found differences; run `audit`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_by_more_than_a_minute_fails() {
        for skew in [0, 60, -60] {
            assert!(skewed(skew).is_ok(), "{skew}");
        }
        for skew in [61, -61, 100_000] {
            assert!(skewed(skew).is_err(), "{skew}");
        }
    }
}
