//! Continues unfinished requests to Stripe, each kind on its own and the longest due first, and closes
//! those that their caller abandoned.

use std::sync::atomic::Ordering;
use std::time::Duration;

use store::intents::{Intent, IntentKind};

use crate::accounts::closing::Closing;
use crate::app::App;
use crate::binding;
use crate::error::Result;
use crate::intents::chain::{self, Progress, run_due};
use crate::operators::refunds::OperatorRefund;
use crate::payments::auto_topup::Purchase;
use crate::payments::customer::{Change, Creation};
use crate::payments::plan::ending::{self, PlanEnd};
use crate::sync::disputed_plan;
use crate::sync::duplicate_subscription::Undo;
use crate::sync::suspension::Suspension;

/// How often it runs, in real time.
const EVERY: Duration = Duration::from_secs(5);

/// Maximum number of intents of a kind per round.
const ROUND_MAX: i64 = 50;

/// Maximum number of abandoned intents of a kind that are closed per round.
const ABANDONED_MAX: i64 = 500;

/// Kinds that only their caller continues, and the seconds after which no one will.
const ABANDONED: [(IntentKind, i64); 3] = [
    // No one was shown a page that this intent may have opened.
    (IntentKind::CheckoutSubscription, 3_600),
    (IntentKind::CheckoutTopup, 3_600),
    // Its idempotency key is forgotten by then; the sync reads what became of it.
    (IntentKind::PlanChange, 86_400),
];

/// Runs until the process stops.
pub async fn run(app: App) {
    note(ending::close_undone(&app).await);
    while !app.is_stopping.load(Ordering::SeqCst) {
        once(&app).await;
        tokio::time::sleep(EVERY).await;
    }
}

/// Runs one round. A kind whose round hangs or fails doesn't keep the others from theirs.
pub async fn once(app: &App) {
    // Nothing is sent to another account than the one that the database belongs to (G1).
    if let Err(error) = binding::check(app).await {
        note(Err(error));
        note(close_abandoned(app).await);
        return;
    }
    // Boxed: together they are too large for a thread's stack.
    let rounds = tokio::join!(
        Box::pin(run_due::<PlanEnd>(app, ROUND_MAX)),
        Box::pin(run_due::<Undo>(app, ROUND_MAX)),
        Box::pin(run_due::<disputed_plan::End>(app, ROUND_MAX)),
        Box::pin(run_due::<Suspension>(app, ROUND_MAX)),
        Box::pin(run_due::<OperatorRefund>(app, ROUND_MAX)),
        Box::pin(run_due::<Closing>(app, ROUND_MAX)),
        Box::pin(run_due::<Creation>(app, ROUND_MAX)),
        Box::pin(run_due::<Change>(app, ROUND_MAX)),
        Box::pin(run_due::<Purchase>(app, ROUND_MAX)),
        Box::pin(close_abandoned(app)),
    );
    let (a, b, c, d, e, f, g, h, i, j) = rounds;
    for round in [a, b, c, d, e, f, g, h, i, j] {
        note(round);
    }
}

/// Continues one request now, whatever its kind.
pub(crate) async fn go_on(app: &App, intent: &Intent) -> Result<Progress> {
    match intent.kind {
        IntentKind::PlanEnd => chain::run::<PlanEnd>(app, intent).await,
        IntentKind::DuplicateSubscription => chain::run::<Undo>(app, intent).await,
        IntentKind::DisputedPlanEnd => chain::run::<disputed_plan::End>(app, intent).await,
        IntentKind::Suspension => chain::run::<Suspension>(app, intent).await,
        IntentKind::Refund => chain::run::<OperatorRefund>(app, intent).await,
        IntentKind::Closing => chain::run::<Closing>(app, intent).await,
        IntentKind::Customer => chain::run::<Creation>(app, intent).await,
        IntentKind::CustomerChange => chain::run::<Change>(app, intent).await,
        IntentKind::AutoTopup => chain::run::<Purchase>(app, intent).await,
        // Their caller continues these.
        IntentKind::PlanChange | IntentKind::CheckoutSubscription | IntentKind::CheckoutTopup => {
            Ok(Progress::Owed)
        }
    }
}

fn note(round: Result<()>) {
    if let Err(error) = round {
        tracing::warn!(%error, "Failed to continue unfinished requests to Stripe");
    }
}

async fn close_abandoned(app: &App) -> Result<()> {
    let now = app.now();
    app.write(0, move |tx| {
        for (kind, seconds) in ABANDONED {
            let before = now.plus_seconds(-seconds);
            store::intents::unfinished::abandon(tx, kind, before, now, ABANDONED_MAX)?;
        }
        Ok(())
    })
    .await
}
