//! Refunds by operators.

use super::*;

/// A user who bought 5,000 credits for $5.00, and the payment.
async fn buyer<'a>(stage: &'a Stage, email: &str) -> (Person<'a>, String) {
    let person = stage.buyer(email, 5_000).await;
    stage.settled().await;
    let (_, list) = person.get("/api/v1/transactions").await;
    let payment = list["data"][0]["id"].as_str().unwrap().to_owned();
    (person, payment)
}

async fn refund(person: &Person<'_>, key: &str, body: &Value) -> Answer {
    let request = person
        .request(Method::POST, "/api/admin/refunds")
        .json(body);
    Answer::of(request.header("idempotency-key", key)).await
}

on_both!(
    an_operators_refund_is_made_once_when_stripe_saves_an_error_or_refuses_it_at_first,
    stripe_proxy::install
);
async fn an_operators_refund_is_made_once_when_stripe_saves_an_error_or_refuses_it_at_first(
    stage: &Stage,
) {
    let (maya, payment) = buyer(stage, "maya@example.com").await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let proxy = stripe_proxy::of(stage);
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });

    for (key, is_executed) in [("a", false), ("b", true)] {
        proxy.save_error("POST", "/v1/refunds", is_executed);
        let made = refund(&boss, key, &body).await;
        assert_eq!(
            (made.status, &made.body["amount"]),
            (201, &json!("1.00")),
            "{}",
            made.body
        );
    }
    proxy.answer("POST", "/v1/refunds", 1, 400, &too_little());
    let refused = refund(&boss, "c", &body).await;
    let again = refund(&boss, "c", &body).await;
    let replayed = refund(&boss, "c", &body).await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let others = refund(&finance, "c", &body).await;
    stage.settled().await;

    assert_eq!(
        refused.refusal(),
        (422, "stripe_refused"),
        "{}",
        refused.body
    );
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!(
        (replayed.status, &replayed.body["id"]),
        (201, &again.body["id"])
    );
    assert_eq!(others.refusal(), (409, "idempotency_key_reused"));
    assert_eq!(refunded(stage).await, [100, 100, 100]);
    maya.balance_is(2_100).await;
    stage.audited().await;
}

on_both!(
    a_refund_whose_operator_went_away_is_finished_in_the_background_with_its_note,
    stripe_proxy::install
);
async fn a_refund_whose_operator_went_away_is_finished_in_the_background_with_its_note(
    stage: &Stage,
) {
    let (maya, payment) = buyer(stage, "maya@example.com").await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer(
        "POST",
        "/v1/refunds",
        20,
        503,
        &json!({ "error": { "type": "api_error" } }),
    );
    let body = json!({
        "payment": payment, "amount": "2.00", "reason": "requested_by_customer", "note": "Ticket 9",
    });

    let lost = refund(&boss, "lost", &body).await;
    let other = refund(&boss, "other", &body).await;
    let home = format!("/admin/accounts/{}", maya.account_id().await);
    let (_, page) = boss.page(&home).await;
    assert_eq!(lost.refusal(), (503, "refund_delayed"), "{}", lost.body);
    assert_eq!(other.refusal(), (409, "refund_under_way"));
    let told = other.body["detail"].as_str().unwrap();
    assert!(told.contains("end it on the account's page"), "{told}");
    assert!(
        page.contains("Needs attention: A refund of $2.00"),
        "{page}"
    );
    proxy.forget();
    later(stage, "2m").await;

    assert_eq!(refunded(stage).await, [200]);
    maya.balance_is(3_100).await;
    let acts =
        stage.read(|tx| store::audit_log::list(tx, None, None, Some("payment.refund"), None, 10));
    let acts = acts.await;
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].actor, boss.user_id().await);
    assert!(
        acts[0].detail.contains("requested_by_customer"),
        "{}",
        acts[0].detail
    );
    let again = refund(&boss, "lost", &body).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (201, Some("true"))
    );
    assert_eq!(refunded(stage).await, [200]);
    assert_eq!(stage.mails_with("refund").await, 1);
}

on_both!(
    an_operators_refund_is_not_made_for_less_than_was_asked,
    stripe_proxy::install
);
async fn an_operators_refund_is_not_made_for_less_than_was_asked(stage: &Stage) {
    let (maya, payment) = buyer(stage, "maya@example.com").await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let proxy = stripe_proxy::of(stage);
    let unavailable = json!({ "error": { "type": "api_error" } });
    proxy.answer("POST", "/v1/refunds", 20, 503, &unavailable);
    let body = json!({ "payment": payment, "amount": "2.00", "reason": "duplicate" });
    let delayed = refund(&boss, "a", &body).await;
    proxy.forget();
    let intent = stage.stripe_id("/v1/payment_intents").await;
    let elsewhere = [("payment_intent", &*intent), ("amount", "400")];
    stage.stripe_post("/v1/refunds", &elsewhere).await;

    later(stage, "2m").await;

    assert_eq!(delayed.refusal(), (503, "refund_delayed"));
    assert_eq!(refunded(stage).await, [400]);
    let home = format!("/admin/accounts/{}", maya.account_id().await);
    let (_, page) = boss.page(&home).await;
    assert!(
        page.contains("Needs attention: A refund of $2.00"),
        "{page}"
    );
}

on_both!(a_refund_of_an_ended_plan_that_fails_later_is_shown_until_it_is_made_again);
async fn a_refund_of_an_ended_plan_that_fails_later_is_shown_until_it_is_made_again(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let page = maya.session(plan_of("PRO")).await;
    let method = twin::client::PayBy::Method("pm_card_refundFail");
    stage.pay(&page, method).await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    end_now(&maya).await;
    stage.settled().await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let home = format!("/admin/accounts/{}", maya.account_id().await);
    let findings = async || {
        stage.sync(maya.account).await;
        let state = stage.sync_state(maya.account).await;
        state.findings.unwrap_or_default()
    };
    let now = findings().await;
    assert!(!now.contains("failed"), "{now}");

    later(stage, "1d").await;

    let (_, shown) = boss.page(&home).await;
    assert!(shown.contains("the money has not been returned"), "{shown}");
    assert!(!shown.contains("A payment failed"), "{shown}");
    // It is still shown when the payment is no longer among the recent ones.
    later(stage, "40d").await;
    findings().await;
    let now = findings().await;
    assert!(now.contains("has not been returned since"), "{now}");

    stage.refund(&stage.charge_of(1_900).await).await;

    let now = findings().await;
    assert!(!now.contains("returned since"), "{now}");
}
