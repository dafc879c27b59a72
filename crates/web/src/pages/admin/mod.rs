//! Operators' pages: overview, transactions, accounts, webhook events, books and audit log.

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
pub mod offered;
pub mod overview;
pub mod payments;
pub mod plans;
pub mod refunds;
pub mod transactions;
pub mod webhooks;

use std::collections::HashMap;

use billing::actors::Visitor;
use billing::app::App;
use store::Tx;
use store::accounts::Account;
use views::components::Pager;
use views::layout::{Nav, Shell};

use crate::frame::public_shell;
use crate::lists::cursor;

/// Rows per page.
const ROWS: usize = 50;

/// Rows to read: one more than is shown tells whether there is another page.
const ROWS_READ: i64 = 51;

/// The accounts with these row ids.
fn accounts(
    tx: &mut Tx<'_>,
    numbers: impl Iterator<Item = i64>,
) -> store::Result<HashMap<i64, Account>> {
    let mut accounts = HashMap::new();
    for number in numbers {
        if !accounts.contains_key(&number)
            && let Some(account) = store::accounts::find(tx, number)?
        {
            accounts.insert(number, account);
        }
    }
    Ok(accounts)
}

/// The layout of an operator's page.
fn operator_shell(app: &App, operator: &Visitor, active: Nav) -> Shell {
    public_shell(app, Some(operator), active)
}

/// The URL of an object in Stripe's Dashboard; `None` with the twin.
fn at_stripe(app: &App, path: &str) -> Option<String> {
    let is_live = app.settings.stripe.is_live();
    let mode = if is_live { "" } else { "/test" };
    let address = || format!("https://dashboard.stripe.com{mode}/{path}");
    app.twin_url.is_none().then(address)
}

/// Drops the extra row read to detect a next page, and builds the pager.
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
