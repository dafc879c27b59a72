//! `restore` for an embedded database. A PostgreSQL server has its own tools.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use billing::app::App;
use billing::books::audit;
use billing::books::audit::Scope;
use billing::clock::SystemRng;
use billing::config::Settings;
use billing::secrets::new_secret;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::{CommandResult, Context, DIFFERENT, socket};

/// The command-line options of `restore`.
#[derive(Clone, Debug, clap::Args)]
pub struct RestoreArgs {
    /// Path of the backup.
    from: PathBuf,
    /// Replaces an existing database.
    #[arg(long, conflicts_with = "verify")]
    replace: bool,
    /// Verifies the backup without restoring it: audits a temporary copy. Exits with 3 if there are
    /// differences.
    #[arg(long)]
    verify: bool,
}

/// Replaces the embedded database with a backup, after checking that the backup can be opened.
pub async fn restore(context: &Context, args: &RestoreArgs) -> CommandResult {
    let settings = context.settings()?;
    if args.verify {
        return verify(context, settings, &args.from).await;
    }
    let store::DatabaseUrl::Sqlite(path) = settings.database_url()? else {
        anyhow::bail!("`restore` only works for an embedded database; use pg_restore.");
    };
    if socket::is_listening(&socket::path(&settings)?).await {
        anyhow::bail!("A service is using {}; stop it first.", path.display());
    }
    anyhow::ensure!(
        args.replace || !path.exists(),
        "{} already exists; use --replace to replace it.",
        path.display()
    );
    let (from, options) = (args.from.clone(), settings.database_options());
    let target = path.clone();
    let accounts =
        tokio::task::spawn_blocking(move || put_in_place(&from, &target, &options)).await??;
    let mut out = Output::new(context.json);
    let shown = path.display().to_string();
    let text = format!("Restored {shown}; its last account has number {accounts}.");
    out.answer(&json!({ "file": shown, "lastAccount": accounts }), text);
    out.print();
    Ok(ExitCode::SUCCESS)
}

/// Restores the backup into a temporary folder, audits it there, and deletes the folder.
async fn verify(context: &Context, mut settings: Settings, from: &Path) -> CommandResult {
    let folder = std::env::temp_dir().join(format!(
        "localboxs-verify-{}",
        &new_secret(&SystemRng)[..12]
    ));
    std::fs::create_dir_all(&folder)?;
    settings.database.url = "".into();
    settings.database.data = folder.clone();
    let (from, target, options) = (
        from.to_owned(),
        folder.join("billing.db"),
        settings.database_options(),
    );
    let restored =
        tokio::task::spawn_blocking(move || put_in_place(&from, &target, &options)).await?;
    let report = match restored {
        Ok(_) => audit_of(settings).await,
        Err(error) => Err(error),
    };
    std::fs::remove_dir_all(&folder)?;
    let report = report?;
    let mut out = Output::new(context.json);
    let text = format!(
        "The backup is readable: {} accounts, {} journal entries, {} differences.",
        report.accounts, report.entries, report.findings_count
    );
    let value = json!({
        "accounts": report.accounts, "entries": report.entries,
        "differences": report.findings_count,
    });
    out.answer(&value, text);
    out.print();
    Ok(if report.findings_count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DIFFERENT)
    })
}

async fn audit_of(settings: Settings) -> anyhow::Result<audit::Report> {
    let app = App::open(settings).await?;
    let report = audit::run(&app, Scope::Everything).await;
    let db = app.db.clone();
    tokio::task::spawn_blocking(move || db.close()).await?;
    Ok(report?)
}

/// Copies the backup next to the database, opens it there, and renames it. A file that is not a
/// backup replaces nothing. Returns the number of the last account.
fn put_in_place(from: &Path, path: &Path, options: &store::Options) -> anyhow::Result<i64> {
    let copy = with_suffix(path, ".restored");
    if let Some(folder) = path.parent() {
        store::make_folder(folder)?;
    }
    std::fs::copy(from, &copy).with_context(|| format!("cannot read {}", from.display()))?;
    let opened = last_account(&copy, options);
    for suffix in ["-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(with_suffix(&copy, suffix));
    }
    if opened.is_err() {
        let _ = std::fs::remove_file(&copy);
    }
    let last = opened.with_context(|| format!("{} is not a backup", from.display()))?;
    if path.exists() {
        // Opening the old database proves that no other process has it open, and merges its
        // write-ahead log into it.
        store::Db::open(&store::DatabaseUrl::Sqlite(path.to_owned()), options)?.close();
    }
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(with_suffix(path, suffix));
    }
    std::fs::File::open(&copy)?.sync_all()?;
    std::fs::rename(&copy, path)?;
    Ok(last)
}

fn last_account(path: &Path, options: &store::Options) -> anyhow::Result<i64> {
    let db = store::Db::open(&store::DatabaseUrl::Sqlite(path.to_owned()), options)?;
    let mut last = 0;
    loop {
        let page = db.read_blocking(move |tx| store::accounts::ids_after(tx, last, 10_000))?;
        match page.last() {
            Some(id) => last = *id,
            None => break,
        }
    }
    db.close();
    Ok(last)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
