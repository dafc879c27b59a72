//! Intents: rows that are written before Stripe is asked to create something.

use domain::time::Timestamp;
use store::intents::Intent;

use crate::app::App;
use crate::error::{Error, Result};
use crate::payments::KEY_HOURS;

/// Whether an intent's key is too old to be sent again.
pub(crate) fn is_stale(intent: &Intent, now: Timestamp) -> bool {
    now >= intent.created_at.plus_seconds(KEY_HOURS * 3_600)
}

/// Settles an intent by how its call failed: a definite no ends it, an unknown outcome keeps it for
/// a retry with the same key, and an error that Stripe saved under the key uses the key up.
pub(crate) async fn note_failure(app: &App, intent: &Intent, error: &stripe::Error) -> Result<()> {
    let is_over = error.is_replayed() || !(error.is_temporary() || error.is_outcome_unknown());
    let (id, now, text) = (intent.id.clone(), app.now(), error.to_string());
    if is_over {
        app.write(intent.account_id, move |tx| {
            store::intents::set_failed(tx, &id, &text, now)
        })
        .await?;
    }
    Ok(())
}

/// Two requests want the same; one of them has to come again.
pub(crate) fn claimed() -> Error {
    Error::unavailable(
        "claimed",
        "Another request is already doing this. Try again.",
    )
}
