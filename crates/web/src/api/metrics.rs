//! `GET /metrics`: the state of the service for Prometheus. Counts only; no personal data.

use std::fmt::Write;
use store::events::EventState;
use store::outbox::MessageState;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use billing::app::App;
use billing::books::figures;
use domain::figures::Figures;

use crate::http::error::HttpResult;

/// Returns the service's metrics in Prometheus's text format.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "operation", security(()), responses((status = 200)))]
pub async fn show(State(app): State<App>) -> HttpResult<Response> {
    let (figures, counts) = figures::of_with(&app, Counts::read).await?;
    let db = app.db.stats();
    let text = counts.write(&db, app.stripe_failures(), app.real_now(), &figures);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

struct Counts {
    events: Vec<(EventState, i64)>,
    oldest_open: Option<domain::time::Timestamp>,
    outbox: Vec<(MessageState, i64)>,
    syncs: (i64, i64),
    alerts: Vec<(String, i64)>,
    parked_events: i64,
    oldest_message: Option<domain::time::Timestamp>,
    failed_in_a_row: i64,
    journal: i64,
}

impl Counts {
    fn read(tx: &mut store::Tx<'_>) -> store::Result<Counts> {
        Ok(Counts {
            events: store::events::count_by_state(tx)?,
            oldest_open: store::events::oldest_open(tx)?,
            outbox: store::outbox::count_by_state(tx)?,
            syncs: store::sync::backlog(tx)?,
            alerts: store::alerts::count_open(tx)?,
            parked_events: store::alerts::parked_events(tx)?,
            oldest_message: store::alerts::oldest_message(tx)?,
            failed_in_a_row: store::alerts::failed_in_a_row(tx)?,
            journal: store::ledger::journal_head(tx)?,
        })
    }

    /// The figures that the built-in alerts watch.
    fn write_trouble(&self, text: &mut Text, now: domain::time::Timestamp) {
        let open: i64 = self.alerts.iter().map(|(_, count)| count).sum();
        let help = "Alerts that are open.";
        text.one("lbx_alerts_open", "gauge", help, open);
        text.head("lbx_alert_open", "gauge", "Alerts that are open, by rule.");
        for (rule, count) in &self.alerts {
            text.line(&format!("lbx_alert_open{{rule=\"{rule}\"}}"), count);
        }
        let help = "Events that need manual review.";
        text.one("lbx_events_parked", "gauge", help, self.parked_events);
        let help = "Consecutive failed attempts to apply events.";
        text.one(
            "lbx_events_failed_in_a_row",
            "gauge",
            help,
            self.failed_in_a_row,
        );
        let age = self
            .oldest_message
            .map_or(0, |oldest| now.seconds() - oldest.seconds());
        let help = "Age of the oldest email or webhook waiting to be sent.";
        text.one(
            "lbx_outbox_oldest_queued_seconds",
            "gauge",
            help,
            age.max(0),
        );
    }

    fn write(
        &self,
        db: &store::Stats,
        stripe_errors: u64,
        now: domain::time::Timestamp,
        figures: &Figures,
    ) -> String {
        let mut text = Text(String::new());
        text.head("lbx_events", "gauge", "Stripe's events by state.");
        for (state, count) in &self.events {
            text.line(&format!("lbx_events{{state=\"{state}\"}}"), count);
        }
        let age = self
            .oldest_open
            .map_or(0, |oldest| now.seconds() - oldest.seconds());
        let help = "Age of the oldest event that is not settled.";
        text.one("lbx_events_oldest_open_seconds", "gauge", help, age.max(0));
        text.head(
            "lbx_outbox",
            "gauge",
            "Emails and outgoing webhooks by state.",
        );
        for (state, count) in &self.outbox {
            text.line(&format!("lbx_outbox{{state=\"{state}\"}}"), count);
        }
        let (waiting, parked) = self.syncs;
        text.head(
            "lbx_sync_accounts",
            "gauge",
            "Accounts whose sync waits or is parked.",
        );
        text.line("lbx_sync_accounts{state=\"waiting\"}", waiting);
        text.line("lbx_sync_accounts{state=\"parked\"}", parked);
        self.write_trouble(&mut text, now);
        let help = "Calls to Stripe that failed since the start.";
        text.one("lbx_stripe_errors_total", "counter", help, stripe_errors);
        let help = "Entries that were ever written to the journal.";
        text.one("lbx_journal_entries_total", "counter", help, self.journal);
        let help = "Commits since the start.";
        text.one("lbx_db_commits_total", "counter", help, db.commits);
        let help = "Jobs that went into commits.";
        text.one("lbx_db_jobs_total", "counter", help, db.jobs);
        text.head("lbx_db_queue", "gauge", "Jobs that wait for the database.");
        text.line("lbx_db_queue{kind=\"write\"}", db.writes_waiting);
        text.line("lbx_db_queue{kind=\"read\"}", db.reads_waiting);
        business(&mut text, figures);
        text.0
    }
}

/// The five business figures and the recurring revenue, cached for up to a minute. A ratio without
/// a denominator has a name and no value.
fn business(text: &mut Text, figures: &Figures) {
    let ratios = [
        (
            "lbx_payment_success_ratio",
            "Payments that went through, of those decided in 30 days.",
            figures.payments,
        ),
        (
            "lbx_webhook_success_ratio",
            "Events processed, of those decided in 30 days.",
            figures.webhooks,
        ),
        (
            "lbx_churn_ratio",
            "Accounts that subscribed 30 days ago and do not now.",
            figures.churn,
        ),
    ];
    for (name, help, share) in ratios {
        text.head(name, "gauge", help);
        if let Some(ratio) = share.ratio() {
            text.line(name, ratio);
        }
    }
    let help = "Credits an account has on average, debt counted against it.";
    text.one(
        "lbx_balance_average_credits",
        "gauge",
        help,
        figures.balance,
    );
    let money = [
        (
            "lbx_arpu_minor_units",
            "Revenue of 30 days per account that paid, in minor units.",
            figures.arpu,
        ),
        (
            "lbx_mrr_minor_units",
            "What running subscriptions pay in a month, in minor units.",
            Some(figures.mrr),
        ),
    ];
    for (name, help, amount) in money {
        text.head(name, "gauge", help);
        if let Some(amount) = amount {
            let name = format!("{name}{{currency=\"{}\"}}", amount.currency);
            text.line(&name, amount.amount);
        }
    }
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let written = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        written.expect("a text takes all that is written");
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        writeln!(self.0, "{name} {value}").expect("a text takes all that is written");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, value);
    }
}
