//! `setup` and `config check`: brings Stripe in line with the catalog, and checks the
//! configuration.

use std::process::ExitCode;

use billing::app::App;
use billing::config::{Fault, Settings, process_environment};
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::{CommandResult, Context, DIFFERENT};

/// The command-line options of `setup`.
#[derive(Clone, Debug, clap::Args)]
pub struct SetupArgs {
    /// Shows the differences without changing anything. Exits with 3 if there are any.
    #[arg(long, visible_alias = "dry-run")]
    check: bool,
}

/// The subcommands of `config`.
#[derive(Clone, Debug, Subcommand)]
pub enum Config {
    /// Lists every problem that prevents the service from starting.
    Check,
}

/// Creates and updates objects at Stripe to match the catalog.
pub async fn setup(app: &App, args: &SetupArgs, out: &mut Output) -> anyhow::Result<u8> {
    anyhow::ensure!(
        !app.settings.stripe.secret_key.expose_secret().is_empty(),
        "STRIPE_SECRET_KEY is missing."
    );
    let report = billing::setup::run(app, args.check).await?;
    let title = if args.check {
        "differs"
    } else {
        "created or updated"
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
        lines.push("Stripe matches the catalog.".to_owned());
    }
    out.answer(&serde_json::to_value(&report)?, lines.join("\n"));
    Ok(if args.check && !report.changes.is_empty() {
        DIFFERENT
    } else {
        0
    })
}

/// Checks the configuration without opening the database or calling Stripe.
pub fn config(context: &Context) -> CommandResult {
    let (settings, unreadable) = Settings::read(context.config.as_deref(), &process_environment);
    let mut faults: Vec<Fault> = unreadable.into_iter().map(Fault::from).collect();
    faults.extend(
        settings
            .map(|settings| settings.check())
            .unwrap_or_default(),
    );
    // `serve` also accepts the secret that `setup` stored in the database, which isn't opened here.
    let (faults, notes): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(Fault::is_certain);
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
    let notes: Vec<String> = notes
        .iter()
        .map(|note| format!("note: {note}; `serve` uses the secret that `setup` stores"))
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
