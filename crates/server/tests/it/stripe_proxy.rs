//! A proxy between the service and the twin: it forwards every call, and delays or fails the calls
//! that a test names.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
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
    let act = proxy.act_for(&method, &path);
    let answer = match &act {
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
