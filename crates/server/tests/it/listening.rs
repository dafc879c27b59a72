//! The listener, tested with raw sockets: endless headers, silent connections, and a shutdown with
//! requests in progress.

use std::time::{Duration, Instant};

use billing::config::Settings;
use store::testing::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{PATIENCE, Stage};

async fn stage(change: impl FnOnce(&mut Settings)) -> Stage {
    let database: TestDatabase = store::testing::sqlite();
    Stage::with(database, change).await
}

async fn open(stage: &Stage) -> TcpStream {
    let address = stage.base.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("a connection")
}

/// Everything the other side sends until it closes the connection.
async fn read_to_end(mut socket: TcpStream) -> String {
    let mut said = Vec::new();
    let reading = socket.read_to_end(&mut said);
    let ended = tokio::time::timeout(PATIENCE, reading).await;
    assert!(ended.is_ok(), "the connection was never closed");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_or_endless_request_head_is_cut_off() {
    let stage = stage(|settings| settings.service.head_seconds_max = 1).await;

    let started = Instant::now();
    let mut dripping = open(&stage).await;
    dripping
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    let (mut reading, mut writing) = dripping.into_split();
    let drips = tokio::spawn(async move {
        while writing.write_all(b"X-Drip: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut said = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut said))
        .await
        .expect("cut");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    drips.abort();
    let silent = read_to_end(open(&stage).await).await;

    let mut large = open(&stage).await;
    let head = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "x".repeat(80 << 10)
    );
    let _ = large.write_all(head.as_bytes()).await;
    let large = read_to_end(large).await;

    assert_eq!(silent, "");
    assert!(
        large.is_empty() || large.starts_with("HTTP/1.1 431"),
        "{large}"
    );
    let alive = stage.get("/healthz").await;
    assert_eq!(alive.status(), 200);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_d13_idle_connections_and_busy_ones_leave_room_for_webhooks() {
    let stage = stage(|settings| {
        settings.service.connections_max = 32;
        settings.service.body_seconds_max = 20;
    })
    .await;
    let person = stage.person("maya@example.com").await;
    person.buy_pack(500).await;

    let mut idle = Vec::new();
    for _ in 0..1_000 {
        idle.push(open(&stage).await);
    }
    let fresh = crate::stage::client();
    let unsigned = format!("{}/api/stripe/webhook", stage.base);
    let started = Instant::now();
    let said = fresh.post(&unsigned).body("{}").send().await.unwrap();
    assert_eq!(said.status(), 400, "received, and refused");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );

    // Requests with unfinished bodies take all connections except those reserved for webhooks.
    let mut busy = Vec::new();
    for _ in 0..28 {
        let mut socket = open(&stage).await;
        let head = "POST /api/auth/link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 100\r\n\r\n{";
        socket.write_all(head.as_bytes()).await.unwrap();
        busy.push(socket);
    }
    let started = Instant::now();
    let refused = loop {
        let asked = crate::stage::client().get(format!("{}/api/pricing", stage.base));
        let answer = asked.send().await.unwrap();
        if answer.status() == 503 {
            break answer;
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{}",
            answer.status()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(refused.headers().contains_key("retry-after"));
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "too_busy");
    let event = serde_json::json!({
        "id": "evt_room", "object": "event", "type": "product.created",
        "api_version": "2026-08-26.dahlia", "created": 1, "livemode": false,
        "data": { "object": { "id": "prod_1", "object": "product" } },
    });
    let taken = stage.deliver(&event).await;
    assert_eq!(taken.status(), 200);

    drop((idle, busy));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_d7_a_stop_completes_requests_in_progress_and_accepts_no_new_ones() {
    let stage = stage(|_| {}).await;
    let mut slow = open(&stage).await;
    let head = "POST /api/auth/link HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 29\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let idle = open(&stage).await;
    tokio::time::sleep(Duration::from_millis(200)).await;

    let address = stage.base.trim_start_matches("http://").to_owned();
    let started = Instant::now();
    let stopping = tokio::spawn(stage.close());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let late = TcpStream::connect(&address).await;
    assert!(late.is_err(), "the door is closed");
    assert!(!stopping.is_finished(), "it waits for the request in hand");
    slow.write_all(br#"{"email":"maya@example.com"}"#)
        .await
        .unwrap();
    slow.write_all(b"\n").await.unwrap();
    let said = read_to_end(slow).await;
    stopping.await.unwrap();

    assert!(said.starts_with("HTTP/1.1 2"), "{said}");
    assert!(
        started.elapsed() < Duration::from_secs(9),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(read_to_end(idle).await, "");
}
