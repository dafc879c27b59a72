//! Transactions as a file: the customer's own, or what an operator searched for.

use axum::response::Response;
use domain::money::{Currency, MinorUnits};
use domain::time::Timestamp;
use store::transactions::{Cursor, Filter, Transaction};

use crate::api::lists::{Cell, Csv};
use crate::app::App;
use crate::http::error::Result;

/// Rows read at a time.
const ROWS_AT_ONCE: usize = 1_000;
/// Rows of one file; its answer names the row to go on after.
const ROWS_MAX: usize = 50_000;

/// What the file is narrowed to.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// One account.
    pub account: Option<i64>,
    /// One type.
    pub kind: Option<String>,
    /// One status.
    pub status: Option<String>,
    /// Happened at or after.
    pub from: Option<Timestamp>,
    /// Happened before.
    pub until: Option<Timestamp>,
    /// Held by an id, the description, or the account's name or address.
    pub search: Option<String>,
}

impl Wanted {
    /// All of one account.
    pub fn of(account: i64) -> Wanted {
        Wanted {
            account: Some(account),
            ..Wanted::default()
        }
    }

    /// As the store takes it.
    pub fn filter(&self) -> Filter<'_> {
        Filter {
            account_id: self.account,
            kind: self.kind.as_deref(),
            status: self.status.as_deref(),
            from: self.from,
            until: self.until,
            search: self.search.as_deref(),
        }
    }
}

/// The file.
pub async fn answer(app: &App, wanted: Wanted) -> Result<Response> {
    let mut csv = Csv::new(&[
        "id",
        "date",
        "account",
        "type",
        "status",
        "amount",
        "refunded",
        "currency",
        "description",
        "stripe_id",
    ]);
    let mut after = Cursor::START;
    let mut count = 0;
    loop {
        let wanted = wanted.clone();
        let rows = app
            .read(move |tx| {
                let limit = i64::try_from(ROWS_AT_ONCE).expect("small");
                let rows = store::transactions::list(tx, &wanted.filter(), after, limit)?;
                with_accounts(tx, rows)
            })
            .await?;
        for (row, account) in &rows {
            write(&mut csv, row, account);
        }
        count += rows.len();
        let Some((last, _)) = rows.last() else {
            return Ok(csv.answer("transactions", None));
        };
        if rows.len() < ROWS_AT_ONCE {
            return Ok(csv.answer("transactions", None));
        }
        if count >= ROWS_MAX {
            return Ok(csv.answer("transactions", Some(last.public_id.clone())));
        }
        after = last.cursor();
    }
}

/// The rows with the names outside of their accounts.
fn with_accounts(
    tx: &mut store::Tx<'_>,
    rows: Vec<Transaction>,
) -> store::Result<Vec<(Transaction, String)>> {
    let mut names = std::collections::HashMap::new();
    let mut named = Vec::with_capacity(rows.len());
    for row in rows {
        let name = match names.get(&row.account_id) {
            Some(name) => String::clone(name),
            None => {
                let account = store::accounts::find(tx, row.account_id)?;
                let name = account.map_or_else(String::new, |account| account.public_id);
                names.insert(row.account_id, name.clone());
                name
            }
        };
        named.push((row, name));
    }
    Ok(named)
}

fn write(csv: &mut Csv, row: &Transaction, account: &str) {
    let currency = Currency::parse(&row.currency).unwrap_or(Currency::USD);
    let decimal = |minor| MinorUnits::new(minor, currency).decimal_text();
    let sign = if row.kind == "REFUND" { -1 } else { 1 };
    csv.row(&[
        Cell::Plain(&row.public_id),
        Cell::Plain(&row.occurred_at.rfc3339()),
        Cell::Plain(account),
        Cell::Plain(&row.kind),
        Cell::Plain(&row.status),
        Cell::Plain(&decimal(row.amount_minor.saturating_mul(sign))),
        Cell::Plain(&decimal(row.refunded_minor)),
        Cell::Plain(currency.code()),
        Cell::Text(row.description.as_deref().unwrap_or("")),
        Cell::Text(stripe_id(row).unwrap_or("")),
    ]);
}

/// The id under which Stripe's dashboard finds it.
pub fn stripe_id(row: &Transaction) -> Option<&str> {
    row.stripe_refund_id
        .as_deref()
        .or(row.stripe_invoice_id.as_deref())
        .or(row.stripe_payment_intent_id.as_deref())
        .or(row.stripe_checkout_session_id.as_deref())
}
