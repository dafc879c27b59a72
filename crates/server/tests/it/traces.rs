//! Traces for a collector: what a span contains, and what it doesn't.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::Value;

use crate::stage::{PATIENCE, client};

/// A collector that records what it receives.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    let take = post(move |body: Bytes| {
        let kept = Arc::clone(&kept);
        async move { kept.lock().unwrap().extend_from_slice(&body) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/traces", take);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), heard)
}

/// A demo that runs until it is dropped.
struct Demo(Child);

impl Demo {
    /// Asks the demo to stop, and returns whether it exited successfully.
    fn stop(&mut self) -> bool {
        let id = self.0.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        self.0.wait().unwrap().success()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn a_request_is_a_span_with_its_id_in_the_callers_trace_without_personal_data() {
    let (endpoint, heard) = collector().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_localboxs-billing"));
    command
        .args([
            "demo",
            "--json",
            "--port",
            "0",
            "--twin-port",
            "0",
            "--data",
        ])
        .arg(folder.path())
        .env_remove("DATABASE_URL")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env("OTEL_SERVICE_NAME", "billing-of-acme")
        .stdout(Stdio::piped());
    let start = move || {
        let mut process = command.spawn().unwrap();
        let out = process.stdout.take().unwrap();
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).unwrap();
        (Demo(process), line)
    };
    let (mut demo, line) = tokio::task::spawn_blocking(start).await.unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    let base = started["baseUrl"].as_str().unwrap();
    let key = started["apiKey"].as_str().unwrap();

    let trace = "0af7651916cd43dd8448eb211c80319c";
    let debit = client()
        .post(format!("{base}/api/v1/debits"))
        .bearer_auth(key)
        .header("idempotency-key", "k-planted-key")
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .json(&serde_json::json!({ "credits": 1, "endpoint": "planted-endpoint" }));
    let debit = debit.send().await.unwrap();
    let id = debit.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(debit.status(), 201);
    let link = serde_json::json!({ "email": "planted@example.com" });
    let asked = client().post(format!("{base}/api/auth/link")).json(&link);
    assert!(asked.send().await.unwrap().status().is_success());
    let token = client().get(format!("{base}/api/auth/link/planted-token"));
    token.send().await.unwrap();

    // Traces that haven't been sent yet are sent on shutdown.
    let stop = move || demo.stop();
    assert!(tokio::task::spawn_blocking(stop).await.unwrap());
    let started = Instant::now();
    let bytes = loop {
        let bytes = heard.lock().unwrap().clone();
        if has(&bytes, &id) {
            break bytes;
        }
        assert!(started.elapsed() < PATIENCE, "no span came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };

    for wanted in [
        "billing-of-acme",
        "POST /api/v1/debits",
        "ledger",
        "http.route",
    ] {
        assert!(has(&bytes, wanted), "{wanted}");
    }
    let trace = hex::decode(trace).unwrap();
    assert!(
        bytes.windows(16).any(|part| part == trace),
        "the caller's trace is continued"
    );
    assert!(has(&bytes, "/api/auth/link/{token}"));
    for planted in [
        "planted-token",
        "planted@example.com",
        "planted-endpoint",
        "k-planted-key",
        key,
    ] {
        assert!(!has(&bytes, planted), "{planted} is in a span");
    }
}
