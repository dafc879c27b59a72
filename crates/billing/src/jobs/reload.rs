//! Follows what is changed beside the running service: the text of the catalog, and the price ids
//! and signing secrets that `setup` or another process stored.

use std::time::Duration;

use crate::app::App;

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reloads what changed until the program stops.
pub async fn run(app: App) {
    let mut reported = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match look(&app).await {
            Ok(()) => reported.clear(),
            // Once for each fault, not every time it is met.
            Err(error) => {
                let fault = format!("{error:#}");
                if fault != reported {
                    tracing::error!(fault, "What was changed is not taken over; the old stays");
                    reported = fault;
                }
            }
        }
    }
}

async fn look(app: &App) -> anyhow::Result<()> {
    if app.load_catalog().await? {
        let version = app.rules().catalog.version;
        tracing::info!(version, "Another catalog is in force");
    }
    app.load_prices().await?;
    app.load_webhook_secret().await
}
