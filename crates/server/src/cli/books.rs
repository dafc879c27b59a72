//! `audit` checks the journal and everything derived from it; `balance` prints an account's
//! credits.

use billing::app::App;
use billing::books::audit::{Finding, Scope};
use billing::jobs::nightly;
use billing::summary;
use domain::ledger::{Ledger, Terms, WalletStatus};
use domain::time::Timestamp;
use serde_json::{Value, json};

use crate::cli::output::Output;
use crate::cli::{DIFFERENT, access, compare};

/// How many days of refunds and disputes are compared with Stripe.
const REVERSAL_DAYS: i64 = 400;

/// Journal entries replayed in one read.
const PAGE: i64 = 1_000;

/// The command-line options of `audit`.
#[derive(Clone, Debug, clap::Args)]
pub struct AuditArgs {
    /// Checks only that the journal was not changed.
    #[arg(long)]
    chain: bool,
    /// Also checks everything that is derived from the journal. This is the default without
    /// --chain.
    #[arg(long)]
    rebuild: bool,
    /// Also checks that every account matches Stripe, and that every refund and dispute is
    /// recorded.
    #[arg(long, conflicts_with = "chain")]
    stripe: bool,
}

/// The command-line options of `balance`.
#[derive(Clone, Debug, clap::Args)]
pub struct BalanceArgs {
    /// The account: its id, the host application's id for it, its Stripe customer or a user's email
    /// address.
    account: String,
    /// Prints the balance at this time: 2026-11-22 or 2026-11-22T10:00:00Z.
    #[arg(long)]
    at: Option<String>,
}

/// Audits all accounts. Exits with 3 if there are differences.
pub async fn audit(app: &App, args: &AuditArgs, out: &mut Output) -> anyhow::Result<u8> {
    let scope = if args.chain && !args.rebuild {
        Scope::Chain
    } else {
        Scope::Everything
    };
    let report = billing::books::audit::run(app, scope).await?;
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
    let unlisted = report.findings_count - report.findings.len();
    if unlisted > 0 {
        text.push_str(&format!("and {unlisted} more differences\n"));
    }
    text.push_str(&format!(
        "{} accounts and {} journal entries: {} differences, {} warnings.",
        report.accounts,
        report.entries,
        report.findings_count,
        report.warnings.len()
    ));
    let mut value = serde_json::to_value(&report)?;
    let mut differences = report.findings_count;
    let mut failed = Vec::new();
    if args.stripe {
        let compared = with_stripe(app, &mut value, &mut text).await?;
        differences += compared.0;
        failed = compared.1;
    }
    value["ok"] = (differences == 0).into();
    if scope == Scope::Everything {
        nightly::note(app, differences, report.warnings.len()).await?;
    }
    out.answer(&value, text);
    for (account, error) in &failed {
        out.error(format!("{account}: {error}"));
    }
    Ok(match (failed.is_empty(), differences) {
        (false, _) => 1,
        (true, 0) => 0,
        (true, _) => DIFFERENT,
    })
}

/// Adds the comparison with Stripe to the report. Returns the number of differences, and the
/// accounts that could not be compared.
async fn with_stripe(
    app: &App,
    value: &mut Value,
    text: &mut String,
) -> anyhow::Result<(usize, Vec<(String, String)>)> {
    let accounts = crate::cli::sync::all(app).await?;
    let compared = compare::everything(app, &accounts).await?;
    let since = app.now().plus_days(-REVERSAL_DAYS).seconds();
    let reversals = billing::sync::differences::reversals(app, since).await?;
    *text = format!("{}{text}", compared.text("differs from Stripe"));
    for one in &reversals {
        *text = format!(
            "{} differs from Stripe: {}: {}\n{text}",
            one.account, one.object, one.what
        );
    }
    let count = compared.differing() + reversals.len();
    let aside = compared.intended.len();
    text.push_str(&format!(
        "\n{} accounts compared with Stripe: {count} differences, {aside} intended.",
        accounts.len()
    ));
    value["stripe"] = json!({
        "accounts": accounts.len(),
        "differs": compared.accounts,
        "reversals": reversals,
        "intended": compared.intended,
        "lost": compared.lost,
        "payments": compared.open_json(),
    });
    Ok((count, compared.failed))
}

/// Prints a balance, now or at a time in the past.
pub async fn balance(app: &App, args: &BalanceArgs, out: &mut Output) -> anyhow::Result<u8> {
    let account = access::account(app, &args.account).await?;
    let value = match &args.at {
        None => now(app, account.id, &account.public_id).await?,
        Some(at) => {
            let at = domain::time::parse(at).ok_or_else(|| {
                anyhow::anyhow!("--at must be a date or an RFC 3339 time, not {at}")
            })?;
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
    let view = summary::view(app, account).await?;
    Ok(json!({
        "account": name,
        "at": app.now().rfc3339_micros(),
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
        "at": at.rfc3339_micros(),
        "balance": number(ledger.wallet.posted - ledger.wallet.debt)?,
        "held": number(ledger.wallet.held)?,
        "available": number(ledger.available(at))?,
        "debt": number(ledger.wallet.debt)?,
    }))
}

/// The exact decimal text of `credits` as a JSON number, without going through a float.
fn number(credits: domain::money::Credits) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&credits.to_string())?)
}
