//! Sends outgoing webhooks, signed, to their endpoints; retries for about three days, in no order.

use domain::backoff;
use domain::time::Timestamp;
use futures_util::future::join_all;
use store::outbox::{Message, MessageKind};
use store::webhook_endpoints;
use store::webhook_endpoints::{EndpointState, WebhookEndpoint};
use tokio::sync::Notify;

use crate::app::App;
use crate::error::Result;
use crate::jobs::outbox;
use crate::jobs::outbox::Sender;
use crate::notices::{address, message_id, signature};

const SECONDS_PER_DAY: i64 = 86_400;

/// Sends until the process stops.
pub async fn run(app: App) {
    let settings = &app.settings.webhooks;
    let client = match address::client(settings.allow_loopback, settings.seconds_max) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "Outgoing webhooks cannot be sent; they stay in the outbox");
            return;
        }
    };
    outbox::run(&app, &Deliveries { client }).await;
}

/// Delivers outgoing webhooks, those of a round concurrently.
struct Deliveries {
    client: reqwest::Client,
}

impl Sender for Deliveries {
    const KIND: MessageKind = MessageKind::Webhook;
    const BATCH_MAX: i64 = 20;
    const TAKE_SECONDS: i64 = 120;

    fn queued(app: &App) -> &Notify {
        &app.webhook_due
    }

    async fn send(&self, app: &App, batch: Vec<Message>) -> Result<()> {
        let sent = batch.iter().map(|message| one(app, &self.client, message));
        join_all(sent).await.into_iter().collect()
    }
}

async fn one(app: &App, client: &reqwest::Client, message: &Message) -> Result<()> {
    let id = message.recipient.clone();
    let endpoint = app
        .read(move |tx| webhook_endpoints::find(tx, &id))
        .await?
        .filter(|endpoint| endpoint.state == EndpointState::Enabled);
    let Some(endpoint) = endpoint else {
        let id = message.id;
        let why = "the endpoint is not in use";
        app.write(0, move |tx| store::outbox::set_failed(tx, id, why, None))
            .await?;
        return Ok(());
    };
    let outcome = deliver(app, client, &endpoint, message).await;
    settle(app, &endpoint, message, outcome).await
}

struct Outcome {
    /// The HTTP status of the response; none without a response.
    status: Option<u16>,
    /// Why it doesn't count as delivered; none if it was delivered.
    fault: Option<String>,
}

async fn deliver(
    app: &App,
    client: &reqwest::Client,
    endpoint: &WebhookEndpoint,
    message: &Message,
) -> Outcome {
    let failed = |fault: &str| Outcome {
        status: None,
        fault: Some(fault.to_owned()),
    };
    // The rule may have become stricter since the endpoint was created.
    let Ok(url) = address::read(&endpoint.url, app.settings.webhooks.allow_loopback) else {
        return failed("the address is not a public one");
    };
    let now = app.real_now();
    let fact = message.key.splitn(3, ':').nth(2).unwrap_or(&message.key);
    let (id, seconds) = (message_id(fact), now.seconds());
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", seconds.to_string())
        .header(
            "webhook-signature",
            signature::signatures(&secrets(endpoint, now), &id, seconds, &message.payload),
        )
        .body(message.payload.clone());
    // The response body is ignored, so it isn't read; it could be of any size.
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Outcome {
            status: Some(answer.status().as_u16()),
            fault: None,
        },
        Ok(answer) => Outcome {
            status: Some(answer.status().as_u16()),
            fault: Some(format!(
                "the endpoint answered {}",
                answer.status().as_u16()
            )),
        },
        Err(error) if error.is_timeout() => failed("the endpoint did not answer in time"),
        Err(error) if error.is_connect() => failed("the endpoint could not be reached"),
        Err(_) => failed("the delivery broke off"),
    }
}

fn secrets(endpoint: &WebhookEndpoint, now: Timestamp) -> Vec<&str> {
    let former = endpoint.former_secret.as_deref();
    let former = former.filter(|_| endpoint.former_until.is_some_and(|until| until > now));
    std::iter::once(endpoint.secret.as_str())
        .chain(former)
        .collect()
}

async fn settle(
    app: &App,
    endpoint: &WebhookEndpoint,
    message: &Message,
    outcome: Outcome,
) -> Result<()> {
    let (id, now) = (message.id, app.real_now());
    let status = outcome.status.map(i64::from);
    let endpoint_id = endpoint.public_id.clone();
    let Some(fault) = outcome.fault else {
        return app
            .write(0, move |tx| {
                store::outbox::set_status(tx, id, status)?;
                store::outbox::set_sent(tx, id, now)?;
                webhook_endpoints::note_success(tx, &endpoint_id)?;
                Ok(())
            })
            .await;
    };
    tracing::warn!(
        endpoint = endpoint.public_id,
        delivery = id,
        attempts = message.attempts,
        fault,
        "A notice could not be delivered"
    );
    let wait = backoff::OUTGOING_WEBHOOK.next_seconds(message.attempts);
    let retry_at = wait.map(|seconds| now.plus_seconds(seconds));
    let patience = app.settings.webhooks.disable_days * SECONDS_PER_DAY;
    let disabled = app
        .write(0, move |tx| {
            store::outbox::set_status(tx, id, status)?;
            store::outbox::set_failed(tx, id, &fault, retry_at)?;
            let since = webhook_endpoints::note_failure(tx, &endpoint_id, now)?;
            // 410 means that the endpoint no longer exists (Standard Webhooks).
            let is_gone = status == Some(410);
            let is_lost = since.is_some_and(|since| since.plus_seconds(patience) <= now);
            if !is_gone && !is_lost {
                return Ok(false);
            }
            let why = if is_gone {
                "it answered 410"
            } else {
                "every delivery failed for too long"
            };
            webhook_endpoints::disable(tx, &endpoint_id, why, now)
        })
        .await?;
    if disabled {
        tracing::error!(endpoint = endpoint.public_id, "An endpoint was disabled");
    }
    Ok(())
}
