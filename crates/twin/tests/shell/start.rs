use serde_json::json;
use std::net::SocketAddr;
use twin::Config;
use twin::RealTime;

use crate::harness::*;

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
async fn a_saved_twin_keeps_customers_emails_and_its_clock_across_a_restart() {
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
    let before = twin.control_get("/_twin/clock").await["now"]
        .as_i64()
        .unwrap();
    twin.handle.shutdown();
    twin.handle.join().await;

    let twin = start_with(saved).await;

    let kept = twin.api_get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(kept["email"], "ada@example.com");
    let after = twin.control_get("/_twin/clock").await["now"]
        .as_i64()
        .unwrap();
    assert!((before..before + 60).contains(&after));
}

#[tokio::test]
async fn a_corrupt_state_file_prevents_the_start_and_is_left_unchanged() {
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
async fn the_cli_session_returns_the_webhook_secret_to_callers_with_a_key() {
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

#[tokio::test]
async fn a_restart_while_the_twin_stops_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.json");
    let saved = |config: &mut Config| config.save_file = Some(file.clone());
    let first = start_with(saved).await;
    let customer = first.customer("ada@example.com").await;

    first.handle.shutdown();
    let second = start_with(saved).await;

    let kept = second.api_get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(kept["email"], "ada@example.com");
    first.handle.join().await;
}

#[tokio::test]
async fn a_call_that_ends_while_the_twin_stops_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.json");
    let saved = |config: &mut Config| config.save_file = Some(file.clone());
    let first = start_with(saved).await;
    let fault = json!({"mode": "hang", "seconds": 1});
    first.control("/_twin/faults", fault).await;
    let call = first.customer("ada@example.com");
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        first.handle.shutdown();
    };

    let (customer, ()) = tokio::join!(call, stop);
    let second = start_with(saved).await;

    let kept = second.api_get(&format!("/v1/customers/{customer}")).await;
    assert_eq!(kept["email"], "ada@example.com");
}

#[tokio::test]
async fn a_second_twin_on_the_same_state_file_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.json");
    let first = start_with(|config| config.save_file = Some(file.clone())).await;
    let mut config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.save_file = Some(file.clone());

    let error = twin::serve(config).await.unwrap_err();

    assert!(matches!(error, twin::StartError::InUse(_)), "{error}");
    assert!(error.to_string().contains("another twin uses"), "{error}");
    first.customer("ada@example.com").await;
    first.handle.shutdown();
    first.handle.join().await;
    start_with(|config| config.save_file = Some(file)).await;
}
