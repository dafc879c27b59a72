//! Usage by day, operation and key, as a file.

use axum::response::Response;
use billing::app::App;
use billing::export::csv::{Cell, Column, Csv};
use billing::keys::no_such_key;
use domain::money::Credits;
use domain::time::{SECONDS_PER_DAY, Timestamp};
use store::Tx;
use store::api_keys::ApiKey;
use store::ledger::{DayUsage, KeyUsage, UsageLine};

use crate::http::error::HttpResult;
use crate::lists::CSV_ROWS_MAX;

/// Formats a day, counted since the Unix epoch, as `2026-11-22`.
pub fn date_text(day: i64) -> String {
    Timestamp::from_seconds(day.saturating_mul(SECONDS_PER_DAY)).date_text()
}

/// The key named in a usage query, if any; `None` if the account has no such key.
pub fn key(
    tx: &mut Tx<'_>,
    account: i64,
    named: Option<&str>,
) -> store::Result<Option<Option<ApiKey>>> {
    match named {
        Some(id) => Ok(store::api_keys::of_account_named(tx, account, id)?.map(Some)),
        None => Ok(Some(None)),
    }
}

/// Usage of the days `from..=to`, by day and operation, and by key; of one key if one is given.
pub fn read(
    tx: &mut Tx<'_>,
    account: i64,
    key: Option<&ApiKey>,
    from: i64,
    to: i64,
) -> store::Result<(Vec<DayUsage>, Vec<KeyUsage>)> {
    let number = key.map(|key| key.id);
    let days = store::ledger::usage_by_day(tx, account, number, from, to + 1)?;
    let mut keys = store::ledger::usage_by_key_between(tx, account, from, to + 1)?;
    if let Some(key) = key {
        keys.retain(|row| row.public_id.as_ref() == Some(&key.public_id));
    }
    Ok((days, keys))
}

/// Usage of the days `from..=to` as a CSV file, one line for each day, operation and key; of one
/// key if one is named.
pub async fn csv(
    app: &App,
    account: i64,
    named: Option<String>,
    from: i64,
    to: i64,
) -> HttpResult<Response> {
    let limit = i64::try_from(CSV_ROWS_MAX).expect("small");
    let read = app.read(move |tx| {
        let Some(key) = key(tx, account, named.as_deref())? else {
            return Ok(None);
        };
        let key = key.map(|key| key.id);
        store::ledger::usage_lines(tx, account, key, from, to + 1, limit).map(Some)
    });
    let rows = read.await?.ok_or_else(no_such_key)?;
    let mut csv = Csv::of(COLUMNS);
    rows.iter().for_each(|row| csv.add(COLUMNS, row));
    // The next file begins with the last day, which may not fit completely.
    let last = rows.last().filter(|_| rows.len() >= CSV_ROWS_MAX);
    let next = last.map(|row| date_text(row.day));
    Ok(crate::files::csv("usage", csv, next))
}

const COLUMNS: &[Column<UsageLine>] = &[
    ("date", |row| Cell::plain(date_text(row.day))),
    ("operation", |row| Cell::text(&row.operation)),
    ("key", |row| Cell::maybe(row.public_id.as_ref())),
    ("key_name", |row| Cell::maybe(row.name.as_ref())),
    ("calls", |row| Cell::number(row.calls)),
    ("credits", |row| {
        Cell::number(Credits::from_micros(row.credits))
    }),
];
