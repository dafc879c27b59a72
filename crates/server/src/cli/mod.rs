//! The command line: one file a command.

pub mod access;
pub mod admin;
pub mod adopt;
pub mod backup;
pub mod bench;
pub mod books;
pub mod checks;
pub mod compare;
pub mod control;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod keys;
pub mod marks;
pub mod notes;
pub mod on_app;
pub mod output;
pub mod repair;
pub mod report;
pub mod schema;
pub mod seed;
pub mod serve;
pub mod socket;
pub mod sync;
pub mod twin;
pub mod twins;

use std::path::PathBuf;
use std::process::ExitCode;

use billing::config::{Settings, process_environment};
use clap::{Parser, Subcommand};

/// Tiers and prepaid API credits on Stripe, self-hosted.
#[derive(Debug, Parser)]
#[command(name = "localboxs-billing", version, about)]
pub struct Cli {
    /// A settings file laid over the defaults.
    #[arg(long, env = "LBX_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Folder of the embedded database; DATABASE_URL stands before it.
    #[arg(long, global = true)]
    data: Option<PathBuf>,
    /// Answer as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything in one process: the service, the Stripe twin, demo users.
    Demo(demo::Args),
    /// The service.
    Serve,
    /// The Stripe twin.
    Twin(twin::Args),
    /// Measures this machine.
    Bench(bench::Args),
    /// The configuration.
    #[command(subcommand)]
    Config(checks::Config),
    /// Puts a backup in the place of the embedded database.
    Restore(backup::RestoreArgs),
    #[command(flatten)]
    OnApp(on_app::OnApp),
}

/// What every command is given.
#[derive(Clone, Debug)]
pub struct Context {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// The data folder, where it was named.
    pub data: Option<PathBuf>,
    /// Whether to answer as JSON.
    pub json: bool,
}

/// How a command ends: 0 ok, 1 failed, 2 misused, 3 differences found.
pub type Ended = anyhow::Result<ExitCode>;

/// Differences were found.
pub const DIFFERENT: u8 = 3;

impl Context {
    /// The settings, with the data folder of the command line.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let loaded = Settings::load(self.config.as_deref(), &process_environment);
        let mut settings = loaded.map_err(|faults| anyhow::anyhow!(faults.join("\n")))?;
        if let Some(data) = &self.data {
            settings.database.data.clone_from(data);
        }
        Ok(settings)
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // One provider for everything that speaks TLS; chosen before any of it is made.
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
            eprintln!("The async runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(context, cli.command));
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(context: Context, command: Command) -> Ended {
    match command {
        Command::Demo(args) => demo::run(&context, args).await,
        Command::Serve => serve::run(&context).await,
        Command::Twin(args) => twin::run(&context, args).await,
        Command::Bench(args) => bench::run(&context, &args).await,
        Command::Config(checks::Config::Check) => checks::config(&context),
        Command::Restore(args) => backup::restore(&context, &args).await,
        Command::OnApp(command) => on_app::main(&context, command).await,
    }
}
