//! `serve`: the service, from configuration.

use std::process::ExitCode;

use billing::app::App;
use billing::config::Fault;
use billing::jobs::clock;
use tokio::net::TcpListener;

use crate::cli::{Context, Ended, control, marks, socket};
use crate::service::{Service, stop_signal};
use crate::telemetry;
use anyhow::Context as _;

/// Runs until the process is told to stop.
pub async fn run(context: &Context) -> Ended {
    let settings = context.settings()?;
    telemetry::start_as_json(Some(&settings.telemetry));
    // `setup` may have stored a webhook secret: checked once the database is open.
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
    marks::remove(&app).await?;
    let listener = TcpListener::bind(&listen)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    // On PostgreSQL commands go to the server themselves.
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
