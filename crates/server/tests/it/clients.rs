//! The clients for other languages: they match the service's API description, and run against the
//! service.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::stage::Stage;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_are_what_the_service_describes() {
    let stage = Stage::with(store::testing::sqlite(), |_| {}).await;
    let described = stage.http.get(format!("{}/openapi.json", stage.base));
    let described = described.send().await.unwrap().bytes().await.unwrap();

    let mut check = Command::new("python3");
    check.arg(root().join("bin/clients")).arg("--check");
    let said = run(check, described.to_vec()).await;

    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{text}");
    stage.close().await;
}

/// Runs a program with this standard input and returns its output.
async fn run(mut program: Command, input: Vec<u8>) -> Output {
    let run = move || {
        let pipes = program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&input)?;
        }
        child.wait_with_output()
    };
    let ended = tokio::task::spawn_blocking(run).await.unwrap();
    ended.expect("node and python3 are installed")
}

/// A service that fails twice before each success, and whose pricing is always unavailable.
async fn flaky() -> String {
    let asked = Arc::new(AtomicUsize::new(0));
    let away = || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]);
    let balance = get(move || async move {
        let is_away = asked.fetch_add(1, Ordering::SeqCst) % 3 < 2;
        let (status, headers) = away();
        let status = if is_away { status } else { StatusCode::OK };
        (status, headers, Json(json!({ "available": 7 })))
    });
    let router = Router::new()
        .route("/api/v1/balance", balance)
        .route("/api/pricing", get(move || async move { away() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_hold_charge_retry_and_distinguish_refusals_from_errors() {
    let stage = Stage::with(store::testing::sqlite(), |_| {}).await;
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    stage.settled().await;
    let (key, flaky) = (maya.meter_key().await, flaky().await);

    for (program, script) in [
        ("node", "clients/typescript/test.mjs"),
        ("python3", "clients/python/test.py"),
    ] {
        let mut command = Command::new(program);
        command
            .arg(root().join(script))
            .env("BILLING_URL", &stage.base)
            .env("BILLING_KEY", &key)
            .env("FLAKY_URL", &flaky)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "*");
        let said = run(command, Vec::new()).await;
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{program}: {text}");
    }
    stage.close().await;
}
