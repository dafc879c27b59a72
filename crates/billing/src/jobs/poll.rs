//! Polls Stripe's list of events since the last one seen, so that events whose delivery never
//! arrived are recorded, too.

use std::time::Duration;

use domain::time::Timestamp;
use store::Tx;
use stripe::{Form, objects};

use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::jobs::turns::Turns;
use crate::sync::{inbox, lost};

/// The job's name in the database, under which the last event seen is stored.
const NAME: &str = "poll-events";

/// Maximum number of events per page.
const EVENTS_MAX: usize = 1_000;

/// Maximum number of events that are read if the last one seen is unknown.
const CATCH_UP_MAX: usize = 20_000;

/// Days that are read in that case; Stripe keeps events for thirty.
const DAYS_BACK: i64 = 3;

/// The setting with the time until which every event was read, in microseconds by the billing clock.
const READ_UNTIL: &str = "events.read_until";

/// How often that time is written.
const NOTE_EVERY_SECONDS: i64 = 3_600;

/// Maximum time between checks of whether it is this process's turn.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Polls until the process stops.
pub async fn run(app: App) {
    let every = app.settings.stripe.events_poll_seconds;
    if every <= 0 {
        return;
    }
    let turns = Turns {
        name: NAME,
        every_seconds: every,
        look_every: LOOK_EVERY.min(Duration::from_secs(every.unsigned_abs())),
        waits_at_first: false,
    };
    turns.run(&app, |app| async move { once(&app).await }).await;
}

/// Records every event since the last one seen. Returns their number.
pub async fn once(app: &App) -> Result<usize> {
    let _busy = app.busy();
    binding::check(app).await?;
    let seen = app.read(|tx| store::jobs::find(tx, NAME)).await?;
    let mut cursor = seen.and_then(|state| state.cursor);
    let began = app.now();
    let mut count = 0;
    loop {
        let listed = match &cursor {
            Some(id) => after(app, id).await?,
            None => None,
        };
        let page = if let Some(page) = listed {
            page
        } else {
            sync_all_after_a_gap(app, began).await?;
            lately(app).await?
        };
        let Some(last) = page.data.last().map(|event| event.id.clone()) else {
            break;
        };
        for event in &page.data {
            take(app, event).await?;
        }
        count += page.data.len();
        let (name, now) = (last.clone(), app.real_now());
        app.write(0, move |tx| store::jobs::put(tx, NAME, Some(&name), now))
            .await?;
        cursor = Some(last);
        if !page.has_more {
            break;
        }
    }
    if count > 0 {
        app.sync_due.notify_one();
    }
    note_read(app, began).await?;
    Ok(count)
}

async fn read_until(app: &App) -> Result<Option<Timestamp>> {
    let noted = app.read(|tx| store::settings::get(tx, READ_UNTIL)).await?;
    let micros = noted.and_then(|text| text.parse().ok());
    Ok(micros.map(Timestamp::from_micros))
}

async fn note_read(app: &App, until: Timestamp) -> Result<()> {
    let noted = read_until(app).await?;
    if noted.is_some_and(|at| at <= until && until < at.plus_seconds(NOTE_EVERY_SECONDS)) {
        return Ok(());
    }
    let real_now = app.real_now();
    app.write(0, move |tx| put_read_until(tx, until, real_now))
        .await?;
    Ok(())
}

fn put_read_until(tx: &mut Tx<'_>, until: Timestamp, real_now: Timestamp) -> store::Result<u64> {
    store::settings::put(tx, READ_UNTIL, &until.micros().to_string(), real_now)
}

/// Marks every account for sync if events may be missing from what is read next: the service was
/// stopped for longer than that, or an older database was restored.
async fn sync_all_after_a_gap(app: &App, now: Timestamp) -> Result<()> {
    let is_complete = |at: Timestamp| now.plus_days(-DAYS_BACK) <= at && at <= now;
    let before = read_until(app).await?;
    if before.is_some_and(is_complete) {
        return Ok(());
    }
    if before.is_some() {
        // A restored database doesn't know the customers that were made since.
        let lost = lost::search(app, before).await?;
        lost::link(app, &lost).await?;
    }
    let real_now = app.real_now();
    let accounts = app
        .write(0, move |tx| {
            // Once for a gap, whatever becomes of the list that is read next.
            put_read_until(tx, now, real_now)?;
            store::sync::mark_all_whole(tx, real_now)
        })
        .await?;
    if accounts > 0 {
        tracing::warn!(
            accounts,
            "Stripe no longer lists every event since the last one seen, so all accounts are synced"
        );
        app.sync_due.notify_one();
    }
    Ok(())
}

/// Records an event; a known event changes nothing, and types we don't handle are skipped.
async fn take(app: &App, event: &objects::Event) -> Result<()> {
    match event.read() {
        Ok(read) if stripe::event::is_handled(&read.kind) => {
            inbox::record(app, &read, event.raw().as_bytes()).await
        }
        Ok(_) => Ok(()),
        Err(error) => {
            tracing::warn!(event = event.id, %error, "Failed to parse an event in Stripe's list");
            Ok(())
        }
    }
}

/// The events after this one; `None` if Stripe no longer has it, because it is a month old.
async fn after(app: &App, id: &str) -> Result<Option<objects::List<objects::Event>>> {
    let listed = app
        .stripe
        .list_events_after(id, &Form::new(), EVENTS_MAX)
        .await;
    match listed {
        Ok(events) => Ok(Some(events)),
        Err(error) if error.code() == Some("resource_missing") => Ok(None),
        Err(stripe::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The events of the last days, oldest first.
async fn lately(app: &App) -> Result<objects::List<objects::Event>> {
    let since = app.now().plus_days(-DAYS_BACK).seconds();
    let filter = Form::new().push("created[gte]", since);
    let mut events = app.stripe.list_events(&filter, CATCH_UP_MAX).await?;
    events.data.reverse();
    events.has_more = false;
    Ok(events)
}
