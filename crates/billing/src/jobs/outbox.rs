//! The loop that takes messages of one kind from the outbox and sends them.
//!
//! Messages are written in the commit that causes them. A message that was taken but neither sent
//! nor failed becomes due again after a while: delivery is at least once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use store::outbox;
use store::outbox::{Message, MessageKind};
use tokio::sync::Notify;

use crate::app::App;
use crate::error::Result;

/// How often the outbox is polled without being notified, since other processes queue messages,
/// too.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Sends the messages of one kind.
pub trait Sender: Send + Sync {
    /// The kind of messages that it sends.
    const KIND: MessageKind;

    /// Maximum number of messages per round.
    const BATCH_MAX: i64;

    /// Seconds that a round may take before another one can take its messages.
    const TAKE_SECONDS: i64;

    /// Notified when a message of this kind is queued.
    fn queued(app: &App) -> &Notify;

    /// Sends the messages and records the outcome of each.
    fn send(&self, app: &App, batch: Vec<Message>) -> impl Future<Output = Result<()>> + Send;
}

/// Sends until the process stops.
pub async fn run<S: Sender>(app: &App, sender: &S) {
    while !app.is_stopping.load(Ordering::SeqCst) {
        match round(app, sender).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "Failed to read the outbox"),
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
    // A read needs no write; most of the time nothing is due.
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
