//! Lists with cursors, as JSON or CSV.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing::error::{Error, Result};
use billing::export::csv::{Column, Csv};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::accept::wants_csv;
use crate::http::error::{HttpError, HttpResult};
use crate::http::params::Params;
use crate::site::Site;

const LIMIT_DEFAULT: i64 = 20;

const LIMIT_MAX: i64 = 100;

/// Maximum number of rows in one CSV file; the `X-Next-After` header has the cursor of the rest.
pub const CSV_ROWS_MAX: usize = 10_000;

/// The query parameters that select a page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParams {
    /// The maximum number of items per page, from 1 to 100. The default is 20. Ignored for CSV,
    /// which returns up to 10,000 rows.
    limit: Option<i64>,
    /// The cursor of the page to return: the `next` value of the previous page. Left out for the
    /// first page.
    after: Option<String>,
}

impl PageParams {
    /// The number of rows per page.
    pub fn limit(&self) -> Result<usize> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        let limit = Some(limit).filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        limit.ok_or_else(|| Error::field("limit", format!("limit is between 1 and {LIMIT_MAX}.")))
    }

    /// The position after which the page begins.
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

/// Encodes a cursor, which is opaque to callers.
pub fn cursor(parts: &[i64]) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    URL_SAFE_NO_PAD.encode(parts.join("."))
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items on this page.
    data: Vec<T>,
    /// The cursor to pass as `after` for the next page, or null on the last page.
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

/// A row that lists render as JSON and as CSV.
pub trait Shown: Serialize + Sized + 'static {
    /// The file name, without extension.
    const NAME: &'static str;
    /// The columns of the CSV file.
    const COLUMNS: &'static [Column<Self>];
}

impl<T: Shown> Page<T> {
    /// The response, as JSON or as CSV.
    fn answer(self, is_csv: bool) -> Response {
        if !is_csv {
            return Json(self).into_response();
        }
        let mut csv = Csv::of(T::COLUMNS);
        for row in &self.data {
            csv.add(T::COLUMNS, row);
        }
        crate::files::csv(T::NAME, csv, self.next)
    }
}

/// The page of a list that a request asks for, as JSON or as a file. A cursor has `N` numbers.
#[derive(Clone, Debug)]
pub struct List<const N: usize> {
    params: PageParams,
    /// The position of the row before the page; `None` on the first page.
    pub after: Option<[i64; N]>,
    is_csv: bool,
}

impl<const N: usize> FromRequestParts<Site> for List<N> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let Params(params) = Params::<PageParams>::from_request_parts(parts, site).await?;
        Ok(List {
            after: params.after()?,
            params,
            is_csv: wants_csv(&parts.headers),
        })
    }
}

impl<const N: usize> List<N> {
    /// The number of rows per page.
    pub fn limit(&self) -> Result<usize> {
        self.params.limit()
    }

    /// The number of rows per page, or for CSV the most that a file holds.
    pub fn limit_of_file(&self) -> Result<usize> {
        if self.is_csv {
            return Ok(CSV_ROWS_MAX);
        }
        self.limit()
    }

    /// The response in the requested format.
    pub fn answer<T: Shown>(&self, page: Page<T>) -> Response {
        page.answer(self.is_csv)
    }
}

impl List<1> {
    /// The number of the row before the page; `None` on the first page.
    pub fn before(&self) -> Option<i64> {
        self.after.map(|[before]| before)
    }
}

/// Rows to read: one more than is shown tells whether there is another page.
pub(crate) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

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
