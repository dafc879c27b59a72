//! Reads the events since a given time from Stripe, for deliveries that never arrived.

use std::collections::BTreeSet;

use domain::time::Timestamp;
use stripe::Form;

use crate::app::App;
use crate::binding;
use crate::error::{Error, Result};
use crate::sync::{inbox, lost, unmatched};

/// Maximum number of events that are read for `--since`.
const EVENTS_MAX: usize = 100_000;

/// Days for which Stripe lists its events.
///
/// Source: <https://docs.stripe.com/api/events/list>
const DAYS_LISTED: i64 = 30;

/// Records the events since then as if they had been delivered, so that the objects they refer to
/// are fetched, however old. Returns the accounts that they concern.
pub async fn record(app: &App, since: Timestamp) -> Result<Vec<i64>> {
    if since < app.now().plus_days(-DAYS_LISTED) {
        let detail = "Stripe lists the events of 30 days, so an earlier time would miss some. Run \
                      sync --all, which reads everything.";
        return Err(Error::field("since", detail));
    }
    binding::check(app).await?;
    let filter = Form::new().push("created[gte]", since.seconds());
    let events = app.stripe.list_events(&filter, EVENTS_MAX).await?;
    if events.has_more {
        tracing::warn!("There are more events than one sync reads; run sync --all");
    }
    // Customers that a restored backup doesn't know come first, so that their events are matched.
    let lost = lost::search(app, Some(since)).await?;
    let mut accounts: BTreeSet<i64> = lost::link(app, &lost).await?.into_iter().collect();
    for event in events.data.iter().rev() {
        let Ok(read) = event.read() else { continue };
        if !stripe::event::is_handled(&read.kind) {
            continue;
        }
        inbox::record(app, &read, event.raw().as_bytes()).await?;
        accounts.extend(inbox::account_of_event(app, &read).await?);
    }
    unmatched::match_events(app).await?;
    Ok(accounts.into_iter().collect())
}
