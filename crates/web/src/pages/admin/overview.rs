//! `/admin`: the key figures of the business, each linked to its rows.

use axum::extract::State;
use axum::response::Html;
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::books::figures;
use views::admin::overview::page;
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::pages::admin::operator_shell;

/// `GET /admin`.
pub async fn show(State(app): State<App>, operator: Operator) -> HttpResult<Html<String>> {
    let figures = figures::of(&app).await?;
    let may_export = operator.may(Right::Export);
    let shell = operator_shell(&app, &operator.0, Nav::AdminOverview);
    frame::html(&page(shell, &figures, may_export))
}
