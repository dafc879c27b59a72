//! Endpoints that receive our outgoing webhooks.

use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;
use store::Tx;
use store::outbox::{Message, MessageKind};
use store::webhook_endpoints::{NewEndpoint, WebhookEndpoint};
use store::{outbox, webhook_endpoints};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Error, Result};
use crate::notices;
use crate::notices::{EVENTS, Notice, address, signature};
use crate::operators::audit_log::{Action, Author};
use crate::text::is_line;

/// Maximum number of endpoints; each outgoing webhook is queued once per endpoint.
const ENDPOINTS_MAX: usize = 20;

/// Maximum length of a description.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// Hours for which the former secret still signs in addition to the new one.
const BOTH_SECRETS_HOURS: i64 = 24;

const SECONDS_PER_HOUR: i64 = 3_600;

/// Splits an endpoint's event names into a list.
pub fn names(events: &str) -> Vec<String> {
    events.split_whitespace().map(str::to_owned).collect()
}

/// A validated endpoint definition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The URL that deliveries are sent to.
    pub url: String,
    /// The operator's description; may be empty.
    pub description: String,
    /// Event names, separated by spaces; empty for all events.
    pub events: String,
}

impl Definition {
    /// Validates a definition; the error names the field.
    pub fn read(app: &App, url: &str, description: &str, events: &[String]) -> Result<Definition> {
        let url = address::read(url.trim(), app.settings.webhooks.allow_loopback)
            .map_err(|fault| Error::field("url", fault))?;
        let description = description.trim();
        if !is_line(description, DESCRIPTION_CHARS_MAX) {
            let detail =
                format!("A description can have at most {DESCRIPTION_CHARS_MAX} characters.");
            return Err(Error::field("description", detail));
        }
        if let Some(unknown) = events.iter().find(|name| !EVENTS.contains(&name.as_str())) {
            let shown: String = unknown.chars().take(50).collect();
            let detail = format!(
                "{shown} is not an event type. These are: {}.",
                EVENTS.join(", ")
            );
            return Err(Error::field("events", detail));
        }
        let wanted = EVENTS
            .iter()
            .filter(|name| events.iter().any(|wanted| wanted == *name));
        Ok(Definition {
            url: url.to_string(),
            description: description.to_owned(),
            events: wanted.copied().collect::<Vec<_>>().join(" "),
        })
    }
}

/// Creates an endpoint. Returns it and its secret.
pub async fn make(app: &App, wanted: Definition, actor: &str) -> Result<(WebhookEndpoint, String)> {
    let secret = signature::new_secret(&*app.rng);
    let (id, kept) = (app.new_id("we"), secret.clone());
    let author = Author::new(app, actor);
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
                created_by: author.actor(),
            };
            let row = webhook_endpoints::insert(tx, &new, author.at())?;
            author.act(Action::WebhookEndpointCreate, &id).append(tx)?;
            Ok(Some(row))
        })
        .await?;
    let row = made.ok_or_else(|| {
        let detail = format!("You can have at most {ENDPOINTS_MAX} endpoints. Delete one first.");
        Error::conflict("too_many_endpoints", detail)
    })?;
    Ok((row, secret))
}

/// The endpoint with this id.
pub async fn found(app: &App, id: &str) -> Result<WebhookEndpoint> {
    let id = id.to_owned();
    let row = app.read(move |tx| webhook_endpoints::find(tx, &id)).await?;
    row.ok_or_else(no_endpoint)
}

/// The endpoint with this id and its deliveries, newest first, optionally only those in a state.
pub async fn deliveries(
    app: &App,
    id: &str,
    state: Option<String>,
    before: Option<i64>,
    limit: i64,
) -> Result<(WebhookEndpoint, Vec<Message>)> {
    let id = id.to_owned();
    let found = app.read(move |tx| {
        let Some(row) = webhook_endpoints::find(tx, &id)? else {
            return Ok(None);
        };
        let sent = outbox::to_endpoint(tx, &id, state.as_deref(), before, limit)?;
        Ok(Some((row, sent)))
    });
    found.await?.ok_or_else(no_endpoint)
}

/// The error for an unknown endpoint id.
fn no_endpoint() -> Error {
    Error::not_found("There is no such endpoint.")
}

/// The reason stored when an operator disables an endpoint.
pub const BY_HAND: &str = "by hand";

/// A change to a webhook endpoint. Fields that are left out are unchanged.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndpointChange {
    /// The URL to send webhook events to. It must be public and use HTTPS.
    url: Option<String>,
    /// A description of the endpoint, up to 200 characters.
    description: Option<String>,
    /// The types of events to send. Empty for all types.
    events: Option<Vec<String>>,
    /// Whether events are sent to the endpoint.
    enabled: Option<bool>,
}

/// Changes an endpoint. Returns its new state.
pub async fn update(
    app: &App,
    id: &str,
    change: EndpointChange,
    actor: &str,
) -> Result<WebhookEndpoint> {
    let row = found(app, id).await?;
    let wanted = Definition::read(
        app,
        change.url.as_deref().unwrap_or(&row.url),
        change.description.as_deref().unwrap_or(&row.description),
        &change.events.unwrap_or_else(|| names(&row.events)),
    )?;
    let (id, author) = (id.to_owned(), Author::new(app, actor));
    let now = author.at();
    let changed = app
        .write(0, move |tx| {
            let Definition {
                url,
                description,
                events,
            } = &wanted;
            webhook_endpoints::update(tx, &id, url, description, events, now)?;
            if let Some(enabled) = change.enabled {
                set_enabled(tx, &id, enabled, now)?;
            }
            author.act(Action::WebhookEndpointUpdate, &id).append(tx)?;
            webhook_endpoints::find(tx, &id)
        })
        .await?;
    changed.ok_or_else(no_endpoint)
}

/// Enables or disables an endpoint without changing its definition.
pub async fn switch(app: &App, id: &str, enabled: bool, actor: &str) -> Result<()> {
    found(app, id).await?;
    let (id, author) = (id.to_owned(), Author::new(app, actor));
    app.write(0, move |tx| {
        set_enabled(tx, &id, enabled, author.at())?;
        author.act(Action::WebhookEndpointUpdate, &id).append(tx)
    })
    .await
}

fn set_enabled(tx: &mut Tx<'_>, id: &str, enabled: bool, now: Timestamp) -> store::Result<()> {
    if enabled {
        webhook_endpoints::enable(tx, id, now).map(|_| ())
    } else {
        webhook_endpoints::disable(tx, id, BY_HAND, now).map(|_| ())
    }
}

/// Deletes an endpoint and cancels its queued deliveries.
pub async fn remove(app: &App, id: &str, actor: &str) -> Result<()> {
    let (id, author) = (id.to_owned(), Author::new(app, actor));
    let removed = app
        .write(0, move |tx| {
            let removed = webhook_endpoints::remove(tx, &id)?;
            if removed {
                author.act(Action::WebhookEndpointDelete, &id).append(tx)?;
            }
            Ok(removed)
        })
        .await?;
    if removed { Ok(()) } else { Err(no_endpoint()) }
}

/// Rotates an endpoint's secret. Returns the endpoint and the new secret.
pub async fn new_secret(app: &App, id: &str, actor: &str) -> Result<(WebhookEndpoint, String)> {
    let secret = signature::new_secret(&*app.rng);
    let (id, kept) = (id.to_owned(), secret.clone());
    let author = Author::new(app, actor);
    let now = author.at();
    let until = now.plus_seconds(BOTH_SECRETS_HOURS * SECONDS_PER_HOUR);
    let row = app
        .write(0, move |tx| {
            if webhook_endpoints::rotate(tx, &id, &kept, until, now)? == 0 {
                return Ok(None);
            }
            author.act(Action::WebhookEndpointRotate, &id).append(tx)?;
            webhook_endpoints::find(tx, &id)
        })
        .await?;
    row.map(|row| (row, secret)).ok_or_else(no_endpoint)
}

/// Queues a delivery to an endpoint again.
pub async fn send_again(app: &App, endpoint: &str, delivery: i64, actor: &str) -> Result<Message> {
    let (endpoint, author) = (endpoint.to_owned(), Author::new(app, actor));
    let row = app
        .write(0, move |tx| {
            let row = outbox::find(tx, delivery)?;
            let row =
                row.filter(|row| row.kind == MessageKind::Webhook && row.recipient == endpoint);
            let Some(row) = row else {
                return Ok(None);
            };
            if row.payload.is_empty() {
                return Ok(Some(row));
            }
            outbox::requeue(tx, delivery, author.at())?;
            let act = author.act(Action::WebhookEndpointResend, &endpoint);
            act.with("delivery", json!(delivery)).append(tx)?;
            outbox::find(tx, delivery)
        })
        .await?;
    let row = row.ok_or_else(|| Error::not_found("There is no such delivery."))?;
    if row.payload.is_empty() {
        let detail = "The payload of this delivery is no longer stored.";
        return Err(Error::conflict("notice_forgotten", detail));
    }
    app.webhook_due.notify_one();
    Ok(row)
}

/// Queues a test delivery to an endpoint.
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
    app.webhook_due.notify_one();
    Ok(())
}
