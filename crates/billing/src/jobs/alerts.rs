//! Alerts: rules that are evaluated periodically. A rule that holds opens an incident, once; when
//! it no longer holds, the incident is closed. Operators are notified of both by email, the host
//! application by webhook.

mod closed;

use std::sync::atomic::Ordering;
use std::time::Duration;
use store::alerts::{Alert, AlertState, NewAlert, Severity};
use store::disputes::Dispute;
use store::webhook_endpoints::EndpointState;

use domain::letters::Letter;
use domain::money::{Currency, MinorUnits};
use domain::projection::DisputeStatus;
use domain::time::{SECONDS_PER_DAY, Timestamp};
use store::{Tx, alerts};

use crate::app::App;
use crate::binding::OTHER_ACCOUNT;
use crate::error::Result;
use crate::jobs::nightly;
use crate::letters::enqueue;
use crate::operators::unfinished::{self, Unfinished};
use crate::sync::inbox::OTHER_MODE;
use crate::sync::snapshot::CUSTOMER_MISSING;
use crate::webhook_endpoints::BY_HAND;
use crate::{config, notices};

/// The pause between two evaluations of the rules.
const EVERY: Duration = Duration::from_secs(15);

/// More consecutive failures than this open an incident (seed 15.3).
const FAILED_IN_A_ROW_MAX: i64 = 5;

/// Minutes after its expiry at which a pending hold counts as stuck; the sweep runs every few
/// seconds.
const STUCK_HOLD_MINUTES: i64 = 10;

/// Hours that tallies are kept.
const TALLY_HOURS: i64 = 48;

/// Maximum number of open incidents.
const OPEN_MAX: i64 = 1_000;

/// Maximum number of disputes that are alerted at once.
const DISPUTES_MAX: i64 = 200;

/// Maximum number of operators who are notified.
const LISTENERS_MAX: i64 = 50;

const SECONDS_PER_MINUTE: i64 = 60;

const SECONDS_PER_HOUR: i64 = 3_600;

const MICROS_PER_CREDIT: i64 = 1_000_000;

/// The rule that is evaluated once a day.
pub const REVENUE: &str = "revenue-drop";

/// The rule about unfinished requests to Stripe; its subject is an account.
const OWED: &str = "owed";

/// The names of all rules.
pub const RULES: &[&str] = &[
    "failed-webhooks",
    "inbox-age",
    "parked",
    "bad-signatures",
    "stripe-errors",
    "other-mode",
    "outbox",
    "endpoint-disabled",
    "stuck-holds",
    "uncollected",
    "audit",
    OWED,
    "clock",
    "stripe-account",
    "customer-missing",
    "unexplained-payments",
    "dispute",
    "lost-dispute",
    closed::RULE,
    REVENUE,
];

/// A condition that a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    rule: &'static str,
    subject: String,
    severity: Severity,
    summary: String,
}

/// Evaluates the rules until the process stops.
pub async fn run(app: App) {
    let mut stripe_errors = 0;
    while !app.is_stopping.load(Ordering::SeqCst) {
        if let Err(error) = count(&app, &mut stripe_errors).await {
            tracing::warn!(%error, "Failed to record failure counts");
        }
        if let Err(error) = once(&app).await {
            tracing::warn!(%error, "Failed to evaluate the alert rules");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Adds the failures that this process counted in memory to the tallies shared by all processes.
async fn count(app: &App, seen: &mut u64) -> Result<()> {
    let failures = app.stripe.failures();
    let errors = i64::try_from(failures - *seen).unwrap_or(i64::MAX);
    let signatures = app.bad_signatures.swap(0, Ordering::Relaxed);
    if errors == 0 && signatures == 0 {
        return Ok(());
    }
    let now = app.real_now();
    app.write(0, move |tx| {
        for (name, count) in [("stripe-error", errors), ("bad-signature", signatures)] {
            if count > 0 {
                alerts::add(tx, name, count, now)?;
            }
        }
        alerts::forget_tallies(tx, now.plus_seconds(-TALLY_HOURS * SECONDS_PER_HOUR))?;
        Ok(())
    })
    .await?;
    *seen = failures;
    Ok(())
}

/// Evaluates every rule once and sends notifications. Returns how many incidents opened or closed.
pub async fn once(app: &App) -> Result<usize> {
    let rules = Rules::of(app);
    let seen = rules.clone();
    let changes = app.read(move |tx| seen.changes(tx)).await?;
    if changes.opened.is_empty() && changes.closed.is_empty() && changes.day.is_none() {
        return Ok(0);
    }
    let ids: Vec<String> = changes.opened.iter().map(|_| app.new_id("alr")).collect();
    let notified = app
        .write(0, move |tx| rules.apply(tx, &changes, &ids))
        .await?;
    if notified > 0 {
        app.email_due.notify_one();
        app.webhook_due.notify_one();
    }
    Ok(notified)
}

/// The inputs of the rules besides the database.
#[derive(Clone, Debug)]
struct Rules {
    settings: config::Alerts,
    now: Timestamp,
    real_now: Timestamp,
    /// Whether the system clock is in doubt.
    is_clock_doubtful: bool,
}

/// The changes to make.
#[derive(Clone, Debug, Default)]
struct Changes {
    opened: Vec<Found>,
    closed: Vec<(String, String)>,
    /// The day whose revenue was compared.
    day: Option<i64>,
}

impl Rules {
    fn of(app: &App) -> Rules {
        Rules {
            settings: app.settings.alerts.clone(),
            now: app.now(),
            real_now: app.real_now(),
            is_clock_doubtful: app.clock_doubt().is_some(),
        }
    }

    fn changes(&self, tx: &mut Tx<'_>) -> store::Result<Changes> {
        let mut found = self.found(tx)?;
        let day = self.day_to_compare(tx)?;
        if let Some(day) = day {
            found.extend(self.revenue(tx, day)?);
        }
        let open = alerts::all_open(tx, OPEN_MAX)?;
        let is = |alert: &Alert, found: &Found| {
            alert.rule == found.rule && alert.subject == found.subject
        };
        let closed = open
            .iter()
            .filter(|alert| alert.rule != REVENUE || day.is_some())
            .filter(|alert| !found.iter().any(|found| is(alert, found)))
            .map(|alert| (alert.rule.clone(), alert.subject.clone()))
            .collect();
        let opened = found
            .into_iter()
            .filter(|found| !open.iter().any(|alert| is(alert, found)))
            .collect();
        Ok(Changes {
            opened,
            closed,
            day,
        })
    }

    fn apply(&self, tx: &mut Tx<'_>, changes: &Changes, ids: &[String]) -> store::Result<usize> {
        if let Some(day) = changes.day {
            store::jobs::put(tx, REVENUE, Some(&day.to_string()), self.real_now)?;
        }
        let mut notified = 0;
        for (found, id) in changes.opened.iter().zip(ids) {
            let new = NewAlert {
                public_id: id,
                rule: found.rule,
                subject: &found.subject,
                severity: found.severity,
                summary: &found.summary,
            };
            // If another process was first, it has sent the notifications.
            if let Some(alert) = alerts::open(tx, &new, self.real_now)? {
                tracing::error!(
                    rule = alert.rule,
                    subject = alert.subject,
                    "An alert opened"
                );
                self.notify(tx, &alert)?;
                notified += 1;
            }
        }
        for (rule, subject) in &changes.closed {
            if let Some(alert) = alerts::close(tx, rule, subject, self.real_now)? {
                tracing::info!(
                    rule = alert.rule,
                    subject = alert.subject,
                    "An alert closed"
                );
                self.notify(tx, &alert)?;
                notified += 1;
            }
        }
        Ok(notified)
    }

    fn notify(&self, tx: &mut Tx<'_>, alert: &Alert) -> store::Result<()> {
        let letter = Letter::Alert {
            summary: alert.summary.clone(),
            is_over: alert.state == AlertState::Closed,
        };
        for (user, address) in alerts::listeners(tx, LISTENERS_MAX)? {
            let key = format!("alert:{}:{}:{user}", alert.public_id, alert.state);
            enqueue(tx, &key, None, &address, &letter, self.real_now)?;
        }
        notices::alert(tx, alert, self.real_now)?;
        Ok(())
    }

    /// The conditions that hold now, for the rules that are evaluated every time.
    fn found(&self, tx: &mut Tx<'_>) -> store::Result<Vec<Found>> {
        let mut found = Vec::new();
        self.of_the_inbox(tx, &mut found)?;
        self.of_what_leaves(tx, &mut found)?;
        self.of_credits(tx, &mut found)?;
        of_requests(tx, &mut found)?;
        self.of_what_is_ours(tx, &mut found)?;
        disputes(tx, &mut found)?;
        closed::accounts(tx, &mut found)?;
        Ok(found)
    }

    fn of_the_inbox(&self, tx: &mut Tx<'_>, found: &mut Vec<Found>) -> store::Result<()> {
        let failed = alerts::failed_in_a_row(tx)?;
        if failed > FAILED_IN_A_ROW_MAX {
            let summary = "More than 5 consecutive attempts to apply Stripe webhooks failed.";
            found.push(critical("failed-webhooks", summary));
        }
        let waits_since = self.minutes_ago(self.settings.inbox_minutes);
        if store::events::oldest_open(tx)?.is_some_and(|oldest| oldest < waits_since) {
            let minutes = self.settings.inbox_minutes;
            let summary =
                format!("A Stripe event has been waiting for more than {minutes} minutes.");
            found.push(critical("inbox-age", &summary));
        }
        let (_, accounts) = store::sync::backlog(tx)?;
        if accounts > 0 || alerts::parked_events(tx)? > 0 {
            let summary = "Accounts or events failed and need manual review.";
            found.push(warning("parked", summary));
        }
        let unsigned = alerts::recent(tx, "bad-signature", self.real_now)?;
        if unsigned > self.settings.bad_signatures_max {
            let summary = "Many webhook deliveries had a bad signature.";
            found.push(warning("bad-signatures", summary));
        }
        let errors = alerts::recent(tx, "stripe-error", self.real_now)?;
        if errors > self.settings.stripe_errors_max {
            found.push(warning("stripe-errors", "Many calls to Stripe failed."));
        }
        if alerts::recent(tx, OTHER_MODE, self.real_now)? > 0 {
            let summary = "Stripe delivers events of the other mode (live or test) than the key's. \
                           They are ignored. Check the webhook endpoints in Stripe's dashboard.";
            found.push(warning("other-mode", summary));
        }
        Ok(())
    }

    fn of_what_leaves(&self, tx: &mut Tx<'_>, found: &mut Vec<Found>) -> store::Result<()> {
        let waits_since = self.minutes_ago(self.settings.outbox_minutes);
        if alerts::overdue_messages(tx, waits_since)? > 0 {
            let minutes = self.settings.outbox_minutes;
            let summary =
                format!("Emails or webhooks have been waiting for more than {minutes} minutes.");
            found.push(warning("outbox", &summary));
        }
        for endpoint in store::webhook_endpoints::all(tx)? {
            let reason = endpoint.disabled_reason.as_deref();
            if endpoint.state == EndpointState::Disabled && reason != Some(BY_HAND) {
                let id = &endpoint.public_id;
                let summary =
                    format!("The webhook endpoint {id} was disabled because deliveries failed.");
                found.push(Found {
                    subject: endpoint.public_id.clone(),
                    ..warning("endpoint-disabled", &summary)
                });
            }
        }
        Ok(())
    }

    fn of_credits(&self, tx: &mut Tx<'_>, found: &mut Vec<Found>) -> store::Result<()> {
        let over = self
            .now
            .plus_seconds(-STUCK_HOLD_MINUTES * SECONDS_PER_MINUTE);
        if alerts::stuck_holds(tx, over)? > 0 {
            let summary = "Holds are still pending after they expired.";
            found.push(warning("stuck-holds", summary));
        }
        let uncollected = alerts::uncollected_since(tx, self.now.plus_days(-1))?;
        if uncollected / MICROS_PER_CREDIT > self.settings.uncollected_credits_max {
            let summary = "Captures of the last day left many credits uncollected.";
            found.push(warning("uncollected", summary));
        }
        let audit = store::settings::get(tx, nightly::LAST)?;
        let audit = audit.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        if audit.is_some_and(|audit| audit["differences"] != 0) {
            found.push(critical(
                "audit",
                "The last audit found differences in the books.",
            ));
        }
        Ok(())
    }

    /// What would be read or charged wrongly: another Stripe account, a customer that Stripe doesn't
    /// have, a payment without credits or a plan, a wrong clock.
    fn of_what_is_ours(&self, tx: &mut Tx<'_>, found: &mut Vec<Found>) -> store::Result<()> {
        if self.is_clock_doubtful {
            let summary = "The system clock is more than a day from the last commit; nothing \
                           expires until it is accepted.";
            found.push(critical("clock", summary));
        }
        if store::sync::failing_with(tx, OTHER_ACCOUNT)? > 0 {
            let summary = "The Stripe key is of another account or mode than the database; nothing \
                           is synced.";
            found.push(critical("stripe-account", summary));
        }
        if store::sync::failing_with(tx, CUSTOMER_MISSING)? > 0 {
            let summary = "Stripe does not have the customer of an account.";
            found.push(critical("customer-missing", summary));
        }
        if store::transactions::unexplained::count(tx)? > 0 {
            let summary = "Payments have brought neither credits nor a plan; `repair` lists them.";
            found.push(warning("unexplained-payments", summary));
        }
        Ok(())
    }

    /// The day whose revenue is to be compared with the day before: yesterday, from the configured
    /// hour on, unless that was done already.
    fn day_to_compare(&self, tx: &mut Tx<'_>) -> store::Result<Option<i64>> {
        let seconds = self.now.seconds() - self.settings.revenue_hour * SECONDS_PER_HOUR;
        let day = seconds.div_euclid(SECONDS_PER_DAY) - 1;
        let done = store::jobs::find(tx, REVENUE)?.and_then(|job| job.cursor?.parse::<i64>().ok());
        Ok(Some(day).filter(|day| done.is_none_or(|done| done < *day)))
    }

    fn revenue(&self, tx: &mut Tx<'_>, day: i64) -> store::Result<Option<Found>> {
        let start = |day: i64| Timestamp::from_seconds(day * SECONDS_PER_DAY);
        let (_, latest) = alerts::revenue(tx, start(day), start(day + 1))?;
        let (payments, before) = alerts::revenue(tx, start(day - 1), start(day))?;
        if payments < self.settings.revenue_payments_min {
            return Ok(None);
        }
        Ok(
            has_dropped(before, latest, self.settings.revenue_drop_percent).then(|| {
                warning(
                    REVENUE,
                    "Yesterday's revenue fell compared with the day before.",
                )
            }),
        )
    }

    fn minutes_ago(&self, minutes: i64) -> Timestamp {
        self.real_now.plus_seconds(-minutes * SECONDS_PER_MINUTE)
    }
}

/// Requests to Stripe that are unfinished after a refusal or several failures: one incident for each
/// account.
fn of_requests(tx: &mut Tx<'_>, found: &mut Vec<Found>) -> store::Result<()> {
    for Unfinished { account, what, .. } in unfinished::by_account(tx)? {
        let summary = format!("{what} for {account} is overdue: Stripe didn't carry it out.");
        found.push(Found {
            subject: account,
            ..critical(OWED, &summary)
        });
    }
    Ok(())
}

/// Open disputes, each until the bank has decided; and lost ones, until someone has decided whether
/// the plan that was paid for continues.
fn disputes(tx: &mut Tx<'_>, found: &mut Vec<Found>) -> store::Result<()> {
    for dispute in store::disputes::all_open(tx, DISPUTES_MAX)? {
        let due = match dispute.due_by {
            Some(due_by) if dispute.status() == Some(DisputeStatus::NeedsResponse) => {
                format!("Stripe needs your response by {}.", due_by.date_text())
            }
            _ => "The bank is reviewing it.".to_owned(),
        };
        let summary = format!("{} is disputed. {due}", disputed(tx, &dispute)?);
        found.push(Found {
            subject: dispute.dispute_id,
            ..critical("dispute", &summary)
        });
    }
    for dispute in store::disputes::all_asked(tx, DISPUTES_MAX)? {
        let payment = disputed(tx, &dispute)?;
        let summary = format!(
            "{payment} was lost in a dispute and its plan continues. Decide on the account's page \
             whether it ends."
        );
        found.push(Found {
            subject: dispute.dispute_id,
            ..warning("lost-dispute", &summary)
        });
    }
    Ok(())
}

/// The payment that a dispute is about, as the beginning of a sentence. Alerts name no person.
fn disputed(tx: &mut Tx<'_>, dispute: &Dispute) -> store::Result<String> {
    let currency = Currency::parse(&dispute.currency).unwrap_or(Currency::USD);
    let amount = MinorUnits::new(dispute.amount_minor, currency).decimal_text();
    let account = store::accounts::find(tx, dispute.account_id)?;
    let account = account.map_or_else(String::new, |account| account.public_id);
    let code = currency.code().to_uppercase();
    Ok(format!("A payment of {amount} {code} by {account}"))
}

/// Whether `latest` is more than `percent` below `before`.
fn has_dropped(before: i64, latest: i64, percent: i64) -> bool {
    let fall = i128::from(before) - i128::from(latest);
    fall * 100 > i128::from(before) * i128::from(percent)
}

fn warning(rule: &'static str, summary: &str) -> Found {
    Found {
        rule,
        subject: String::new(),
        severity: Severity::Warning,
        summary: summary.to_owned(),
    }
}

fn critical(rule: &'static str, summary: &str) -> Found {
    Found {
        severity: Severity::Critical,
        ..warning(rule, summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revenue_has_dropped_when_more_than_the_share_is_gone() {
        assert!(!has_dropped(1_000, 900, 10), "exactly ten percent");
        assert!(has_dropped(1_000, 899, 10));
        assert!(!has_dropped(1_000, 1_100, 10));
        assert!(!has_dropped(0, 0, 10));
        assert!(has_dropped(i64::MAX, 0, 10));
    }
}
