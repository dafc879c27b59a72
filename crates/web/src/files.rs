//! Long files: rows are read page by page while the client downloads, so memory holds one page.

use std::future::Future;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use billing::app::App;
use billing::error::Result;
use billing::export::csv::Csv;
use billing::export::table::{Format, page};
use futures_util::stream;
use store::export::{Table, Values};

/// A file made of the parts that `next` returns: it maps a state to a part and the next state, and
/// returns `None` at the end. A failure midway aborts the transfer, which the client notices.
pub fn file<S, F, N>(name: &str, kind: &'static str, first: S, next: N) -> Response
where
    S: Send + 'static,
    F: Future<Output = Result<Option<(String, S)>>> + Send + 'static,
    N: FnMut(S) -> F + Send + 'static,
{
    let parts = stream::try_unfold((first, next), |(state, mut next)| async move {
        match next(state).await {
            Ok(Some((text, state))) => Ok(Some((Bytes::from(text), (state, next)))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "A download was cut off");
                Err(std::io::Error::other("cut"))
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, Body::from_stream(parts)).into_response()
}

/// A whole table as a file.
pub fn table(app: &App, table: &'static Table, format: Format) -> Response {
    let name = format!("{}.{}", table.name, format.ending());
    let app = app.clone();
    // `None` stands for the header row, which precedes the first page.
    let first: Option<Option<Values>> = None;
    file(&name, format.kind(), first, move |last| {
        let app = app.clone();
        async move {
            let Some(last) = last else {
                return Ok(Some((format.head(table), Some(None))));
            };
            let rows = page(&app, table, None, last).await?;
            let Some(end) = rows.last().cloned() else {
                return Ok(None);
            };
            Ok(Some((format.rows(table, &rows), Some(Some(end)))))
        }
    })
}

/// A CSV download, with the cursor of the rows that did not fit.
pub fn csv(name: &str, csv: Csv, next: Option<String>) -> Response {
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    match next {
        Some(next) => (headers, [("x-next-after", next)], csv.into_text()).into_response(),
        None => (headers, csv.into_text()).into_response(),
    }
}
