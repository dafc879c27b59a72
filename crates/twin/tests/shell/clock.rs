use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::time::Instant;

use crate::harness::*;

#[tokio::test]
async fn an_advance_moves_the_clock_and_a_concurrent_one_is_refused() {
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
    let now = twin.control_get("/_twin/clock").await["now"]
        .as_i64()
        .unwrap();
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
        twin.control_get("/_twin/deliveries").await["data"][0]["outcome"],
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
            let mut at = twin.control_get("/_twin/clock?follower=service").await;
            loop {
                let (now, seq) = (at["now"].as_i64().unwrap(), at["seq"].as_u64().unwrap());
                for moment in due {
                    let mut stops = stops.lock().unwrap();
                    if moment <= now && !stops.contains(&moment) {
                        assert_eq!(now, moment, "the clock leapt over a due moment");
                        stops.push(moment);
                    }
                }
                // The work takes time, and the clock must not move while it runs.
                tokio::time::sleep(Duration::from_millis(30)).await;
                let next = due.into_iter().find(|moment| *moment > now);
                let next = next.map_or_else(String::new, |next| format!("&due={next}"));
                let path =
                    format!("/_twin/clock?follower=service&seen={seq}&idle=1&waitMs=1000{next}");
                at = twin.control_get(&path).await;
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
async fn an_advance_waits_for_the_work_that_a_delivery_causes_before_the_next_step() {
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
                let path = format!("/_twin/clock?follower=service&seen={seq}&idle=1&waitMs=9000");
                seq = twin.control_get(&path).await["seq"].as_u64().unwrap();
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
        "the follower was not asked again"
    );
    follower.abort();
}

#[tokio::test]
async fn an_advance_does_not_wait_long_for_a_follower_that_has_disconnected() {
    let twin = start().await;
    twin.control_get("/_twin/clock?follower=gone&idle=0").await;
    let began = Instant::now();

    let (status, _) = twin.control("/_twin/clock", json!({"advance": "1d"})).await;

    assert_eq!(status, 200);
    assert!(began.elapsed() < Duration::from_secs(8));
}

/// A coupon falls due when it can no longer be redeemed.
async fn coupons_until(twin: &Running, days: i64) {
    for day in 1..=days {
        let (id, at) = (format!("C{day}"), (START + day * DAY).to_string());
        let form = [
            ("id", id.as_str()),
            ("percent_off", "5"),
            ("redeem_by", &at),
        ];
        twin.api("/v1/coupons", &form).await;
    }
}

async fn valid_coupons(twin: &Running) -> usize {
    let all = twin.api_get("/v1/coupons?limit=100").await;
    let all = all["data"].as_array().unwrap();
    all.iter().filter(|one| one["valid"] == true).count()
}

#[tokio::test]
async fn an_advance_with_too_many_steps_is_answered_early_and_continues_to_its_target() {
    let twin = start_with(|config| config.advance_steps_max = 3).await;
    coupons_until(&twin, 10).await;

    let (status, answer) = twin
        .control("/_twin/clock", json!({"advance": "20d"}))
        .await;
    let early = twin.control_get("/_twin/clock").await;
    let mut view = early.clone();
    for _ in 0..200 {
        if view["advancesTo"].is_null() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        view = twin.control_get("/_twin/clock").await;
    }

    let target = START + 20 * DAY;
    assert_eq!(status, 200);
    assert_eq!(
        (&answer["steps"], &answer["isIncomplete"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(answer["now"], START + 3 * DAY);
    let goal = early["advancesTo"].as_i64().unwrap();
    assert!((target..target + 60).contains(&goal), "{early}");
    assert!(view["now"].as_i64().unwrap() >= target, "{view}");
    assert_eq!(valid_coupons(&twin).await, 0);
}

/// Waits until the clock no longer advances, and returns how it is then.
async fn when_there(twin: &Running) -> serde_json::Value {
    for _ in 0..400 {
        let view = twin.control_get("/_twin/clock").await;
        if view["advancesTo"].is_null() {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the clock still advances");
}

#[tokio::test]
async fn a_long_advance_continues_to_its_target_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("twin.json");
    let saved = |config: &mut twin::Config| {
        config.save_file = Some(file.clone());
        config.advance_steps_max = 3;
    };
    let first = start_with(saved).await;
    coupons_until(&first, 10).await;
    first
        .control("/_twin/clock", json!({"advance": "20d"}))
        .await;
    first.handle.shutdown();
    first.handle.join().await;

    let second = start_with(saved).await;
    let view = when_there(&second).await;

    assert!(view["now"].as_i64().unwrap() >= START + 20 * DAY, "{view}");
    assert_eq!(valid_coupons(&second).await, 0);
}

#[tokio::test]
async fn while_the_clock_still_advances_only_a_later_target_is_accepted() {
    let twin = start_with(|config| config.advance_steps_max = 1).await;
    coupons_until(&twin, 12).await;
    twin.control("/_twin/clock", json!({"advance": "20d"}))
        .await;

    let (status, refused) = twin.control("/_twin/clock", json!({"advance": "2d"})).await;
    let later = json!({"to": START + 40 * DAY});
    let mut accepted = twin.control("/_twin/clock", later.clone()).await.0;
    for _ in 0..100 {
        if accepted != 409 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        accepted = twin.control("/_twin/clock", later.clone()).await.0;
    }
    let view = when_there(&twin).await;

    assert_eq!(status, 409);
    let message = refused.to_string();
    assert!(message.contains("still advances to 2026-12-"), "{message}");
    assert_eq!(accepted, 200);
    assert!(view["now"].as_i64().unwrap() >= START + 40 * DAY, "{view}");
}

#[tokio::test]
async fn an_advance_within_its_steps_leaves_nothing_for_later() {
    let twin = start_with(|config| config.advance_steps_max = 12).await;
    coupons_until(&twin, 10).await;

    let (_, answer) = twin
        .control("/_twin/clock", json!({"advance": "20d"}))
        .await;

    assert_eq!(answer["isIncomplete"], false);
    assert!(twin.control_get("/_twin/clock").await["advancesTo"].is_null());
    assert_eq!(valid_coupons(&twin).await, 0);
}

#[tokio::test]
async fn a_client_sees_a_test_clock_advance_and_then_ready_while_real_time_passes() {
    let twin = start().await;
    let from = START.to_string();
    let clock = twin
        .api("/v1/test_helpers/test_clocks", &[("frozen_time", &from)])
        .await;
    let path = format!(
        "/v1/test_helpers/test_clocks/{}",
        clock["id"].as_str().unwrap()
    );
    let to = (START + DAY).to_string();

    twin.api(&format!("{path}/advance"), &[("frozen_time", &to)])
        .await;
    let first = twin.api_get(&path).await;
    let mut seen = first.clone();
    for _ in 0..100 {
        if seen["status"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        seen = twin.api_get(&path).await;
    }

    assert_eq!(first["status"], "advancing");
    assert_eq!(
        (&seen["status"], &seen["frozen_time"]),
        (&json!("ready"), &json!(START + DAY))
    );
}
