//! `migrate`: the schema up, down, and where it stands.

use billing::app::App;
use clap::Subcommand;
use serde_json::json;
use store::migrate;
use store::migrate::Step;

use crate::cli::Context;
use crate::cli::output::Output;

/// See the module.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Migrate {
    /// Applies every step that is missing. An embedded database is copied first, beside its file.
    Up {
        /// A PostgreSQL database with rows is changed only when you say that it is backed up.
        #[arg(long)]
        backed_up: bool,
    },
    /// Lists the steps.
    Status,
    /// Takes back the latest steps, with what is in their tables.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: usize,
        /// Only says which.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Runs one on a database that no service of this folder holds.
pub async fn run(context: &Context, command: Migrate, out: &mut Output) -> anyhow::Result<u8> {
    let url = context.settings()?.database_url()?;
    let done = move || -> anyhow::Result<(&'static str, Vec<String>, Vec<Step>)> {
        let (title, names) = match command {
            Migrate::Up { backed_up } => {
                if !backed_up {
                    ask_for_backup(&url)?;
                }
                ("applied", migrate::up(&url)?)
            }
            Migrate::Status => ("", Vec::new()),
            Migrate::Down {
                steps,
                dry_run: false,
            } => ("taken back", migrate::down(&url, steps)?),
            Migrate::Down { steps, .. } => {
                let applied = migrate::status(&url)?.into_iter();
                let applied = applied.filter(|step| step.applied_at.is_some()).rev();
                let names = applied.take(steps);
                (
                    "would be taken back",
                    names.map(|step| name(&step)).collect(),
                )
            }
        };
        Ok((title, names, migrate::status(&url)?))
    };
    let (title, names, steps) = tokio::task::spawn_blocking(done).await??;
    answer(title, &names, &steps, out);
    Ok(0)
}

/// A server's database is backed up with the server's own tools, which we cannot check.
fn ask_for_backup(url: &store::DatabaseUrl) -> anyhow::Result<()> {
    let store::DatabaseUrl::Postgres(_) = url else {
        return Ok(());
    };
    let (done, missing): (Vec<Step>, Vec<Step>) = migrate::status(url)?
        .into_iter()
        .partition(|step| step.applied_at.is_some());
    anyhow::ensure!(
        done.is_empty() || missing.is_empty(),
        "{} steps are missing. Back the database up first (pg_dump), then run `migrate up \
         --backed-up`.",
        missing.len()
    );
    Ok(())
}

/// What a running service, which migrated when it started, answers.
pub async fn beside(app: &App, command: Migrate, out: &mut Output) -> anyhow::Result<u8> {
    anyhow::ensure!(
        !matches!(command, Migrate::Down { .. }),
        "A service runs on this database: stop it before its tables are taken away."
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
            None => "missing".to_owned(),
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
