//! `sync`: brings accounts in line with Stripe, and reports what changed.

use billing::app::App;
use billing::binding;
use billing::operators::accounts::retire_customer;
use billing::sync;
use billing::sync::lost;
use billing::sync::lost::Lost;
use serde_json::json;

use crate::cli::output::{Output, counted};
use crate::cli::{DIFFERENT, access, adopt};

/// Accounts read in one query.
const ACCOUNTS_MAX: i64 = 500;

/// Maximum number of rounds of matching events that have no account yet.
const MATCHES_MAX: usize = 1_000;

/// The command-line options of `sync`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The account to sync: its id, the host application's id for it, its Stripe customer or a
    /// user's email address.
    #[arg(conflicts_with_all = ["all", "since"])]
    account: Option<String>,
    /// Syncs all accounts. This is the default.
    #[arg(long, conflicts_with = "since")]
    all: bool,
    /// Syncs accounts that have Stripe events since this time: 2026-11-22 or 2026-11-22T10:00:00Z.
    #[arg(long)]
    since: Option<String>,
    /// Links existing Stripe customers to accounts, by their metadata or by the verified email
    /// address of an account. Shows what it would do unless --apply is given.
    #[arg(long, conflicts_with_all = ["all", "since"])]
    adopt: bool,
    /// With --adopt and an account: links this customer, whatever its metadata and address.
    #[arg(long, requires = "adopt", requires = "account")]
    customer: Option<String>,
    /// With --adopt: links the customers.
    #[arg(long, requires = "adopt")]
    apply: bool,
    /// With an account: drops this customer, whose data was deleted at Stripe. Refused while Stripe
    /// knows the customer.
    #[arg(long, requires = "account", conflicts_with = "adopt")]
    retire: Option<String>,
}

/// The outcome of one account's sync.
struct AccountResult {
    account: String,
    changes: Vec<String>,
    error: Option<String>,
}

/// Syncs the accounts, then syncs those that changed once more. Exits with 3 if the second sync
/// changes anything.
pub async fn run(app: &App, args: Args, out: &mut Output) -> anyhow::Result<u8> {
    if args.adopt {
        let args = adopt::AdoptArgs {
            account: args.account,
            customer: args.customer,
            apply: args.apply,
        };
        return adopt::run(app, &args, out).await;
    }
    binding::check(app).await?;
    if let (Some(name), Some(customer)) = (&args.account, &args.retire) {
        let account = access::account(app, name).await?;
        retire_customer(app, &account, customer).await?;
    }
    for _ in 0..MATCHES_MAX {
        if sync::match_events(app).await? == 0 {
            break;
        }
    }
    let lost = link_lost(app, &args).await?;
    let accounts = chosen(app, &args).await?;
    let first = pass(app, &accounts, true).await?;
    let again: Vec<i64> = first
        .iter()
        .filter(|(_, line)| !line.changes.is_empty())
        .map(|(id, _)| *id)
        .collect();
    let second = pass(app, &again, false).await?;
    let lines = |pass: &[(i64, AccountResult)]| {
        let lines = pass.iter().filter(|(_, line)| !line.changes.is_empty());
        lines
            .map(|(_, line)| json!({ "account": line.account, "changes": line.changes }))
            .collect::<Vec<_>>()
    };
    let failed: Vec<_> = first
        .iter()
        .chain(&second)
        .filter_map(|(_, line)| Some((line.account.clone(), line.error.clone()?)))
        .collect();
    let (changed, differs) = (lines(&first), lines(&second));
    let value = json!({
        "accounts": accounts.len(),
        "changed": changed,
        "differs": differs,
        "lost": lost,
        "failed": failed.iter().map(|(a, e)| json!({ "account": a, "error": e })).collect::<Vec<_>>(),
    });
    let lines: String = lost.iter().map(|one| format!("{}\n", one.text())).collect();
    let text = text(accounts.len(), &first, &second);
    out.answer(&value, format!("{lines}{text}"));
    for (account, error) in &failed {
        out.error(format!("{account}: {error}"));
    }
    Ok(match (failed.is_empty(), differs.is_empty()) {
        (false, _) => 1,
        (true, false) => DIFFERENT,
        (true, true) => 0,
    })
}

fn text(
    accounts: usize,
    first: &[(i64, AccountResult)],
    second: &[(i64, AccountResult)],
) -> String {
    let mut text = String::new();
    for (title, pass) in [("changed", first), ("still differs", second)] {
        for (_, line) in pass {
            for change in &line.changes {
                text.push_str(&format!("{} {title}: {change}\n", line.account));
            }
        }
    }
    let changed = first.iter().filter(|(_, line)| !line.changes.is_empty());
    let (changed, differ) = (changed.count(), second.iter());
    let differ = differ.filter(|(_, line)| !line.changes.is_empty()).count();
    text.push_str(&format!(
        "{} synced, {changed} changed, {differ} still different.",
        counted(accounts, "account")
    ));
    text
}

/// Links the customers that carry our mark and have no row, as after a restored backup. Returns those
/// whose account no longer exists.
async fn link_lost(app: &App, args: &Args) -> anyhow::Result<Vec<Lost>> {
    let found = match (&args.account, &args.since) {
        (Some(name), _) => {
            let account = access::account(app, name).await?;
            lost::of_account(app, account.id).await?
        }
        // The events since then are read together with the customers.
        (None, Some(_)) => Vec::new(),
        (None, None) => lost::search(app, None).await?,
    };
    lost::link(app, &found).await?;
    let is_gone = |one: &Lost| one.account_id.is_none();
    Ok(found.into_iter().filter(is_gone).collect())
}

async fn chosen(app: &App, args: &Args) -> anyhow::Result<Vec<i64>> {
    if let Some(name) = &args.account {
        return Ok(vec![access::account(app, name).await?.id]);
    }
    if let Some(since) = &args.since {
        return since_then(app, since).await;
    }
    all(app).await
}

/// The row ids of all accounts.
pub async fn all(app: &App) -> anyhow::Result<Vec<i64>> {
    let mut all = Vec::new();
    loop {
        let after = all.last().copied().unwrap_or(0);
        let page = app
            .read(move |tx| store::accounts::ids_after(tx, after, ACCOUNTS_MAX))
            .await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// The accounts that Stripe has events about since the given time. The events are recorded as if
/// they had been delivered, so the sync fetches the objects that they name, however old those are.
async fn since_then(app: &App, since: &str) -> anyhow::Result<Vec<i64>> {
    let since = domain::time::parse(since).ok_or_else(|| {
        anyhow::anyhow!("--since must be a date or an RFC 3339 time, not {since}")
    })?;
    Ok(sync::since::record(app, since).await?)
}

async fn pass(
    app: &App,
    accounts: &[i64],
    is_whole: bool,
) -> anyhow::Result<Vec<(i64, AccountResult)>> {
    let mut lines = Vec::with_capacity(accounts.len());
    for id in accounts.iter().copied() {
        let found = app.read(move |tx| store::accounts::find(tx, id)).await?;
        let account = found.map_or_else(|| id.to_string(), |account| account.public_id);
        let synced = if is_whole {
            sync::whole_account(app, id).await
        } else {
            sync::account(app, id).await
        };
        let (changes, error) = match synced {
            Ok(report) => (report.changes, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let result = AccountResult {
            account,
            changes,
            error,
        };
        lines.push((id, result));
    }
    Ok(lines)
}
