//! Usage by day, operation and key, as a file.

use axum::response::Response;
use billing::app::App;
use billing::export::csv::{Cell, Csv};
use domain::money::Credits;
use domain::time::{SECONDS_PER_DAY, Timestamp};
use store::ledger::UsageLine;

use crate::http::error::HttpResult;
use crate::lists::CSV_ROWS_MAX;

/// A day since the epoch as `2026-11-22`.
pub fn date_text(day: i64) -> String {
    Timestamp::from_seconds(day.saturating_mul(SECONDS_PER_DAY)).date_text()
}

/// Usage of the days `from..=to` as a file, a line for each day, operation and key.
pub async fn csv(
    app: &App,
    account: i64,
    key: Option<i64>,
    from: i64,
    to: i64,
) -> HttpResult<Response> {
    let limit = i64::try_from(CSV_ROWS_MAX).expect("small");
    let rows = app
        .read(move |tx| store::ledger::usage_lines(tx, account, key, from, to + 1, limit))
        .await?;
    let mut csv = Csv::new(&["date", "operation", "key", "key_name", "calls", "credits"]);
    for row in &rows {
        write(row, &mut csv);
    }
    // A day that did not fit whole is where the next file begins.
    let last = rows.last().filter(|_| rows.len() >= CSV_ROWS_MAX);
    let next = last.map(|row| date_text(row.day));
    Ok(crate::files::csv("usage", csv, next))
}

fn write(row: &UsageLine, csv: &mut Csv) {
    csv.row(&[
        Cell::Plain(&date_text(row.day)),
        Cell::Text(&row.operation),
        Cell::maybe(row.public_id.as_ref()),
        Cell::maybe(row.name.as_ref()),
        Cell::Plain(&row.calls.to_string()),
        Cell::Plain(&Credits::from_micros(row.credits).to_string()),
    ]);
}
