//! `backup` and `restore` of an embedded database. A PostgreSQL server has its own tools.

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
use crate::cli::{Context, DIFFERENT, Ended, socket};

/// Name of the setting that holds when the last backup was taken.
pub const LAST: &str = "backup.last";

/// Where to.
#[derive(Clone, Debug, clap::Args)]
pub struct BackupArgs {
    /// The new file.
    #[arg(required_unless_present = "noted")]
    pub to: Option<PathBuf>,
    /// Writes down that a backup was taken by other means, such as pg_dump: `doctor` asks for it.
    #[arg(long, conflicts_with = "to")]
    pub noted: bool,
}

/// Where from.
#[derive(Clone, Debug, clap::Args)]
pub struct RestoreArgs {
    /// The file that `backup` wrote.
    from: PathBuf,
    /// Replace the database that is there.
    #[arg(long, conflicts_with = "verify")]
    replace: bool,
    /// Puts it nowhere: opens a copy of it and audits its books. Exit code 3 when they differ.
    #[arg(long)]
    verify: bool,
}

/// Copies the database as it is now, while the service goes on.
pub async fn backup(app: &App, args: &BackupArgs, out: &mut Output) -> anyhow::Result<u8> {
    let taken_at = app.real_now();
    let shown = match &args.to {
        None => None,
        Some(to) => {
            anyhow::ensure!(!to.exists(), "{} is there already.", to.display());
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
        Some(shown) => format!("Written to {shown}."),
        None => "Written down.".to_owned(),
    };
    out.answer(
        &json!({ "file": shown, "takenAt": taken_at.rfc3339() }),
        text,
    );
    Ok(0)
}

/// Puts a backup in the place of the embedded database, once it has been opened and read.
pub async fn restore(context: &Context, args: &RestoreArgs) -> Ended {
    let settings = context.settings()?;
    if args.verify {
        return verify(context, settings, &args.from).await;
    }
    let store::DatabaseUrl::Sqlite(path) = settings.database_url()? else {
        anyhow::bail!("Only an embedded database is restored this way; use pg_restore.");
    };
    if socket::is_answered(&socket::path(&settings)?).await {
        anyhow::bail!("A service runs on {}: stop it first.", path.display());
    }
    anyhow::ensure!(
        args.replace || !path.exists(),
        "{} is there already; --replace puts the backup in its place.",
        path.display()
    );
    let (from, options) = (args.from.clone(), settings.database_options());
    let target = path.clone();
    let accounts =
        tokio::task::spawn_blocking(move || put_in_place(&from, &target, &options)).await??;
    let mut out = Output::new(context.json);
    let shown = path.display().to_string();
    let text = format!("{shown} is the backup now: the last account has number {accounts}.");
    out.answer(&json!({ "file": shown, "lastAccount": accounts }), text);
    out.print();
    Ok(ExitCode::SUCCESS)
}

/// Restores into a temporary folder, audits there, and leaves nothing.
async fn verify(context: &Context, mut settings: Settings, from: &Path) -> Ended {
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
        "The backup opens: {} accounts and {} journal entries, {} differences.",
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

/// Beside the database, opened and read there, then renamed: a file that is no backup replaces
/// nothing.
fn put_in_place(from: &Path, path: &Path, options: &store::Options) -> anyhow::Result<i64> {
    let beside = with_suffix(path, ".restored");
    if let Some(folder) = path.parent() {
        store::make_folder(folder)?;
    }
    std::fs::copy(from, &beside).with_context(|| format!("cannot read {}", from.display()))?;
    let opened = last_account(&beside, options);
    for suffix in ["-wal", "-shm", ".lock"] {
        let _ = std::fs::remove_file(with_suffix(&beside, suffix));
    }
    if opened.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    let last = opened.with_context(|| format!("{} is no backup", from.display()))?;
    if path.exists() {
        // Opening it proves that no other process has it, and empties its log into it.
        store::Db::open(&store::DatabaseUrl::Sqlite(path.to_owned()), options)?.close();
    }
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(with_suffix(path, suffix));
    }
    std::fs::File::open(&beside)?.sync_all()?;
    std::fs::rename(&beside, path)?;
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
