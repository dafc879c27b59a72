//! Changes of plan that release a schedule first.

use super::*;

async fn confirm(person: &Person<'_>, plan: &str) -> (u16, Value) {
    let asked = json!({ "action": "preview", "planId": plan });
    let (status, preview) = person.post(CHANGES, asked).await;
    assert_eq!(status, 200, "{preview}");
    let body = json!({ "action": "confirm", "planId": plan, "quote": preview["quote"] });
    person.post(CHANGES, body).await
}

/// A customer of PRO who moves to the plan at the end of the period.
async fn scheduled<'a>(stage: &'a Stage, email: &str) -> Person<'a> {
    let person = stage.subscriber(email, "PRO_PLUS").await;
    stage.settled().await;
    let (status, done) = confirm(&person, "PRO").await;
    assert_eq!(
        (status, &done["state"]),
        (200, &json!("scheduled")),
        "{done}"
    );
    stage.settled().await;
    person
}

on_both!(
    a_declined_change_keeps_the_downgrade_that_was_scheduled_before,
    stripe_proxy::install
);
async fn a_declined_change_keeps_the_downgrade_that_was_scheduled_before(stage: &Stage) {
    let maya = scheduled(stage, "maya@example.com").await;
    let declined = json!({ "error": {
        "type": "card_error", "code": "card_declined", "message": "Your card was declined." } });
    stripe_proxy::of(stage).answer("POST", "/v1/subscriptions/", 1, 402, &declined);

    // Cancels at the period's end, which the schedule would overwrite.
    let (status, answer) = maya.post(CHANGES, json!({ "action": "cancel" })).await;

    assert_eq!(status, 402, "{answer}");
    stage.settled().await;
    let pending = maya.billing().await["subscription"]["pendingChange"].clone();
    assert_eq!(pending["tier"], "PRO", "{pending}");
    let held = stage.subscription().await;
    assert!(held["schedule"].is_string(), "{held}");
}

on_both!(
    a_scheduled_downgrade_is_made_once_when_stripe_saves_an_error_for_it,
    stripe_proxy::install
);
async fn a_scheduled_downgrade_is_made_once_when_stripe_saves_an_error_for_it(stage: &Stage) {
    for (email, part, is_executed) in [
        ("a@example.com", "/v1/subscription_schedules", false),
        ("b@example.com", "/v1/subscription_schedules", true),
        ("c@example.com", "/v1/subscription_schedules/", true),
    ] {
        let person = stage.subscriber(email, "PRO_PLUS").await;
        stage.settled().await;
        stripe_proxy::of(stage).save_error("POST", part, is_executed);

        let (status, done) = confirm(&person, "PRO").await;

        assert_eq!(
            (status, &done["state"]),
            (200, &json!("scheduled")),
            "{done}"
        );
        stage.settled().await;
        let pending = person.billing().await["subscription"]["pendingChange"].clone();
        assert_eq!(pending["tier"], "PRO", "{email}: {pending}");
    }
}
