//! `repair`: makes the rows that follow from the journal anew where they differ from it, and brings
//! accounts that differ from Stripe in step. A step of its own after `audit`: it says what it would
//! do, and does it when told to. Nothing is rewritten in the journal; what is wrong there is
//! answered by entries, and a broken journal is left to a person.

use billing::app::App;
use billing::books::audit;
use billing::books::audit::{Finding, Part, Report, Scope};
use billing::operators::audit_log::{Action, Author, COMMAND_LINE};
use billing::sync;
use serde_json::json;

use crate::cli::output::Output;
use crate::cli::{DIFFERENT, access, compare};

/// Which accounts, and whether to do it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One account: its id, the host application's id, its Stripe customer or a user's address; all
    /// without.
    account: Option<String>,
    /// Does it. Without, it only says what would be done.
    #[arg(long)]
    apply: bool,
}

/// Repairs, or says what a repair would do.
pub async fn run(app: &App, args: &Args, out: &mut Output) -> anyhow::Result<u8> {
    let accounts = match &args.account {
        Some(name) => vec![access::account(app, name).await?.id],
        None => crate::cli::sync::all(app).await?,
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
    let before = compare::accounts(app, &accounts).await?;
    failed.extend(before.failed.clone());
    left += before.differing();
    if args.apply {
        for line in &before.accounts {
            write_down(app, line).await?;
            if let Err(error) = sync::whole_account(app, line.id).await {
                failed.push((line.account.clone(), error.to_string()));
            }
        }
        let again: Vec<i64> = before.accounts.iter().map(|line| line.id).collect();
        left = compare::accounts(app, &again).await?.differing();
    }
    let changes = before.accounts.iter();
    let changes = changes.map(|line| json!({ "account": line.account, "changes": line.lines }));
    let value = json!({
        "applied": args.apply,
        "accounts": accounts.len(),
        "repairs": changes.collect::<Vec<_>>(),
        "rebuilds": books.iter().map(Books::json).collect::<Vec<_>>(),
        "differs": left,
        "failed": failed.iter().map(|(a, e)| json!({ "account": a, "error": e })).collect::<Vec<_>>(),
    });
    let verb = if args.apply {
        "repaired"
    } else {
        "would repair"
    };
    let mut text = before.text(verb);
    for one in &books {
        text.push_str(&one.text(args.apply));
    }
    text.push_str(&match (before.accounts.len() + books.len(), args.apply) {
        (0, _) => format!(
            "{} accounts agree with the journal and with Stripe; nothing to repair.",
            accounts.len()
        ),
        (count, false) => format!("{count} accounts differ. Do it with: repair --apply"),
        (count, true) => format!("{count} accounts repaired, {left} still differ."),
    });
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

/// An account whose rows are not what its journal says.
struct Books {
    id: i64,
    account: String,
    findings: Vec<Finding>,
}

impl Books {
    /// Whether the journal itself is broken: nothing is made from it then.
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
            (true, _) => "cannot be rebuilt, its journal is broken",
            (false, true) => "rebuilt",
            (false, false) => "would rebuild",
        };
        let rows = self.rows().into_iter();
        rows.map(|row| format!("{} {verb}: {row}\n", self.account))
            .collect()
    }
}

/// The accounts whose journal is broken or whose rows do not follow from it.
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

/// One commit: the rows are made anew, looked at again, and written down; rows that still differ
/// undo all of it.
async fn rebuild(app: &App, books: &Books) -> anyhow::Result<()> {
    anyhow::ensure!(
        !books.is_broken(),
        "its journal is broken: nothing can be made from it. Restore a backup."
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

async fn write_down(app: &App, line: &compare::ComparisonRow) -> anyhow::Result<()> {
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
