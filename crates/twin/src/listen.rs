//! The websocket behind `stripe listen`. It sends events and receives the responses of the receiver
//! to which the listener forwards them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use crate::app::App;
use crate::core::API_VERSION;
use crate::outgoing::Announced;
use crate::stopping::stopped;

const PROTOCOL: &str = "stripecli-devproxy-v1";

/// The largest message that is accepted. The listener returns its receiver's whole response.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// The largest number of unanswered events of one listener. Responses to further ones aren't
/// logged.
const UNANSWERED_MAX: usize = 1_000;

/// `GET /v1/stripecli/listen`, the URL that `POST /v1/stripecli/sessions` returns.
pub(crate) async fn listen(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| converse(app, socket))
}

async fn converse(mut app: App, mut socket: WebSocket) {
    let mut events = app.twin.announced.subscribe();
    let mut unanswered: HashMap<String, Arc<Announced>> = HashMap::new();
    loop {
        tokio::select! {
            event = events.recv() => {
                let event = match event {
                    Ok(event) => event,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "A slow listener missed {missed} events");
                        continue;
                    }
                    Err(RecvError::Closed) => return,
                };
                // A client accepts the events of the account's default version, which is null, or,
                // with `--latest`, those of the latest version. It ignores the others.
                for version in [None, Some(API_VERSION)] {
                    let message = webhook_event(&app, &event, version).to_string();
                    if socket.send(Message::Text(message.into())).await.is_err() {
                        return;
                    }
                }
                if unanswered.len() < UNANSWERED_MAX {
                    unanswered.insert(event.id.clone(), event);
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some((event, url, status)) = answer_in(&text, &mut unanswered) {
                        let now = app.twin.clock.now();
                        app.twin.deliveries.log_forwarded(&event.outgoing(), &url, status, now);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            () = stopped(&mut app.stop) => return,
        }
    }
}

fn webhook_event(app: &App, event: &Announced, version: Option<&str>) -> Value {
    let secret = app.twin.listen_secret();
    let signed_at = app.twin.real_time.now_seconds();
    let signature = stripe::signature::sign(event.payload.as_bytes(), &secret, signed_at);
    json!({
        "type": "webhook_event",
        "event_payload": &*event.payload,
        "http_headers": {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature,
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        },
        "endpoint": { "api_version": version },
        "webhook_id": format!("wh_{}", event.id),
        "webhook_conversation_id": format!("wc_{}", event.id),
    })
}

/// The event that a `webhook_response` belongs to, the URL it was forwarded to and the status
/// there.
fn answer_in(
    text: &str,
    unanswered: &mut HashMap<String, Arc<Announced>>,
) -> Option<(Arc<Announced>, String, u16)> {
    let message: Value = serde_json::from_str(text).ok()?;
    if message["type"] != "webhook_response" {
        return None;
    }
    let id = message["webhook_conversation_id"]
        .as_str()?
        .strip_prefix("wc_")?;
    let event = unanswered.remove(id)?;
    let url = message["forward_url"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let status = u16::try_from(message["status"].as_u64()?).ok()?;
    Some((event, url, status))
}
