//! `admin credits`: manual corrections of an account's credits.

use billing::app::App;
use billing::idempotency::Key;
use billing::operators::credits;
use billing::operators::credits::{Justification, REASONS};
use clap::Subcommand;
use domain::money::Credits;
use serde_json::json;
use store::accounts::Account;

use crate::cli::access;
use crate::cli::output::Output;

/// The corrections that `admin credits` offers.
#[derive(Clone, Debug, Subcommand)]
pub enum Correction {
    /// Adds or removes credits.
    #[command(allow_negative_numbers = true)]
    Adjust {
        /// The account: its id, the host application's id for it, its Stripe customer or a user's
        /// email address.
        account: String,
        /// How many credits to add; a negative number removes credits.
        credits: String,
        /// The reason, the note and the idempotency key.
        #[command(flatten)]
        why: Why,
    },
    /// Voids a grant: removes its credits, except those that open holds have set aside.
    Void {
        /// The account: its id, the host application's id for it, its Stripe customer or a user's
        /// email address.
        account: String,
        /// Id of the grant (grant_...).
        grant: String,
        /// The reason, the note and the idempotency key.
        #[command(flatten)]
        why: Why,
    },
    /// Forgives debt that a reversed payment left.
    Forgive {
        /// The account: its id, the host application's id for it, its Stripe customer or a user's
        /// email address.
        account: String,
        /// How many credits of debt to forgive (default: all of it).
        credits: Option<String>,
        /// The reason, the note and the idempotency key.
        #[command(flatten)]
        why: Why,
    },
}

/// Why a correction is made, and its idempotency key.
#[derive(Clone, Debug, clap::Args)]
pub struct Why {
    /// Reason code.
    #[arg(long, value_parser = REASONS)]
    reason: String,
    /// Note for the audit log, 1 to 500 characters.
    #[arg(long)]
    note: String,
    /// Idempotency key: a command with the same key takes effect only once.
    #[arg(long)]
    key: Option<String>,
    /// Shows what would happen without doing it.
    #[arg(long)]
    dry_run: bool,
}

impl Why {
    fn justification(&self) -> anyhow::Result<Justification> {
        anyhow::ensure!(
            !self.note.trim().is_empty(),
            "--note must have 1 to 500 characters."
        );
        Ok(Justification {
            actor: "cli".to_owned(),
            reason: self.reason.clone(),
            note: Some(self.note.clone()),
            credits_max: None,
            notifies: true,
        })
    }

    /// The account, the reason and the idempotency key of a correction.
    async fn read(
        &self,
        app: &App,
        account: &str,
    ) -> anyhow::Result<(Account, Justification, Key)> {
        let account = access::account(app, account).await?;
        let key = self.key.clone().unwrap_or_else(|| app.new_id("act"));
        Ok((account, self.justification()?, Key::read(&key)?))
    }
}

/// Runs one of the corrections.
pub async fn run(app: &App, command: &Correction, out: &mut Output) -> anyhow::Result<()> {
    match command {
        Correction::Adjust {
            account,
            credits,
            why,
        } => adjust(app, account, credits, why, out).await,
        Correction::Void {
            account,
            grant,
            why,
        } => void(app, account, grant, why, out).await,
        Correction::Forgive {
            account,
            credits,
            why,
        } => forgive(app, account, credits.as_deref(), why, out).await,
    }
}

async fn void(
    app: &App,
    account: &str,
    grant: &str,
    why: &Why,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (account, justification, key) = why.read(app, account).await?;
    if why.dry_run {
        let id = grant.strip_prefix("grant_").unwrap_or(grant);
        let view = billing::summary::view(app, account.id).await?;
        let lot = view.lots.iter().find(|one| one.id.to_string() == id);
        let unheld = lot.map_or(Credits::ZERO, domain::ledger::Lot::unheld);
        let value = json!({ "account": account.public_id, "grant": grant, "voided": false });
        let text = format!("Would remove {unheld} credits from {grant}.");
        out.answer(&value, text);
        return Ok(());
    }
    let outcome = credits::void(app, &account, key, grant, &justification).await?;
    let taken = outcome.entry.as_ref().map(|entry| -entry.posted_delta);
    let taken = taken.unwrap_or(Credits::ZERO);
    let value = json!({
        "account": account.public_id, "grant": grant, "voided": !outcome.replayed,
        "credits": taken.to_string(), "available": outcome.available.to_string(),
    });
    let text = format!(
        "Removed {taken} credits from {grant}; {} credits are available.",
        outcome.available
    );
    out.answer(&value, text);
    Ok(())
}

async fn forgive(
    app: &App,
    account: &str,
    credits: Option<&str>,
    why: &Why,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (account, justification, key) = why.read(app, account).await?;
    let amount = credits.map(Credits::parse).transpose()?;
    if why.dry_run {
        let debt = billing::summary::view(app, account.id).await?.debt;
        let amount = amount.unwrap_or(debt);
        let value = json!({ "account": account.public_id, "forgiven": false });
        let text = format!("Would forgive {amount} of {debt} credits of debt.");
        out.answer(&value, text);
        return Ok(());
    }
    let outcome = credits::forgive(app, &account, key, amount, &justification).await?;
    let forgiven = outcome.entry.as_ref().map(|entry| -entry.debt_delta);
    let forgiven = forgiven.unwrap_or(Credits::ZERO);
    let value = json!({
        "account": account.public_id, "forgiven": !outcome.replayed,
        "credits": forgiven.to_string(), "available": outcome.available.to_string(),
    });
    let text = format!(
        "Forgave {forgiven} credits of debt; {} credits are available.",
        outcome.available
    );
    out.answer(&value, text);
    Ok(())
}

async fn adjust(
    app: &App,
    account: &str,
    credits: &str,
    why: &Why,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (account, justification, key) = why.read(app, account).await?;
    let amount = Credits::parse(credits)?;
    let name = key.0.clone();
    // Reading the summary grants an allowance that is due. It must come first: journal entries are
    // in order of time, and the correction is dated now.
    billing::summary::view(app, account.id).await?;
    let (done, available) = if why.dry_run {
        (true, credits::look(app, &account, amount).await?.available)
    } else {
        let outcome = credits::adjust(app, &account, key, amount, &justification).await?;
        let is_new = outcome.entry.is_some() && !outcome.replayed;
        (is_new, outcome.available)
    };
    let value = json!({
        "account": account.public_id, "credits": credits, "key": name,
        "adjusted": done && !why.dry_run,
        "available": serde_json::from_str::<serde_json::Value>(&available.to_string())?,
    });
    let text = match (done, why.dry_run) {
        (true, false) => {
            format!("Adjusted by {credits} credits; {available} credits are available.")
        }
        (true, true) => {
            format!("Would adjust by {credits} credits; {available} would be available.")
        }
        (false, _) => {
            format!("The adjustment {name} was already made; {available} credits are available.")
        }
    };
    out.answer(&value, text);
    Ok(())
}
