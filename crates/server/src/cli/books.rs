//! `audit` and `balance`: what the books say, and whether they agree.

use domain::ledger::{Ledger, Terms, WalletStatus};
use domain::time::Timestamp;
use serde_json::{Value, json};

use super::output::Output;
use super::{DIFFERENT, access};
use crate::account;
use crate::app::App;
use crate::audit::{self, Finding, Scope};

/// Journal entries replayed in one read.
const PAGE: i64 = 1_000;

/// What to check.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// Only that no byte of the journal was changed.
    #[arg(long)]
    chain: bool,
    /// Also that everything derived from the journal is what a replay gives; so too without --chain.
    #[arg(long)]
    rebuild: bool,
}

/// Which balance.
#[derive(Clone, Debug, clap::Args)]
pub struct BalanceArgs {
    /// The account's id, the host application's id, its Stripe customer or a user's address.
    account: String,
    /// As of a moment in the past: 2026-11-22 or 2026-11-22T10:00:00Z.
    #[arg(long)]
    at: Option<String>,
}

/// Audits all accounts.
pub async fn audit(app: &App, args: &AuditArgs, out: &mut Output) -> anyhow::Result<u8> {
    let scope = if args.chain && !args.rebuild {
        Scope::Chain
    } else {
        Scope::Everything
    };
    let report = audit::run(app, scope).await?;
    let line = |title: &str, one: &Finding| {
        format!(
            "{title}: account {}, {}: {}\n",
            one.account, one.row, one.what
        )
    };
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&line("difference", finding));
    }
    for warning in &report.warnings {
        text.push_str(&line("warning", warning));
    }
    let untold = report.findings_count - report.findings.len();
    if untold > 0 {
        text.push_str(&format!("and {untold} more differences\n"));
    }
    text.push_str(&format!(
        "{} accounts and {} journal entries: {} differences, {} warnings.",
        report.accounts,
        report.entries,
        report.findings_count,
        report.warnings.len()
    ));
    let mut value = serde_json::to_value(&report)?;
    value["ok"] = (report.findings_count == 0).into();
    out.answer(&value, text);
    Ok(if report.findings_count == 0 {
        0
    } else {
        DIFFERENT
    })
}

/// Prints a balance, now or as it was.
pub async fn balance(app: &App, args: &BalanceArgs, out: &mut Output) -> anyhow::Result<u8> {
    let account = access::account(app, &args.account).await?;
    let value = match &args.at {
        None => now(app, account.id, &account.public_id).await?,
        Some(at) => {
            let at = domain::time::parse(at)
                .ok_or_else(|| anyhow::anyhow!("--at is a date or an RFC 3339 moment, not {at}"))?;
            then(app, account.id, &account.public_id, at).await?
        }
    };
    let text = ["balance", "held", "available", "debt"]
        .map(|name| format!("{name:<10}{}", value[name]))
        .join("\n");
    out.answer(&value, text);
    Ok(0)
}

async fn now(app: &App, account: i64, name: &str) -> anyhow::Result<Value> {
    let view = account::view(app, account).await?;
    Ok(json!({
        "account": name,
        "at": app.now().rfc3339(),
        "balance": number(view.posted - view.debt)?,
        "held": number(view.held)?,
        "available": number(view.available)?,
        "debt": number(view.debt)?,
    }))
}

/// Replays the journal up to `at`.
async fn then(app: &App, account: i64, name: &str, at: Timestamp) -> anyhow::Result<Value> {
    let ledger = app
        .read(move |tx| {
            let last = store::ledger::journal_until(tx, account, at)?;
            let terms = Terms {
                period_start: Timestamp::default(),
                calls_limit: None,
                status: WalletStatus::Active,
            };
            let mut ledger = Ledger::new(account, terms);
            while ledger.wallet.seq < last {
                let seq = ledger.wallet.seq;
                let limit = PAGE.min(last - seq);
                for entry in store::ledger::journal_after(tx, account, seq, limit)? {
                    ledger.replay(&entry);
                }
                ledger.take_changes();
            }
            Ok(ledger)
        })
        .await?;
    Ok(json!({
        "account": name,
        "at": at.rfc3339(),
        "balance": number(ledger.wallet.posted - ledger.wallet.debt)?,
        "held": number(ledger.wallet.held)?,
        "available": number(ledger.available(at))?,
        "debt": number(ledger.wallet.debt)?,
    }))
}

/// The exact decimal text as a JSON number, through no float.
fn number(credits: domain::money::Credits) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&credits.to_string())?)
}
