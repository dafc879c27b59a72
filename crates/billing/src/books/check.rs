//! Audits the books in the background for the page that shows the last result: throttled, with a
//! time limit, one run at a time.

use std::time::Duration;

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::books::audit;
use crate::books::audit::Scope;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};

const NAME: &str = "audit.report";

const CLAIM: &str = "audit.page";

/// Number of accounts per read.
const ACCOUNTS_MAX: i64 = 8;

/// Pause after each read, which lets other readers run.
const PAUSE: Duration = Duration::from_millis(10);

/// Maximum duration of a run; a longer one is cut off and marked as such.
const SECONDS_MAX: i64 = 600;

/// Minimum time between the starts of two runs.
const SECONDS_BETWEEN: i64 = 30;

/// Maximum number of findings that are stored.
const FINDINGS_MAX: usize = 200;

/// The stored result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it started, in microseconds of real time.
    pub started_at: i64,
    /// When it ended; none while it runs.
    pub ended_at: Option<i64>,
    /// The actor who started it.
    pub actor: String,
    /// How many accounts were checked.
    pub accounts: i64,
    /// How many journal entries were checked.
    pub entries: i64,
    /// How many differences there are, including those that are not listed.
    pub findings_count: usize,
    /// The differences: account, row, and what is wrong.
    pub findings: Vec<(String, String, String)>,
    /// What needs manual review although the books agree.
    pub warnings: Vec<(String, String, String)>,
    /// Whether it ran out of time before all accounts were checked.
    pub is_cut: bool,
}

/// The result of the last check; `None` before the first.
pub async fn last(app: &App) -> Result<Option<Report>> {
    let text = app.read(|tx| store::settings::get(tx, NAME)).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Starts a run, unless one is running or started a moment ago.
pub async fn start(app: &App, actor: &str) -> Result<()> {
    let now = app.real_now();
    if let Some(report) = last(app).await?
        && report.ended_at.is_none()
        && now.micros() < report.started_at + SECONDS_MAX * 1_000_000
    {
        return Err(Error::conflict(
            "audit_runs",
            "The books are being checked already.",
        ));
    }
    let report = Report {
        started_at: now.micros(),
        actor: actor.to_owned(),
        ..Report::default()
    };
    let (text, author) = (encode(&report), Author::new(app, actor));
    let claimed = app
        .write(0, move |tx| {
            let due_before = now.plus_seconds(-SECONDS_BETWEEN);
            if !store::jobs::claim(tx, CLAIM, due_before, now)? {
                return Ok(false);
            }
            store::settings::put(tx, NAME, &text, now)?;
            author.act(Action::AuditRun, "books").append(tx)?;
            Ok(true)
        })
        .await?;
    if !claimed {
        let detail = "The books were audited a moment ago. See that result.";
        return Err(Error::conflict("audit_recent", detail));
    }
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(error) = run(&app, report).await {
            tracing::error!(%error, "Failed to audit the books");
        }
    });
    Ok(())
}

async fn run(app: &App, mut report: Report) -> Result<()> {
    let until = Timestamp::from_micros(report.started_at).plus_seconds(SECONDS_MAX);
    let (mut all, mut after) = (audit::Report::default(), 0);
    loop {
        let now = app.now();
        let (last, part) = app
            .read(move |tx| {
                let ids = store::accounts::ids_after(tx, after, ACCOUNTS_MAX)?;
                let mut part = audit::Report::default();
                for id in &ids {
                    audit::account(tx, *id, Scope::Everything, now, &mut part)?;
                }
                Ok((ids.last().copied(), part))
            })
            .await?;
        all.accounts += part.accounts;
        all.entries += part.entries;
        all.findings_count += part.findings_count;
        all.findings.extend(part.findings);
        all.warnings.extend(part.warnings);
        all.findings.truncate(FINDINGS_MAX);
        all.warnings.truncate(FINDINGS_MAX);
        report.is_cut = last.is_some() && app.real_now() >= until;
        match last {
            Some(last) if !report.is_cut => after = last,
            _ => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    let parts = |one: audit::Finding| (one.account, one.row, one.what);
    report.accounts = all.accounts;
    report.entries = all.entries;
    report.findings_count = all.findings_count;
    report.findings = all.findings.into_iter().map(parts).collect();
    report.warnings = all.warnings.into_iter().map(parts).collect();
    let now = app.real_now();
    report.ended_at = Some(now.micros());
    let text = encode(&report);
    app.write(0, move |tx| store::settings::put(tx, NAME, &text, now))
        .await?;
    Ok(())
}

fn encode(report: &Report) -> String {
    serde_json::to_string(report).expect("a report is plain data")
}
