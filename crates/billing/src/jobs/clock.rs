//! Follows a twin's billing clock: in the demo and in tests, one command moves renewals, dunning
//! and credits together. Acknowledges a step to the twin once everything it made due is done.

use std::sync::atomic::Ordering;
use std::time::Duration;
use store::outbox::MessageKind;

use domain::time::Timestamp;
use serde::Deserialize;

use crate::app::App;
use crate::error::Result;
use crate::jobs::{auto_topup, low, sweep};

/// Maximum time that the twin may hold a poll, in milliseconds.
const WAIT_MILLIS: u64 = 1_000;

/// Pause after a poll that failed.
const RETRY: Duration = Duration::from_millis(500);

/// How often pending work is checked while waiting for a step to complete.
const LOOK: Duration = Duration::from_millis(10);

/// Maximum time to wait for a step before acknowledging it anyway.
const STEP_MAX: Duration = Duration::from_secs(25);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    now_micros: i64,
    seq: u64,
}

/// Follows the twin until the process stops.
pub async fn follow(app: App) {
    let client = match client() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "Failed to follow the twin's clock");
            return;
        }
    };
    let mut seen = None;
    while !app.is_stopping.load(Ordering::SeqCst) {
        match poll(&app, &client, seen).await {
            Ok(shown) => {
                app.clock.set(Timestamp::from_micros(shown.now_micros));
                if seen != Some(shown.seq) {
                    app.sync_due.notify_waiters();
                    app.email_due.notify_waiters();
                    settle_down(&app).await;
                }
                seen = Some(shown.seq);
            }
            Err(error) => {
                tracing::debug!(%error, "The twin's clock did not answer");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Creates a client without a proxy, since the twin runs on this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "a client with bounds, built in one place"
)]
fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
}

/// Sets the billing clock to the twin's time once, so that nothing is dated earlier. Neither waits
/// for a step nor delays one.
pub async fn catch_up(app: &App) -> anyhow::Result<()> {
    let base = app.settings.clock.follow.trim_end_matches('/');
    if base.is_empty() {
        return Ok(());
    }
    let answer = client()?.get(format!("{base}/_twin/clock")).send().await?;
    let shown: Shown = answer.error_for_status()?.json().await?;
    app.clock.set(Timestamp::from_micros(shown.now_micros));
    Ok(())
}

async fn poll(app: &App, client: &reqwest::Client, seen: Option<u64>) -> anyhow::Result<Shown> {
    let base = app.settings.clock.follow.trim_end_matches('/');
    let mut url = format!("{base}/_twin/clock?follower=localboxs-billing&waitMs={WAIT_MILLIS}");
    if let Some(seen) = seen {
        url.push_str(&format!("&seen={seen}"));
        if is_idle(app).await? {
            url.push_str("&idle=1");
        }
        if let Some(due) = next_due(app).await? {
            url.push_str(&format!("&due={due}"));
        }
    }
    Ok(client
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?)
}

/// Does what the new time made due, and waits until no work is in progress.
async fn settle_down(app: &App) {
    let started = std::time::Instant::now();
    let mut calm = 0;
    while calm < 2 && started.elapsed() < STEP_MAX {
        if let Err(error) = sweep::once(app).await {
            tracing::warn!(%error, "A sweep failed");
        }
        for done in [low::once(app).await, auto_topup::once(app).await] {
            if let Err(error) = done {
                tracing::warn!(%error, "Failed to check accounts with low credits");
            }
        }
        app.sync_due.notify_waiters();
        app.email_due.notify_waiters();
        tokio::time::sleep(LOOK).await;
        match is_idle(app).await {
            Ok(true) => calm += 1,
            Ok(false) => calm = 0,
            Err(error) => tracing::warn!(%error, "Failed to check whether work is left"),
        }
    }
}

/// Whether no work is in progress or due.
pub async fn is_idle(app: &App) -> Result<bool> {
    if app.busy.load(Ordering::SeqCst) > 0 {
        return Ok(false);
    }
    let real_now = app.real_now();
    app.read(move |tx| {
        let accounts = store::sync::due(tx, real_now, 1)?;
        let events = store::events::unmatched_due(tx, real_now, 1)?;
        let mails =
            store::outbox::next_due(tx, MessageKind::Mail)?.is_some_and(|due| due <= real_now);
        Ok(accounts.is_empty() && events.is_empty() && !mails)
    })
    .await
}

/// When our next work falls due by the billing clock, in whole seconds, rounded up.
pub async fn next_due(app: &App) -> Result<Option<i64>> {
    let (now, grace) = (app.now(), sweep::grace_micros(app));
    let due = app.read(move |tx| store::due::next(tx, now, grace)).await?;
    Ok(due.map(|due| due.plus_seconds(1).seconds()))
}
