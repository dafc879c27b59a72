//! `/admin/export`: all business tables as files.

use axum::extract::{Path, State};
use axum::response::{Html, Response};
use billing::actors::Operator;
use billing::app::App;
use billing::error::Error;
use billing::export::table;
use billing::export::table::Format;
use store::export::TABLES;
use views::admin::parts::{ListPage, Table};
use views::components::Prose;
use views::layout::Nav;

use crate::http::error::HttpResult;
use crate::pages::admin::operator_shell;
use crate::{files, frame};

/// `GET /admin/export`: the available files.
pub async fn show(
    State(app): State<App>,
    Operator(operator): Operator,
) -> HttpResult<Html<String>> {
    let columns = [("Table", ""), ("Columns", "wide-only"), ("Files", "")];
    let rows = TABLES.iter().map(|table| {
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
        let file = |format: Format| format!("/admin/export/{}.{}", table.name, format.ending());
        vec![
            Prose::default().code(table.name),
            names.join(", ").into(),
            Prose::default()
                .link(format!("{} as CSV", table.name), file(Format::Csv))
                .text(", ")
                .link("JSON lines", file(Format::JsonLines)),
        ]
    });
    frame::html(&ListPage {
        crumb: Some(("Overview".to_owned(), "/admin".to_owned())),
        tables: vec![Table::new("Tables", &columns, "").rows(rows)],
        ..ListPage::new(
            operator_shell(&app, &operator, Nav::AdminOverview),
            "Export",
            Prose::new(
                "All business data. Secrets, sign-in links and payloads are excluded. Each \
                 download is recorded in the audit log. The same from the command line: ",
            )
            .code("localboxs-billing admin export --to FOLDER"),
        )
    })
}

/// `GET /admin/export/{file}`: one table, such as `journal.csv` or `journal.jsonl`.
pub async fn file(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(file): Path<String>,
) -> HttpResult<Response> {
    let formats = [Format::Csv, Format::JsonLines];
    let found = file.rsplit_once('.').and_then(|(name, ending)| {
        let format = formats
            .into_iter()
            .find(|format| format.ending() == ending)?;
        Some((store::export::table(name)?, format))
    });
    let (rows, format) = found.ok_or_else(|| Error::not_found("There is no such file."))?;
    table::begin(&app, &operator.public_id, &file).await?;
    Ok(files::table(&app, rows, format))
}
