//! Operators' pages: how it goes, transactions, accounts, webhook events, the books, what was done.

pub mod account;
pub mod accounts;
pub mod acts;
pub mod alerts;
pub mod books;
pub mod event;
pub mod events;
pub mod exports;
pub mod journal;
pub mod log;
pub mod overview;
pub mod parts;
pub mod plans;
pub mod refunds;
pub mod transactions;
pub mod webhooks;

use crate::actors::Visitor;
use crate::api::lists::cursor;
use crate::app::App;
use crate::pages::components::Pager;
use crate::pages::layout::{Nav, Shell};
use crate::pages::serve::public_shell;

/// Rows on an operator's page.
const ROWS: usize = 50;

/// The frame of an operator's page.
fn operator_shell(app: &App, operator: &Visitor, active: Nav) -> Shell {
    public_shell(app, Some(operator), active)
}

/// Cuts the row that was read to see whether there are more, and makes the steps.
fn page_of<R>(
    rows: &mut Vec<R>,
    here: &str,
    is_first: bool,
    place: impl Fn(&R) -> Vec<i64>,
) -> Pager {
    let is_more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let joiner = if here.contains('?') { '&' } else { '?' };
    let older = rows.last().filter(|_| is_more);
    Pager {
        summary: format!("{} shown", rows.len()),
        newest: (!is_first).then(|| here.to_owned()),
        older: older.map(|row| format!("{here}{joiner}after={}", cursor(&place(row)))),
    }
}

/// An address with what is set of a filter.
fn address(path: &str, parts: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// A word that was typed, if one was.
fn set(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}
