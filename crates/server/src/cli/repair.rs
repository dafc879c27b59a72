//! `repair`: brings accounts that differ from Stripe in step. A step of its own after `audit`: it
//! says what it would do, and does it when told to. Nothing is rewritten in the journal; what is
//! wrong there is answered by entries.

use serde_json::json;

use super::output::Output;
use super::{DIFFERENT, access, compare};
use crate::app::App;
use crate::sync;

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
        None => super::sync::all(app).await?,
    };
    let before = compare::accounts(app, &accounts).await?;
    let mut left = before.differing();
    let mut failed = before.failed.clone();
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
        "differs": left,
        "failed": failed.iter().map(|(a, e)| json!({ "account": a, "error": e })).collect::<Vec<_>>(),
    });
    let verb = if args.apply {
        "repaired"
    } else {
        "would repair"
    };
    let mut text = before.text(verb);
    text.push_str(&match (before.accounts.len(), args.apply) {
        (0, _) => format!(
            "{} accounts agree with Stripe; nothing to repair.",
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

async fn write_down(app: &App, line: &compare::Line) -> anyhow::Result<()> {
    let (account, lines, now) = (line.account.clone(), json!(line.lines), app.real_now());
    app.write(line.id, move |tx| {
        let detail = json!({ "changes": lines }).to_string();
        store::audit_log::append(tx, "cli", "account.repair", &account, &detail, None, now)
    })
    .await?;
    Ok(())
}
