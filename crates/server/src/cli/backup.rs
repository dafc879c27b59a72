//! `backup` for an embedded database. A PostgreSQL server has its own tools.

use std::path::PathBuf;

use billing::app::App;
use serde_json::json;

use crate::cli::output::Output;

/// Name of the setting that holds the time of the last backup.
pub const LAST: &str = "backup.last";

/// The command-line options of `backup`.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    /// Path of the backup, which must not exist yet.
    #[arg(required_unless_present = "noted")]
    pub to: Option<PathBuf>,
    /// Records that a backup was made with another tool, for example `pg_dump`. `doctor` checks for
    /// it.
    #[arg(long, conflicts_with = "to")]
    pub noted: bool,
}

/// Writes a consistent copy of the database while the service keeps running, or only records that a
/// backup was made with another tool.
pub async fn backup(app: &App, args: &BackupArgs, out: &mut Output) -> anyhow::Result<u8> {
    let taken_at = app.real_now();
    let shown = match &args.to {
        None => None,
        Some(to) => {
            anyhow::ensure!(!to.exists(), "{} already exists.", to.display());
            let (db, file) = (app.db.clone(), to.clone());
            tokio::task::spawn_blocking(move || db.backup(&file)).await??;
            Some(to.display().to_string())
        }
    };
    app.db
        .write(0, move |tx| {
            store::settings::put(tx, LAST, &taken_at.rfc3339(), taken_at).map(|_| ())
        })
        .await?;
    let text = match &shown {
        Some(shown) => format!("Backup written to {shown}."),
        None => "Backup recorded.".to_owned(),
    };
    out.answer(
        &json!({ "file": shown, "takenAt": taken_at.rfc3339() }),
        text,
    );
    Ok(0)
}
