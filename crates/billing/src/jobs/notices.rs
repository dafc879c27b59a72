//! Sends notices: each to its endpoint, signed, tried again for about three days, in no order.

use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::backoff;
use domain::time::Timestamp;
use futures_util::future::join_all;
use store::outbox::Message;
use store::webhook_endpoints::WebhookEndpoint;
use store::{outbox, webhook_endpoints};

use crate::app::App;
use crate::error::Result;
use crate::notices::{address, message_id, sign};

/// Notices in one round; they are sent beside each other.
const NOTICES_MAX: i64 = 20;

/// How long a round may take before another may take its notices.
const TAKE_SECONDS: i64 = 120;

/// How often the outbox is looked at without a bell.
const LOOK_EVERY: Duration = Duration::from_secs(2);

const SECONDS_PER_DAY: i64 = 86_400;

/// Sends until the program stops.
pub async fn run(app: App) {
    let settings = &app.settings.webhooks;
    let client = match address::client(settings.allow_loopback, settings.seconds_max) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "Notices cannot be sent; they wait in the outbox");
            return;
        }
    };
    while !app.is_stopping.load(Ordering::SeqCst) {
        match round(&app, &client).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => tracing::warn!(%error, "The outbox could not be read"),
        }
        tokio::select! {
            () = app.webhook_due.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Sends what is due; answers how many were tried.
async fn round(app: &App, client: &reqwest::Client) -> Result<usize> {
    let now = app.real_now();
    let next = app.read(|tx| outbox::next_due(tx, "webhook")).await?;
    if next.is_none_or(|due| due > now) {
        return Ok(0);
    }
    let until = now.plus_seconds(TAKE_SECONDS);
    let _busy = app.busy();
    let taken = app
        .write(0, move |tx| {
            outbox::take_due(tx, "webhook", now, until, NOTICES_MAX)
        })
        .await?;
    let settled = join_all(taken.iter().map(|message| one(app, client, message))).await;
    for outcome in settled {
        outcome?;
    }
    Ok(taken.len())
}

async fn one(app: &App, client: &reqwest::Client, message: &Message) -> Result<()> {
    let id = message.recipient.clone();
    let endpoint = app
        .read(move |tx| webhook_endpoints::find(tx, &id))
        .await?
        .filter(|endpoint| endpoint.state == "enabled");
    let Some(endpoint) = endpoint else {
        let id = message.id;
        let why = "the endpoint is not in use";
        app.write(0, move |tx| outbox::set_failed(tx, id, why, None))
            .await?;
        return Ok(());
    };
    let outcome = deliver(app, client, &endpoint, message).await;
    settle(app, &endpoint, message, outcome).await
}

/// What became of a delivery.
struct Outcome {
    /// What the endpoint answered.
    status: Option<u16>,
    /// Why it does not count as delivered.
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
    // The rule may have become stricter since the endpoint was made.
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
            sign::signatures(&secrets(endpoint, now), &id, seconds, &message.payload),
        )
        .body(message.payload.clone());
    // The answer's body is not read: it decides nothing, and may be of any size.
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
                outbox::set_status(tx, id, status)?;
                outbox::set_sent(tx, id, now)?;
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
            outbox::set_status(tx, id, status)?;
            outbox::set_failed(tx, id, &fault, retry_at)?;
            let since = webhook_endpoints::note_failure(tx, &endpoint_id, now)?;
            // 410 says that nobody is there any more (Standard Webhooks).
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
