//! Commands that need the database. Each runs against an open [`App`]: in this process, or inside a
//! running service that holds the database and is reached through its control socket.

use std::process::ExitCode;

use billing::app::App;
use billing::config::Settings;
use clap::Subcommand;

use crate::cli::output::Output;
use crate::cli::{
    CommandResult, Context, admin, backup, books, checks, demo_database, doctor, keys, repair,
    report, schema, socket, sync,
};

/// A command that needs the database.
#[derive(Clone, Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Commands for operators.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Audits the journal and everything derived from it. Exits with 3 if there are differences.
    Audit(books::AuditArgs),
    /// Copies the embedded database to a new file. The service can keep running.
    Backup(backup::BackupArgs),
    /// Prints an account's credits, now or at a time in the past.
    Balance(books::BalanceArgs),
    /// Checks everything the service needs to run. Exits with 1 if a check fails.
    Doctor(doctor::Args),
    /// Manages the keys that encrypt personal data.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Manages the database schema.
    #[command(subcommand)]
    Migrate(schema::Migrate),
    /// Rebuilds rows that differ from the journal, and syncs accounts that differ from Stripe.
    /// Shows what it would do unless --apply is given.
    Repair(repair::Args),
    /// Prints accounting reports. Exits with 3 if a report doesn't reconcile with the ledger.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Creates and updates products, prices, portal and webhook endpoint at Stripe to match the
    /// catalog.
    Setup(checks::SetupArgs),
    /// Syncs accounts from Stripe.
    Sync(sync::Args),
}

impl DatabaseCommand {
    /// Whether the command is used on a new database, which it then creates. All others are about
    /// what a database holds: on a mistyped path, an empty one would answer wrongly.
    fn may_create(&self) -> bool {
        use admin::Admin;
        match self {
            DatabaseCommand::Migrate(_) | DatabaseCommand::Setup(_) => true,
            DatabaseCommand::Admin(command) => matches!(
                command,
                Admin::User { .. }
                    | Admin::Session { .. }
                    | Admin::LoginLink { .. }
                    | Admin::Seed(_)
            ),
            _ => false,
        }
    }
}

/// Fails if the embedded database that the settings name doesn't exist.
fn require_database(settings: &Settings) -> anyhow::Result<()> {
    if let store::DatabaseUrl::Sqlite(path) = settings.database_url()? {
        anyhow::ensure!(
            path.exists(),
            "There is no database at {}. Check --data, LBX_DATA or DATABASE_URL; `serve` or \
             `migrate up` creates one.",
            path.display()
        );
    }
    Ok(())
}

/// Runs a command and returns its exit code.
pub async fn run(app: &App, command: DatabaseCommand, out: &mut Output) -> u8 {
    let result = match command {
        DatabaseCommand::Admin(command) => admin::run(app, command, out).await,
        DatabaseCommand::Audit(args) => books::audit(app, &args, out).await,
        DatabaseCommand::Backup(args) => backup::backup(app, &args, out).await,
        DatabaseCommand::Balance(args) => books::balance(app, &args, out).await,
        DatabaseCommand::Doctor(args) => doctor::run(app, &args, out).await,
        DatabaseCommand::Keys(command) => keys::run(app, &command, out).await,
        DatabaseCommand::Migrate(command) => schema::run_in_service(app, command, out).await,
        DatabaseCommand::Repair(args) => repair::run(app, &args, out).await,
        DatabaseCommand::Report(command) => report::run(app, &command, out).await,
        DatabaseCommand::Setup(args) => checks::setup(app, &args, out).await,
        DatabaseCommand::Sync(args) => sync::run(app, args, out).await,
    };
    result.unwrap_or_else(|error| {
        out.error(format!("{error:#}"));
        1
    })
}

/// Runs a command from the command line: inside the service that holds the database, if one is
/// running, and otherwise directly on the database.
pub async fn main(context: &Context, command: DatabaseCommand) -> CommandResult {
    crate::telemetry::start_as_text(None);
    let settings = context.settings()?;
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    // The service may have another working directory, so it is given absolute paths.
    let path = match &command {
        DatabaseCommand::Backup(args) => args.to.as_ref(),
        DatabaseCommand::Admin(admin::Admin::Export(args)) => Some(&args.to),
        DatabaseCommand::Admin(admin::Admin::Seed(args)) => Some(&args.file),
        _ => None,
    };
    if let Some(path) = path {
        let absolute = std::path::absolute(path)?.display().to_string();
        let given = path.display().to_string();
        args.iter_mut()
            .filter(|arg| **arg == given)
            .for_each(|arg| arg.clone_from(&absolute));
    }
    if let Some(response) =
        socket::run_in_service(&socket::path(&settings)?, &settings, args).await?
    {
        let out = Output {
            text: response.stdout,
            errors: response.stderr,
            ..Output::default()
        };
        out.print();
        return Ok(ExitCode::from(response.code.unwrap_or(1)));
    }
    let mut out = Output::new(context.json);
    if let DatabaseCommand::Migrate(command) = command {
        let code = schema::run(context, command, &mut out).await?;
        out.print();
        return Ok(ExitCode::from(code));
    }
    if !command.may_create() {
        require_database(&settings)?;
    }
    let app = demo_database::open(settings).await?;
    let code = run(&app, command, &mut out).await;
    let db = app.db.clone();
    let _ = tokio::task::spawn_blocking(move || db.close()).await;
    out.print();
    Ok(ExitCode::from(code))
}
