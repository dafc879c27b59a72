//! Exports whole tables, page by page, as CSV or JSON lines.

use serde_json::{Map, Value};
use store::export::{Kind, Table, Values};

use crate::app::App;
use crate::error::Result;
use crate::export::csv::{Cell, Csv};
use crate::operators::audit_log::{Action, Author};

/// Number of rows per read.
pub const PAGE: i64 = 1_000;

/// The media type of a CSV file.
pub const CSV: &str = "text/csv; charset=utf-8";

/// The format of an exported table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values; formulas are escaped.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl Format {
    /// The file name extension.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
        }
    }

    /// The media type of the file.
    pub fn kind(self) -> &'static str {
        match self {
            Format::Csv => CSV,
            Format::JsonLines => "application/jsonl; charset=utf-8",
        }
    }

    /// The text before the first row.
    pub fn head(self, table: &Table) -> String {
        match self {
            Format::Csv => {
                let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
                Csv::new(&names).into_text()
            }
            Format::JsonLines => String::new(),
        }
    }

    /// Formats the rows as text in this format.
    pub fn rows(self, table: &Table, rows: &[Values]) -> String {
        match self {
            Format::Csv => csv_rows(table, rows),
            Format::JsonLines => rows.iter().map(|row| json_line(table, row)).collect(),
        }
    }
}

fn shown(kind: Kind, text: &str) -> String {
    match (kind, text.parse::<i64>()) {
        (Kind::Time, Ok(micros)) => domain::time::Timestamp::from_micros(micros).rfc3339(),
        (Kind::Credits, Ok(micros)) => domain::money::Credits::from_micros(micros).to_string(),
        _ => text.to_owned(),
    }
}

fn csv_rows(table: &Table, rows: &[Values]) -> String {
    let mut csv = Csv::empty();
    for row in rows {
        let cell = |((_, kind), value): (&(_, Kind), &Option<String>)| {
            let text = value.as_deref().map(|text| shown(*kind, text));
            let text = text.unwrap_or_default();
            match kind {
                Kind::Text => Cell::text(text),
                Kind::Int | Kind::Time | Kind::Credits => Cell::plain(text),
            }
        };
        let cells: Vec<Cell<'_>> = table.columns.iter().zip(&row.0).map(cell).collect();
        csv.row(&cells);
    }
    csv.into_text()
}

fn json_line(table: &Table, row: &Values) -> String {
    let mut object = Map::new();
    for ((name, kind), value) in table.columns.iter().zip(&row.0) {
        let value = match (kind, value) {
            (_, None) => Value::Null,
            (Kind::Int, Some(text)) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.clone()))
            }
            // Times and credits as text, so that every reader keeps all six decimals.
            (kind, Some(text)) => Value::from(shown(*kind, text)),
        };
        object.insert((*name).to_owned(), value);
    }
    format!("{}\n", Value::Object(object))
}

/// Records in the audit log that an operator exports `file`.
pub async fn begin(app: &App, actor: &str, file: &str) -> Result<()> {
    let (author, file) = (Author::new(app, actor), file.to_owned());
    app.write(0, move |tx| author.act(Action::Export, &file).append(tx))
        .await
}

/// The page of a table after the row `last`; only one account's rows if `account` is given.
pub async fn page(
    app: &App,
    table: &'static Table,
    account: Option<i64>,
    last: Option<Values>,
) -> Result<Vec<Values>> {
    app.read(move |tx| store::export::page(tx, table, account, last.as_ref(), PAGE))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_a12_an_exported_cell_is_never_a_formula_and_a_line_is_json() {
        let table = store::export::table("price_map").unwrap();
        let text = |text: &str| Some(text.to_owned());
        let row = Values(vec![
            text("=1+1"),
            text("a \"b\", c"),
            text("tier"),
            None,
            text("usd"),
            text("-5"),
            text("1"),
        ]);

        let csv = Format::Csv.rows(table, std::slice::from_ref(&row));
        let line = Format::JsonLines.rows(table, &[row]);

        assert_eq!(csv, "\"'=1+1\",\"a \"\"b\"\", c\",tier,,usd,-5,1\r\n");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["price_id"], "=1+1");
        assert_eq!(value["amount_minor"], -5);
        assert!(value["name"].is_null() && line.ends_with('\n'));
    }
}
