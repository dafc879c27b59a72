//! `admin events`: processes stored Stripe events again.

use billing::app::App;
use billing::operators::audit_log::{Action, Author, COMMAND_LINE};
use billing::operators::events;
use billing::sync;
use clap::Subcommand;
use serde_json::json;

use crate::cli::output::{Output, counted};

/// The subcommands of `admin events`.
#[derive(Clone, Debug, Subcommand)]
pub enum Events {
    /// Processes a stored event again, or all events that need manual review.
    Replay {
        /// Id of the event (evt_...).
        id: Option<String>,
        /// Replays all failed events, 500 at most.
        #[arg(long, conflicts_with = "id")]
        failed: bool,
        /// Shows what would change without doing it.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Replays one event or all failed events, or shows what a replay would change.
pub async fn run(app: &App, command: Events, out: &mut Output) -> anyhow::Result<()> {
    let Events::Replay {
        id,
        failed,
        dry_run,
    } = command;
    match (id, failed) {
        (Some(id), false) if dry_run => preview(app, &id, out).await,
        (Some(id), false) => replay(app, &id, out).await,
        (None, true) => replay_failed(app, dry_run, out).await,
        _ => anyhow::bail!("Name an event, or use --failed to replay all failed events."),
    }
}

/// Shows what a replay of the event would change.
async fn preview(app: &App, id: &str, out: &mut Output) -> anyhow::Result<()> {
    let wanted = id.to_owned();
    let event = app.read(move |tx| store::events::find(tx, &wanted)).await?;
    let event = event.ok_or_else(|| anyhow::anyhow!("There is no event {id}."))?;
    let lines = match event.account_id {
        None => Vec::new(),
        Some(account) => sync::compare::account(app, account).await?.lines,
    };
    let changes: Vec<String> = lines
        .iter()
        .filter(|line| !line.agrees())
        .map(|line| format!("{}: {} to {}", line.name, line.ours, line.theirs))
        .collect();
    let text = match (event.account_id, changes.is_empty()) {
        (None, _) => format!("{id} matches no account; a replay would look for one again."),
        (Some(_), true) => format!("{id}: nothing would change."),
        (Some(_), false) => changes.join("\n"),
    };
    let matched = event.account_id.is_some();
    out.answer(
        &json!({ "event": id, "matched": matched, "wouldChange": changes }),
        text,
    );
    Ok(())
}

async fn replay_failed(app: &App, dry_run: bool, out: &mut Output) -> anyhow::Result<()> {
    let ids: Vec<String> = if dry_run {
        let events = app.read(events::failed).await?;
        events.into_iter().map(|event| event.event_id).collect()
    } else {
        events::replay_failed(app, "cli").await?
    };
    let text = match (ids.len(), dry_run) {
        (0, _) => "No failed events.".to_owned(),
        (count, true) => format!(
            "Would replay {}:\n{}",
            counted(count, "event"),
            ids.join("\n")
        ),
        (count, false) => format!("Replayed {}:\n{}", counted(count, "event"), ids.join("\n")),
    };
    out.answer(&json!({ "events": ids, "replayed": !dry_run }), text);
    Ok(())
}

async fn replay(app: &App, id: &str, out: &mut Output) -> anyhow::Result<()> {
    let (wanted, author) = (id.to_owned(), Author::new(app, COMMAND_LINE));
    let event = app
        .db
        .write(0, move |tx| {
            let Some(event) = store::events::find(tx, &wanted)? else {
                return Ok(None);
            };
            let event = store::events::requeue(tx, event.n, author.at())?;
            author.act(Action::EventReplay, &wanted).append(tx)?;
            Ok(event)
        })
        .await?;
    let event = event.ok_or_else(|| anyhow::anyhow!("There is no event {id}."))?;
    if event.account_id.is_none() {
        sync::unmatched::match_events(app).await?;
    }
    let wanted = id.to_owned();
    let event = app.read(move |tx| store::events::find(tx, &wanted)).await?;
    let account = event.and_then(|event| event.account_id);
    let changes = match account {
        Some(account) => sync::account(app, account).await?.changes,
        None => Vec::new(),
    };
    let text = match (account, changes.is_empty()) {
        (None, _) => format!("{id} matches no account yet; it will be tried again later."),
        (Some(_), true) => format!("Replayed {id}; nothing had to change."),
        (Some(_), false) => changes.join("\n"),
    };
    let value = json!({ "event": id, "matched": account.is_some(), "changes": changes });
    out.answer(&value, text);
    Ok(())
}
