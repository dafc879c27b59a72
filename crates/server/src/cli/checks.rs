//! `setup`, `config check` and `doctor`: whether everything is in its place.

use std::process::ExitCode;

use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;
use stripe::Form;

use super::output::Output;
use super::{Context, DIFFERENT, Ended};
use crate::app::App;
use crate::setup;

/// Seconds that our clock may differ from Stripe's: beyond 300 no event would be believed.
const SKEW_SECONDS_MAX: i64 = 60;
const ENDPOINTS_MAX: usize = 200;

/// How to set up.
#[derive(Clone, Debug, clap::Args)]
pub struct SetupArgs {
    /// Only tells what differs; exit code 3 when something does.
    #[arg(long, visible_alias = "dry-run")]
    check: bool,
}

/// See the module.
#[derive(Clone, Debug, Subcommand)]
pub enum Config {
    /// Tells everything that keeps the service from starting.
    Check,
}

/// Brings Stripe in line with the catalog.
pub async fn setup(app: &App, args: &SetupArgs, out: &mut Output) -> anyhow::Result<u8> {
    anyhow::ensure!(
        !app.settings.stripe.secret_key.expose_secret().is_empty(),
        "STRIPE_SECRET_KEY is missing."
    );
    let report = setup::run(app, args.check).await?;
    let title = if args.check {
        "differs"
    } else {
        "made or changed"
    };
    let mut lines: Vec<String> = Vec::new();
    lines.extend(
        report
            .changes
            .iter()
            .map(|change| format!("{title}: {change}")),
    );
    lines.extend(
        report
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    if report.changes.is_empty() {
        lines.push("Stripe is as the catalog says.".to_owned());
    }
    out.answer(&serde_json::to_value(&report)?, lines.join("\n"));
    Ok(if args.check && !report.changes.is_empty() {
        DIFFERENT
    } else {
        0
    })
}

/// Checks the configuration without opening anything.
pub fn config(context: &Context) -> Ended {
    let faults = match context.settings() {
        Ok(settings) => settings.check(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    };
    // `serve` also believes the secret that `setup` stored: nothing is opened here to see it.
    let (notes, faults): (Vec<String>, Vec<String>) = faults
        .into_iter()
        .partition(|fault| fault.starts_with("STRIPE_WEBHOOK_SECRET"));
    let notes: Vec<String> = notes
        .iter()
        .map(|note| format!("note: {note}; the one that `setup` stored is used, once it has run"))
        .collect();
    let mut out = Output::new(context.json);
    let mut lines = faults.clone();
    lines.extend(notes.iter().cloned());
    if faults.is_empty() {
        lines.push("The configuration is complete.".to_owned());
    }
    let value = json!({ "ok": faults.is_empty(), "faults": faults, "notes": notes });
    out.answer(&value, lines.join("\n"));
    out.print();
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One thing that was looked at.
struct Look {
    name: &'static str,
    result: Result<String, String>,
}

/// Looks at everything the service needs.
pub async fn doctor(app: &App, out: &mut Output) -> anyhow::Result<u8> {
    let looks = [
        database(app).await,
        backlog(app).await,
        stripe(app).await,
        endpoint(app).await,
        skew(app).await,
        mail(app),
    ];
    let mut lines = Vec::new();
    let mut values = Vec::new();
    for Look { name, result } in &looks {
        let (state, text) = match result {
            Ok(text) => ("ok", text),
            Err(text) => ("FAILS", text),
        };
        lines.push(format!("{state:<6}{name}: {text}"));
        values.push(json!({ "name": name, "ok": result.is_ok(), "detail": text }));
    }
    let is_well = looks.iter().all(|look| look.result.is_ok());
    out.answer(
        &json!({ "ok": is_well, "checks": values }),
        lines.join("\n"),
    );
    Ok(u8::from(!is_well))
}

async fn database(app: &App) -> Look {
    let read = app.read(store::migrate::applied_on).await;
    let result = read.map_err(|error| error.to_string()).map(|steps| {
        let kind = app.db.kind();
        format!("{kind:?} answers, {} schema steps", steps.len())
    });
    Look {
        name: "database",
        result,
    }
}

async fn backlog(app: &App) -> Look {
    let read = app
        .read(|tx| {
            Ok((
                store::sync::backlog(tx)?,
                store::events::count_by_state(tx)?,
            ))
        })
        .await;
    let result = match read {
        Err(error) => Err(error.to_string()),
        Ok(((waiting, 0), _)) => Ok(format!("{waiting} accounts wait for a sync")),
        Ok(((_, parked), _)) => Err(format!("{parked} accounts were given up; see `sync --all`")),
    };
    Look {
        name: "sync",
        result,
    }
}

async fn stripe(app: &App) -> Look {
    let result = match app.stripe.retrieve_account().await {
        Ok(account) => Ok(format!(
            "{} answers at {}",
            account.id, app.settings.stripe.api_base
        )),
        Err(error) => Err(error.to_string()),
    };
    Look {
        name: "Stripe",
        result,
    }
}

async fn endpoint(app: &App) -> Look {
    let url = format!("{}/api/stripe/webhook", app.settings.service.base_url);
    let all = Form::new();
    let result = match app.stripe.list_webhook_endpoints(&all, ENDPOINTS_MAX).await {
        Err(error) => Err(error.to_string()),
        Ok(known) => match known.data.iter().find(|one| one.url == url) {
            None => Err(format!("{url} is not registered; run `setup`")),
            Some(_) if app.webhook_secrets().is_empty() => {
                Err("its secret is not known here; set STRIPE_WEBHOOK_SECRET".to_owned())
            }
            Some(found) if found.status.as_deref() == Some("disabled") => {
                Err(format!("{} is disabled at Stripe", found.id))
            }
            Some(found) => Ok(format!("{} delivers to {url}", found.id)),
        },
    };
    Look {
        name: "webhook endpoint",
        result,
    }
}

/// Our clock against the `Date` that Stripe answers with.
async fn skew(app: &App) -> Look {
    let result = match stripe_date(app).await {
        Err(error) => Err(format!("{error:#}")),
        Ok(theirs) => {
            let skew = app.real_now().seconds() - theirs;
            if skew.abs() <= SKEW_SECONDS_MAX {
                Ok(format!("{skew} s from Stripe's"))
            } else {
                Err(format!(
                    "{skew} s from Stripe's: beyond 300 s no event is believed"
                ))
            }
        }
    };
    Look {
        name: "clock",
        result,
    }
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

fn mail(app: &App) -> Look {
    let mail = &app.settings.mail;
    let result = if mail.host.is_empty() {
        Err("SMTP_HOST is not set: mails stay in the outbox".to_owned())
    } else {
        Ok(format!("{}:{}", mail.host, mail.port))
    };
    Look {
        name: "mail",
        result,
    }
}
