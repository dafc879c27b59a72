//! `repair`: rebuilds rows that differ from the journal they are derived from, and syncs accounts
//! that differ from Stripe. It shows what it would do, and does it only with `--apply`. It never
//! changes the journal: wrong entries are corrected by new entries, and a broken journal has to be
//! fixed manually.

use billing::app::App;
use billing::books::audit;
use billing::books::audit::{Finding, Part, Report, Scope};
use billing::operators::audit_log::{Action, Author, COMMAND_LINE};
use billing::operators::payments;
use billing::sync;
use billing::sync::lost;
use serde_json::json;

use crate::cli::output::{Output, counted};
use crate::cli::{DIFFERENT, access, compare};

/// The command-line options of `repair`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The account to repair: its id, the host application's id for it, its Stripe customer or a
    /// user's email address (default: all accounts).
    account: Option<String>,
    /// Makes the repairs. Without it, they are only shown.
    #[arg(long)]
    apply: bool,
}

/// Repairs accounts, or shows what a repair would do.
pub async fn run(app: &App, args: &Args, out: &mut Output) -> anyhow::Result<u8> {
    let (accounts, is_all) = match &args.account {
        Some(name) => (vec![access::account(app, name).await?.id], false),
        None => (crate::cli::sync::all(app).await?, true),
    };
    let books = books(app, &accounts).await?;
    let mut failed = Vec::new();
    let mut left = books.len();
    if args.apply {
        left = 0;
        for one in &books {
            if let Err(error) = rebuild(app, one).await {
                failed.push((one.account.clone(), format!("{error:#}")));
            }
        }
    }
    let before = if is_all {
        compare::everything(app, &accounts).await?
    } else {
        compare::accounts(app, &accounts).await?
    };
    failed.extend(before.failed.clone());
    left += before.differing() + before.proposed().count();
    if args.apply {
        left -= before.differing() + before.proposed().count();
        for (open, decision) in before.proposed() {
            if let Err(error) = payments::decide(app, open, &decision, COMMAND_LINE).await {
                failed.push((open.account.public_id.clone(), error.to_string()));
            }
        }
        for account in lost::link(app, &before.lost).await? {
            sync::whole_account(app, account).await?;
        }
        for line in &before.accounts {
            record_repair(app, line).await?;
            if let Err(error) = sync::whole_account(app, line.id).await {
                failed.push((line.account.clone(), error.to_string()));
            }
        }
        let again: Vec<i64> = before.accounts.iter().map(|line| line.id).collect();
        left += compare::accounts(app, &again).await?.differing();
        left += before
            .lost
            .iter()
            .filter(|one| one.account_id.is_none())
            .count();
    }
    let changes = before.accounts.iter();
    let changes = changes.map(|line| json!({ "account": line.account, "changes": line.lines }));
    let value = json!({
        "applied": args.apply,
        "accounts": accounts.len(),
        "repairs": changes.collect::<Vec<_>>(),
        "rebuilds": books.iter().map(Books::json).collect::<Vec<_>>(),
        "differs": left,
        "lost": before.lost,
        "payments": before.open_json(),
        "failed": failed.iter().map(|(a, e)| json!({ "account": a, "error": e })).collect::<Vec<_>>(),
    });
    let text = summary(&before, &books, accounts.len(), left, args.apply);
    out.answer(&value, text);
    for (account, error) in &failed {
        out.error(format!("{account}: {error}"));
    }
    Ok(match (failed.is_empty(), left) {
        (false, _) => 1,
        (true, 0) => 0,
        (true, _) => DIFFERENT,
    })
}

/// The repairs as text: one line each, and a summary.
fn summary(
    before: &compare::Compared,
    books: &[Books],
    checked: usize,
    left: usize,
    is_applied: bool,
) -> String {
    let verb = if is_applied {
        "repaired"
    } else {
        "would repair"
    };
    let mut text = before.text(verb);
    for one in books {
        text.push_str(&one.text(is_applied));
    }
    text.push_str(&match (
        before.differing() + before.proposed().count() + books.len(),
        is_applied,
    ) {
        (0, _) => format!(
            "Nothing to repair: {} checked against the journal and Stripe.",
            counted(checked, "account")
        ),
        (count, false) => format!(
            "Differences found in {}. To repair: repair --apply",
            counted(count, "account")
        ),
        (count, true) => format!(
            "{} repaired, {left} with differences left.",
            counted(count, "account")
        ),
    });
    text
}

/// An account whose rows differ from what its journal says.
struct Books {
    id: i64,
    account: String,
    findings: Vec<Finding>,
}

impl Books {
    /// Whether the journal itself is broken, so that nothing can be rebuilt from it.
    fn is_broken(&self) -> bool {
        self.findings.iter().any(|one| one.part == Part::Journal)
    }

    fn rows(&self) -> Vec<String> {
        let findings = self.findings.iter();
        findings
            .map(|one| format!("{}: {}", one.row, one.what))
            .collect()
    }

    fn json(&self) -> serde_json::Value {
        json!({ "account": self.account, "rows": self.rows(), "journalIsBroken": self.is_broken() })
    }

    fn text(&self, is_done: bool) -> String {
        let verb = match (self.is_broken(), is_done) {
            (true, _) => "cannot be rebuilt because its journal is broken",
            (false, true) => "rebuilt",
            (false, false) => "would rebuild",
        };
        let rows = self.rows().into_iter();
        rows.map(|row| format!("{} {verb}: {row}\n", self.account))
            .collect()
    }
}

/// The accounts whose journal is broken, or whose rows differ from it.
async fn books(app: &App, accounts: &[i64]) -> anyhow::Result<Vec<Books>> {
    let mut found = Vec::new();
    for id in accounts.iter().copied() {
        let now = app.now();
        let findings = app.read(move |tx| derived(tx, id, now)).await?;
        if let Some(first) = findings.first() {
            let account = first.account.clone();
            found.push(Books {
                id,
                account,
                findings,
            });
        }
    }
    Ok(found)
}

fn derived(
    tx: &mut store::Tx<'_>,
    account: i64,
    now: domain::time::Timestamp,
) -> store::Result<Vec<Finding>> {
    let mut report = Report::default();
    audit::account(tx, account, Scope::Everything, now, &mut report)?;
    report.findings.retain(|one| one.part != Part::Payment);
    Ok(report.findings)
}

/// Rebuilds the rows of an account, audits them again and records the repair, all in one database
/// transaction, which is rolled back if rows still differ.
async fn rebuild(app: &App, books: &Books) -> anyhow::Result<()> {
    anyhow::ensure!(
        !books.is_broken(),
        "its journal is broken, so nothing can be rebuilt from it; restore a backup"
    );
    let (rules, now) = (app.rules(), app.now());
    let author = Author::new(app, COMMAND_LINE);
    let (id, subject, rows) = (books.id, books.account.clone(), books.rows());
    app.db
        .write(id, move |tx| {
            store::ledger::rebuild(tx, &rules, id, now)?;
            let left = derived(tx, id, now)?;
            if let Some(first) = left.first() {
                let why = format!("{} still differs: {}", first.row, first.what);
                return Err(store::Error::Abandoned(why));
            }
            let act = author.act(Action::AccountRebuild, &subject);
            act.with("rows", json!(rows)).append(tx)
        })
        .await?;
    Ok(())
}

/// Records the repair of an account in the audit log.
async fn record_repair(app: &App, line: &compare::Difference) -> anyhow::Result<()> {
    let (account, lines) = (line.account.clone(), json!(line.lines));
    let author = Author::new(app, COMMAND_LINE);
    app.db
        .write(line.id, move |tx| {
            let act = author.act(Action::AccountRepair, &account);
            act.with("changes", lines.clone()).append(tx)
        })
        .await?;
    Ok(())
}
