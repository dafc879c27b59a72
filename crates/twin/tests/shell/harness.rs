//! A running twin and a receiver of its webhooks, for the tests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use twin::{Config, Handle};

pub const KEY: &str = "sk_test_shell";
pub const START: i64 = 1_795_000_000;
pub const DAY: i64 = 86_400;

pub struct Running {
    pub handle: Handle,
    pub http: reqwest::Client,
}

pub async fn start() -> Running {
    start_with(|_| {}).await
}

#[expect(clippy::disallowed_methods, reason = "a test's own client")]
pub async fn start_with(change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.start_seconds = Some(START);
    change(&mut config);
    let handle = twin::serve(config).await.unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    Running { handle, http }
}

impl Running {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.handle.url())
    }

    pub async fn api(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.http.post(self.url(path)).bearer_auth(KEY).form(form);
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    pub async fn api_get(&self, path: &str) -> Value {
        let response = self
            .http
            .get(self.url(path))
            .bearer_auth(KEY)
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    pub async fn control(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self
            .http
            .post(self.url(path))
            .json(&body)
            .send()
            .await
            .unwrap();
        let status = response.status();
        (status, response.json().await.unwrap())
    }

    pub async fn control_get(&self, path: &str) -> Value {
        self.http
            .get(self.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    pub async fn page(&self, path: &str) -> (StatusCode, String) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    pub async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        self.http
            .post(self.url(path))
            .form(form)
            .send()
            .await
            .unwrap()
    }

    pub async fn endpoint(&self, receiver: &Receiver, events: &[&str]) -> Value {
        let url = receiver.url();
        let mut form = vec![("url", url.as_str())];
        form.extend(events.iter().map(|kind| ("enabled_events[]", *kind)));
        self.api("/v1/webhook_endpoints", &form).await
    }

    pub async fn customer(&self, email: &str) -> String {
        let customer = self.api("/v1/customers", &[("email", email)]).await;
        customer["id"].as_str().unwrap().to_owned()
    }
}

/// A delivery that a webhook endpoint received.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub headers: HeaderMap,
    pub body: Bytes,
    pub at: Instant,
}

impl Delivery {
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    pub fn id(&self) -> String {
        self.event()["id"].as_str().unwrap().to_owned()
    }
}

/// A webhook endpoint that records all deliveries.
#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    pub got: Arc<Mutex<Vec<Delivery>>>,
    pub answer: Arc<AtomicU16>,
    pub delay_ms: Arc<AtomicUsize>,
    pub in_flight: Arc<AtomicUsize>,
    pub in_flight_max: Arc<AtomicUsize>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = receiver.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    receiver.in_flight_max.fetch_max(now, Ordering::SeqCst);
    let delay = receiver.delay_ms.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(u64::try_from(delay).unwrap())).await;
    receiver.got.lock().unwrap().push(Delivery {
        headers,
        body,
        at: Instant::now(),
    });
    receiver.in_flight.fetch_sub(1, Ordering::SeqCst);
    StatusCode::from_u16(receiver.answer.load(Ordering::SeqCst)).unwrap()
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            got: Arc::default(),
            answer: Arc::new(AtomicU16::new(200)),
            delay_ms: Arc::default(),
            in_flight: Arc::default(),
            in_flight_max: Arc::default(),
        };
        let router = Router::new()
            .route("/hook", post(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn got(&self) -> Vec<Delivery> {
        self.got.lock().unwrap().clone()
    }

    pub fn answer(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    pub async fn wait_for(&self, count: usize) -> Vec<Delivery> {
        for _ in 0..500 {
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} deliveries were awaited, {} came", self.got().len());
    }

    /// Waits a moment and checks that no further delivery arrives.
    pub async fn stays_at(&self, count: usize) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(self.got().len(), count);
    }
}
