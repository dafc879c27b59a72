//! `/admin/webhooks`: the endpoints of outgoing webhooks and their deliveries.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use billing::actors::Operator;
use billing::app::App;
use billing::error::{Error, Result};
use billing::webhook_endpoints::{BY_HAND, Definition};
use serde::Deserialize;
use store::outbox::{Message, MessageState};
use store::webhook_endpoints;
use store::webhook_endpoints::{EndpointState, WebhookEndpoint};
use views::admin::webhooks::{
    DeliveryRow, EVERYTHING, EndpointPage, EndpointRow, WebhooksPage, actions, resend_action,
};
use views::components::Badge;
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::{HttpResult, status_of};
use crate::http::form::Fields;
use crate::lists::List;
use crate::pages::admin::{ROWS_READ, operator_shell, page_of};

/// `GET /admin/webhooks`.
pub async fn show(State(app): State<App>, operator: Operator) -> HttpResult<Html<String>> {
    let page = list(&app, &operator).await?;
    frame::html(&page)
}

async fn list(app: &App, operator: &Operator) -> Result<WebhooksPage> {
    let rows = app.read(webhook_endpoints::all).await?;
    Ok(WebhooksPage {
        shell: operator_shell(app, &operator.0, Nav::AdminWebhooks),
        secret: None,
        may_act: operator.may_act().is_ok(),
        url: String::new(),
        url_error: None,
        rows: rows.iter().map(shown).collect(),
    })
}

fn shown(row: &WebhookEndpoint) -> EndpointRow {
    let badge = match (row.state, row.failing_since) {
        (EndpointState::Enabled, None) => Badge::ok("Enabled"),
        (EndpointState::Enabled, Some(_)) => Badge::warn("Failing"),
        _ if row.disabled_reason.as_deref() == Some(BY_HAND) => Badge::plain("Disabled"),
        _ => Badge::bad("Disabled: it failed"),
    };
    EndpointRow {
        href: format!("/admin/webhooks/{}", row.public_id),
        url: row.url.clone(),
        events: match row.events.as_str() {
            "" => EVERYTHING.to_owned(),
            some => some.replace(' ', ", "),
        },
        created: format::day(row.created_at.micros()),
        badge,
    }
}

/// A new endpoint, as typed.
#[derive(Clone, Debug, Deserialize)]
pub struct NewEndpoint {
    url: String,
}

/// `POST /admin/webhooks`.
pub async fn create(
    State(app): State<App>,
    operator: Operator,
    Fields(typed): Fields<NewEndpoint>,
) -> HttpResult<Response> {
    operator.may_act()?;
    let made = match Definition::read(&app, &typed.url, "", &[]) {
        Ok(wanted) => billing::webhook_endpoints::make(&app, wanted, &operator.0.public_id).await,
        Err(fault) => Err(fault),
    };
    let mut page = list(&app, &operator).await?;
    match made {
        Ok((_, secret)) => {
            page.secret = Some(secret);
            frame::page(StatusCode::CREATED, &page)
        }
        Err(fault) => {
            page.url = typed.url;
            page.url_error = Some(fault.0.detail.clone());
            frame::page(status_of(fault.0.kind), &page)
        }
    }
}

/// `GET /admin/webhooks/{id}`.
pub async fn endpoint(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
    list: List<1>,
) -> HttpResult<Html<String>> {
    let page = one(&app, &operator, &id, list.before()).await?;
    frame::html(&page)
}

async fn one(
    app: &App,
    operator: &Operator,
    id: &str,
    before: Option<i64>,
) -> Result<EndpointPage> {
    let (row, mut rows) =
        billing::webhook_endpoints::deliveries(app, id, None, before, ROWS_READ).await?;
    let here = format!("/admin/webhooks/{id}");
    let pager = page_of(&mut rows, &here, before.is_none(), |row| vec![row.id]);
    let may_act = operator.may_act().is_ok();
    let actions = if may_act {
        actions(id, row.state == EndpointState::Enabled)
    } else {
        Vec::new()
    };
    Ok(EndpointPage {
        shell: operator_shell(app, &operator.0, Nav::AdminWebhooks),
        secret: None,
        row: shown(&row),
        actions,
        deliveries: rows.iter().map(|row| delivery(row, id, may_act)).collect(),
        pager,
    })
}

fn delivery(row: &Message, endpoint: &str, may_act: bool) -> DeliveryRow {
    let body: Option<serde_json::Value> = serde_json::from_str(&row.payload).ok();
    let kind = body.and_then(|body| body["type"].as_str().map(str::to_owned));
    let status = row.last_status.map(|status| status.to_string());
    let is_kept = !row.payload.is_empty();
    DeliveryRow {
        kind: kind.unwrap_or_else(|| "no longer kept".to_owned()),
        id: row.id.to_string(),
        created: format::second(row.created_at.micros()),
        attempts: format::count(row.attempts.unsigned_abs()),
        answer: row.last_error.clone().or(status).unwrap_or_default(),
        badge: match row.state {
            MessageState::Sent => Badge::ok("Delivered"),
            MessageState::Queued => Badge::info("On its way"),
            MessageState::Failed => Badge::bad("Failed"),
        },
        resend: (may_act && is_kept && row.state != MessageState::Queued)
            .then(|| resend_action(endpoint, row.id)),
    }
}

/// The form fields of an action on an endpoint.
#[derive(Clone, Debug, Deserialize)]
pub struct ActFields {
    delivery: Option<i64>,
}

/// `POST /admin/webhooks/{id}/{act}`.
pub async fn act(
    State(app): State<App>,
    operator: Operator,
    Path((id, act)): Path<(String, String)>,
    Fields(fields): Fields<ActFields>,
) -> HttpResult<Response> {
    operator.may_act()?;
    let actor = &operator.0.public_id;
    let back = format!("/admin/webhooks/{id}");
    match (act.as_str(), fields.delivery) {
        ("rotate", _) => {
            let (_, secret) = billing::webhook_endpoints::new_secret(&app, &id, actor).await?;
            let mut page = one(&app, &operator, &id, None).await?;
            page.secret = Some(secret);
            return frame::html(&page).map(IntoResponse::into_response);
        }
        ("delete", _) => {
            billing::webhook_endpoints::remove(&app, &id, actor).await?;
            return Ok(Redirect::to("/admin/webhooks").into_response());
        }
        ("test", _) => billing::webhook_endpoints::send_test(&app, &id).await?,
        ("enable", _) => billing::webhook_endpoints::switch(&app, &id, true, actor).await?,
        ("disable", _) => billing::webhook_endpoints::switch(&app, &id, false, actor).await?,
        ("resend", Some(delivery)) => {
            billing::webhook_endpoints::send_again(&app, &id, delivery, actor).await?;
        }
        _ => return Err(Error::not_found("There is no page at this address.").into()),
    }
    Ok(Redirect::to(&back).into_response())
}
