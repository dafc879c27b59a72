//! Finds accounts whose credits fell below a threshold that they set: notifies them, and buys a
//! pack for those with automatic top-up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use store::auto_topup;

use crate::app::App;
use crate::error::Result;
use crate::jobs::low;
use crate::payments;

/// How often wallets below their threshold are searched for, in real time.
const EVERY: Duration = Duration::from_secs(1);

/// Maximum number of accounts per round.
const ACCOUNTS_MAX: i64 = 50;

/// Runs until the process stops.
pub async fn run(app: App) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        if let Err(error) = low::once(&app).await {
            tracing::warn!(%error, "Failed to send notifications of low credits");
        }
        if let Err(error) = once(&app).await {
            tracing::warn!(%error, "Automatic top-ups failed");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Runs one round over the accounts that are due.
pub async fn once(app: &App) -> Result<()> {
    if !app.settings.billing.enabled {
        return Ok(());
    }
    let now = app.now();
    let (is_waiting, due) = app
        .read(move |tx| {
            let waiting = auto_topup::is_any_to_wake(tx)?;
            Ok((waiting, auto_topup::due(tx, now, ACCOUNTS_MAX)?))
        })
        .await?;
    if is_waiting {
        app.write(0, move |tx| auto_topup::wake(tx, now)).await?;
    }
    for account in due {
        let _busy = app.busy();
        payments::auto_topup::buy(app, account).await?;
    }
    Ok(())
}
