//! Where notices go: endpoints, their deliveries, and sending one again.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::outbox::{self, Message};
use store::webhook_endpoints::{self, NewEndpoint, WebhookEndpoint};
use utoipa::{IntoParams, ToSchema};

use super::lists::{Page, PageParams};
use super::transactions::count;
use crate::actors::{Authority, Operator};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{HttpError, HttpResult};
use crate::http::json::Body;
use crate::http::params::Params;
use crate::http::site::Site;
use crate::notices::{self, EVENTS, Notice, address, sign};

/// Endpoints of a deployment: each notice is written once for each.
const ENDPOINTS_MAX: usize = 20;
/// Longest description.
const DESCRIPTION_CHARS_MAX: usize = 200;
/// How long a former secret still signs beside the new one.
const BOTH_SECRETS_HOURS: i64 = 24;
const SECONDS_PER_HOUR: i64 = 3_600;

/// Whoever may look: the host application, or any operator.
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
    /// `we_...`
    id: String,
    /// Where notices are posted to.
    url: String,
    /// What its owner says of it.
    description: String,
    /// The notices it wants; empty for all.
    events: Vec<String>,
    /// `enabled` or `disabled`.
    state: String,
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
            state: row.state,
            disabled_reason: row.disabled_reason,
            failing_since: row.failing_since.map(Timestamp::rfc3339),
            former_secret_until: row.former_until.map(Timestamp::rfc3339),
            created_at: row.created_at.rfc3339(),
        }
    }
}

fn names(events: &str) -> Vec<String> {
    events.split_whitespace().map(str::to_owned).collect()
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
    tag = "notices",
    responses((status = 200, body = Endpoints), (status = 401), (status = 403))
)]
pub async fn list(State(app): State<App>, _watcher: Watcher) -> HttpResult<Json<Endpoints>> {
    let rows = app.read(webhook_endpoints::all).await?;
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
    let wanted = Wanted::read(&app, &body.url, &body.description, &body.events)?;
    let (row, secret) = make(&app, wanted, &authority.actor()).await?;
    let shown = ShownEndpoint {
        secret,
        endpoint: row.into(),
    };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// What an endpoint should be, looked through.
#[derive(Clone, Debug)]
pub struct Wanted {
    url: String,
    description: String,
    events: String,
}

impl Wanted {
    /// Looks through what somebody wants; the error names the field.
    pub fn read(app: &App, url: &str, description: &str, events: &[String]) -> Result<Wanted> {
        let url = address::read(url.trim(), app.settings.webhooks.allow_loopback)
            .map_err(|fault| Error::field("url", fault))?;
        let description = description.trim();
        let is_long = description.chars().count() > DESCRIPTION_CHARS_MAX;
        if is_long || description.chars().any(char::is_control) {
            let detail = format!("A description has at most {DESCRIPTION_CHARS_MAX} characters.");
            return Err(Error::field("description", detail));
        }
        if let Some(unknown) = events.iter().find(|name| !EVENTS.contains(&name.as_str())) {
            let shown: String = unknown.chars().take(50).collect();
            let detail = format!("{shown} is not a notice; there are {}.", EVENTS.join(", "));
            return Err(Error::field("events", detail));
        }
        let wanted = EVENTS
            .iter()
            .filter(|name| events.iter().any(|wanted| wanted == *name));
        Ok(Wanted {
            url: url.to_string(),
            description: description.to_owned(),
            events: wanted.copied().collect::<Vec<_>>().join(" "),
        })
    }
}

/// Makes an endpoint. Answers it and its secret.
pub async fn make(app: &App, wanted: Wanted, actor: &str) -> Result<(WebhookEndpoint, String)> {
    let secret = sign::new_secret(&*app.chance);
    let (id, kept, actor, now) = (
        app.new_id("we"),
        secret.clone(),
        actor.to_owned(),
        app.real_now(),
    );
    let made = app
        .write(0, move |tx| {
            if webhook_endpoints::all(tx)?.len() >= ENDPOINTS_MAX {
                return Ok(None);
            }
            let new = NewEndpoint {
                public_id: &id,
                url: &wanted.url,
                description: &wanted.description,
                events: &wanted.events,
                secret: &kept,
                created_by: &actor,
            };
            let row = webhook_endpoints::insert(tx, &new, now)?;
            let action = "webhook_endpoint.create";
            store::audit_log::append(tx, &actor, action, &id, "{}", None, now)?;
            Ok(Some(row))
        })
        .await?;
    let row = made.ok_or_else(|| {
        let detail = format!("There may be {ENDPOINTS_MAX} endpoints; delete one first.");
        Error::conflict("too_many_endpoints", detail)
    })?;
    Ok((row, secret))
}

/// One endpoint.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints/{id}",
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

/// The endpoint with this id.
pub async fn found(app: &App, id: &str) -> Result<WebhookEndpoint> {
    let id = id.to_owned();
    let row = app.read(move |tx| webhook_endpoints::find(tx, &id)).await?;
    row.ok_or_else(no_endpoint)
}

fn no_endpoint() -> Error {
    Error::not_found("There is no such endpoint.")
}

/// What changes of an endpoint; the rest stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointChange {
    /// A public https address.
    url: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// The notices it wants; empty: all.
    events: Option<Vec<String>>,
    /// Takes it out of use, or into use again.
    enabled: Option<bool>,
}

/// Changes an endpoint.
#[utoipa::path(
    patch,
    path = "/api/v1/webhook-endpoints/{id}",
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
    let row = found(&app, &id).await?;
    let wanted = Wanted::read(
        &app,
        change.url.as_deref().unwrap_or(&row.url),
        change.description.as_deref().unwrap_or(&row.description),
        &change.events.unwrap_or_else(|| names(&row.events)),
    )?;
    let (actor, now) = (authority.actor(), app.real_now());
    let changed = app
        .write(0, move |tx| {
            let Wanted {
                url,
                description,
                events,
            } = &wanted;
            webhook_endpoints::update(tx, &id, url, description, events, now)?;
            match change.enabled {
                Some(true) => {
                    webhook_endpoints::enable(tx, &id, now)?;
                }
                Some(false) => {
                    webhook_endpoints::disable(tx, &id, BY_HAND, now)?;
                }
                None => {}
            }
            let action = "webhook_endpoint.update";
            store::audit_log::append(tx, &actor, action, &id, "{}", None, now)?;
            webhook_endpoints::find(tx, &id)
        })
        .await?;
    Ok(changed
        .map(|row| Json(row.into()))
        .ok_or_else(no_endpoint)?)
}

/// Why an endpoint is disabled that a person took out of use.
pub const BY_HAND: &str = "by hand";

/// Deletes an endpoint; what waits for it is given up.
#[utoipa::path(
    delete,
    path = "/api/v1/webhook-endpoints/{id}",
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

/// Deletes an endpoint.
pub async fn remove(app: &App, id: &str, actor: &str) -> Result<()> {
    let (id, actor, now) = (id.to_owned(), actor.to_owned(), app.real_now());
    let removed = app
        .write(0, move |tx| {
            let removed = webhook_endpoints::remove(tx, &id)?;
            if removed {
                let action = "webhook_endpoint.delete";
                store::audit_log::append(tx, &actor, action, &id, "{}", None, now)?;
            }
            Ok(removed)
        })
        .await?;
    if removed { Ok(()) } else { Err(no_endpoint()) }
}

/// Makes a new secret and shows it, this once; the former signs beside it for a day.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/rotate-secret",
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

/// Gives an endpoint a new secret. Answers it and the endpoint.
pub async fn new_secret(app: &App, id: &str, actor: &str) -> Result<(WebhookEndpoint, String)> {
    let secret = sign::new_secret(&*app.chance);
    let (id, actor, kept, now) = (
        id.to_owned(),
        actor.to_owned(),
        secret.clone(),
        app.real_now(),
    );
    let until = now.plus_seconds(BOTH_SECRETS_HOURS * SECONDS_PER_HOUR);
    let row = app
        .write(0, move |tx| {
            if webhook_endpoints::rotate(tx, &id, &kept, until, now)? == 0 {
                return Ok(None);
            }
            let action = "webhook_endpoint.rotate";
            store::audit_log::append(tx, &actor, action, &id, "{}", None, now)?;
            webhook_endpoints::find(tx, &id)
        })
        .await?;
    row.map(|row| (row, secret)).ok_or_else(no_endpoint)
}

/// One notice on its way to one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Its number here.
    id: i64,
    /// The message's id, `webhook-id`: the same however often it is sent.
    message: String,
    /// What it tells of.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// `queued`, `sent` or `failed`.
    state: String,
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
    /// When it arrived.
    sent_at: Option<String>,
}

impl From<Message> for Delivery {
    fn from(row: Message) -> Delivery {
        let body: Option<serde_json::Value> = serde_json::from_str(&row.payload).ok();
        let kind = body.and_then(|body| body["type"].as_str().map(str::to_owned));
        let fact = row.key.splitn(3, ':').nth(2).unwrap_or(&row.key);
        let is_queued = row.state == "queued";
        Delivery {
            id: row.id,
            message: notices::message_id(fact),
            kind,
            state: row.state,
            attempts: row.attempts,
            status: row.last_status,
            error: row.last_error,
            created_at: row.created_at.rfc3339(),
            next_attempt_at: is_queued.then(|| row.next_attempt_at.rfc3339()),
            sent_at: row.sent_at.map(Timestamp::rfc3339),
        }
    }
}

/// Which deliveries.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveriesWanted {
    /// `queued`, `sent` or `failed`.
    state: Option<String>,
}

/// What was sent to an endpoint and how it went, the latest first.
#[utoipa::path(
    get,
    path = "/api/v1/webhook-endpoints/{id}/deliveries",
    tag = "notices",
    params(("id" = String, Path, description = "The endpoint"), PageParams, DeliveriesWanted),
    responses(
        (status = 200, body = Page<Delivery>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn deliveries(
    State(app): State<App>,
    _watcher: Watcher,
    Path(id): Path<String>,
    Params(page): Params<PageParams>,
    Params(wanted): Params<DeliveriesWanted>,
) -> HttpResult<Json<Page<Delivery>>> {
    found(&app, &id).await?;
    let (limit, before) = (page.limit()?, page.after()?.map(|[id]| id));
    let rows = app
        .read(move |tx| outbox::to_endpoint(tx, &id, wanted.state.as_deref(), before, count(limit)))
        .await?;
    Ok(Json(Page::of(rows, limit, |row| [row.id], Delivery::from)))
}

/// Sends a notice again, under the same message id; whoever had it drops it.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend",
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

/// Queues a notice to an endpoint again.
pub async fn send_again(app: &App, endpoint: &str, delivery: i64, actor: &str) -> Result<Message> {
    let (endpoint, actor, now) = (endpoint.to_owned(), actor.to_owned(), app.real_now());
    let row = app
        .write(0, move |tx| {
            let row = outbox::find(tx, delivery)?;
            let row = row.filter(|row| row.kind == "webhook" && row.recipient == endpoint);
            let Some(row) = row else {
                return Ok(None);
            };
            if row.payload.is_empty() {
                return Ok(Some(row));
            }
            outbox::requeue(tx, delivery, now)?;
            let detail = json!({ "delivery": delivery }).to_string();
            let action = "webhook_endpoint.resend";
            store::audit_log::append(tx, &actor, action, &endpoint, &detail, None, now)?;
            outbox::find(tx, delivery)
        })
        .await?;
    let row = row.ok_or_else(|| Error::not_found("There is no such delivery."))?;
    if row.payload.is_empty() {
        let detail = "The text of this notice is no longer kept.";
        return Err(Error::conflict("notice_forgotten", detail));
    }
    app.notice_bell.notify_one();
    Ok(row)
}

/// Sends a notice that says nothing, to see whether it arrives.
#[utoipa::path(
    post,
    path = "/api/v1/webhook-endpoints/{id}/test",
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

/// Queues a notice that says nothing.
pub async fn send_test(app: &App, id: &str) -> Result<()> {
    let endpoint = found(app, id).await?;
    let notice = Notice {
        key: app.new_id("test"),
        event: "endpoint.test",
        account: None,
        data: json!({ "endpoint": endpoint.public_id }),
    };
    let now = app.real_now();
    app.write(0, move |tx| {
        notices::enqueue_to(tx, &notice, &endpoint.public_id, now)
    })
    .await?;
    app.notice_bell.notify_one();
    Ok(())
}
