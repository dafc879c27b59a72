//! The loop that takes messages of one kind from the outbox and sends them.
//!
//! Messages are written in the commit of what they are about. A message that was taken and neither
//! sent nor failed is due again after a while, so it may be sent twice, never not at all.

use std::sync::atomic::Ordering;
use std::time::Duration;

use store::outbox;
use store::outbox::{Message, MessageKind};
use tokio::sync::Notify;

use crate::app::App;
use crate::error::Result;

/// How often the outbox is looked at when nothing was queued here: other processes queue, too.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Sends the messages of one kind.
pub trait Sender: Send + Sync {
    /// The kind of messages that it sends.
    const KIND: MessageKind;

    /// Messages in one round.
    const BATCH_MAX: i64;

    /// How long a round may take before another may take its messages.
    const TAKE_SECONDS: i64;

    /// What is notified when a message of the kind was queued.
    fn queued(app: &App) -> &Notify;

    /// Sends the messages and notes what became of each.
    fn send(&self, app: &App, batch: Vec<Message>) -> impl Future<Output = Result<()>> + Send;
}

/// Sends until the program stops.
pub async fn run<S: Sender>(app: &App, sender: &S) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        match round(app, sender).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "The outbox could not be read"),
        }
        tokio::select! {
            () = S::queued(app).notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Sends what is due; returns how many messages were attempted.
async fn round<S: Sender>(app: &App, sender: &S) -> Result<usize> {
    let now = app.real_now();
    // A look costs no write; most of the time there is nothing.
    let next = app.read(move |tx| outbox::next_due(tx, S::KIND)).await?;
    if next.is_none_or(|due| due > now) {
        return Ok(0);
    }
    let until = now.plus_seconds(S::TAKE_SECONDS);
    let _busy = app.busy();
    let taken = app
        .write(0, move |tx| {
            outbox::take_due(tx, S::KIND, now, until, S::BATCH_MAX)
        })
        .await?;
    let count = taken.len();
    sender.send(app, taken).await?;
    Ok(count)
}
