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

/// A webhook endpoint, without its signing secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The id of the endpoint (`we_...`).
    id: String,
    /// The URL that webhook events are sent to.
    url: String,
    /// The description of the endpoint. It may be empty.
    description: String,
    /// The types of events sent to the endpoint. Empty for all types.
    events: Vec<String>,
    /// The state of the endpoint: `enabled` or `disabled`.
    state: &'static str,
    /// Why the endpoint is disabled, or null if it is enabled.
    disabled_reason: Option<String>,
    /// The time since which every delivery has failed (RFC 3339, UTC), or null if the last one
    /// succeeded.
    failing_since: Option<String>,
    /// The time until which events are also signed with the previous secret (RFC 3339, UTC), or
    /// null if there is none.
    former_secret_until: Option<String>,
    /// The time at which the endpoint was created (RFC 3339, UTC).
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

/// A webhook endpoint, with its signing secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShownEndpoint {
    /// The secret that signs events (`whsec_...`). It is returned only once.
    secret: String,
    /// The endpoint without its secret.
    #[serde(flatten)]
    endpoint: Endpoint,
}

/// The webhook endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub struct Endpoints {
    /// All endpoints, oldest first.
    data: Vec<Endpoint>,
}

/// Lists all webhook endpoints, oldest first.
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

/// A webhook endpoint to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewWebhookEndpoint {
    /// The URL to send webhook events to. It must be public and use HTTPS.
    url: String,
    /// A description of the endpoint, up to 200 characters.
    #[serde(default)]
    description: String,
    /// The types of events to send. Empty or left out for all types.
    #[serde(default)]
    events: Vec<String>,
}

/// Creates a webhook endpoint and returns its signing secret. The secret is returned only once.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints",
    operation_id = "createWebhookEndpoint",
    tag = "notices",
    request_body = NewWebhookEndpoint,
    responses(
        (status = 201, body = ShownEndpoint), (status = 400), (status = 401), (status = 403),
        (status = 409, description = "The maximum number of endpoints is reached")
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

/// Returns a webhook endpoint.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints/{id}",
    operation_id = "getWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The id of the endpoint")),
    responses((status = 200, body = Endpoint), (status = 401), (status = 403), (status = 404))
)]
pub async fn show(
    State(app): State<App>,
    _watcher: Watcher,
    Path(id): Path<String>,
) -> HttpResult<Json<Endpoint>> {
    Ok(found(&app, &id).await.map(|row| Json(row.into()))?)
}

/// Updates a webhook endpoint. Fields that are left out are unchanged.
#[utoipa::path(
    patch,
    path = "/api/v1/webhook-endpoints/{id}",
    operation_id = "updateWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The id of the endpoint")),
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

/// Deletes a webhook endpoint. Its queued deliveries are dropped.
#[utoipa::path(
    delete,
    path = "/api/v1/webhook-endpoints/{id}",
    operation_id = "deleteWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The id of the endpoint")),
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

/// Creates a new signing secret and returns it. The secret is returned only once. For 24 hours,
/// events are signed with the previous secret as well.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/rotate-secret",
    operation_id = "rotateWebhookSecret",
    tag = "notices",
    params(("id" = String, Path, description = "The id of the endpoint")),
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

/// A webhook event queued for or sent to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The id of the delivery.
    id: i64,
    /// The id of the message, sent in the `webhook-id` header. It is the same for every attempt.
    message: String,
    /// The type of the event, or null once its payload is no longer stored.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The state of the delivery: `queued`, `sent` or `failed`.
    state: &'static str,
    /// The number of delivery attempts.
    attempts: i64,
    /// The HTTP status of the endpoint's last response, or null if there was none.
    status: Option<i64>,
    /// Why the last attempt failed, or null if none did.
    error: Option<String>,
    /// The time at which the event was queued (RFC 3339, UTC).
    created_at: String,
    /// The time of the next attempt (RFC 3339, UTC), or null if none is scheduled.
    next_attempt_at: Option<String>,
    /// The time at which the endpoint accepted the event (RFC 3339, UTC), or null if it hasn't.
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

/// The query parameters that filter deliveries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesQuery {
    /// Returns only deliveries in this state: `queued`, `sent` or `failed`.
    state: Option<String>,
}

/// Lists an endpoint's deliveries, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints/{id}/deliveries",
    operation_id = "listDeliveries",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The id of the endpoint"), PageParams, DeliveriesQuery
    ),
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

/// Sends a webhook event again. The message id is the same, so a receiver that has already
/// processed it can ignore it.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend",
    operation_id = "resendDelivery",
    tag = "notices",
    params(
        ("id" = String, Path, description = "The id of the endpoint"),
        ("delivery" = i64, Path, description = "The id of the delivery")
    ),
    responses(
        (status = 202, body = Delivery), (status = 401), (status = 403), (status = 404),
        (status = 409, description = "The payload is no longer stored")
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

/// Sends a test event, `endpoint.test`, to a webhook endpoint.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/test",
    operation_id = "testWebhookEndpoint",
    tag = "notices",
    params(("id" = String, Path, description = "The id of the endpoint")),
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
