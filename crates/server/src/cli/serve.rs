//! `serve`: runs the service as configured.

use std::process::ExitCode;

use billing::app::App;
use billing::config::Fault;
use billing::jobs::clock;
use tokio::net::TcpListener;

use crate::cli::{CommandResult, Context, control, demo_database, socket};
use crate::service::{Service, stop_signal};
use crate::telemetry;
use anyhow::Context as _;

/// Runs the service until the process receives SIGTERM or an interrupt.
pub async fn run(context: &Context) -> CommandResult {
    let settings = context.settings()?;
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
