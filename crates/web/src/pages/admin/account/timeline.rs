//! The timeline of an account, latest first.

use billing::app::App;
use domain::ledger::{Entry, EntryKind};
use domain::projection::TransactionStatus;
use domain::time::Timestamp;
use views::components::{Kind, TimelineEntry};
use views::{format, labels};

use super::tables::money;
use super::{MOMENTS, Rows};
use crate::pages::billing::history;

/// Payments, manual actions, and journal entries not made by a call, latest first.
pub(super) fn timeline(app: &App, rows: &Rows) -> Vec<TimelineEntry> {
    let catalog = app.catalog();
    let mut moments: Vec<(Timestamp, TimelineEntry)> = Vec::new();
    for row in &rows.transactions {
        let kind = match row.status {
            TransactionStatus::Failed => Kind::Bad,
            TransactionStatus::Completed | TransactionStatus::Refunded => Kind::Ok,
            _ => Kind::Info,
        };
        let status = labels::transaction_badge(row.status.word())
            .label
            .to_lowercase();
        let title = history::transaction_title(&catalog, row);
        moments.push((
            row.occurred_at,
            TimelineEntry {
                kind,
                title: format!("{title}, {}, {status}", money(row, row.amount_minor)),
                detail: Some(row.failure.clone().unwrap_or_else(|| row.public_id.clone())),
                when: format::moment(row.occurred_at.micros()),
            },
        ));
    }
    for act in &rows.acts {
        let detail: serde_json::Value = serde_json::from_str(&act.detail).unwrap_or_default();
        let who = rows.names.get(&act.actor).unwrap_or(&act.actor);
        moments.push((
            act.at,
            TimelineEntry {
                kind: Kind::Warn,
                title: format!("{} by {who}", labels::action(&act.action)),
                detail: detail["reason"]
                    .as_str()
                    .map(|reason| labels::adjustment_reason(reason).to_owned()),
                when: format::moment(act.at.micros()),
            },
        ));
    }
    let is_call = |kind: EntryKind| {
        matches!(
            kind,
            EntryKind::Hold
                | EntryKind::Capture
                | EntryKind::Release
                | EntryKind::HoldExpired
                | EntryKind::Debit
        )
    };
    for entry in rows.entries.iter().filter(|entry| !is_call(entry.kind)) {
        moments.push((entry.at, line(entry)));
    }
    moments.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    moments.truncate(MOMENTS);
    moments.into_iter().map(|(_, moment)| moment).collect()
}

fn line(entry: &Entry) -> TimelineEntry {
    let label = labels::entry_kind(entry.kind);
    TimelineEntry {
        kind: match entry.kind {
            EntryKind::Clawback | EntryKind::Adjust | EntryKind::Void => Kind::Warn,
            EntryKind::Grant | EntryKind::Reinstate => Kind::Ok,
            _ => Kind::Info,
        },
        title: match entry.posted_delta.micros() {
            0 => label.to_owned(),
            moved => {
                let sign = if moved > 0 { "+" } else { "" };
                format!("{label}, {sign}{}", format::credits_worded(moved))
            }
        },
        detail: Some(format!("entry {}", entry.seq)),
        when: format::moment(entry.at.micros()),
    }
}
