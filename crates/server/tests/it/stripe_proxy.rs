//! A proxy between the service and the twin: it forwards every call, and delays or fails the calls
//! that a test names.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use billing::config::Settings;
use serde_json::Value;
use tokio::sync::Notify;

use crate::stage::Stage;

/// All proxies, by the URL that the service calls.
static ALL: OnceLock<Mutex<HashMap<String, Arc<StripeProxy>>>> = OnceLock::new();

/// A proxy in front of the twin.
#[derive(Default)]
pub struct StripeProxy {
    twin: String,
    http: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<String>>,
    /// Idempotency keys under which an error was saved.
    saved: Mutex<HashSet<String>>,
    concurrent: AtomicUsize,
    concurrent_max: AtomicUsize,
}

struct Rule {
    method: &'static str,
    part: &'static str,
    left: usize,
    act: Act,
}

#[derive(Clone)]
enum Act {
    /// Responds with this; the call doesn't reach the twin.
    Answer(u16, String),
    /// Forwards the call and withholds the response.
    Hold(Arc<Gate>),
    /// Responds with an error of Stripe's own, and saves it under the idempotency key: with or
    /// without executing the call.
    Save(bool),
}

/// A response that is withheld.
#[derive(Default)]
pub struct Gate {
    reached: Notify,
    open: Notify,
}

impl Gate {
    /// Waits until the call has been made.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Releases the response.
    pub fn open(&self) {
        self.open.notify_one();
    }
}

/// Puts a proxy in front of the twin of a stage, as a change of its settings.
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
pub fn install(settings: &mut Settings) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = Arc::new(StripeProxy {
        twin: std::mem::replace(&mut settings.stripe.api_base, base.clone()),
        http: reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client"),
        ..StripeProxy::default()
    });
    let all = ALL.get_or_init(Mutex::default);
    all.lock()
        .expect("the lock is never poisoned")
        .insert(base, proxy.clone());
    let router = axum::Router::new().fallback(pass).with_state(proxy);
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    tokio::spawn(async move { axum::serve(listener, router).await });
}

/// The proxy in front of the stage's twin.
pub fn of(stage: &Stage) -> Arc<StripeProxy> {
    let all = ALL
        .get()
        .expect("a proxy was installed")
        .lock()
        .expect("the lock is never poisoned");
    all[&stage.app.settings.stripe.api_base].clone()
}

impl StripeProxy {
    /// Forwards the next call with this method whose path contains this text, and withholds its
    /// response.
    pub fn hold(&self, method: &'static str, part: &'static str) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.rule(method, part, 1, Act::Hold(gate.clone()));
        gate
    }

    /// Responds to the next `count` calls with this method and path without forwarding them.
    pub fn answer(
        &self,
        method: &'static str,
        part: &'static str,
        count: usize,
        status: u16,
        body: &Value,
    ) {
        self.rule(method, part, count, Act::Answer(status, body.to_string()));
    }

    /// Fails the next call with this method and path with a 500 that is saved under its idempotency
    /// key, as Stripe does. `is_executed` says whether the call took effect nevertheless.
    pub fn save_error(&self, method: &'static str, part: &'static str, is_executed: bool) {
        self.rule(method, part, 1, Act::Save(is_executed));
    }

    /// Whether an error was saved under the key of a call.
    fn is_saved(&self, headers: &HeaderMap) -> bool {
        let saved = self.saved.lock().expect("the lock is never poisoned");
        key_of(headers).is_some_and(|key| saved.contains(&key))
    }

    fn rule(&self, method: &'static str, part: &'static str, left: usize, act: Act) {
        let rule = Rule {
            method,
            part,
            left,
            act,
        };
        self.rules
            .lock()
            .expect("the lock is never poisoned")
            .push(rule);
    }

    /// Forwards everything again.
    pub fn forget(&self) {
        self.rules
            .lock()
            .expect("the lock is never poisoned")
            .clear();
    }

    /// How many calls had this method and a path that contains this text.
    pub fn calls(&self, method: &str, part: &str) -> usize {
        let calls = self.calls.lock().expect("the lock is never poisoned");
        let wanted = |call: &&String| {
            call.split_once(' ')
                .is_some_and(|(verb, path)| verb == method && path.contains(part))
        };
        calls.iter().filter(wanted).count()
    }

    /// The highest number of concurrent calls since this was last read.
    pub fn concurrent_max(&self) -> usize {
        self.concurrent_max.swap(0, Ordering::SeqCst)
    }

    fn act_for(&self, method: &Method, path: &str) -> Option<Act> {
        let mut rules = self.rules.lock().expect("the lock is never poisoned");
        let fits = |rule: &&mut Rule| {
            rule.left > 0 && rule.method == method.as_str() && path.contains(rule.part)
        };
        let rule = rules.iter_mut().find(fits)?;
        rule.left -= 1;
        Some(rule.act.clone())
    }
}

fn key_of(headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?;
    key.to_str().ok().map(str::to_owned)
}

fn saved_error(is_replayed: bool) -> Response {
    let body = r#"{"error":{"type":"api_error","message":"An unknown error occurred"}}"#;
    let mut response = (StatusCode::INTERNAL_SERVER_ERROR, body).into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("stripe-should-retry", HeaderValue::from_static("false"));
    if is_replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

async fn pass(
    State(proxy): State<Arc<StripeProxy>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.to_string();
    proxy
        .calls
        .lock()
        .expect("the lock is never poisoned")
        .push(format!("{method} {path}"));
    let concurrent = proxy.concurrent.fetch_add(1, Ordering::SeqCst) + 1;
    proxy.concurrent_max.fetch_max(concurrent, Ordering::SeqCst);
    let is_saved = proxy.is_saved(&headers);
    let act = proxy.act_for(&method, &path).filter(|_| !is_saved);
    let answer = match &act {
        None if is_saved => saved_error(true),
        Some(Act::Save(is_executed)) => {
            let key = key_of(&headers).expect("the call has a key");
            if *is_executed {
                forward(&proxy, method, &path, headers, body).await;
            }
            let saved = proxy.saved.lock();
            saved.expect("the lock is never poisoned").insert(key);
            saved_error(false)
        }
        Some(Act::Answer(status, text)) => {
            let status = StatusCode::from_u16(*status).expect("a status");
            (status, [("content-type", "application/json")], text.clone()).into_response()
        }
        _ => forward(&proxy, method, &path, headers, body).await,
    };
    if let Some(Act::Hold(gate)) = act {
        gate.reached.notify_one();
        gate.open.notified().await;
    }
    proxy.concurrent.fetch_sub(1, Ordering::SeqCst);
    answer
}

async fn forward(
    proxy: &StripeProxy,
    method: Method,
    path: &str,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    for name in ["host", "content-length", "connection"] {
        headers.remove(name);
    }
    let request = proxy
        .http
        .request(method, format!("{}{path}", proxy.twin))
        .headers(headers)
        .body(body);
    let Ok(answer) = request.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    for name in ["content-length", "transfer-encoding", "connection"] {
        headers.remove(name);
    }
    let body = answer.bytes().await.unwrap_or_default();
    (status, headers, body).into_response()
}
