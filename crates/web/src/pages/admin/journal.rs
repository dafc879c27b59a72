//! `/admin/accounts/{id}/journal`: every entry of an account's journal, latest first.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{Html, Response};
use billing::actors::roles::Right;
use billing::app::App;
use billing::export::csv::{Cell, Column, Csv};
use billing::export::table;
use domain::ledger::{Body, Entry, EntryKind, GrantKind};
use domain::money::Credits;
use views::admin::parts::{ListPage, Table};
use views::components::{Action, Pager, Prose};
use views::icons::Icon;
use views::layout::Nav;
use views::{format, labels};

use crate::http::callers::OnAccount;
use crate::http::error::HttpResult;
use crate::lists::{List, cursor};
use crate::pages::admin::{ROWS, operator_shell};
use crate::{files, frame};

/// Whether an entry is a manual adjustment, which can be undone by an opposite one.
pub fn is_adjustment(entry: &Entry) -> bool {
    let is_up = matches!(
        &entry.body,
        Body::Grant {
            kind: GrantKind::Adjustment,
            ..
        }
    );
    is_up || entry.kind == EntryKind::Adjust
}

const TABLE: [(&str, &str); 8] = [
    ("Entry", "r num"),
    ("When (UTC)", "num wide-only"),
    ("What", ""),
    ("Balance", "r num"),
    ("Held", "r num wide-only"),
    ("Debt", "r num wide-only"),
    ("Available", "r num wide-only"),
    ("Who and why", ""),
];

/// `GET /admin/accounts/{id}/journal`.
pub async fn show(
    State(app): State<App>,
    OnAccount { operator, account }: OnAccount,
    list: List<1>,
) -> HttpResult<Html<String>> {
    let before = list.before();
    let number = account.id;
    let size = i64::try_from(ROWS).unwrap_or(i64::MAX);
    let (mut entries, names) = app
        .read(move |tx| {
            let head = store::ledger::wallet(tx, number)?.map_or(0, |wallet| wallet.seq);
            // The journal has no gaps, so the page before an entry follows from its number.
            let end = before.unwrap_or(head + 1).clamp(1, head + 1);
            let start = (end - 1 - size).max(0);
            let entries = store::ledger::journal_after(tx, number, start, end - 1 - start)?;
            let actors = entries
                .iter()
                .filter_map(|entry| entry.context.actor.as_deref());
            let names = crate::pages::admin::log::names(tx, actors)?;
            Ok((entries, names))
        })
        .await?;
    entries.reverse();
    let home = format!("/admin/accounts/{}", account.public_id);
    let here = format!("{home}/journal");
    let last = entries.last().map_or(0, |entry| entry.seq);
    let pager = Pager {
        summary: format!("{} shown", entries.len()),
        newest: before.map(|_| here.clone()),
        older: (last > 1).then(|| format!("{here}?after={}", cursor(&[last]))),
    };
    let may_adjust = operator.may(Right::Adjust);
    let rows = entries
        .iter()
        .map(|entry| row(entry, &names, &home, may_adjust));
    let table = Table {
        pager: Some(pager),
        ..Table::new("Entries, latest first", &TABLE, "Nothing has happened yet.").rows(rows)
    };
    let csv = Action::link("CSV", format!("{here}.csv")).icon(Icon::Download);
    frame::html(&ListPage {
        crumb: Some((account.name.clone(), home.clone())),
        actions: operator
            .may(Right::Export)
            .then_some(csv)
            .into_iter()
            .collect(),
        tables: vec![table],
        ..ListPage::new(
            operator_shell(&app, &operator.0, Nav::AdminAccounts),
            "Journal",
            "Every credit movement. Entries are never changed; corrections are new entries.",
        )
    })
}

fn change(credits: Credits) -> Prose {
    if credits == Credits::ZERO {
        return "".into();
    }
    format::credits_change(credits.micros()).into()
}

fn row(entry: &Entry, names: &HashMap<String, String>, home: &str, may_adjust: bool) -> Vec<Prose> {
    let context = &entry.context;
    let mut what = Prose::new(label(entry));
    if let Some(about) = about(entry) {
        what = what.text(" ").code(about);
    }
    let actor = context.actor.as_ref();
    let who = actor.map(|actor| names.get(actor).unwrap_or(actor).clone());
    let mut why = Prose::new(who.unwrap_or_default());
    if let Some(reason) = &context.reason {
        why = why.text(format!(", {}", labels::adjustment_reason(reason)));
    }
    if may_adjust && is_adjustment(entry) {
        let undo = format!("{home}/undo?entry={}", entry.seq);
        why = why
            .text(" ")
            .link(format!("Undo entry {}", entry.seq), undo);
    }
    vec![
        format::count(entry.seq.unsigned_abs()).into(),
        Prose::default().time(format::second(entry.at.micros())),
        what,
        change(entry.posted_delta),
        change(entry.held_delta),
        change(entry.debt_delta),
        format::credits(entry.available.micros()).into(),
        why,
    ]
}

fn label(entry: &Entry) -> String {
    match &entry.body {
        Body::Grant { kind, .. } => {
            format!("Grant, {}", labels::grant_kind(*kind).to_lowercase())
        }
        _ => labels::entry_kind(entry.kind).to_owned(),
    }
}

/// An entry's kind in the CSV file.
fn csv_kind(entry: &Entry) -> String {
    match (&entry.body, entry.kind) {
        (Body::Grant { kind, .. }, _) => format!("grant, {}", kind.word()),
        (_, EntryKind::Clawback) => "clawback".to_owned(),
        (_, kind) => kind.word().replace('_', " "),
    }
}

/// The hold, the operation or the source that an entry is about.
fn about(entry: &Entry) -> Option<String> {
    match &entry.body {
        Body::Hold { hold, .. } | Body::Settlement { hold, .. } => Some(hold.clone()),
        Body::Grant { source_key, .. } => Some(source_key.clone()),
        Body::Lot { lot, .. } | Body::Kept { lot, .. } => Some(format!("grant {lot}")),
        Body::Debit { .. } => entry.context.operation.clone(),
        Body::Account { source_key } => source_key.clone(),
    }
}

const COLUMNS: &[Column<Entry>] = &[
    ("entry", |entry| Cell::number(entry.seq)),
    ("at", |entry| Cell::plain(entry.at.rfc3339())),
    ("kind", |entry| Cell::text(csv_kind(entry))),
    ("about", |entry| {
        Cell::text(about(entry).unwrap_or_default())
    }),
    ("balance", |entry| Cell::number(entry.posted_delta)),
    ("held", |entry| Cell::number(entry.held_delta)),
    ("debt", |entry| Cell::number(entry.debt_delta)),
    ("available", |entry| Cell::number(entry.available)),
    ("actor", |entry| Cell::maybe(entry.context.actor.as_ref())),
    ("reason", |entry| Cell::maybe(entry.context.reason.as_ref())),
];

/// `GET /admin/accounts/{id}/journal.csv`: the whole journal, from the first entry.
pub async fn csv(State(app): State<App>, OnAccount { account, .. }: OnAccount) -> Response {
    let name = format!("journal-{}.csv", account.public_id);
    let number = account.id;
    files::file(&name, table::CSV, None::<i64>, move |after| {
        let app = app.clone();
        async move {
            let Some(after) = after else {
                return Ok(Some((Csv::of(COLUMNS).into_text(), Some(0))));
            };
            let entries = app
                .read(move |tx| store::ledger::journal_after(tx, number, after, table::PAGE))
                .await?;
            let Some(last) = entries.last().map(|entry| entry.seq) else {
                return Ok(None);
            };
            let mut csv = Csv::empty();
            entries.iter().for_each(|entry| csv.add(COLUMNS, entry));
            Ok(Some((csv.into_text(), Some(last))))
        }
    })
}
