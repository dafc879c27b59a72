//! Alerts: rules that are evaluated periodically. A rule that holds opens an incident, once; when
//! it no longer holds, the incident is closed. Operators are notified of both by email, the host
//! application by webhook. A rule that can't be evaluated is an incident of its own, and keeps no
//! other rule from being evaluated (G11).

mod closed;
mod rules;

use std::sync::atomic::Ordering;
use std::time::Duration;
use store::alerts::{Alert, AlertState, NewAlert, Severity};

use domain::letters::Letter;
use domain::time::{SECONDS_PER_DAY, Timestamp};
use store::{Tx, alerts};

use crate::app::App;
use crate::error::Result;
use crate::letters::enqueue;
use crate::{config, notices};

/// The pause between two evaluations of the rules.
const EVERY: Duration = Duration::from_secs(15);

/// Hours that tallies are kept.
const TALLY_HOURS: i64 = 48;

/// Maximum number of open incidents.
const OPEN_MAX: i64 = 1_000;

/// Maximum number of operators who are notified.
const LISTENERS_MAX: i64 = 50;

const SECONDS_PER_MINUTE: i64 = 60;

const SECONDS_PER_HOUR: i64 = 3_600;

/// The rule that is evaluated once a day.
pub const REVENUE: &str = "revenue-drop";

/// The rule about rules that can't be evaluated; its subject is the name of the rule.
pub const UNEVALUATED: &str = "alert-rule";

/// The names of all rules.
pub fn names() -> impl Iterator<Item = &'static str> {
    let evaluated = rules::ALL.iter().map(|(name, _)| *name);
    evaluated.chain([REVENUE, UNEVALUATED])
}

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

/// What a rule finds.
type Finds = store::Result<Vec<Found>>;

/// Evaluates every rule once and sends notifications. Returns how many incidents opened or closed.
pub async fn once(app: &App) -> Result<usize> {
    let rules = Rules::of(app);
    let found = rules.evaluate(app).await;
    let changes = app
        .read(move |tx| Rules::changes(tx, found.clone()))
        .await?;
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

/// What the rules found.
#[derive(Clone, Debug, Default)]
struct Evaluated {
    found: Vec<Found>,
    /// The rules that couldn't be evaluated: whether their incidents have ended is unknown.
    failed: Vec<&'static str>,
    /// The day whose revenue was compared.
    day: Option<i64>,
}

impl Evaluated {
    fn fail(&mut self, rule: &'static str, error: &crate::error::Error) {
        tracing::warn!(rule, %error, "Failed to evaluate an alert rule");
        let summary = format!(
            "The alert rule {rule} can't be evaluated, so its incidents go unnoticed. The log has \
             the reason."
        );
        self.failed.push(rule);
        self.found.push(Found {
            subject: rule.to_owned(),
            ..critical(UNEVALUATED, &summary)
        });
    }
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

    /// Evaluates each rule in a read of its own.
    async fn evaluate(&self, app: &App) -> Evaluated {
        let mut evaluated = Evaluated::default();
        for (name, rule) in rules::ALL {
            let rules = self.clone();
            match app.read(move |tx| rule(&rules, tx)).await {
                Ok(found) => evaluated.found.extend(found),
                Err(error) => evaluated.fail(name, &error),
            }
        }
        let rules = self.clone();
        let compared = app.read(move |tx| {
            let day = rules.day_to_compare(tx)?;
            let found = day.map(|day| rules.revenue(tx, day)).transpose()?;
            Ok((day, found.flatten()))
        });
        match compared.await {
            Ok((day, found)) => {
                evaluated.day = day;
                evaluated.found.extend(found);
            }
            Err(error) => evaluated.fail(REVENUE, &error),
        }
        evaluated
    }

    fn changes(tx: &mut Tx<'_>, evaluated: Evaluated) -> store::Result<Changes> {
        let Evaluated { found, failed, day } = evaluated;
        let open = alerts::all_open(tx, OPEN_MAX)?;
        let is = |alert: &Alert, found: &Found| {
            alert.rule == found.rule && alert.subject == found.subject
        };
        let closed = open
            .iter()
            .filter(|alert| alert.rule != REVENUE || day.is_some())
            .filter(|alert| !failed.iter().any(|rule| *rule == alert.rule))
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
