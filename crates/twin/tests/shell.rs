//! The twin over HTTP: deliveries, faults, clock, pages and mailbox, on real loopback sockets.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there and then"
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use twin::{Config, Handle, RealTime};

const KEY: &str = "sk_test_shell";
const START: i64 = 1_795_000_000;
const DAY: i64 = 86_400;

struct Running {
    handle: Handle,
    http: reqwest::Client,
}

async fn start() -> Running {
    start_with(|_| {}).await
}

async fn start_with(change: impl FnOnce(&mut Config)) -> Running {
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
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.handle.url())
    }

    async fn api(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.http.post(self.url(path)).bearer_auth(KEY).form(form);
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    async fn api_get(&self, path: &str) -> Value {
        let response = self
            .http
            .get(self.url(path))
            .bearer_auth(KEY)
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    async fn control(&self, path: &str, body: Value) -> (StatusCode, Value) {
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

    async fn look(&self, path: &str) -> Value {
        self.http
            .get(self.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn page(&self, path: &str) -> (StatusCode, String) {
        let response = self.http.get(self.url(path)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        self.http
            .post(self.url(path))
            .form(form)
            .send()
            .await
            .unwrap()
    }

    async fn endpoint(&self, receiver: &Receiver, events: &[&str]) -> Value {
        let url = receiver.url();
        let mut form = vec![("url", url.as_str())];
        form.extend(events.iter().map(|kind| ("enabled_events[]", *kind)));
        self.api("/v1/webhook_endpoints", &form).await
    }

    async fn customer(&self, email: &str) -> String {
        let customer = self.api("/v1/customers", &[("email", email)]).await;
        customer["id"].as_str().unwrap().to_owned()
    }
}

/// What a webhook endpoint got.
#[derive(Debug, Clone)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
    at: Instant,
}

impl Got {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    fn id(&self) -> String {
        self.event()["id"].as_str().unwrap().to_owned()
    }
}

/// A webhook endpoint that writes down all it gets.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<AtomicU16>,
    delay_ms: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
    in_flight_max: Arc<AtomicUsize>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = receiver.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    receiver.in_flight_max.fetch_max(now, Ordering::SeqCst);
    let delay = receiver.delay_ms.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(u64::try_from(delay).unwrap())).await;
    receiver.got.lock().unwrap().push(Got {
        headers,
        body,
        at: Instant::now(),
    });
    receiver.in_flight.fetch_sub(1, Ordering::SeqCst);
    StatusCode::from_u16(receiver.answer.load(Ordering::SeqCst)).unwrap()
}

impl Receiver {
    async fn start() -> Self {
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

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    fn answer(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
    }

    async fn wait_for(&self, count: usize) -> Vec<Got> {
        for _ in 0..500 {
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{count} deliveries were awaited, {} came", self.got().len());
    }

    /// Deliveries that come although none should: given a moment to show themselves.
    async fn stays_at(&self, count: usize) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(self.got().len(), count);
    }
}

mod deliveries {
    use super::*;

    #[tokio::test]
    async fn an_event_is_posted_signed_with_real_time_to_the_endpoint_that_wants_it() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        let other = Receiver::start().await;
        let endpoint = twin.endpoint(&receiver, &["customer.created"]).await;
        twin.endpoint(&other, &["customer.deleted"]).await;

        let customer = twin.customer("ada@example.com").await;

        let got = &receiver.wait_for(1).await[0];
        assert_eq!(got.event()["data"]["object"]["id"], customer);
        assert_eq!(got.event()["pending_webhooks"], 1);
        assert_eq!(
            got.headers["content-type"],
            "application/json; charset=utf-8"
        );
        let signature = got.headers["stripe-signature"].to_str().unwrap();
        let secret = endpoint["secret"].as_str().unwrap();
        let now = jiff::Timestamp::now().as_second();
        stripe::verify(&got.body, signature, &[secret], now, 30).unwrap();
        other.stays_at(0).await;
    }

    #[tokio::test]
    async fn a_failed_delivery_is_tried_again_within_ten_seconds_signed_anew_and_logged() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        let endpoint = twin.endpoint(&receiver, &["customer.created"]).await;
        receiver.answer(500);
        twin.customer("ada@example.com").await;
        let first = receiver.wait_for(1).await[0].clone();
        receiver.answer(200);

        let second = receiver.wait_for(2).await[1].clone();

        assert!(second.at - first.at < Duration::from_secs(10));
        assert_eq!(first.body, second.body);
        assert_ne!(
            first.headers["stripe-signature"],
            second.headers["stripe-signature"]
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        let log = twin.look("/_twin/deliveries").await;
        let entry = &log["data"][0];
        assert_eq!(entry["outcome"], "delivered");
        assert_eq!(entry["endpoint"], endpoint["id"]);
        let statuses: Vec<_> = entry["tries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["status"])
            .collect();
        assert_eq!(statuses, [500, 200]);
        let event = twin.api_get(&format!("/v1/events/{}", first.id())).await;
        assert_eq!(event["pending_webhooks"], 0);
    }

    #[tokio::test]
    async fn a_redirect_is_a_failure_and_is_not_followed() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;
        receiver.answer(302);

        twin.customer("ada@example.com").await;

        receiver.wait_for(1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let log = twin.look("/_twin/deliveries").await;
        assert_eq!(log["data"][0]["outcome"], "waiting");
    }

    #[tokio::test]
    async fn events_made_while_deliveries_are_off_are_never_delivered() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["*"]).await;
        twin.control("/_twin/webhooks", json!({"enabled": false}))
            .await;
        twin.customer("lost@example.com").await;
        twin.control("/_twin/webhooks", json!({"enabled": true}))
            .await;

        twin.customer("kept@example.com").await;

        let got = receiver.wait_for(1).await;
        assert_eq!(
            got[0].event()["data"]["object"]["email"],
            "kept@example.com"
        );
        receiver.stays_at(1).await;
    }

    #[tokio::test]
    async fn an_event_is_sent_again_on_request_even_while_deliveries_are_off() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;
        twin.control("/_twin/webhooks", json!({"enabled": false}))
            .await;
        twin.customer("ada@example.com").await;
        let events = twin.api_get("/v1/events?type=customer.created").await;
        let id = events["data"][0]["id"].as_str().unwrap().to_owned();

        let answer = twin.api(&format!("/v1/events/{id}/retry"), &[]).await;

        assert_eq!(answer["id"], id.as_str());
        assert_eq!(receiver.wait_for(1).await[0].id(), id);
    }

    #[tokio::test]
    async fn a_triggered_event_is_delivered_like_any_other() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["charge.dispute.created"]).await;

        let (status, answer) = twin
            .control("/_twin/trigger", json!({"type": "charge.dispute.created"}))
            .await;
        let (unknown, sentence) = twin.control("/_twin/trigger", json!({"type": "a.b"})).await;

        assert_eq!((status.as_u16(), unknown.as_u16()), (200, 400));
        assert!(!answer["events"].as_array().unwrap().is_empty());
        assert!(
            sentence["error"]["message"]
                .as_str()
                .unwrap()
                .ends_with('.')
        );
        assert_eq!(
            receiver.wait_for(1).await[0].kind(),
            "charge.dispute.created"
        );
        receiver.stays_at(1).await;
    }

    #[tokio::test]
    async fn at_most_eight_deliveries_to_one_endpoint_are_under_way() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;
        receiver.delay_ms.store(100, Ordering::SeqCst);

        for number in 0..20 {
            twin.customer(&format!("c{number}@example.com")).await;
        }

        receiver.wait_for(20).await;
        assert!(receiver.in_flight_max.load(Ordering::SeqCst) <= 8);
    }

    #[tokio::test]
    async fn chaos_doubles_and_drops_by_the_seed_and_an_empty_body_ends_it() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;

        twin.control(
            "/_twin/chaos",
            json!({"duplicate": 3, "reorder": true, "delay": "1s"}),
        )
        .await;
        twin.customer("thrice@example.com").await;
        let got = receiver.wait_for(3).await;
        assert!(got.iter().all(|one| one.id() == got[0].id()));
        receiver.stays_at(3).await;

        twin.control("/_twin/chaos", json!({"drop": 1})).await;
        twin.customer("never@example.com").await;
        receiver.stays_at(3).await;
        assert_eq!(
            twin.look("/_twin/deliveries").await["data"][0]["outcome"],
            "dropped"
        );

        twin.control("/_twin/chaos", json!({})).await;
        twin.customer("once@example.com").await;
        receiver.wait_for(4).await;
        receiver.stays_at(4).await;
    }
}

mod listening {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    use super::*;

    #[tokio::test]
    async fn a_listener_gets_events_for_both_versions_and_its_answer_is_logged() {
        let twin = start().await;
        let session = twin
            .api("/v1/stripecli/sessions", &[("device_name", "me")])
            .await;
        let url = format!(
            "{}?websocket_feature=webhooks",
            session["websocket_url"].as_str().unwrap()
        );
        let mut request = url.into_client_request().unwrap();
        let protocol = "stripecli-devproxy-v1".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        twin.customer("ada@example.com").await;

        let mut messages = Vec::new();
        for _ in 0..2 {
            let text = socket.next().await.unwrap().unwrap().into_text().unwrap();
            messages.push(serde_json::from_str::<Value>(&text).unwrap());
        }
        let answer = json!({
            "type": "webhook_response",
            "webhook_conversation_id": messages[0]["webhook_conversation_id"],
            "forward_url": "http://127.0.0.1:9/x",
            "status": 200,
        });
        socket
            .send(Message::Text(answer.to_string().into()))
            .await
            .unwrap();

        let versions: Vec<_> = messages
            .iter()
            .map(|one| &one["endpoint"]["api_version"])
            .collect();
        assert!(versions[0].is_null() && versions[1].is_string());
        let payload = messages[0]["event_payload"].as_str().unwrap();
        let signature = messages[0]["http_headers"]["Stripe-Signature"]
            .as_str()
            .unwrap();
        let secret = session["secret"].as_str().unwrap();
        let now = jiff::Timestamp::now().as_second();
        stripe::verify(payload.as_bytes(), signature, &[secret], now, 30).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let log = twin.look("/_twin/deliveries").await;
        assert_eq!(log["data"][0]["endpoint"], "stripe listen");
        assert_eq!(log["data"][0]["outcome"], "delivered");
    }
}

mod faults {
    use super::*;

    async fn try_customer(twin: &Running, key: &str) -> Result<StatusCode, reqwest::Error> {
        // A connection of its own: a pooled one that was cut could be tried anew by the client.
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(twin.url("/v1/customers")).bearer_auth(key);
        let response = request
            .form(&[("email", "f@example.com")])
            .timeout(Duration::from_secs(5));
        Ok(response.send().await?.status())
    }

    async fn customers(twin: &Running) -> usize {
        twin.api_get("/v1/customers").await["data"]
            .as_array()
            .unwrap()
            .len()
    }

    #[tokio::test]
    async fn a_status_fault_answers_the_products_next_calls_and_leaves_other_keys_alone() {
        let twin =
            start_with(|config| config.product_key = Some("sk_test_product".to_owned())).await;
        let set = json!({"mode": "status", "status": 503, "count": 2});
        twin.control("/_twin/faults", set).await;

        assert_eq!(try_customer(&twin, KEY).await.unwrap(), 200);
        assert_eq!(try_customer(&twin, "sk_test_product").await.unwrap(), 503);
        assert_eq!(try_customer(&twin, "sk_test_product").await.unwrap(), 503);
        assert_eq!(try_customer(&twin, "sk_test_product").await.unwrap(), 200);
        assert_eq!(customers(&twin).await, 2);
    }

    #[tokio::test]
    async fn cut_ends_the_connection_before_the_work_and_cut_after_behind_it() {
        let twin = start().await;

        twin.control("/_twin/faults", json!({"mode": "cut"})).await;
        assert!(try_customer(&twin, KEY).await.is_err());
        assert_eq!(customers(&twin).await, 0);

        twin.control("/_twin/faults", json!({"mode": "cut_after"}))
            .await;
        assert!(try_customer(&twin, KEY).await.is_err());
        assert_eq!(customers(&twin).await, 1);
    }

    #[tokio::test]
    async fn a_call_that_hangs_holds_its_idempotency_key_until_it_is_answered() {
        let twin = start().await;
        let set = json!({"mode": "hang", "seconds": 1, "count": 1});
        twin.control("/_twin/faults", set).await;
        let call = || {
            let request = twin.http.post(twin.url("/v1/customers")).bearer_auth(KEY);
            request
                .header("Idempotency-Key", "k1")
                .form(&[("email", "h@example.com")])
                .send()
        };

        let began = Instant::now();
        let (first, second) = tokio::join!(call(), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            call().await
        });

        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(first.unwrap().status(), 200);
        let second = second.unwrap();
        assert_eq!(second.status(), 409);
        let body: Value = second.json().await.unwrap();
        assert_eq!(body["error"]["code"], "idempotency_key_in_use");
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_on_a_hanging_call_has_called_for_nothing() {
        let twin = start().await;
        twin.control("/_twin/faults", json!({"mode": "hang", "seconds": 1}))
            .await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(twin.url("/v1/customers")).bearer_auth(KEY);
        let request = request.form(&[("email", "h@example.com")]);

        let answer = request.timeout(Duration::from_millis(200)).send().await;

        assert!(answer.unwrap_err().is_timeout());
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        assert_eq!(customers(&twin).await, 0);
    }

    #[tokio::test]
    async fn the_log_names_parameters_and_keys_but_holds_no_values() {
        let twin = start().await;
        twin.customer("secret@example.com").await;

        let log = twin.look("/_twin/requests").await;

        let call = &log["data"][0];
        assert_eq!(
            (&call["method"], &call["path"]),
            (&json!("POST"), &json!("/v1/customers"))
        );
        assert_eq!(call["params"], json!(["email"]));
        assert_eq!(call["status"], 200);
        assert!(!log.to_string().contains("secret@"));
    }

    #[tokio::test]
    async fn a_wrong_control_call_is_refused_with_a_sentence() {
        let twin = start().await;
        for (path, body) in [
            ("/_twin/faults", json!({"mode": "burn"})),
            ("/_twin/clock", json!({"advance": "soon"})),
            ("/_twin/clock", json!({})),
            ("/_twin/clock", json!({"to": START - 10})),
            ("/_twin/webhooks", json!({"enabled": "yes"})),
            ("/_twin/chaos", json!({"drop": 7})),
            (
                "/_twin/dispute/close",
                json!({"dispute": "dp_1", "outcome": "draw"}),
            ),
        ] {
            let (status, answer) = twin.control(path, body).await;
            assert_eq!(status, 400, "{path}");
            let sentence = answer["error"]["message"].as_str().unwrap();
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }
}

mod clock {
    use super::*;

    #[tokio::test]
    async fn an_advance_moves_the_clock_and_a_second_one_meanwhile_is_refused() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;
        receiver.delay_ms.store(500, Ordering::SeqCst);
        twin.customer("slow@example.com").await;

        let (first, second) = tokio::join!(
            twin.control("/_twin/clock", json!({"advance": "30d"})),
            async {
                tokio::time::sleep(Duration::from_millis(150)).await;
                twin.control("/_twin/clock", json!({"advance": "1d"})).await
            }
        );

        assert_eq!(first.0, 200);
        assert_eq!(second.0, 409);
        assert_eq!(
            receiver.got().len(),
            1,
            "the advance waits for the delivery's answer"
        );
        let now = twin.look("/_twin/clock").await["now"].as_i64().unwrap();
        assert!(
            (START + 30 * DAY..START + 30 * DAY + 60).contains(&now),
            "{now}"
        );
    }

    #[tokio::test]
    async fn a_retry_is_a_due_moment_of_an_advance() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;
        receiver.answer(500);
        twin.customer("ada@example.com").await;
        receiver.wait_for(1).await;
        let began = Instant::now();

        twin.control("/_twin/clock", json!({"advance": "10d"}))
            .await;

        assert_eq!(receiver.got().len(), 8, "the first try and seven more");
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(
            twin.look("/_twin/deliveries").await["data"][0]["outcome"],
            "failed"
        );
    }

    #[tokio::test]
    async fn an_advance_stops_at_every_moment_a_follower_named_and_waits_until_it_is_idle() {
        let twin = Arc::new(start().await);
        let due = [START + DAY, START + 2 * DAY + 7, START + 9 * DAY];
        let stops: Arc<Mutex<Vec<i64>>> = Arc::default();
        let follower = {
            let (twin, stops) = (Arc::clone(&twin), Arc::clone(&stops));
            tokio::spawn(async move {
                let mut at = twin.look("/_twin/clock?follower=service").await;
                loop {
                    let (now, seq) = (at["now"].as_i64().unwrap(), at["seq"].as_u64().unwrap());
                    for moment in due {
                        let mut stops = stops.lock().unwrap();
                        if moment <= now && !stops.contains(&moment) {
                            assert_eq!(now, moment, "the clock leapt over a due moment");
                            stops.push(moment);
                        }
                    }
                    // Work that takes a while: the clock must not move meanwhile.
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    let next = due.into_iter().find(|moment| *moment > now);
                    let next = next.map_or_else(String::new, |next| format!("&due={next}"));
                    let path = format!(
                        "/_twin/clock?follower=service&seen={seq}&idle=1&waitMs=1000{next}"
                    );
                    at = twin.look(&path).await;
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(200)).await;

        let (status, answer) = twin.control("/_twin/clock", json!({"advance": "5d"})).await;

        assert_eq!(status, 200);
        assert_eq!(answer["isIncomplete"], false);
        assert_eq!(*stops.lock().unwrap(), due[..2]);
        assert!(!follower.is_finished(), "{:?}", follower.await);
        follower.abort();
    }

    #[tokio::test]
    async fn work_that_a_delivery_brings_is_awaited_before_the_next_step() {
        let twin = Arc::new(start().await);
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["customer.created"]).await;
        receiver.delay_ms.store(100, Ordering::SeqCst);
        let confirmed_after: Arc<Mutex<Vec<usize>>> = Arc::default();
        let follower = {
            let (twin, confirmed, receiver) = (
                Arc::clone(&twin),
                Arc::clone(&confirmed_after),
                receiver.clone(),
            );
            tokio::spawn(async move {
                let mut seq = 0;
                loop {
                    confirmed.lock().unwrap().push(receiver.got().len());
                    let path =
                        format!("/_twin/clock?follower=service&seen={seq}&idle=1&waitMs=9000");
                    seq = twin.look(&path).await["seq"].as_u64().unwrap();
                }
            })
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        twin.customer("ada@example.com").await;
        let began = Instant::now();

        twin.control("/_twin/clock", json!({"advance": "1d"})).await;

        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the long poll was not woken"
        );
        assert!(
            confirmed_after.lock().unwrap().contains(&1),
            "idle was not asked for again"
        );
        follower.abort();
    }

    #[tokio::test]
    async fn a_follower_that_went_away_is_not_awaited_for_long() {
        let twin = start().await;
        twin.look("/_twin/clock?follower=gone&idle=0").await;
        let began = Instant::now();

        let (status, _) = twin.control("/_twin/clock", json!({"advance": "1d"})).await;

        assert_eq!(status, 200);
        assert!(began.elapsed() < Duration::from_secs(8));
    }
}

mod pages {
    use super::*;

    const GOOD: &str = "4242 4242 4242 4242";
    const DECLINED: &str = "4000 0000 0000 0002";
    const ASKS_FIRST: &str = "4000 0027 6000 3184";

    fn card(number: &str) -> Vec<(&str, &str)> {
        vec![
            ("email", "ada@example.com"),
            ("method", "card"),
            ("number", number),
            ("exp", "12 / 34"),
            ("cvc", "123"),
            ("name", "Ada Lovelace"),
        ]
    }

    /// A session for one payment of $19.00; its id and its path on the twin.
    async fn payment_session(twin: &Running) -> (String, String) {
        let form = [
            ("mode", "payment"),
            ("line_items[0][price_data][currency]", "usd"),
            ("line_items[0][price_data][unit_amount]", "1900"),
            (
                "line_items[0][price_data][product_data][name]",
                "500 credits",
            ),
            ("line_items[0][quantity]", "1"),
            (
                "success_url",
                "http://127.0.0.1:9/ok?session={CHECKOUT_SESSION_ID}",
            ),
            ("cancel_url", "http://127.0.0.1:9/back"),
        ];
        session(twin, &form).await
    }

    async fn session(twin: &Running, form: &[(&str, &str)]) -> (String, String) {
        let session = twin.api("/v1/checkout/sessions", form).await;
        let id = session["id"].as_str().unwrap().to_owned();
        let url = session["url"].as_str().unwrap();
        let path = url.strip_prefix(&twin.handle.url()).unwrap().to_owned();
        assert!(path.contains(&id), "the address names the session");
        (id, path)
    }

    async fn monthly_price(twin: &Running, product: &str, amount: &str) -> String {
        let form = [
            ("product", product),
            ("currency", "usd"),
            ("unit_amount", amount),
            ("recurring[interval]", "month"),
        ];
        let price = twin.api("/v1/prices", &form).await;
        price["id"].as_str().unwrap().to_owned()
    }

    /// A portal in which everything may be done, with switching between the product's prices.
    async fn portal_configuration(twin: &Running, product: &str, prices: [&str; 2]) -> String {
        let form = [
            ("features[customer_update][enabled]", "false"),
            ("features[invoice_history][enabled]", "true"),
            ("features[payment_method_update][enabled]", "true"),
            ("features[subscription_cancel][enabled]", "true"),
            ("features[subscription_cancel][mode]", "at_period_end"),
            ("features[subscription_update][enabled]", "true"),
            (
                "features[subscription_update][default_allowed_updates][]",
                "price",
            ),
            (
                "features[subscription_update][products][0][product]",
                product,
            ),
            (
                "features[subscription_update][products][0][prices][]",
                prices[0],
            ),
            (
                "features[subscription_update][products][0][prices][]",
                prices[1],
            ),
        ];
        let made = twin.api("/v1/billing_portal/configurations", &form).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// A customer with a subscription at $10.00 a month, bought on the page; and its portal.
    async fn subscriber(twin: &Running) -> (String, String) {
        let customer = twin.customer("ada@example.com").await;
        let product = twin.api("/v1/products", &[("name", "Pro plan")]).await;
        let product = product["id"].as_str().unwrap();
        let price = monthly_price(twin, product, "1000").await;
        let dearer = monthly_price(twin, product, "3000").await;
        let form = [
            ("mode", "subscription"),
            ("customer", &customer),
            ("line_items[0][price]", &price),
            ("line_items[0][quantity]", "1"),
            ("success_url", "http://127.0.0.1:9/ok"),
        ];
        let (_, path) = session(twin, &form).await;
        let paid = twin.post_form(&path, &card(GOOD)).await;
        assert_eq!(paid.status(), 303, "{}", paid.text().await.unwrap());
        let configuration = portal_configuration(twin, product, [&price, &dearer]).await;
        let form = [
            ("customer", customer.as_str()),
            ("configuration", &configuration),
            ("return_url", "http://127.0.0.1:9/home"),
        ];
        let portal = twin.api("/v1/billing_portal/sessions", &form).await;
        let url = portal["url"].as_str().unwrap();
        let path = url.strip_prefix(&twin.handle.url()).unwrap().to_owned();
        (customer, path)
    }

    async fn subscription_of(twin: &Running, customer: &str) -> Value {
        let list = twin
            .api_get(&format!("/v1/subscriptions?customer={customer}"))
            .await;
        list["data"][0].clone()
    }

    fn location(response: &reqwest::Response) -> &str {
        response.headers()["location"].to_str().unwrap()
    }

    #[tokio::test]
    async fn checkout_shows_the_order_takes_the_card_and_goes_back_to_the_shop() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        twin.endpoint(&receiver, &["checkout.session.completed"])
            .await;
        let (id, path) = payment_session(&twin).await;

        let (status, page) = twin.page(&path).await;
        assert_eq!(status, 200);
        for words in [
            "500 credits",
            "Pay $19.00",
            "TEST MODE",
            "Card number",
            "CVC",
            "Name on card",
        ] {
            assert!(page.contains(words), "{words} is missing");
        }
        assert!(page.contains("href=\"http://127.0.0.1:9/back\""));
        let paid = twin.post_form(&path, &card(GOOD)).await;

        assert_eq!(paid.status(), 303);
        assert_eq!(
            location(&paid),
            format!("http://127.0.0.1:9/ok?session={id}")
        );
        let event = receiver.wait_for(1).await[0].event();
        assert_eq!(event["data"]["object"]["payment_status"], "paid");
        assert_eq!(
            event["data"]["object"]["customer_details"]["email"],
            "ada@example.com"
        );
        let (_, again) = twin.page(&path).await;
        assert!(again.contains("This order is complete"));
        let twice = twin.post_form(&path, &card(GOOD)).await;
        assert_eq!(location(&twice), path, "a second click pays nothing");
    }

    #[tokio::test]
    async fn a_declined_card_is_told_above_the_form_which_keeps_what_was_typed() {
        let twin = start().await;
        let (id, path) = payment_session(&twin).await;

        let declined = twin.post_form(&path, &card(DECLINED)).await;

        assert_eq!(declined.status(), 402);
        let page = declined.text().await.unwrap();
        assert!(page.contains("role=\"alert\"") && page.contains("Your card was declined."));
        assert!(page.contains("value=\"Ada Lovelace\""));
        let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
        assert_eq!(session["status"], "open");
        assert_eq!(twin.post_form(&path, &card(GOOD)).await.status(), 303);
    }

    #[tokio::test]
    async fn a_form_with_mistakes_names_each_field_and_charges_nothing() {
        let twin = start().await;
        let (_, path) = payment_session(&twin).await;

        let answer = twin
            .post_form(&path, &[("number", "1234"), ("cvc", "x")])
            .await;

        assert_eq!(answer.status(), 400);
        let page = answer.text().await.unwrap();
        for field in ["email", "number", "exp", "cvc", "name"] {
            assert!(page.contains(&format!("href=\"#{field}\"")), "{field}");
            assert!(
                page.contains(&format!("aria-describedby=\"{field}-error\"")),
                "{field}"
            );
        }
        assert_eq!(twin.api_get("/v1/charges").await["data"], json!([]));
    }

    #[tokio::test]
    async fn a_card_with_3d_secure_asks_first_and_can_fail_or_complete() {
        let twin = start().await;
        let (id, path) = payment_session(&twin).await;
        let asked = twin.post_form(&path, &card(ASKS_FIRST)).await;
        let bank = location(&asked).to_owned();
        assert_eq!(bank, format!("/c/pay/{id}/authenticate"));
        let (_, page) = twin.page(&bank).await;
        assert!(page.contains("Complete") && page.contains("Fail"));

        let failed = twin.post_form(&bank, &[("outcome", "fail")]).await;
        assert_eq!(failed.status(), 402);
        twin.post_form(&path, &card(ASKS_FIRST)).await;
        let done = twin.post_form(&bank, &[("outcome", "complete")]).await;

        assert_eq!(done.status(), 303, "{}", done.text().await.unwrap());
        let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
        assert_eq!(session["payment_status"], "paid");
    }

    #[tokio::test]
    async fn bank_debit_completes_unpaid_and_settles_later() {
        let twin = start().await;
        let receiver = Receiver::start().await;
        let wanted = [
            "checkout.session.completed",
            "checkout.session.async_payment_succeeded",
        ];
        twin.endpoint(&receiver, &wanted).await;
        let (id, path) = payment_session(&twin).await;

        let paid = twin
            .post_form(&path, &[("email", "a@b.c"), ("method", "delayed")])
            .await;
        assert_eq!(paid.status(), 303);
        let first = receiver.wait_for(1).await[0].event();
        assert_eq!(first["data"]["object"]["payment_status"], "unpaid");
        let settle = format!("/_twin/checkout/sessions/{id}/settle");
        let (status, session) = twin.control(&settle, json!({"outcome": "succeeded"})).await;

        assert_eq!(
            (status, &session["payment_status"]),
            (StatusCode::OK, &json!("paid"))
        );
        assert_eq!(receiver.wait_for(2).await[1].kind(), wanted[1]);
    }

    #[tokio::test]
    async fn an_expired_session_says_so_and_takes_no_money() {
        let twin = start().await;
        let (_, path) = payment_session(&twin).await;

        twin.control("/_twin/clock", json!({"advance": "25h"}))
            .await;

        let (_, page) = twin.page(&path).await;
        assert!(page.contains("has expired"), "{page}");
        twin.post_form(&path, &card(GOOD)).await;
        assert_eq!(twin.api_get("/v1/charges").await["data"], json!([]));
    }

    #[tokio::test]
    async fn the_control_interface_pays_a_session_and_answers_with_it() {
        let twin = start().await;
        let (id, _) = payment_session(&twin).await;
        let control = twin::client::Control::new(&twin.handle.url()).unwrap();

        control.decline_next(None, None).await.unwrap();
        let refused = control
            .pay(&id, twin::client::PayBy::Card)
            .await
            .unwrap_err();
        let session = control.pay(&id, twin::client::PayBy::Card).await.unwrap();

        assert_eq!(refused.to_string(), "Your card was declined.");
        assert_eq!(session["id"], id.as_str());
        assert_eq!(session["payment_status"], "paid");
        let (status, _) = twin
            .control("/_twin/checkout/sessions/cs_x/pay", json!({}))
            .await;
        assert_eq!(status, 404);
    }

    #[tokio::test]
    async fn a_charge_is_disputed_and_the_dispute_closed_by_the_control_interface() {
        let twin = start().await;
        let (id, _) = payment_session(&twin).await;
        let control = twin::client::Control::new(&twin.handle.url()).unwrap();
        control.pay(&id, twin::client::PayBy::Card).await.unwrap();
        let charge = twin.api_get("/v1/charges").await["data"][0]["id"].clone();

        let dispute = control
            .dispute(charge.as_str().unwrap(), None)
            .await
            .unwrap();
        let closed = control
            .close_dispute(dispute["id"].as_str().unwrap(), true)
            .await
            .unwrap();

        assert_eq!(
            (&dispute["charge"], &closed["status"]),
            (&charge, &json!("won"))
        );
        assert!(control.dispute("ch_unknown", None).await.is_err());
    }

    #[tokio::test]
    async fn the_portal_cancels_after_a_question_and_resumes() {
        let twin = start().await;
        let (customer, portal) = subscriber(&twin).await;
        let id = subscription_of(&twin, &customer).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let (_, page) = twin.page(&portal).await;
        assert!(
            page.contains("Pro plan") && page.contains("$10.00 per month"),
            "{page}"
        );
        assert!(page.contains("http://127.0.0.1:9/home"));

        let (_, question) = twin
            .page(&format!("{portal}/cancel?subscription={id}"))
            .await;
        assert!(question.contains("Cancel Pro plan?"));
        assert_eq!(
            subscription_of(&twin, &customer).await["cancel_at_period_end"],
            false
        );
        twin.post_form(&format!("{portal}/cancel"), &[("subscription", &id)])
            .await;
        assert!(subscription_of(&twin, &customer).await["cancel_at"].is_i64());
        assert!(twin.page(&portal).await.1.contains("Don't cancel"));
        twin.post_form(&format!("{portal}/resume"), &[("subscription", &id)])
            .await;

        assert!(subscription_of(&twin, &customer).await["cancel_at"].is_null());
    }

    #[tokio::test]
    async fn the_portal_switches_to_a_plan_that_the_configuration_allows() {
        let twin = start().await;
        let (customer, portal) = subscriber(&twin).await;
        let subscription = subscription_of(&twin, &customer).await;
        let id = subscription["id"].as_str().unwrap();
        let prices = twin.api_get("/v1/prices").await;
        let prices = prices["data"].as_array().unwrap();
        let dearer = prices
            .iter()
            .find(|price| price["unit_amount"] == 3000)
            .unwrap();
        let (_, page) = twin.page(&format!("{portal}/plan?subscription={id}")).await;
        assert!(
            page.contains("$30.00 per month") && page.contains("(current)"),
            "{page}"
        );

        let form = [
            ("subscription", id),
            ("price", dearer["id"].as_str().unwrap()),
        ];
        let switched = twin.post_form(&format!("{portal}/plan"), &form).await;

        assert_eq!(switched.status(), 303);
        let subscription = subscription_of(&twin, &customer).await;
        assert_eq!(
            subscription["items"]["data"][0]["price"]["unit_amount"],
            3000
        );
    }

    #[tokio::test]
    async fn the_portal_takes_a_new_card_and_refuses_a_bad_one() {
        let twin = start().await;
        let (_, portal) = subscriber(&twin).await;

        let bad = twin
            .post_form(&format!("{portal}/card"), &card(DECLINED))
            .await;
        assert_eq!(bad.status(), 402);
        let good = twin
            .post_form(&format!("{portal}/card"), &card("5555 5555 5555 4444"))
            .await;

        assert_eq!(good.status(), 303);
        assert!(twin.page(&portal).await.1.contains("ending in 4444"));
    }

    #[tokio::test]
    async fn a_paid_invoice_is_shown_and_saved_as_a_pdf() {
        let twin = start().await;
        let (customer, portal) = subscriber(&twin).await;
        let invoices = twin
            .api_get(&format!("/v1/invoices?customer={customer}"))
            .await;
        let invoice = &invoices["data"][0];
        let hosted = invoice["hosted_invoice_url"].as_str().unwrap();
        let path = hosted.strip_prefix(&twin.handle.url()).unwrap();

        let (status, page) = twin.page(path).await;
        assert_eq!(status, 200);
        assert!(page.contains("$10.00") && page.contains("paid"));
        assert!(!page.contains("Card number"), "nothing is left to pay");
        assert!(
            twin.page(&portal).await.1.contains(path),
            "the portal links to it"
        );
        let pdf = twin
            .http
            .get(invoice["invoice_pdf"].as_str().unwrap())
            .send()
            .await
            .unwrap();

        assert_eq!(pdf.headers()["content-type"], "application/pdf");
        assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-1.4"));
    }

    #[tokio::test]
    async fn an_open_invoice_is_paid_on_its_page() {
        let twin = start().await;
        let (customer, portal) = subscriber(&twin).await;
        let card_path = format!("{portal}/card");
        let fails_later = twin
            .post_form(&card_path, &card("4000 0000 0000 0341"))
            .await;
        assert_eq!(fails_later.status(), 303);
        twin.control("/_twin/clock", json!({"advance": "32d"}))
            .await;
        let open = twin
            .api_get(&format!("/v1/invoices?customer={customer}&status=open"))
            .await;
        let hosted = open["data"][0]["hosted_invoice_url"].as_str().unwrap();
        let path = hosted.strip_prefix(&twin.handle.url()).unwrap();
        let (_, page) = twin.page(path).await;
        assert!(page.contains("Pay $10.00") && page.contains("Card number"));

        let declined = twin.post_form(path, &card(DECLINED)).await;
        let paid = twin.post_form(path, &card(GOOD)).await;

        assert_eq!(
            (declined.status().as_u16(), paid.status().as_u16()),
            (402, 303)
        );
        assert!(twin.page(path).await.1.contains("badge ok"));
    }

    #[tokio::test]
    async fn a_form_sent_by_another_site_is_refused() {
        let twin = start().await;
        let (id, path) = payment_session(&twin).await;
        for site in ["cross-site", "same-site"] {
            let request = twin
                .http
                .post(twin.url(&path))
                .header("Sec-Fetch-Site", site);
            let answer = request.form(&card(GOOD)).send().await.unwrap();
            assert_eq!(answer.status(), 403);
        }
        let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
        assert_eq!(session["status"], "open");

        let request = twin
            .http
            .post(twin.url(&path))
            .header("Sec-Fetch-Site", "same-origin");
        assert_eq!(
            request.form(&card(GOOD)).send().await.unwrap().status(),
            303
        );
    }

    #[tokio::test]
    async fn no_page_has_script_or_inline_style() {
        let twin = start().await;
        let (_, portal) = subscriber(&twin).await;
        let (_, open) = payment_session(&twin).await;
        let paths = [
            "/_twin".to_owned(),
            "/_twin/mailbox".to_owned(),
            "/nothing".to_owned(),
            open,
            format!("{portal}/cancel"),
            format!("{portal}/card"),
            format!("{portal}/plan"),
            portal,
        ];
        for path in paths {
            let response = twin.http.get(twin.url(&path)).send().await.unwrap();
            if path != "/nothing" {
                let policy = response.headers()["content-security-policy"]
                    .to_str()
                    .unwrap();
                assert!(policy.contains("default-src 'none'"), "{path}");
            }
            let page = response.text().await.unwrap();
            assert!(page.contains("<html lang=\"en\">"), "{path}");
            for word in ["<script", "<style", " style=", " onclick"] {
                assert!(!page.contains(word), "{path} has {word}");
            }
        }
    }

    #[tokio::test]
    async fn the_control_page_advances_the_clock_and_shows_recent_activity() {
        let twin = start().await;
        let (id, _) = payment_session(&twin).await;

        let moved = twin
            .post_form("/_twin/board/clock", &[("advance", "1h")])
            .await;
        let wrong = twin
            .post_form("/_twin/board/clock", &[("advance", "soon")])
            .await;
        twin.post_form("/_twin/board/webhooks", &[("enabled", "false")])
            .await;
        let fault = [
            ("mode", "status"),
            ("status", "503"),
            ("count", "2"),
            ("seconds", ""),
        ];
        twin.post_form("/_twin/board/faults", &fault).await;

        assert_eq!(
            (moved.status().as_u16(), wrong.status().as_u16()),
            (303, 400)
        );
        let (_, page) = twin.page("/_twin").await;
        for words in [
            id.as_str(),
            "Turn webhooks on",
            "Fault for the next 2 calls: status.",
        ] {
            assert!(page.contains(words), "{words}");
        }
        assert_eq!(twin.page("/").await.0, 303);
    }
}

mod mailbox {
    use lettre::message::{Mailbox, MultiPart};
    use lettre::transport::smtp::client::Tls;
    use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

    use super::*;

    fn address(text: &str) -> Mailbox {
        text.parse().unwrap()
    }

    async fn send(twin: &Running, subject: &str, text: &str, html: &str) {
        let at = twin.handle.smtp_address().unwrap();
        let parts = MultiPart::alternative_plain_html(text.to_owned(), html.to_owned());
        let mail = Message::builder()
            .from(address("Shop <shop@example.com>"))
            .to(address("Ada <ada@example.com>"))
            .subject(subject)
            .multipart(parts)
            .unwrap();
        let transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(at.ip().to_string())
                .port(at.port())
                .tls(Tls::None)
                .build();
        transport.send(mail).await.unwrap();
    }

    #[tokio::test]
    async fn a_mail_sent_by_smtp_is_shown_with_its_text_its_html_and_its_links() {
        let twin = start().await;
        let text = "Grüße!\n.A line that begins with a dot\nSign in: http://127.0.0.1:3000/x?y=1\n";

        send(&twin, "Ihre Rechnung über 19 €", text, "<p>Grüße</p>").await;

        let mails = twin.look("/_twin/mails").await;
        let mail = &mails["data"][0];
        assert_eq!(mail["subject"], "Ihre Rechnung über 19 €");
        assert_eq!(mail["to"], json!(["ada@example.com"]));
        assert_eq!(mail["from"], "shop@example.com");
        assert!(
            mail["text"]
                .as_str()
                .unwrap()
                .contains("\n.A line that begins"),
            "{mail}"
        );
        assert_eq!(mail["html"].as_str().unwrap().trim(), "<p>Grüße</p>");

        let (_, list) = twin.page("/_twin/mailbox").await;
        assert!(list.contains("Ihre Rechnung"));
        let (_, page) = twin.page("/_twin/mailbox/1").await;
        assert!(
            page.contains("<a href=\"http://127.0.0.1:3000/x?y=1\">"),
            "{page}"
        );
        assert_eq!(twin.page("/_twin/mailbox/2").await.0, 404);
    }

    #[tokio::test]
    async fn a_mail_cannot_run_script_in_its_page() {
        let twin = start().await;
        send(
            &twin,
            "<script>1</script>",
            "<script>2</script>",
            "<script>3</script>",
        )
        .await;

        let (_, page) = twin.page("/_twin/mailbox/1").await;
        let html = twin
            .http
            .get(twin.url("/_twin/mailbox/1/html"))
            .send()
            .await
            .unwrap();

        assert!(!page.contains("<script>"));
        let policy = html.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("sandbox") && !policy.contains("allow-scripts"),
            "{policy}"
        );
        assert!(policy.contains("default-src 'none'"), "{policy}");
    }
}

mod start {
    use super::*;

    #[tokio::test]
    async fn a_twin_listens_on_loopback_only_and_refuses_a_live_key() {
        let open = Config::at(SocketAddr::from(([0, 0, 0, 0], 0)));
        let mut live = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
        live.product_key = Some("sk_live_1".to_owned());

        assert!(matches!(
            twin::serve(open).await,
            Err(twin::StartError::NotLoopback(_))
        ));
        assert!(matches!(
            twin::serve(live).await,
            Err(twin::StartError::LiveKey)
        ));
    }

    #[tokio::test]
    async fn a_saved_twin_keeps_customers_mails_and_its_clock_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/twin.json");
        let saved = |config: &mut Config| {
            config.save_file = Some(file.clone());
            config.start_seconds = None;
        };
        let twin = start_with(saved).await;
        let customer = twin.customer("ada@example.com").await;
        twin.control("/_twin/clock", json!({"advance": "40d"}))
            .await;
        let before = twin.look("/_twin/clock").await["now"].as_i64().unwrap();
        twin.handle.shutdown();
        twin.handle.join().await;

        let twin = start_with(saved).await;

        let kept = twin.api_get(&format!("/v1/customers/{customer}")).await;
        assert_eq!(kept["email"], "ada@example.com");
        let after = twin.look("/_twin/clock").await["now"].as_i64().unwrap();
        assert!((before..before + 60).contains(&after));
    }

    #[tokio::test]
    async fn a_spoilt_state_file_stops_the_start_and_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("twin.json");
        std::fs::write(&file, "{ not a state").unwrap();
        let mut config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.save_file = Some(file.clone());

        let error = twin::serve(config).await.unwrap_err();

        assert!(error.to_string().contains("move the file away"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ not a state");
    }

    #[tokio::test]
    async fn the_cli_session_tells_the_webhook_secret_to_those_with_a_key() {
        let twin = start_with(|config| {
            config.webhook_secret = Some("whsec_demo".to_owned());
            config.real_time = RealTime::of_the_system();
        })
        .await;

        let session = twin
            .api("/v1/stripecli/sessions", &[("device_name", "me")])
            .await;
        let without = twin
            .http
            .post(twin.url("/v1/stripecli/sessions"))
            .send()
            .await
            .unwrap();

        assert_eq!(session["secret"], "whsec_demo");
        assert_eq!(without.status(), 401);
    }
}
