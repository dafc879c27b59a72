//! The command line, one file per command.

pub mod access;
pub mod admin;
pub mod adopt;
pub mod backup;
pub mod bench;
pub mod books;
pub mod checks;
pub mod compare;
pub mod control;
pub mod database_command;
pub mod demo;
pub mod demo_database;
pub mod demo_state;
pub mod doctor;
pub mod export;
pub mod keys;
pub mod output;
pub mod repair;
pub mod report;
pub mod restore;
pub mod schema;
pub mod seed;
pub mod serve;
#[cfg(feature = "sim")]
pub mod sim;
pub mod socket;
pub mod sync;
pub mod twin;
pub mod twin_config;

use std::path::PathBuf;
use std::process::ExitCode;

use billing::config::{Settings, process_environment};
use clap::{Parser, Subcommand};

/// Tiers and prepaid API credits on Stripe, self-hosted.
#[derive(Debug, Parser)]
#[command(name = "localboxs-billing", version, about)]
pub struct Cli {
    /// Settings file; its values override the defaults.
    #[arg(long, env = "LBX_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Folder of the embedded database. `DATABASE_URL` overrides it.
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// Prints JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a demo in one process: the service, a Stripe twin and demo users.
    Demo(demo::Args),
    /// Runs the service.
    Serve(serve::Args),
    /// Runs or controls the Stripe twin.
    Twin(twin::Args),
    /// Benchmarks the service on this machine.
    Bench(bench::Args),
    /// Performs random lives of accounts, and says what is not as it must be.
    #[cfg(feature = "sim")]
    Sim(sim::Args),
    /// Inspects the configuration.
    #[command(subcommand)]
    Config(checks::Config),
    /// Restores the embedded database from a backup.
    Restore(restore::RestoreArgs),
    #[command(flatten)]
    Database(database_command::DatabaseCommand),
}

/// The global options, which every command receives.
#[derive(Clone, Debug)]
pub struct Context {
    /// The settings file that `--config` or `LBX_CONFIG` names.
    pub config: Option<PathBuf>,
    /// The data folder that `--data` names.
    pub data: Option<PathBuf>,
    /// Whether to print JSON instead of text.
    pub json: bool,
}

/// The exit code of a command: 0 for success, 1 for a failure, 2 for wrong usage, and 3 for
/// differences found. An error is printed and exits with 1.
pub type CommandResult = anyhow::Result<ExitCode>;

/// Exit code of a command that found differences.
pub const DIFFERENT: u8 = 3;

impl Context {
    /// Loads the settings; a data folder on the command line overrides theirs.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let loaded = Settings::load(self.config.as_deref(), &process_environment);
        let mut settings = loaded.map_err(|faults| anyhow::anyhow!(faults.join("\n")))?;
        if let Some(data) = &self.data {
            settings.database.data.clone_from(data);
        }
        Ok(settings)
    }
}

/// Parses the arguments of this process and runs the command they name.
#[expect(
    clippy::print_stderr,
    reason = "a command speaks to its user on standard error"
)]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // All TLS clients share one crypto provider, which must be installed before the first is
    // created.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let context = Context {
        config: cli.config,
        data: cli.data,
        json: cli.json,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The async runtime could not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(run(context, cli.command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(context: Context, command: Command) -> CommandResult {
    match command {
        Command::Demo(args) => demo::run(&context, args).await,
        Command::Serve(args) => serve::run(&context, &args).await,
        Command::Twin(args) => twin::run(&context, args).await,
        Command::Bench(args) => bench::run(&context, &args).await,
        #[cfg(feature = "sim")]
        Command::Sim(args) => sim::run(&args).await,
        Command::Config(checks::Config::Check) => checks::config(&context),
        Command::Restore(args) => restore::restore(&context, &args).await,
        Command::Database(command) => database_command::main(&context, command).await,
    }
}
