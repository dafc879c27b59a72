//! Workers that answer bells: accounts at a time, each account by one of them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::app::App;
use crate::error::Result;
use crate::sync::unmatched::match_events;
use crate::sync::{LEASE_SECONDS, round};

/// Accounts synced at the same time; Stripe allows 25 requests a second an endpoint.
const WORKERS: usize = 4;

/// How often the workers look without a bell: leases that ran out, back-offs that ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest a stop waits for a sync in hand before it is given up, to be done after the start.
const FINISH_MAX: Duration = Duration::from_secs(3);

/// How often a sync in hand looks whether the program stops.
const LOOK_FOR_STOP: Duration = Duration::from_millis(100);

/// Longest that [`run`] takes to end when the program stops: the wait, and the giving back.
pub const STOP_MAX: Duration = Duration::from_secs(6);

/// Runs the workers until the program stops.
pub async fn run(app: App) {
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..WORKERS {
        workers.spawn(work(app.clone(), number == 0));
    }
    while workers.join_next().await.is_some() {}
}

/// One worker; the first of them also looks for the accounts of unmatched events.
async fn work(app: App, matches: bool) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        // While billing is off events are stored and wait (F20).
        let worked = if app.settings.billing.enabled {
            one(&app, matches).await
        } else {
            Ok(false)
        };
        match worked {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "A sync did not happen"),
        }
        tokio::select! {
            () = app.sync_due.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Syncs one dirty account, if there is one; `true` when there may be more.
async fn one(app: &App, matches: bool) -> Result<bool> {
    let matched = matches && match_events(app).await? > 0;
    let now = app.real_now();
    // A look costs no write; most of the time there is nothing.
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
    // More may wait: wake another worker before this one is away.
    app.sync_due.notify_one();
    tokio::select! {
        done = round(app, &lease) => {
            if let Err(error) = done {
                let account = lease.account_id;
                tracing::warn!(account, %error, "A sync failed and will be tried again");
            }
        }
        // A lease that was only dropped would keep the account waiting until it runs out.
        () = given_up(app) => {
            app.write(lease.account_id, move |tx| store::sync::release(tx, &lease)).await?;
        }
    }
    Ok(true)
}

/// Ends when the program stops and has waited long enough.
async fn given_up(app: &App) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        tokio::time::sleep(LOOK_FOR_STOP).await;
    }
    tokio::time::sleep(FINISH_MAX).await;
}
