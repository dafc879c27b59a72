//! The websocket behind `stripe listen`. It sends events and receives the responses of the receiver
//! to which the listener forwards them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::mpsc;

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

/// A listener that accepts no event for this long is disconnected, so that its deliveries don't wait
/// forever.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(10);

/// The events of a listener that its receiver has not answered yet.
type Unanswered = HashMap<String, Arc<Announced>>;

/// `GET /v1/stripecli/listen`, the URL that `POST /v1/stripecli/sessions` returns.
pub(crate) async fn listen(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| converse(app, socket))
}

async fn converse(app: App, socket: WebSocket) {
    let (id, events) = app.twin.listeners.connect();
    let unanswered = Mutex::default();
    let (sink, stream) = socket.split();
    let mut stop = app.stop.clone();
    tokio::select! {
        () = send_events(&app, events, sink, &unanswered) => {}
        () = receive_answers(&app, stream, &unanswered) => {}
        () = stopped(&mut stop) => {}
    }
    app.twin.listeners.disconnect(id);
    app.twin.deliveries.forget_listener(id);
}

/// Sends the events of a listener's queue until its connection fails, or it accepts none for too
/// long.
async fn send_events(
    app: &App,
    mut events: mpsc::Receiver<Arc<Announced>>,
    mut sink: SplitSink<WebSocket, Message>,
    unanswered: &Mutex<Unanswered>,
) {
    while let Some(event) = events.recv().await {
        // The answer can arrive before the second message is sent.
        expect_answer(unanswered, &event);
        // A client accepts the events of the account's default version, which is null, or, with
        // `--latest`, those of the latest version. It ignores the others.
        for version in [None, Some(API_VERSION)] {
            let message = webhook_event(app, &event, version).to_string();
            let sending = sink.send(Message::Text(message.into()));
            match tokio::time::timeout(ACCEPT_TIMEOUT, sending).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::warn!("A listener accepted no event for {ACCEPT_TIMEOUT:?}");
                    return;
                }
            }
        }
    }
}

fn expect_answer(unanswered: &Mutex<Unanswered>, event: &Arc<Announced>) {
    let mut unanswered = unanswered.lock().unwrap_or_else(PoisonError::into_inner);
    if unanswered.len() < UNANSWERED_MAX {
        unanswered.insert(event.id.clone(), Arc::clone(event));
    }
}

/// Logs what the listener's receiver answered, until the connection ends.
async fn receive_answers(
    app: &App,
    mut stream: SplitStream<WebSocket>,
    unanswered: &Mutex<Unanswered>,
) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        if let Some((event, url, status)) = answer_in(&text, unanswered) {
            let now = app.twin.clock.now();
            let deliveries = &app.twin.deliveries;
            deliveries.log_forwarded(&event.outgoing(), &url, status, now);
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
fn answer_in(text: &str, unanswered: &Mutex<Unanswered>) -> Option<(Arc<Announced>, String, u16)> {
    let message: Value = serde_json::from_str(text).ok()?;
    if message["type"] != "webhook_response" {
        return None;
    }
    let id = message["webhook_conversation_id"]
        .as_str()?
        .strip_prefix("wc_")?;
    let mut unanswered = unanswered.lock().unwrap_or_else(PoisonError::into_inner);
    let event = unanswered.remove(id)?;
    drop(unanswered);
    let url = message["forward_url"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let status = u16::try_from(message["status"].as_u64()?).ok()?;
    Some((event, url, status))
}
