//! `serve`: runs the service as configured.

use std::process::ExitCode;

use billing::app::App;
use billing::binding;
use billing::config::Fault;
use billing::jobs::clock;
use tokio::net::TcpListener;

use crate::cli::{CommandResult, Context, control, demo_database, socket};
use crate::service::{Service, stop_signal};
use crate::telemetry;
use anyhow::Context as _;

/// The command-line options of `serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Confirms that the system clock is right although it is more than a day from the last commit,
    /// for example after a long stop or a restored backup.
    #[arg(long)]
    accept_clock: bool,
}

/// Runs the service until the process receives SIGTERM or an interrupt.
pub async fn run(context: &Context, args: &Args) -> CommandResult {
    let mut settings = context.settings()?;
    settings.clock.accept = args.accept_clock;
    telemetry::start_as_json(Some(&settings.telemetry));
    // `setup` may have stored the secret in the database; it is checked once that is open.
    let faults = settings.check().into_iter().filter(Fault::is_certain);
    let faults: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    if !faults.is_empty() {
        anyhow::bail!("The service cannot start:\n- {}", faults.join("\n- "));
    }
    let listen = settings.service.listen.clone();
    let app = App::open(settings).await?;
    anyhow::ensure!(
        !app.settings.billing.enabled || !app.webhook_secrets().is_empty(),
        "{}.",
        Fault::NoWebhookSecret
    );
    check_account(&app).await?;
    if let Some(doubt) = app.clock_doubt() {
        tracing::error!("{}", doubt.text());
    }
    clock::catch_up(&app).await?;
    demo_database::unmark(&app).await?;
    let listener = TcpListener::bind(&listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    // On PostgreSQL, commands connect to the database server themselves.
    let control_socket = match app.db.kind() {
        store::Kind::Sqlite => Some(control::open(&app, &socket::path(&app.settings)?)?),
        store::Kind::Postgres => None,
    };
    let service = Service::start(app, listener)?;
    tracing::info!(address = %service.address, "Listening");
    stop_signal().await;
    drop(control_socket);
    service.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to start with the key of another Stripe account or mode than the database's. If Stripe
/// can't be asked, the service starts, and nothing is synced until it was asked.
pub async fn check_account(app: &App) -> anyhow::Result<()> {
    match binding::check(app).await {
        Ok(()) => Ok(()),
        Err(error) if error.0.code == binding::OTHER_ACCOUNT => {
            anyhow::bail!("{}", error.0.detail)
        }
        Err(error) => {
            tracing::warn!(%error, "Stripe could not be asked which account the key is of");
            Ok(())
        }
    }
}
