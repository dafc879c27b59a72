//! Incidents: problems that need an operator, and closed ones.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use billing::actors::Operator;
use billing::app::App;
use billing::operators::alerts;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::alerts::Alert as Row;
use utoipa::{IntoParams, ToSchema};

use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::http::request_id::RequestId;
use crate::lists::{List, Page, PageParams, count};

/// Something that needs an operator, or did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The id of the incident: `alr_...`.
    id: String,
    /// The rule that found it.
    rule: String,
    /// What it is about; none for the service itself.
    subject: Option<String>,
    /// How serious it is: `warning` or `critical`.
    severity: &'static str,
    /// What is wrong, in a sentence.
    summary: String,
    /// Whether it is `open` or `closed`.
    state: &'static str,
    /// When it was found.
    opened_at: String,
    /// When it was closed.
    closed_at: Option<String>,
    /// When an operator said that they know.
    acknowledged_at: Option<String>,
    /// The operator who acknowledged it.
    acknowledged_by: Option<String>,
}

impl From<Row> for Alert {
    fn from(row: Row) -> Alert {
        Alert {
            id: row.public_id,
            rule: row.rule,
            subject: Some(row.subject).filter(|subject| !subject.is_empty()),
            severity: row.severity.word(),
            summary: row.summary,
            state: row.state.word(),
            opened_at: row.opened_at.rfc3339(),
            closed_at: row.closed_at.map(Timestamp::rfc3339),
            acknowledged_at: row.acknowledged_at.map(Timestamp::rfc3339),
            acknowledged_by: row.acknowledged_by,
        }
    }
}

/// Which incidents to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// `open` or `closed`; both without.
    state: Option<String>,
}

/// Incidents, the latest first.
#[utoipa::path(
    get,
    path = "/api/admin/alerts",
    operation_id = "listAlerts",
    tag = "admin",
    params(PageParams, AlertsQuery),
    responses((status = 200, body = Page<Alert>), (status = 400), (status = 401), (status = 403))
)]
pub async fn list(
    State(app): State<App>,
    _operator: Operator,
    list: List<1>,
    Params(query): Params<AlertsQuery>,
) -> HttpResult<Json<Page<Alert>>> {
    let (limit, before) = (list.limit()?, list.before());
    let rows = app
        .read(move |tx| store::alerts::list(tx, query.state.as_deref(), before, count(limit)))
        .await?;
    Ok(Json(Page::of(rows, limit, |row| [row.id], Alert::from)))
}

/// Notes that the operator knows. The first who said so stays.
#[utoipa::path(
    post,
    path = "/api/admin/alerts/{id}/acknowledge",
    operation_id = "acknowledgeAlert",
    tag = "admin",
    params(("id" = String, Path, description = "The incident")),
    responses((status = 200, body = Alert), (status = 401), (status = 403), (status = 404))
)]
pub async fn acknowledge(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
) -> HttpResult<Json<Alert>> {
    operator.may_act()?;
    let row = alerts::acknowledge(&app, &id, &operator.0.public_id, &request_id).await?;
    Ok(Json(row.into()))
}
