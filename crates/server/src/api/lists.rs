//! Lists by cursor, and as CSV.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Error, Result};

const LIMIT_DEFAULT: i64 = 20;
const LIMIT_MAX: i64 = 100;
/// Rows in one CSV file; the `X-Next-After` header leads on.
pub const CSV_ROWS_MAX: usize = 10_000;

/// Which page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// Rows on the page: 1 to 100; 20 without.
    limit: Option<i64>,
    /// The `next` of the page before.
    after: Option<String>,
}

impl PageParams {
    /// Rows on the page.
    pub fn limit(&self) -> Result<usize> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        let limit = Some(limit).filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        limit.ok_or_else(|| Error::field("limit", format!("limit is between 1 and {LIMIT_MAX}.")))
    }

    /// Where the page begins.
    pub fn after<const N: usize>(&self) -> Result<Option<[i64; N]>> {
        let Some(text) = &self.after else {
            return Ok(None);
        };
        let read = || -> Option<[i64; N]> {
            let text = URL_SAFE_NO_PAD.decode(text).ok()?;
            let text = String::from_utf8(text).ok()?;
            let parts: Vec<i64> = text
                .split('.')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .ok()?;
            parts.try_into().ok()
        };
        let detail = "after is the next of another page.";
        read()
            .map(Some)
            .ok_or_else(|| Error::field("after", detail))
    }
}

/// The text of a cursor: opaque to callers.
pub fn cursor(parts: &[i64]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    URL_SAFE_NO_PAD.encode(parts.join("."))
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The rows.
    data: Vec<T>,
    /// Send it as `after` for the next page; none on the last.
    next: Option<String>,
}

impl<T> Page<T> {
    /// The page of `rows`, of which one more than `limit` was read.
    pub fn of<R, const N: usize>(
        mut rows: Vec<R>,
        limit: usize,
        place: impl Fn(&R) -> [i64; N],
        show: impl FnMut(R) -> T,
    ) -> Page<T> {
        let is_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| is_more)
            .map(|row| cursor(&place(row)));
        Page {
            data: rows.into_iter().map(show).collect(),
            next,
        }
    }
}

/// Whether the caller asks for CSV.
pub fn wants_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/csv"))
}

/// A row that lists show, as JSON and as CSV.
pub trait Shown: Serialize {
    /// The file's name.
    const NAME: &'static str;
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];
    /// Adds this row to the file.
    fn write(&self, csv: &mut Csv);
}

impl<T: Shown> Page<T> {
    /// The answer, as JSON or as CSV.
    pub fn answer(self, is_csv: bool) -> Response {
        if !is_csv {
            return Json(self).into_response();
        }
        let mut csv = Csv::new(T::COLUMNS);
        for row in &self.data {
            row.write(&mut csv);
        }
        csv.answer(T::NAME, self.next)
    }
}

/// A file of comma-separated values (RFC 4180).
#[derive(Debug)]
pub struct Csv {
    text: String,
}

impl Csv {
    /// A file with these column names.
    pub fn new(columns: &[&str]) -> Csv {
        let mut csv = Csv {
            text: String::new(),
        };
        let columns: Vec<Cell<'_>> = columns.iter().map(|name| Cell::Plain(name)).collect();
        csv.row(&columns);
        csv
    }

    /// A part of a file: rows without names above them.
    pub fn empty() -> Csv {
        Csv {
            text: String::new(),
        }
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Cell<'_>]) {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            cell.write(&mut self.text);
        }
        self.text.push_str("\r\n");
    }

    /// The answer, with the cursor of the rows that did not fit.
    pub fn answer(self, name: &str, next: Option<String>) -> Response {
        let disposition = format!("attachment; filename=\"{name}.csv\"");
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        match next {
            Some(next) => (headers, [("x-next-after", next)], self.text).into_response(),
            None => (headers, self.text).into_response(),
        }
    }
}

/// A cell of a CSV file.
#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    /// Written by a person or another system: never read as a formula by a spreadsheet.
    Text(&'a str),
    /// Written by us: a number, a date, a word of ours.
    Plain(&'a str),
}

impl<'a> Cell<'a> {
    /// A text that may be absent.
    pub fn maybe(text: Option<&'a String>) -> Cell<'a> {
        Cell::Text(text.map_or("", String::as_str))
    }

    fn write(self, to: &mut String) {
        let (text, is_formula) = match self {
            Cell::Plain(text) => (text, false),
            Cell::Text(text) => {
                let first = text.trim_start_matches([' ', '\u{feff}']).chars().next();
                let is_formula = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r'));
                (text, is_formula)
            }
        };
        let is_quoted = is_formula || text.contains(['"', ',', '\n', '\r']);
        let quote = if is_quoted { "\"" } else { "" };
        let guard = if is_formula { "'" } else { "" };
        to.push_str(quote);
        to.push_str(guard);
        to.push_str(&text.replace('"', "\"\""));
        to.push_str(quote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_a12_a_cell_is_never_a_formula() {
        let mut csv = Csv::new(&["name", "amount"]);

        csv.row(&[Cell::Text("=cmd|'/c calc'!A0"), Cell::Plain("-5.00")]);
        csv.row(&[Cell::Text("a \"b\", c"), Cell::Plain("1")]);
        csv.row(&[Cell::Text(" @x"), Cell::Text("\t=1")]);

        let lines: Vec<&str> = csv.text.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "name,amount",
                "\"'=cmd|'/c calc'!A0\",-5.00",
                "\"a \"\"b\"\", c\",1",
                "\"' @x\",\"'\t=1\"",
                ""
            ]
        );
    }

    #[test]
    fn a_cursor_that_is_not_ours_is_refused() {
        let params = |after: &str| PageParams {
            limit: None,
            after: Some(after.to_owned()),
        };

        assert_eq!(
            params(&cursor(&[5, -7])).after::<2>().unwrap(),
            Some([5, -7])
        );
        for bad in ["", "x", "!!", &cursor(&[1]), &cursor(&[1, 2, 3])] {
            assert!(params(bad).after::<2>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_leads_on_only_when_there_is_more() {
        let page = |count: i64| {
            let rows: Vec<i64> = (0..count).collect();
            Page::of(rows, 2, |row| [*row], |row| row)
        };

        assert_eq!(page(2).next, None);
        assert_eq!(page(3).next, Some(cursor(&[1])));
        assert_eq!(page(3).data.len(), 2);
    }
}
