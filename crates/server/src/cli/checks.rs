//! `setup` and `config check`: whether everything is in its place.

use std::process::ExitCode;

use billing::app::App;
use billing::config::Fault;
use clap::Subcommand;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::{Context, DIFFERENT, Ended};

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
    let report = billing::setup::run(app, args.check).await?;
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
        Err(error) => error.to_string().lines().map(Fault::from).collect(),
    };
    // `serve` also believes the secret that `setup` stored: nothing is opened here to see it.
    let (faults, notes): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(Fault::is_certain);
    let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
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
