//! The scheduled audit: the books from the first entry, and the refunds and disputes of the whole
//! Stripe account, which no customer's list shows.

use std::time::Duration;

use serde_json::json;

use crate::app::App;
use crate::books::audit;
use crate::books::audit::Scope;
use crate::error::Result;
use crate::jobs::turns::Turns;
use crate::sync::differences;

/// The job's name in the database.
const NAME: &str = "audit";

/// Name of the setting with the last audit's result as JSON: `at`, `differences`, `warnings`.
pub const LAST: &str = "audit_last";

/// How often a process checks whether it is its turn.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Days of refunds and disputes that are checked; most are closed within this time.
const DAYS_BACK: i64 = 120;

const SECONDS_PER_HOUR: i64 = 3_600;

/// Runs audits until the process stops.
pub async fn run(app: App) {
    let hours = app.settings.stripe.audit_hours;
    if hours <= 0 {
        return;
    }
    let turns = Turns {
        name: NAME,
        every_seconds: hours * SECONDS_PER_HOUR,
        look_every: LOOK_EVERY,
        // A new service has nothing to audit before its first interval has passed.
        waits_at_first: true,
    };
    turns.run(&app, |app| async move { once(&app).await }).await;
}

/// Runs an audit now. Accounts that differ from Stripe are marked for sync. Returns the number of
/// differences.
pub async fn once(app: &App) -> Result<usize> {
    let report = audit::run(app, Scope::Everything).await?;
    let since = app.now().plus_days(-DAYS_BACK).seconds();
    let reversals = differences::reversals(app, since).await?;
    differences::mark_for_sync(app, &reversals).await?;
    for one in &reversals {
        let (account, object, what) = (&one.account, &one.object, &one.what);
        tracing::error!(account, object, what, "Stripe and our rows differ");
    }
    for finding in &report.findings {
        let (account, row, what) = (&finding.account, &finding.row, &finding.what);
        tracing::error!(account, row, what, "The books do not agree");
    }
    let differences = report.findings_count + reversals.len();
    note(app, differences, report.warnings.len()).await?;
    Ok(differences)
}

/// Stores an audit's result for the alerts and the pages.
pub async fn note(app: &App, differences: usize, warnings: usize) -> Result<()> {
    let now = app.real_now();
    let value = json!({ "at": now.rfc3339(), "differences": differences, "warnings": warnings });
    app.write(0, move |tx| {
        store::settings::put(tx, LAST, &value.to_string(), now).map(|_| ())
    })
    .await
}
