//! Calls that are admitted while the service doesn't answer.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodRouter, post};
use axum::{Json, Router};
use tokio::task::JoinHandle;

use super::*;

/// The keys that were charged, across restarts of the service.
type Charged = Arc<Mutex<HashSet<String>>>;

async fn started(at: Option<SocketAddr>, charged: Charged) -> (SocketAddr, JoinHandle<()>) {
    let holds = post(|Json(body): Json<Value>| async move {
        let cost = body["units"].as_u64().unwrap() * 2;
        let answer = json!({ "id": "hold_1", "state": "pending" });
        ([("x-credits-cost", cost.to_string())], Json(answer))
    });
    let debits = post(move |headers: HeaderMap| async move {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        charged.lock().unwrap().insert(key);
        (StatusCode::CREATED, Json(json!({ "id": "deb_1" })))
    });
    let router = Router::new()
        .route("/api/v1/holds", holds)
        .route("/api/v1/debits", debits);
    let wanted = at.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
    let listener = tokio::net::TcpListener::bind(wanted).await.unwrap();
    let at = listener.local_addr().unwrap();
    let service = tokio::spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    (at, service)
}

fn meter(at: SocketAddr) -> Meter {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Meter::new(&format!("http://{at}"), "lbx_test_key").unwrap()
}

async fn killed(service: JoinHandle<()>) {
    service.abort();
    let _ = service.await;
}

#[tokio::test]
async fn a_killed_service_refuses_calls_unless_a_ceiling_lets_them_through() {
    let charged = Charged::default();
    let (at, service) = started(None, charged.clone()).await;
    let closed = meter(at);
    let open = meter(at).open(10);
    let chat = Cost::units("chat", 2);
    closed.authorize(&chat, "before").await.unwrap();
    open.authorize(&chat, "before").await.unwrap();
    killed(service).await;

    assert!(matches!(
        closed.authorize(&chat, "a").await,
        Err(Error::Unavailable(_))
    ));
    let first = open.authorize(&chat, "a").await.unwrap();
    let again = open.authorize(&chat, "a").await.unwrap();
    let second = open.authorize(&chat, "b").await.unwrap();
    assert_eq!(first.id, again.id, "a retry is the same call");
    assert!(again.is_replayed && !first.is_replayed);
    assert!(
        open.authorize(&chat, "c").await.is_err(),
        "4 and 4 of 10 are spent"
    );
    assert!(
        open.authorize(&Cost::units("ocr", 1), "d").await.is_err(),
        "an operation without a known price"
    );
    open.capture(&first.id, Some(1)).await.unwrap();
    open.release(&second.id).await.unwrap();
    assert_eq!(open.owed().len(), 1);
    assert_eq!(
        open.reconcile().await.unwrap().left,
        1,
        "the service is still down"
    );

    let (_, service) = started(Some(at), charged.clone()).await;
    let reconciled = open.reconcile().await.unwrap();
    let nothing = open.reconcile().await.unwrap();

    assert_eq!((reconciled.charged, reconciled.left), (1, 0));
    assert_eq!(nothing, Reconciled::default());
    assert_eq!(charged.lock().unwrap().len(), 1, "charged once");
    killed(service).await;
    assert!(
        open.authorize(&Cost::units("chat", 5), "e").await.is_ok(),
        "the ceiling has room again"
    );
}

#[tokio::test]
async fn a_refused_call_is_set_aside_and_does_not_block_those_behind_it() {
    let debits = post(|Json(body): Json<Value>| async move {
        match body["operation"].as_str() {
            Some("gone") => (
                StatusCode::BAD_REQUEST,
                Json(json!({ "code": "no_operation" })),
            ),
            _ => (StatusCode::CREATED, Json(json!({ "id": "deb_1" }))),
        }
    });
    let meter = owing(debits, &["gone", "chat"]).await;

    let reconciled = meter.reconcile().await.unwrap();

    assert_eq!((reconciled.charged, reconciled.left), (1, 0));
    assert_eq!(operations(&reconciled.refused), ["gone"]);
}

/// An open meter that owes a call of each operation to a service with these debits.
async fn owing(debits: MethodRouter, operations: &[&str]) -> Meter {
    let router = Router::new().route("/api/v1/debits", debits);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let meter = meter(at).open(100);
    let open = meter.open.as_ref().unwrap();
    for &operation in operations {
        let cost = Cost::units(operation, 1);
        open.remember_price(&cost, Some("1"));
        let hold = open.admit(&cost, operation).unwrap();
        open.settle(&hold.id, None).unwrap();
    }
    meter
}

fn operations(calls: &[Owed]) -> Vec<&str> {
    calls.iter().map(|one| &*one.operation).collect()
}

#[tokio::test]
async fn a_refused_call_is_owed_until_a_reconciliation_tells_of_it() {
    let is_busy = Arc::new(Mutex::new(true));
    let busy = is_busy.clone();
    let debits = post(move |Json(body): Json<Value>| async move {
        match body["operation"].as_str() {
            Some("dear") => (
                StatusCode::PAYMENT_REQUIRED,
                Json(json!({ "code": "payment_required" })),
            ),
            Some("chat") if *busy.lock().unwrap() => (
                StatusCode::TOO_MANY_REQUESTS,
                Json(json!({ "code": "rate_limited" })),
            ),
            _ => (StatusCode::CREATED, Json(json!({ "id": "deb_1" }))),
        }
    });
    let meter = owing(debits, &["cheap", "dear", "chat"]).await;

    let paused = meter.reconcile().await;

    assert!(matches!(paused, Err(Error::Refused { status: 429, .. })));
    assert_eq!(operations(&meter.owed()), ["dear", "chat"]);
    *is_busy.lock().unwrap() = false;
    let reconciled = meter.reconcile().await.unwrap();
    assert_eq!((reconciled.charged, reconciled.left), (1, 0));
    assert_eq!(operations(&reconciled.refused), ["dear"]);
    assert_eq!(meter.owed(), []);
}

#[tokio::test]
async fn each_account_has_its_own_ceiling() {
    let open = Open::new(4);
    let of = |account: &str| Cost::units("chat", 1).of_account(account);
    open.remember_price(&of("a"), Some("2.5"));

    assert!(open.admit(&of("a"), "1").is_some());
    assert!(open.admit(&of("a"), "2").is_none());
    assert!(open.admit(&of("b"), "3").is_some());
}

fn listed(list: Value) -> PriceList {
    serde_json::from_value(list).unwrap()
}

fn of_llm(input: u64, output: u64) -> Cost {
    Cost::meters("llm", [("input", input), ("output", output)])
}

#[tokio::test]
async fn the_ceiling_holds_for_the_sum_over_meters_whatever_mix_was_seen_before() {
    let open = Open::new(4);
    assert!(
        open.remember_price(&of_llm(100, 0), Some("0.2")),
        "no rates yet"
    );
    assert!(open.admit(&of_llm(1, 1), "0").is_none(), "nor a price");
    let rates = json!({ "input": 0.002, "output": 0.008 });
    let list = json!({ "operations": [
        { "operation": "llm", "credits": null, "rates": rates },
        { "operation": "call", "credits": 1, "rates": null },
    ] });
    open.remember_list(&listed(list));
    assert!(
        !open.remember_price(&of_llm(100, 0), Some("0.2")),
        "as known"
    );
    // The rate of the other meter may have changed meanwhile.
    let read_at = Instant::now().checked_sub(PRICES_OLD).unwrap();
    open.state().prices_asked_at = Some(read_at);
    assert!(open.remember_price(&of_llm(100, 0), Some("0.2")), "old");
    assert!(!open.remember_price(&of_llm(100, 0), Some("0.2")), "once");

    // The dearest mix was never seen: 2 of input and 2 of output are all.
    assert!(open.admit(&of_llm(0, 501), "1").is_none());
    let hold = open.admit(&of_llm(1_000, 250), "2").unwrap();
    assert!(open.admit(&of_llm(1, 0), "3").is_none());
    assert!(
        open.admit(&Cost::meters("llm", [("cached", 1)]), "4")
            .is_none()
    );
    let used = Units::of_meters([("input", 500), ("output", 250)]);
    open.settle(&hold.id, Some(used.clone())).unwrap();
    assert!(open.admit(&of_llm(501, 0), "5").is_none());
    assert!(open.admit(&of_llm(500, 0), "6").is_some());

    assert_eq!(open.owed()[0].units, used);
    assert_eq!(used.json(), json!({ "input": 500, "output": 250 }));
}

#[tokio::test]
async fn a_price_that_changed_during_a_call_frees_what_the_call_took_and_no_more() {
    let open = Open::new(10);
    let chat = Cost::units("chat", 1);
    open.remember_price(&chat, Some("2"));
    let first = open.admit(&chat, "1").unwrap();
    let second = open.admit(&Cost::units("chat", 3), "2").unwrap();
    open.settle(&first.id, None).unwrap();
    open.remember_price(&chat, Some("5"));

    let owed = open.owed().remove(0);
    open.remove(&owed);

    assert!(open.admit(&chat, "3").is_none(), "6 of 10 are spent");
    open.settle(&second.id, Some(Units::Count(0))).unwrap();
    assert!(open.admit(&Cost::units("chat", 2), "4").is_some());
    assert!(open.admit(&chat, "5").is_none());
}

#[tokio::test]
async fn the_price_list_is_read_when_a_call_of_several_meters_costs_something_unknown() {
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let list = json!({ "operations": [
        { "operation": "llm", "rates": { "input": 0.002, "output": 0.000_05 } },
    ] });
    let pricing = axum::routing::get(move || async move {
        *count.lock().unwrap() += 1;
        Json(list)
    });
    let holds = post(|| async {
        let answer = json!({ "id": "hold_1", "state": "pending" });
        ([("x-credits-cost", "0.2")], Json(answer))
    });
    let router = Router::new()
        .route("/api/pricing", pricing)
        .route("/api/v1/holds", holds);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let meter = meter(at).open(1);

    for n in 0..3 {
        meter
            .authorize(&of_llm(100, 0), &format!("k{n}"))
            .await
            .unwrap();
    }

    assert_eq!(*asked.lock().unwrap(), 1);
    let open = meter.open.as_ref().unwrap();
    assert!(open.admit(&of_llm(500, 1), "a").is_none());
    assert!(open.admit(&of_llm(499, 40), "b").is_some());
}
