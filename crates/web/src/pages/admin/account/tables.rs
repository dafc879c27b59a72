//! The tables of an account's page: payments, grants, holds and webhook events.

use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use domain::amounts;
use domain::ledger::{Hold, Lot, LotState};
use domain::projection::TransactionStatus;
use store::foreign::{Foreign, ForeignKind};
use store::transactions::{Transaction, unexplained};
use views::admin::account::{FOREIGN, GRANTS, HOLDS, PAYMENTS};
use views::admin::parts::Table;
use views::components::{Badge, Prose};
use views::{format, labels};

use super::Rows;
use crate::pages::billing::history;
use crate::rows::money::of_row;

pub(super) fn money(row: &Transaction, minor: i64) -> String {
    amounts::amount(of_row(minor, &row.currency))
}

pub(super) fn tables(app: &App, operator: &Operator, home: &str, rows: &Rows) -> Vec<Table> {
    let mut tables = vec![
        payments(app, operator, rows),
        grants(app, operator, home, rows),
        holds(rows),
        events(rows),
    ];
    if !rows.foreign.is_empty() {
        tables.push(foreign(rows));
    }
    tables
}

/// Whether a payment brought neither credits nor a plan and still needs a decision.
fn is_open(row: &Transaction) -> bool {
    row.natural_key.starts_with(unexplained::PREFIX)
        && row.status == TransactionStatus::Completed
        && row.metadata.is_none()
}

/// What belongs to another product at the same Stripe account.
fn foreign(rows: &Rows) -> Table {
    let row = |row: &Foreign| {
        let what = match row.kind {
            ForeignKind::Subscription => "Subscription ",
            ForeignKind::Payment => "Payment ",
            ForeignKind::Customer => "Customer with this address ",
        };
        let currency = row.currency.as_deref().unwrap_or("usd");
        let amount = row.amount_minor.map(|minor| of_row(minor, currency));
        vec![
            Prose::default().time(format::day(row.created_at.micros())),
            Prose::new(what).code(&row.object_id),
            amount.map_or_else(String::new, amounts::amount).into(),
            row.status.clone().into(),
        ]
    };
    Table::new("Not ours", &FOREIGN, "").rows(rows.foreign.iter().map(row))
}

/// Whether a payment can be refunded.
pub fn is_refundable(row: &Transaction) -> bool {
    row.kind.is_payment()
        && row.status == TransactionStatus::Completed
        && row.stripe_payment_intent_id.is_some()
        && row.refunded_minor < row.amount_minor
}

fn payments(app: &App, operator: &Operator, rows: &Rows) -> Table {
    let catalog = app.catalog();
    let row = |row: &Transaction| {
        let mut status = Prose::default().badge(history::transaction_badge(row));
        if row.refunded_minor > 0 {
            status = status.text(format!(" {} refunded", money(row, row.refunded_minor)));
        }
        if operator.may(Right::Money) && is_refundable(row) {
            let left = money(row, row.amount_minor - row.refunded_minor);
            let title = format!("Refund up to {left}");
            status = status
                .text(" ")
                .link(title, format!("/admin/refunds/{}", row.public_id));
        }
        if operator.may(Right::Money) && is_open(row) {
            let href = format!("/admin/payments/{}", row.public_id);
            status = status.text(" ").link("What was it for?", href);
        }
        vec![
            Prose::default().time(format::moment(row.occurred_at.micros())),
            history::transaction_title(&catalog, row).into(),
            money(row, row.amount_minor).into(),
            status,
        ]
    };
    Table::new("Payments", &PAYMENTS, "No payments yet.").rows(rows.transactions.iter().map(row))
}

fn grants(app: &App, operator: &Operator, home: &str, rows: &Rows) -> Table {
    let now = app.now();
    let row = |row: &Lot| {
        let (left, state) = (row.remaining(), row.state(now));
        let badge = match state {
            LotState::Voided => Badge::plain("Voided"),
            LotState::Frozen => Badge::warn("Frozen by a dispute"),
            LotState::Expired => Badge::plain("Expired"),
            LotState::Exhausted => Badge::plain("Used up"),
            LotState::Scheduled => Badge::plain("Scheduled"),
            LotState::Active => Badge::ok("Active"),
        };
        let has_ended = state.has_ended();
        let mut shown = Prose::default().badge(badge);
        if operator.may(Right::Money) && left.is_positive() && !has_ended {
            let href = format!("{home}/void?grant={}", row.id);
            shown = shown.text(" ").link(format!("End grant {}", row.id), href);
        }
        vec![
            Prose::new(format!("{} {} ", row.id, labels::grant_kind(row.kind)))
                .code(&row.source_key),
            format::credits(row.amount.micros()).into(),
            format::credits(left.micros()).into(),
            row.expires_at.map_or_else(
                || "never".into(),
                |end| Prose::default().time(format::day(end.micros())),
            ),
            shown,
        ]
    };
    Table::new("Grants", &GRANTS, "No credits granted yet.").rows(rows.grants.iter().map(row))
}

fn holds(rows: &Rows) -> Table {
    let row = |row: &Hold| {
        vec![
            Prose::default().time(format::second(row.authorized_at.micros())),
            Prose::default().code(&row.id),
            format::credits(row.amount.micros()).into(),
            format::credits(row.captured.micros()).into(),
            Prose::default().badge(labels::hold_badge(row.state.word())),
        ]
    };
    Table::new("Holds", &HOLDS, "No holds yet.").rows(rows.holds.iter().map(row))
}

/// Shortens an event's outcome, which can be long; the event's own page shows all of it.
fn cut(text: Option<&String>) -> String {
    let text = text.map_or("", String::as_str);
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}

fn events(rows: &Rows) -> Table {
    let columns = [
        ("Received (UTC)", "num wide-only"),
        ("Event", ""),
        ("State", ""),
        ("Result", "wide-only"),
    ];
    let row = |row: &store::events::Event| {
        vec![
            Prose::default().time(format::second(row.received_at.micros())),
            Prose::default().link(&row.kind, format!("/admin/events/{}", row.event_id)),
            Prose::default().badge(labels::event_badge(row.state.word())),
            cut(row.outcome.as_ref().or(row.last_error.as_ref())).into(),
        ]
    };
    Table::new(
        "Webhook events",
        &columns,
        "Stripe has sent no events about this account yet.",
    )
    .rows(rows.events.iter().map(row))
}
