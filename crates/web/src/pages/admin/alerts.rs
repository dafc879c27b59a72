//! `/admin/alerts`: problems that need an operator, and those already acknowledged.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use billing::actors::Operator;
use billing::app::App;
use serde::Deserialize;
use store::alerts::{Alert, AlertState, Severity};
use views::admin::alerts::{AlertRow, AlertsPage, acknowledge_action, tabs};
use views::admin::parts::{address, set};
use views::components::Badge;
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::http::request_id::RequestId;
use crate::lists::List;
use crate::pages::admin::{ROWS_READ, operator_shell, page_of};

/// The filter of the list.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    state: String,
}

/// `GET /admin/alerts`.
pub async fn show(
    State(app): State<App>,
    operator: Operator,
    Params(search): Params<Search>,
    list: List<1>,
) -> HttpResult<Html<String>> {
    let before = list.before();
    let wanted = search.clone();
    let mut rows = app
        .read(move |tx| store::alerts::list(tx, set(&wanted.state), before, ROWS_READ))
        .await?;
    let here = address("/admin/alerts", &[("state", &search.state)]);
    let pager = page_of(&mut rows, &here, before.is_none(), |row| vec![row.id]);
    let may_act = operator.may_act().is_ok();
    frame::html(&AlertsPage {
        shell: operator_shell(&app, &operator.0, Nav::AdminAlerts),
        tabs: tabs(&search.state),
        rows: rows.iter().map(|row| shown(row, may_act)).collect(),
        pager,
    })
}

fn shown(row: &Alert, may_act: bool) -> AlertRow {
    let is_open = row.state == AlertState::Open;
    let is_known = row.acknowledged_at.is_some();
    AlertRow {
        summary: row.summary.clone(),
        rule: format!("{} {}", row.rule, row.subject).trim().to_owned(),
        opened: format::moment(row.opened_at.micros()),
        closed: row.closed_at.map(|at| format::moment(at.micros())),
        badge: match (is_open, is_known) {
            (false, _) => Badge::ok("Resolved"),
            (true, true) => Badge::warn("Open, known"),
            (true, false) if row.severity == Severity::Critical => Badge::bad("Open, critical"),
            (true, false) => Badge::bad("Open"),
        },
        acknowledge: (is_open && !is_known && may_act)
            .then(|| acknowledge_action(&row.public_id, &row.summary)),
    }
}

/// `POST /admin/alerts/{id}/acknowledge`.
pub async fn acknowledge(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    operator.may_act()?;
    billing::operators::alerts::acknowledge(&app, &id, &operator.0.public_id, &request_id).await?;
    Ok(Redirect::to("/admin/alerts"))
}
