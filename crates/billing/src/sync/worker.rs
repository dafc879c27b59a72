//! Workers that sync accounts marked for sync; several accounts at a time, each by one worker.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::App;
use crate::error::Result;
use crate::sync::unmatched::match_events;
use crate::sync::{LEASE_SECONDS, round};

/// Number of accounts synced concurrently; Stripe allows 25 requests a second per endpoint.
const WORKERS: usize = 4;

/// How often the workers poll without being woken, for expired leases and elapsed back-offs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Maximum time that a shutdown waits for a sync in progress; it is then abandoned and done after
/// the restart.
const FINISH_MAX: Duration = Duration::from_secs(3);

/// How often a sync in progress checks whether the process is stopping.
const LOOK_FOR_STOP: Duration = Duration::from_millis(100);

/// Maximum time that [`run`] takes to end on shutdown: the wait, and the release of the lease.
pub const STOP_MAX: Duration = Duration::from_secs(6);

/// Runs the workers until the process stops.
pub async fn run(app: App) {
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(work(app.clone(), number == 0));
    }
    while workers.join_next().await.is_some() {}
}

/// One worker; the first one also matches unmatched events to accounts.
async fn work(app: App, matches: bool) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        // While billing is off, events are stored and wait (F20).
        let worked = if app.settings.billing.enabled {
            one(&app, matches).await
        } else {
            Ok(false)
        };
        match worked {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "A sync failed to start"),
        }
        tokio::select! {
            () = app.sync_due.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Syncs one account marked for sync, if there is one; returns `true` if there may be more. With
/// `matches`, also matches unmatched events to accounts.
pub async fn one(app: &App, matches: bool) -> Result<bool> {
    let matched = matches && match_events(app).await? > 0;
    let now = app.real_now();
    // A read needs no write; most of the time nothing is due.
    let due = app.read(store::sync::next_due).await?;
    if due.is_none_or(|due| due > now) {
        return Ok(matched);
    }
    let until = now.plus_seconds(LEASE_SECONDS);
    let lease = app
        .write(0, move |tx| store::sync::lease_next(tx, now, until))
        .await?;
    let Some(lease) = lease else {
        return Ok(matched);
    };
    // More accounts may be due, so wake another worker before this one gets busy.
    app.sync_due.notify_one();
    tokio::select! {
        done = round(app, &lease) => {
            if let Err(error) = done {
                let account = lease.account_id;
                tracing::warn!(account, %error, "A sync failed and will be tried again");
            }
        }
        // Release the lease: if it were only dropped, the account would wait until the lease
        // expires.
        () = given_up(app) => {
            app.write(lease.account_id, move |tx| store::sync::release(tx, &lease)).await?;
        }
    }
    Ok(true)
}

/// Completes once the process is stopping and the maximum wait has passed.
async fn given_up(app: &App) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        tokio::time::sleep(LOOK_FOR_STOP).await;
    }
    tokio::time::sleep(FINISH_MAX).await;
}
