//! Lists by cursor, and as CSV.

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::error::{Error, Result};

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
    /// The cells of this row.
    fn cells(&self) -> Vec<Cell>;
}

impl<T: Shown> Page<T> {
    /// The answer, as JSON or as CSV.
    pub fn answer(self, is_csv: bool) -> Response {
        if !is_csv {
            return Json(self).into_response();
        }
        let text = csv(T::COLUMNS, self.data.iter().map(T::cells));
        let disposition = format!("attachment; filename=\"{}.csv\"", T::NAME);
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, disposition),
        ];
        match self.next {
            Some(next) => (headers, [("x-next-after", next)], text).into_response(),
            None => (headers, text).into_response(),
        }
    }
}

/// A file of comma-separated values (RFC 4180).
fn csv(columns: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> String {
    let mut text = columns.join(",") + "\r\n";
    for cells in rows {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.0).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// A cell of a CSV file, ready to be written.
#[derive(Clone, Debug)]
pub struct Cell(String);

impl Cell {
    /// What a person or another system wrote: never read as a formula by a spreadsheet.
    pub fn text(text: &str) -> Cell {
        let first = text.trim_start_matches([' ', '\u{feff}']).chars().next();
        if matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r')) {
            Cell::plain(format!("'{text}"))
        } else {
            Cell::plain(text)
        }
    }

    /// What we wrote: a number, a date, a word of ours.
    pub fn plain(text: impl AsRef<str>) -> Cell {
        let text = text.as_ref();
        if text.contains(['"', ',', '\n', '\r', '\'']) {
            Cell(format!("\"{}\"", text.replace('"', "\"\"")))
        } else {
            Cell(text.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_a12_a_cell_is_never_a_formula() {
        let rows = vec![
            vec![Cell::text("=cmd|'/c calc'!A0"), Cell::plain("-5.00")],
            vec![Cell::text("a \"b\", c"), Cell::plain("1")],
            vec![Cell::text(" @x"), Cell::text("\t=1")],
        ];

        let text = csv(&["name", "amount"], rows.into_iter());

        let lines: Vec<&str> = text.split("\r\n").collect();
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
