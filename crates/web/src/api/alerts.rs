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

/// An incident that an alert rule found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The id of the incident: `alr_...`.
    id: String,
    /// The name of the alert rule.
    rule: String,
    /// What the incident is about, or null for the service itself.
    subject: Option<String>,
    /// How serious it is: `warning` or `critical`.
    severity: &'static str,
    /// What is wrong, in one sentence.
    summary: String,
    /// The state of the incident: `open` or `closed`.
    state: &'static str,
    /// The time at which the incident was found (RFC 3339, UTC).
    opened_at: String,
    /// The time at which the incident was closed (RFC 3339, UTC), or null while it is open.
    closed_at: Option<String>,
    /// The time at which an operator acknowledged the incident (RFC 3339, UTC), or null if none
    /// did.
    acknowledged_at: Option<String>,
    /// The id of the operator who acknowledged the incident, or null if none did.
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

/// The query parameters that filter incidents.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// Returns only incidents in this state: `open` or `closed`. The default is both.
    state: Option<String>,
}

/// Lists incidents, newest first.
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

/// Acknowledges an incident. Only the first acknowledgment is recorded.
#[utoipa::path(
    post,
    path = "/api/admin/alerts/{id}/acknowledge",
    operation_id = "acknowledgeAlert",
    tag = "admin",
    params(("id" = String, Path, description = "The id of the incident")),
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
