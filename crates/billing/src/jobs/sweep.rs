//! Handles what falls due with time alone: expired credits and holds of idle accounts, new periods,
//! subscriptions whose period ended without an event. This only tidies up; the next request would
//! apply the same rules.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::time::{MICROS_PER_SECOND, SECONDS_PER_DAY, Timestamp};

use crate::app::App;
use crate::clock::is_far;
use crate::error::Result;
use crate::operators::accounts;

/// How often it runs, in real time. The clock job runs it immediately when the billing clock moves.
const EVERY: Duration = Duration::from_secs(5);

/// Maximum number of accounts per round.
const ACCOUNTS_MAX: i64 = 500;

/// Maximum number of accounts per round that are synced only for their old preview of the next
/// invoice, so that they don't all ask Stripe at once.
const PREVIEWS_MAX: i64 = 10;

/// How often old rows are removed, across all processes.
const TIDY_SECONDS: i64 = 300;

/// How often the time is noted.
const NOTE_SECONDS: i64 = 60;

/// Maximum number of rows removed per round.
const ROWS_MAX: i64 = 1_000;

/// Days for which a sent email's content and address are kept; its key is kept to prevent
/// duplicates.
const MAILS_KEPT_DAYS: i64 = 1;

/// Runs the sweep until the process stops.
pub async fn run(app: App) {
    let mut noted = None;
    while !app.is_stopping.load(Ordering::SeqCst) {
        if let Err(error) = note_time(&app, &mut noted).await {
            tracing::warn!(%error, "Failed to note the time");
        }
        round(&app).await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Sweeps, and continues what was left unfinished. A step that fails doesn't stop the others.
pub(super) async fn round(app: &App) {
    if let Err(error) = once(app).await {
        tracing::warn!(%error, "A sweep failed");
    }
    if let Err(error) = refresh_previews(app).await {
        tracing::warn!(%error, "Failed to mark accounts with old previews for sync");
    }
    if let Err(error) = learn_prices(app).await {
        tracing::warn!(%error, "Failed to look up prices");
    }
    if let Err(error) = tidy(app).await {
        tracing::warn!(%error, "Failed to delete old rows");
    }
}

/// Notes the time every minute, so that the next start can tell whether its clock is right. While
/// the system clock is in doubt nothing is noted; once it was corrected, the billing clock follows
/// it again.
async fn note_time(app: &App, noted: &mut Option<Timestamp>) -> Result<()> {
    if !app.settings.clock.follow.is_empty() {
        return Ok(());
    }
    let now = app.real_now();
    if app.clock_doubt().is_some() {
        if is_far(app.now(), now) {
            return Ok(());
        }
        tracing::info!("The system clock was corrected; the billing clock follows it again");
        app.clock.set(now);
        app.set_clock_doubt(None);
    }
    if noted.is_some_and(|at| !is_past(at, now)) {
        return Ok(());
    }
    app.write(0, move |tx| store::clock::note(tx, now)).await?;
    *noted = Some(now);
    Ok(())
}

/// Whether the time that was noted at `at` is to be noted again; also after the clock was set back.
fn is_past(at: Timestamp, now: Timestamp) -> bool {
    now < at || at.plus_seconds(NOTE_SECONDS) <= now
}

/// Sweeps everything that is due now. Returns the number of accounts it touched.
pub async fn once(app: &App) -> Result<usize> {
    let _busy = app.busy();
    let mut touched = end_overrides(app).await?;
    loop {
        let (now, grace) = (app.now(), grace_micros(app));
        let (wallets, subscriptions) = app
            .read(move |tx| {
                let wallets = store::due::wallets(tx, now, ACCOUNTS_MAX)?;
                Ok((
                    wallets,
                    store::due::subscriptions(tx, now, grace, ACCOUNTS_MAX)?,
                ))
            })
            .await?;
        for account in &subscriptions {
            app.mark_for_sync(*account).await?;
        }
        let mut settled = 0;
        for account in &wallets {
            // An account that can't be settled must not block the others.
            match settle(app, *account).await {
                Ok(()) => settled += 1,
                Err(error) => tracing::error!(account, %error, "Failed to settle an account"),
            }
        }
        touched += settled + subscriptions.len();
        let full = usize::try_from(ACCOUNTS_MAX).expect("a small bound");
        if wallets.len() < full || settled == 0 {
            return Ok(touched);
        }
    }
}

/// Ends the tier overrides whose date has come.
async fn end_overrides(app: &App) -> Result<usize> {
    let now = app.now();
    let over = app
        .read(move |tx| store::due::overrides(tx, now, ACCOUNTS_MAX))
        .await?;
    for account in &over {
        // One account must not stop the sweep of the others.
        if let Err(error) = accounts::end_override(app, *account).await {
            tracing::error!(account, %error, "Failed to end an override");
        }
    }
    Ok(over.len())
}

/// Marks accounts for sync whose preview of the next invoice is old. Returns their number.
pub async fn refresh_previews(app: &App) -> Result<usize> {
    let now = app.now();
    let old = app
        .read(move |tx| store::due::previews(tx, now, PREVIEWS_MAX))
        .await?;
    for account in &old {
        app.mark_for_sync(*account).await?;
    }
    Ok(old.len())
}

/// Reloads prices, which another process may have stored, while an account waits for one.
async fn learn_prices(app: &App) -> anyhow::Result<()> {
    let waiting = app
        .read(|tx| store::sync::waiting_for_prices(tx, 1))
        .await?;
    if !waiting.is_empty() {
        app.load_prices().await?;
    }
    Ok(())
}

/// Removes old rows: payloads of processed events, ended sessions, used links, elapsed rate limits.
/// Bounded, so that it never blocks the writer for long.
async fn tidy(app: &App) -> Result<()> {
    // By a wrong clock, every session and payload would be old.
    if app.clock_doubt().is_some() {
        return Ok(());
    }
    let (now, billing_now) = (app.real_now(), app.now());
    let payloads = now.plus_days(-app.settings.billing.payload_days);
    let notices = now.plus_days(-app.settings.webhooks.kept_days);
    let name = "tidy";
    app.write(0, move |tx| {
        if !store::jobs::claim(tx, name, now.plus_seconds(-TIDY_SECONDS), now)? {
            return Ok(());
        }
        store::events::drop_payloads(tx, payloads, ROWS_MAX)?;
        store::outbox::forget_sent(tx, now.plus_days(-MAILS_KEPT_DAYS))?;
        store::outbox::forget_notices(tx, notices)?;
        store::sessions::sweep(tx, now)?;
        store::login_links::sweep(tx, now.plus_days(-1))?;
        store::invitations::sweep(tx, now.plus_days(-1))?;
        store::used_tokens::sweep(tx, now)?;
        store::ledger::free_allowances::sweep(tx, billing_now)?;
        store::rate_limit::sweep(tx, now)?;
        Ok(())
    })
    .await
}

/// The grace period in microseconds.
pub fn grace_micros(app: &App) -> i64 {
    app.rules().plan.grace_days * SECONDS_PER_DAY * MICROS_PER_SECOND
}

async fn settle(app: &App, account: i64) -> Result<()> {
    let (rules, now) = (app.rules(), app.now());
    app.write(account, move |tx| {
        store::ledger::settle(tx, &rules, account, now).map(|_| ())
    })
    .await
}
