//! Commands on a database: each runs against an open [`App`], in a process of its own or inside a
//! running service that was asked through its control socket.

use std::process::ExitCode;

use billing::app::App;
use clap::Subcommand;

use crate::cli::output::Output;
use crate::cli::{
    Context, Ended, admin, backup, books, checks, doctor, keys, marks, repair, report, schema,
    socket, sync,
};

/// A command on a database.
#[derive(Clone, Debug, Subcommand)]
pub enum OnApp {
    /// What operators do by hand.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Checks the books. Exit code 3 when they differ.
    Audit(books::AuditArgs),
    /// Copies the embedded database into a new file, while the service goes on.
    Backup(backup::BackupArgs),
    /// An account's credits, now or at a moment in the past.
    Balance(books::BalanceArgs),
    /// The deployment checklist: looks at everything the service needs. Exit code 1 while a line
    /// fails.
    Doctor(doctor::Args),
    /// The keys that personal data is sealed with.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The database's schema.
    #[command(subcommand)]
    Migrate(schema::Migrate),
    /// Makes rows that differ from the journal anew, and brings accounts that differ from Stripe in
    /// step; says first what it would do.
    Repair(repair::Args),
    /// Figures for the books. Exit code 3 when they do not tie to the ledger.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Brings Stripe in line with the catalog.
    Setup(checks::SetupArgs),
    /// Makes our rows agree with Stripe.
    Sync(sync::Args),
}

/// Runs a command; answers its exit code.
pub async fn run(app: &App, command: OnApp, out: &mut Output) -> u8 {
    let ended = match command {
        OnApp::Admin(command) => admin::run(app, command, out).await,
        OnApp::Audit(args) => books::audit(app, &args, out).await,
        OnApp::Backup(args) => backup::backup(app, &args, out).await,
        OnApp::Balance(args) => books::balance(app, &args, out).await,
        OnApp::Doctor(args) => doctor::run(app, &args, out).await,
        OnApp::Keys(command) => keys::run(app, &command, out).await,
        OnApp::Migrate(command) => schema::beside(app, command, out).await,
        OnApp::Repair(args) => repair::run(app, &args, out).await,
        OnApp::Report(command) => report::run(app, &command, out).await,
        OnApp::Setup(args) => checks::setup(app, &args, out).await,
        OnApp::Sync(args) => sync::run(app, args, out).await,
    };
    ended.unwrap_or_else(|error| {
        out.error(format!("{error:#}"));
        1
    })
}

/// Runs a command from the command line: by the service that has the database, if one answers,
/// else on the database itself.
pub async fn main(context: &Context, command: OnApp) -> Ended {
    crate::telemetry::start_as_text(None);
    let settings = context.settings()?;
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    // The service may run in another folder.
    let to = match &command {
        OnApp::Backup(args) => args.to.as_ref(),
        OnApp::Admin(admin::Admin::Export(args)) => Some(&args.to),
        OnApp::Admin(admin::Admin::Seed(args)) => Some(&args.file),
        _ => None,
    };
    if let Some(to) = to {
        let whole = std::path::absolute(to)?.display().to_string();
        let named = to.display().to_string();
        args.iter_mut()
            .filter(|arg| **arg == named)
            .for_each(|arg| arg.clone_from(&whole));
    }
    if let Some(answer) = socket::ask(&socket::path(&settings)?, &settings, args).await? {
        let out = Output {
            text: answer.stdout,
            errors: answer.stderr,
            ..Output::default()
        };
        out.print();
        return Ok(ExitCode::from(answer.code.unwrap_or(1)));
    }
    let mut out = Output::new(context.json);
    if let OnApp::Migrate(command) = command {
        let code = schema::run(context, command, &mut out).await?;
        out.print();
        return Ok(ExitCode::from(code));
    }
    let app = marks::open(settings).await?;
    let code = run(&app, command, &mut out).await;
    let db = app.db.clone();
    let _ = tokio::task::spawn_blocking(move || db.close()).await;
    out.print();
    Ok(ExitCode::from(code))
}
