//! Endpoints of outgoing webhooks, their deliveries, and resending one.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use billing::actors::{Authority, Operator};
use billing::app::App;
use billing::webhook_endpoints::{
    Definition, EndpointChange, found, make, names, new_secret, remove, send_again, send_test,
};
use billing::{notices, webhook_endpoints};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::outbox::{Message, MessageState};
use store::webhook_endpoints::WebhookEndpoint;
use utoipa::{IntoParams, ToSchema};

use crate::http::error::{HttpError, HttpResult};
use crate::http::json::Body;
use crate::http::params::Params;
use crate::lists::{List, Page, PageParams, count};
use crate::site::Site;

/// A caller who may list endpoints: the host application, or any operator.
#[derive(Clone, Debug)]
pub struct Watcher;

impl FromRequestParts<Site> for Watcher {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        if parts.headers.contains_key(http::header::AUTHORIZATION) {
            Authority::from_request_parts(parts, site).await?;
        } else {
            Operator::from_request_parts(parts, site).await?;
        }
        Ok(Watcher)
    }
}

/// An endpoint, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The id of the endpoint: `we_...`.
    id: String,
    /// Where notices are posted to.
    url: String,
    /// What its owner says of it.
    description: String,
    /// The notices it wants; empty for all.
    events: Vec<String>,
    /// Whether it is `enabled` or `disabled`.
    state: &'static str,
    /// Why it is disabled.
    disabled_reason: Option<String>,
    /// Since when every delivery failed.
    failing_since: Option<String>,
    /// Until when notices are signed with the former secret too.
    former_secret_until: Option<String>,
    /// When it was made.
    created_at: String,
}

impl From<WebhookEndpoint> for Endpoint {
    fn from(row: WebhookEndpoint) -> Endpoint {
        Endpoint {
            id: row.public_id,
            url: row.url,
            description: row.description,
            events: names(&row.events),
            state: row.state.word(),
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since.map(Timestamp::rfc3339),
            former_secret_until: row.former_until.map(Timestamp::rfc3339),
            created_at: row.created_at.rfc3339(),
        }
    }
}

/// An endpoint whose secret is shown, this once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownEndpoint {
    /// `whsec_...`: what notices are signed with; never shown again.
    secret: String,
    /// What is shown of it from now on.
    #[serde(flatten)]
    endpoint: Endpoint,
}

/// All endpoints, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Endpoints {
    /// The endpoints; there are few.
    data: Vec<Endpoint>,
}

/// The endpoints that notices go to.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints",
    operation_id = "listWebhookEndpoints",
    tag = "notices",
    responses((status = 200, body = Endpoints), (status = 401), (status = 403))
)]
pub async fn list(State(app): State<App>, _watcher: Watcher) -> HttpResult<Json<Endpoints>> {
    let rows = app.read(store::webhook_endpoints::all).await?;
    let data = rows.into_iter().map(Endpoint::from).collect();
    Ok(Json(Endpoints { data }))
}

/// An endpoint to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhookEndpoint {
    /// A public https address.
    url: String,
    /// What it is for.
    #[serde(default)]
    description: String,
    /// The notices it wants; without or empty: all.
    #[serde(default)]
    events: Vec<String>,
}

/// Makes an endpoint and shows its secret, this once.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints",
    operation_id = "createWebhookEndpoint",
    tag = "notices",
    request_body = NewWebhookEndpoint,
    responses(
        (status = 201, body = ShownEndpoint), (status = 400), (status = 401), (status = 403),
        (status = 409, description = "Too many endpoints")
    )
)]
pub async fn create(
    State(app): State<App>,
    authority: Authority,
    Body(body): Body<NewWebhookEndpoint>,
) -> HttpResult<Response> {
    let wanted = Definition::read(&app, &body.url, &body.description, &body.events)?;
    let (row, secret) = make(&app, wanted, &authority.actor()).await?;
    let shown = ShownEndpoint {
        secret,
        endpoint: row.into(),
    };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// One endpoint.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints/{id}",
    operation_id = "getWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = Endpoint), (status = 401), (status = 403), (status = 404))
)]
pub async fn show(
    State(app): State<App>,
    _watcher: Watcher,
    Path(id): Path<String>,
) -> HttpResult<Json<Endpoint>> {
    Ok(found(&app, &id).await.map(|row| Json(row.into()))?)
}

/// Changes an endpoint.
#[utoipa::path(
    patch,
    path = "/api/v1/webhook-endpoints/{id}",
    operation_id = "updateWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint")),
    request_body = EndpointChange,
    responses(
        (status = 200, body = Endpoint), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn update(
    State(app): State<App>,
    authority: Authority,
    Path(id): Path<String>,
    Body(change): Body<EndpointChange>,
) -> HttpResult<Json<Endpoint>> {
    let row = webhook_endpoints::update(&app, &id, change, &authority.actor()).await?;
    Ok(Json(row.into()))
}

/// Deletes an endpoint; what waits for it is given up.
#[utoipa::path(
    delete,
    path = "/api/v1/webhook-endpoints/{id}",
    operation_id = "deleteWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint")),
    responses((status = 204), (status = 401), (status = 403), (status = 404))
)]
pub async fn delete(
    State(app): State<App>,
    authority: Authority,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    remove(&app, &id, &authority.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a new secret and shows it, this once; the former signs beside it for a day.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/rotate-secret",
    operation_id = "rotateWebhookSecret",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint")),
    responses((status = 200, body = ShownEndpoint), (status = 401), (status = 403), (status = 404))
)]
pub async fn rotate(
    State(app): State<App>,
    authority: Authority,
    Path(id): Path<String>,
) -> HttpResult<Json<ShownEndpoint>> {
    let (row, secret) = new_secret(&app, &id, &authority.actor()).await?;
    Ok(Json(ShownEndpoint {
        secret,
        endpoint: row.into(),
    }))
}

/// One notice on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The number of the delivery.
    id: i64,
    /// The message's id, `webhook-id`: the same however often it is sent.
    message: String,
    /// The type of the event.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `queued`, `sent` or `failed`.
    state: &'static str,
    /// How often it was tried.
    attempts: i64,
    /// What the endpoint last answered.
    status: Option<i64>,
    /// Why it did not arrive.
    error: Option<String>,
    /// When the fact happened.
    created_at: String,
    /// When it is tried again.
    next_attempt_at: Option<String>,
    /// When the endpoint accepted it.
    sent_at: Option<String>,
}

impl From<Message> for Delivery {
    fn from(row: Message) -> Delivery {
        let body: Option<serde_json::Value> = serde_json::from_str(&row.payload).ok();
        let kind = body.and_then(|body| body["type"].as_str().map(str::to_owned));
        let fact = row.key.splitn(3, ':').nth(2).unwrap_or(&row.key);
        let is_queued = row.state == MessageState::Queued;
        Delivery {
            id: row.id,
            message: notices::message_id(fact),
            kind,
            state: row.state.word(),
            attempts: row.attempts,
            status: row.last_status,
            error: row.last_error,
            created_at: row.created_at.rfc3339(),
            next_attempt_at: is_queued.then(|| row.next_attempt_at.rfc3339()),
            sent_at: row.sent_at.map(Timestamp::rfc3339),
        }
    }
}

/// Which deliveries to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// `queued`, `sent` or `failed`.
    state: Option<String>,
}

/// What was sent to an endpoint and how it went, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints/{id}/deliveries",
    operation_id = "listDeliveries",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint"), PageParams, DeliveriesQuery),
    responses(
        (status = 200, body = Page<Delivery>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn deliveries(
    State(app): State<App>,
    _watcher: Watcher,
    Path(id): Path<String>,
    list: List<1>,
    Params(query): Params<DeliveriesQuery>,
) -> HttpResult<Json<Page<Delivery>>> {
    let (limit, before) = (list.limit()?, list.before());
    let read = webhook_endpoints::deliveries(&app, &id, query.state, before, count(limit));
    let (_, rows) = read.await?;
    Ok(Json(Page::of(rows, limit, |row| [row.id], Delivery::from)))
}

/// Sends a notice again, under the same message id; whoever had it drops it.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend",
    operation_id = "resendDelivery",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The endpoint"),
        ("delivery" = i64, Path, description = "The delivery")
    ),
    responses(
        (status = 202, body = Delivery), (status = 401), (status = 403), (status = 404),
        (status = 409, description = "Its text is no longer kept")
    )
)]
pub async fn resend(
    State(app): State<App>,
    authority: Authority,
    Path((id, delivery)): Path<(String, i64)>,
) -> HttpResult<Response> {
    let row = send_again(&app, &id, delivery, &authority.actor()).await?;
    Ok((StatusCode::ACCEPTED, Json(Delivery::from(row))).into_response())
}

/// Sends a notice that says nothing, to see whether it arrives.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/test",
    operation_id = "testWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint")),
    responses((status = 202), (status = 401), (status = 403), (status = 404))
)]
pub async fn test(
    State(app): State<App>,
    _authority: Authority,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    send_test(&app, &id).await?;
    Ok(StatusCode::ACCEPTED)
}
