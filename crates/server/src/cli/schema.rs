//! `migrate`: applies and reverts schema migrations, and lists them.

use billing::app::App;
use clap::Subcommand;
use serde_json::json;
use store::migrate;
use store::migrate::Step;

use crate::cli::Context;
use crate::cli::output::{Output, counted};

/// The subcommands of `migrate`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Migrate {
    /// Applies all pending migrations. An embedded database is first copied next to its file.
    Up {
        /// Confirms that you backed up the database. Required for a PostgreSQL database in use.
        #[arg(long)]
        backed_up: bool,
    },
    /// Lists all migrations and whether they are applied.
    Status,
    /// Reverts the latest migrations. The data in their tables is lost.
    Down {
        /// How many migrations to revert.
        #[arg(long, default_value_t = 1)]
        steps: usize,
        /// Lists the migrations without reverting them.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs a subcommand of `migrate` on a database that no running service holds.
pub async fn run(context: &Context, command: Migrate, out: &mut Output) -> anyhow::Result<u8> {
    let url = context.settings()?.database_url()?;
    let done = move || -> anyhow::Result<(&'static str, Vec<String>, Vec<Step>)> {
        let (title, names) = match command {
            Migrate::Up { backed_up } => {
                if !backed_up {
                    require_backup(&url)?;
                }
                ("applied", migrate::up(&url)?)
            }
            Migrate::Status => ("", Vec::new()),
            Migrate::Down {
                steps,
                dry_run: false,
            } => ("reverted", migrate::down(&url, steps)?),
            Migrate::Down { steps, .. } => {
                let applied = migrate::status(&url)?.into_iter();
                let applied = applied.filter(|step| step.applied_at.is_some()).rev();
                let names = applied.take(steps);
                ("would be reverted", names.map(|step| name(&step)).collect())
            }
        };
        Ok((title, names, migrate::status(&url)?))
    };
    let (title, names, steps) = tokio::task::spawn_blocking(done).await??;
    answer(title, &names, &steps, out);
    Ok(0)
}

/// Refuses to migrate a PostgreSQL database in use: it is backed up with other tools, so whether it
/// was can't be checked.
fn require_backup(url: &store::DatabaseUrl) -> anyhow::Result<()> {
    let store::DatabaseUrl::Postgres(_) = url else {
        return Ok(());
    };
    let (done, missing): (Vec<Step>, Vec<Step>) = migrate::status(url)?
        .into_iter()
        .partition(|step| step.applied_at.is_some());
    anyhow::ensure!(
        done.is_empty() || missing.is_empty(),
        "{} pending. Back up the database first (pg_dump), then run `migrate up --backed-up`.",
        counted(missing.len(), "migration")
    );
    Ok(())
}

/// Runs a subcommand of `migrate` inside a running service, which applied all migrations when it
/// started.
pub async fn run_in_service(app: &App, command: Migrate, out: &mut Output) -> anyhow::Result<u8> {
    anyhow::ensure!(
        !matches!(command, Migrate::Down { .. }),
        "A service is using this database; stop it before you revert migrations."
    );
    let applied = app.read(migrate::applied_on).await?;
    let steps = applied.into_iter().map(|(version, name)| Step {
        version,
        name,
        applied_at: Some(String::new()),
    });
    answer("applied", &[], &steps.collect::<Vec<_>>(), out);
    Ok(0)
}

fn name(step: &Step) -> String {
    format!("V{}__{}", step.version, step.name)
}

fn answer(title: &str, names: &[String], steps: &[Step], out: &mut Output) {
    let mut text = String::new();
    for name in names {
        text.push_str(&format!("{name} {title}\n"));
    }
    for step in steps {
        let state = match step.applied_at.as_deref() {
            None => "pending".to_owned(),
            Some("") => "applied".to_owned(),
            Some(at) => format!("applied {at}"),
        };
        text.push_str(&format!("{}  {state}\n", name(step)));
    }
    let steps = steps.iter().map(|step| {
        json!({
            "version": step.version, "name": step.name, "applied": step.applied_at.is_some(),
        })
    });
    let value = json!({ "changed": names, "steps": steps.collect::<Vec<_>>() });
    out.answer(&value, text.trim_end());
}
