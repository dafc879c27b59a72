//! Usage by day, operation and key, as a file.

use axum::response::Response;
use billing::app::App;
use billing::export::csv::{Cell, Column, Csv};
use billing::keys::no_such_key;
use domain::money::Credits;
use domain::time::{SECONDS_PER_DAY, Timestamp};
use domain::units::{Quantity, Units};
use std::collections::HashMap;
use store::Tx;
use store::api_keys::ApiKey;
use store::ledger::{DayUsage, KeyUsage, MeterLine, MeterUsage, UsageLine};

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

/// Usage over a range of days.
#[derive(Clone, Debug)]
pub struct Used {
    /// By day and operation.
    pub days: Vec<DayUsage>,
    /// By API key.
    pub keys: Vec<KeyUsage>,
    /// Units by operation and meter.
    pub meters: Vec<MeterUsage>,
}

/// Usage of the days `from..=to`; of one key if one is given.
pub fn read(
    tx: &mut Tx<'_>,
    account: i64,
    key: Option<&ApiKey>,
    from: i64,
    to: i64,
) -> store::Result<Used> {
    let number = key.map(|key| key.id);
    let days = store::ledger::usage_by_day(tx, account, number, from, to + 1)?;
    let mut keys = store::ledger::usage_by_key_between(tx, account, from, to + 1)?;
    if let Some(key) = key {
        keys.retain(|row| row.public_id.as_ref() == Some(&key.public_id));
    }
    let meters = store::ledger::usage_by_meter(tx, account, number, from, to + 1)?;
    Ok(Used { days, keys, meters })
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
        let lines = store::ledger::usage_lines(tx, account, key, from, to + 1, limit)?;
        let meters = store::ledger::meter_lines(tx, account, key, from, to + 1)?;
        Ok(Some((lines, meters)))
    });
    let (lines, meters) = read.await?.ok_or_else(no_such_key)?;
    let rows = with_meters(lines, meters);
    let mut csv = Csv::of(COLUMNS);
    rows.iter().for_each(|row| csv.add(COLUMNS, row));
    // The next file begins with the last day, which may not fit completely.
    let last = rows.last().filter(|_| rows.len() >= CSV_ROWS_MAX);
    let next = last.map(|(row, _)| date_text(row.day));
    Ok(crate::files::csv("usage", csv, next))
}

/// A line, and the units of its operation's meters.
type Line = (UsageLine, Quantity);

fn with_meters(lines: Vec<UsageLine>, meters: Vec<MeterLine>) -> Vec<Line> {
    let mut used: HashMap<_, Vec<(String, Units)>> = HashMap::new();
    for row in meters {
        let units = Units::from_micros(row.units);
        let of_line = used.entry((row.day, row.operation, row.public_id));
        of_line.or_default().push((row.meter, units));
    }
    let with = |line: UsageLine| {
        let key = (line.day, line.operation.clone(), line.public_id.clone());
        let meters = used.remove(&key).unwrap_or_default();
        (line, Quantity::of_meters(meters))
    };
    lines.into_iter().map(with).collect()
}

const COLUMNS: &[Column<Line>] = &[
    ("date", |(row, _)| Cell::plain(date_text(row.day))),
    ("operation", |(row, _)| Cell::text(&row.operation)),
    ("key", |(row, _)| Cell::maybe(row.public_id.as_ref())),
    ("key_name", |(row, _)| Cell::maybe(row.name.as_ref())),
    ("calls", |(row, _)| Cell::number(row.calls)),
    ("credits", |(row, _)| {
        Cell::number(Credits::from_micros(row.credits))
    }),
    ("meters", |(_, meters)| Cell::text(meters.to_string())),
];
