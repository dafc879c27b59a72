//! Reloads what changes while the service runs: the catalog text, and price ids and signing secrets
//! that `setup` or another process stored.

use std::time::Duration;

use crate::app::App;

/// The pause between two checks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reloads changes until the process stops.
pub async fn run(app: App) {
    let mut reported = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match look(&app).await {
            Ok(()) => reported.clear(),
            // Log each fault once, not at every check.
            Err(error) => {
                let fault = format!("{error:#}");
                if fault != reported {
                    tracing::error!(
                        fault,
                        "A changed file is invalid; the previous version stays in force"
                    );
                    reported = fault;
                }
            }
        }
    }
}

async fn look(app: &App) -> anyhow::Result<()> {
    if app.load_catalog().await? {
        let version = app.rules().catalog.version;
        tracing::info!(version, "A new version of the catalog is in force");
    }
    app.load_prices().await?;
    app.load_webhook_secret().await
}
