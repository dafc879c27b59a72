//! Holds and their deadlines.

use super::*;

on_both!(case_c7_an_expired_hold_captures_what_is_available_and_never_more);
async fn case_c7_an_expired_hold_captures_what_is_available_and_never_more(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    stage.twin.advance("10m").await.unwrap();
    stage.settled().await;
    assert_eq!(
        program.debit("others", 85).await.status,
        201,
        "the hold's credits are free again"
    );

    let late = program.capture(&hold, json!({ "credits": 40 })).await;

    assert_eq!(late.status, 200, "{}", late.body);
    assert_eq!(
        (&late.body["captured"], &late.body["uncollected"]),
        (&json!(15), &json!(25)),
        "{}",
        late.body
    );
    assert_eq!(program.available().await, 0.0);
    assert_eq!(program.debit("more", 1).await.status, 402);
    let balance = program.get("/api/v1/balance").await;
    assert_eq!(
        balance.body["debt"], 0,
        "usage makes no debt: {}",
        balance.body
    );
    stage.audited().await;
}

on_both!(case_c8_a_sweep_and_a_capture_of_an_expiring_hold_settle_it_once);
async fn case_c8_a_sweep_and_a_capture_of_an_expiring_hold_settle_it_once(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let mut captured = 0;
    for round in 0..8 {
        let hold = program
            .post(
                "/api/v1/holds",
                &format!("h{round}"),
                json!({ "credits": 10, "ttlSeconds": 1 }),
            )
            .await;
        let hold = id_of(&hold.body);
        stage.twin.advance("1s").await.unwrap();

        let (_, first, second) = tokio::join!(
            billing::jobs::sweep::once(&stage.app),
            program.capture(&hold, json!({ "credits": 4 })),
            program.capture(&hold, json!({ "credits": 4 })),
        );

        let statuses = [first.status, second.status];
        assert!(
            statuses.contains(&200) && statuses.contains(&409),
            "{statuses:?}"
        );
        captured += 4;
        assert_eq!(
            program.available().await,
            f64::from(100 - captured),
            "round {round}"
        );
    }
    stage.audited().await;
}

on_both!(case_c9_holds_keep_their_deadlines_when_only_the_systems_clock_moves);
async fn case_c9_holds_keep_their_deadlines_when_only_the_systems_clock_moves(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    let before = stage.app.now();
    // The billing clock is set to an earlier time, as when the system clock is set back.
    stage.app.clock.set(before.plus_seconds(-3_600));
    assert!(stage.app.now() >= before, "it never goes back");
    let shown = program.get(&format!("/api/v1/holds/{hold}")).await;
    assert_eq!(shown.body["state"], "pending");

    let session = stage.person("maya@example.com").await;
    let real = stage.app.real_now();
    stage.twin.advance("1d").await.unwrap();
    stage.settled().await;

    let shown = program.get(&format!("/api/v1/holds/{hold}")).await;
    assert_eq!(
        shown.body["state"], "expired",
        "the twin's clock does move it"
    );
    assert!(stage.app.now() >= before.plus_days(1));
    assert!(
        stage.app.real_now() < real.plus_seconds(600),
        "sign-ins live on real time"
    );
    assert_eq!(session.get("/api/dashboard/billing").await.0, 200);
    stage.audited().await;
}
