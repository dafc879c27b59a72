//! Outgoing webhooks to the host application.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::stage::{PATIENCE, Person, Stage, answer, eventually, on_both};

pub const ENDPOINTS: &str = "/api/v1/webhook-endpoints";

/// A delivery as the host application received it.
#[derive(Clone, Debug)]
pub struct Got {
    pub id: String,
    seconds: String,
    signature: String,
    body: String,
}

impl Got {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it is signed with this secret according to Standard Webhooks. The signature is
    /// deliberately implemented here a second time.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = secret.strip_prefix("whsec_").unwrap();
        let engine = base64::engine::general_purpose::STANDARD;
        let mut mac = Hmac::<Sha256>::new_from_slice(&engine.decode(key).unwrap()).unwrap();
        mac.update(format!("{}.{}.{}", self.id, self.seconds, self.body).as_bytes());
        let wanted = format!("v1,{}", engine.encode(mac.finalize().into_bytes()));
        self.signature.split(' ').any(|one| one == wanted)
    }
}

/// A host application that records deliveries and responds as configured.
#[derive(Clone)]
pub struct Host {
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<Mutex<(StatusCode, Option<String>)>>,
}

impl Host {
    pub async fn start() -> Host {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let host = Host {
            url,
            got: Arc::default(),
            answer: Arc::new(Mutex::new((StatusCode::OK, None))),
        };
        let state = host.clone();
        let receive = move |headers: HeaderMap, body: Bytes| {
            let state = state.clone();
            async move {
                let text = |name: &str| headers[name].to_str().unwrap().to_owned();
                state.got.lock().unwrap().push(Got {
                    id: text("webhook-id"),
                    seconds: text("webhook-timestamp"),
                    signature: text("webhook-signature"),
                    body: String::from_utf8(body.to_vec()).unwrap(),
                });
                let (status, location) = state.answer.lock().unwrap().clone();
                let mut headers = HeaderMap::new();
                if let Some(location) = location {
                    headers.insert("location", location.parse().unwrap());
                }
                (status, headers)
            }
        };
        let router = Router::new().route("/hook", post(receive));
        tokio::spawn(async move { axum::serve(listener, router).await });
        host
    }

    pub fn answers(&self, status: u16) {
        self.answer.lock().unwrap().0 = StatusCode::from_u16(status).unwrap();
    }

    pub fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    pub fn of(&self, event: &str) -> Vec<Got> {
        let all = self.all();
        all.into_iter()
            .filter(|got| got.json()["type"] == event)
            .collect()
    }

    /// Waits until `count` deliveries of an event arrived.
    pub async fn until(&self, event: &str, count: usize) -> Vec<Got> {
        let started = Instant::now();
        loop {
            let got = self.of(event);
            if got.len() >= count {
                return got;
            }
            let all: Vec<Value> = self.all().iter().map(Got::json).collect();
            assert!(started.elapsed() < PATIENCE, "no {event} among {all:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn hosted(database: store::testing::TestDatabase) -> Stage {
    Stage::with(database, |settings| settings.webhooks.allow_loopback = true).await
}

/// Sends a test webhook to an endpoint.
pub async fn test_endpoint(operator: &Person<'_>, id: &str) {
    let path = format!("{ENDPOINTS}/{id}/test");
    operator.post(&path, json!({})).await;
}

/// Creates an endpoint at `host` as an operator; returns its id and secret.
pub async fn endpoint(operator: &Person<'_>, host: &Host, events: Value) -> (String, String) {
    let (status, made) = operator
        .post(ENDPOINTS, json!({ "url": host.url, "events": events }))
        .await;
    assert_eq!(status, 201, "{made}");
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

async fn a_purchase_sends_one_signed_webhook(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, secret) = endpoint(&operator, &host, json!([])).await;
    let buyer = stage.person("buyer@example.com").await;

    buyer.buy_pack(500).await;
    let paid = host.until("payment.succeeded", 1).await;
    // The free allowance is granted, too, in any order.
    let granted = async || host.of("credits.granted");
    let is_pack = |got: &Got| got.json()["data"]["credits"] == 500;
    eventually(granted, |all| all.iter().any(is_pack)).await;
    let account = buyer.account;
    stage
        .write(account, move |tx| {
            store::sync::mark_for_sync(tx, account, domain::time::Timestamp::from_micros(0))
        })
        .await;
    stage.settled().await;

    assert_eq!(host.of("payment.succeeded").len(), 1, "once");
    assert!(paid[0].is_signed_with(&secret));
    assert!(paid[0].id.starts_with("msg_"));
    let body = paid[0].json();
    assert_eq!(body["data"]["amount"], "0.50");
    assert!(
        body["data"]["account"]
            .as_str()
            .unwrap()
            .starts_with("acc_")
    );
    let all: String = host.all().iter().map(|got| got.body.clone()).collect();
    assert!(!all.contains('@'), "nothing of a person: {all}");
    let (status, log) = operator.get(&format!("{ENDPOINTS}/{id}/deliveries")).await;
    assert_eq!(status, 200);
    assert!(
        log["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["state"] == "sent" && row["status"] == 200),
        "{log}"
    );
}

async fn an_endpoint_receives_only_the_events_it_subscribes_to(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    endpoint(&operator, &host, json!(["plan.changed"])).await;
    let buyer = stage.person("buyer@example.com").await;

    buyer.subscribe("PRO").await;
    let changed = host.until("plan.changed", 1).await;
    stage.settled().await;

    assert_eq!(changed[0].json()["data"]["tier"], "PRO");
    assert_eq!(changed[0].json()["data"]["formerTier"], "FREE");
    assert!(
        host.all()
            .iter()
            .all(|got| got.json()["type"] == "plan.changed")
    );
}

async fn after_a_rotation_both_secrets_sign(stage: &Stage) {
    let host = Host::start().await;
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, former) = endpoint(&operator, &host, json!([])).await;

    let (status, made) = operator
        .post(&format!("{ENDPOINTS}/{id}/rotate-secret"), json!({}))
        .await;
    assert_eq!(status, 200, "{made}");
    let latest = made["secret"].as_str().unwrap().to_owned();
    test_endpoint(&operator, &id).await;
    let got = host.until("endpoint.test", 1).await;

    assert_ne!(former, latest);
    assert!(got[0].is_signed_with(&former) && got[0].is_signed_with(&latest));
    let (_, shown) = operator.get(&format!("{ENDPOINTS}/{id}")).await;
    assert!(shown.get("secret").is_none(), "shown once: {shown}");
}

async fn a_webhook_sent_again_keeps_its_id(stage: &Stage) {
    let host = Host::start().await;
    host.answers(500);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, secret) = endpoint(&operator, &host, json!([])).await;
    test_endpoint(&operator, &id).await;
    host.until("endpoint.test", 1).await;
    stage.settled().await;
    let path = format!("{ENDPOINTS}/{id}/deliveries");
    let (_, log) = operator.get(&path).await;
    let row = log["data"][0].clone();
    assert_eq!(
        (&row["state"], &row["status"]),
        (&json!("queued"), &json!(500))
    );
    assert!(row["nextAttemptAt"].is_string(), "{row}");

    host.answers(200);
    let (status, sent) = operator
        .post(&format!("{path}/{}/resend", row["id"]), json!({}))
        .await;
    assert_eq!(status, 202, "{sent}");
    let got = host.until("endpoint.test", 2).await;
    stage.settled().await;

    assert_eq!(got[0].id, got[1].id);
    assert!(got[1].is_signed_with(&secret));
    let (_, log) = operator.get(&path).await;
    assert_eq!(log["data"][0]["state"], "sent", "{log}");
    let (status, _) = operator
        .post(&format!("{path}/999999/resend"), json!({}))
        .await;
    assert_eq!(status, 404);
}

async fn a_redirect_is_not_followed_and_410_disables(stage: &Stage) {
    let (host, elsewhere) = (Host::start().await, Host::start().await);
    let operator = stage.person_as("boss@example.com", "admin").await;
    let (id, _) = endpoint(&operator, &host, json!([])).await;
    *host.answer.lock().unwrap() = (StatusCode::TEMPORARY_REDIRECT, Some(elsewhere.url.clone()));

    test_endpoint(&operator, &id).await;
    host.until("endpoint.test", 1).await;
    stage.settled().await;
    assert!(elsewhere.all().is_empty(), "a redirect leads anywhere");
    let (_, log) = operator.get(&format!("{ENDPOINTS}/{id}/deliveries")).await;
    assert_eq!(log["data"][0]["status"], 307, "{log}");

    host.answers(410);
    test_endpoint(&operator, &id).await;
    host.until("endpoint.test", 2).await;
    stage.settled().await;
    let (_, shown) = operator.get(&format!("{ENDPOINTS}/{id}")).await;
    assert_eq!(shown["state"], "disabled", "{shown}");
    operator
        .request(reqwest::Method::PATCH, &format!("{ENDPOINTS}/{id}"))
        .json(&json!({ "enabled": true }))
        .send()
        .await
        .unwrap();
    let (_, shown) = operator.get(&format!("{ENDPOINTS}/{id}")).await;
    assert_eq!(shown["state"], "enabled", "{shown}");
}

async fn an_endpoints_address_is_checked_again_at_each_delivery(stage: &Stage) {
    // The endpoint may have been created while loopback was allowed, or its name may resolve
    // differently now, so the address is checked again on delivery.
    let host = Host::start().await;
    let url = host.url.clone();
    let operator = stage.person_as("boss@example.com", "admin").await;
    stage
        .write(0, move |tx| {
            let new = store::webhook_endpoints::NewEndpoint {
                public_id: "we_old",
                url: &url,
                description: "",
                events: "",
                secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                created_by: "test",
            };
            store::webhook_endpoints::insert(tx, &new, domain::time::Timestamp::from_micros(0))
        })
        .await;

    operator
        .post(&format!("{ENDPOINTS}/we_old/test"), json!({}))
        .await;
    let path = format!("{ENDPOINTS}/we_old/deliveries");
    let log = async || operator.get(&path).await.1;
    eventually(log, |log| log["data"][0]["error"].is_string()).await;

    assert!(host.all().is_empty());
}

macro_rules! with_a_host {
    ($($name:ident)+) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let stage = super::hosted(store::testing::sqlite()).await;
                super::$name(&stage).await;
                stage.close().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let database = tokio::task::spawn_blocking(store::testing::postgres).await.unwrap();
                let stage = super::hosted(database).await;
                super::$name(&stage).await;
                stage.close().await;
            }
        }
    )+};
}
with_a_host! {
    a_purchase_sends_one_signed_webhook
    an_endpoint_receives_only_the_events_it_subscribes_to
    after_a_rotation_both_secrets_sign
    a_webhook_sent_again_keeps_its_id
    a_redirect_is_not_followed_and_410_disables
}

on_both!(addresses_beside_the_service_and_unknown_names_are_refused);
async fn addresses_beside_the_service_and_unknown_names_are_refused(stage: &Stage) {
    let operator = stage.person_as("boss@example.com", "admin").await;

    for url in [
        "http://127.0.0.1:9/hook",
        "https://localhost/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/hook",
        "https://[::ffff:192.168.0.1]/hook",
        "http://hooks.example.com/",
        "not an address",
    ] {
        let (status, body) = operator.post(ENDPOINTS, json!({ "url": url })).await;
        assert_eq!(
            (status, &body["field"]),
            (400, &json!("url")),
            "{url}: {body}"
        );
    }
    let body = json!({ "url": "https://hooks.example.com/", "events": ["no.such"] });
    let (status, body) = operator.post(ENDPOINTS, body).await;
    assert_eq!((status, &body["field"]), (400, &json!("events")), "{body}");
    an_endpoints_address_is_checked_again_at_each_delivery(stage).await;
}

on_both!(only_operators_and_server_keys_see_and_change_endpoints);
async fn only_operators_and_server_keys_see_and_change_endpoints(stage: &Stage) {
    let user = stage.person("ann@example.com").await;
    let viewer = stage.person_as("look@example.com", "viewer").await;
    let wanted = json!({ "url": "https://hooks.example.com/" });
    let meter = user.meter_key().await;

    assert_eq!(user.get(ENDPOINTS).await.0, 403);
    assert_eq!(user.post(ENDPOINTS, wanted.clone()).await.0, 403);
    assert_eq!(viewer.get(ENDPOINTS).await.0, 200);
    assert_eq!(viewer.post(ENDPOINTS, wanted.clone()).await.0, 403);
    let url = format!("{}{ENDPOINTS}", stage.base);
    assert_eq!(answer(stage.http.get(&url)).await.0, 401);
    assert_eq!(
        answer(stage.http.get(&url).bearer_auth(&meter)).await.0,
        403
    );
    assert_eq!(viewer.get(&format!("{ENDPOINTS}/we_none")).await.0, 404);
}
