//! Immediate cancellations.

use super::*;
use domain::people::MemberRole;

on_both!(a_plan_that_ends_immediately_is_refunded_for_the_rest_of_the_period);
async fn a_plan_that_ends_immediately_is_refunded_for_the_rest_of_the_period(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.twin.advance("10d").await.unwrap();
    stage.settled().await;
    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, preview) = change(&maya, asked).await;
    assert_eq!(status, 200, "{preview}");
    let refund = cents(&preview["refund"]);
    // 10 of 30 or 31 days have been used.
    assert!((1_260..=1_290).contains(&refund), "{preview}");

    let body =
        json!({ "action": "cancel", "when": "now", "quote": preview["quote"], "reason": "unused" });
    let (status, done) = change(&maya, body).await;

    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert_eq!(done["subscription"]["accessTier"], "FREE");
    let refunds = stage.stripe_get("/v1/refunds").await;
    let amounts: Vec<_> = refunds["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["amount"].clone())
        .collect();
    assert_eq!(amounts, [refund]);
    let rows = stage.transactions(maya.account).await;
    assert!(
        rows.contains(&("REFUND".into(), "COMPLETED".into(), refund)),
        "{rows:?}"
    );
    assert!(
        rows.iter().any(|row| row.0 == "SUBSCRIPTION_CANCEL"),
        "{rows:?}"
    );
    let held = stage.subscription().await;
    assert_eq!(held["cancellation_details"]["feedback"], "unused");
    let (status, _) = change(
        &maya,
        json!({ "action": "cancel", "when": "now", "quote": preview["quote"] }),
    )
    .await;
    assert_eq!(status, 409, "there is no plan any more");
}

on_both!(an_immediate_cancellation_refunds_no_spent_credits_and_expires_the_rest);
async fn an_immediate_cancellation_refunds_no_spent_credits_and_expires_the_rest(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let key = maya.meter_key().await;
    // The month's 100 free credits are spent as well, either first or last.
    let debit = stage
        .http
        .post(format!("{}/api/v1/debits", stage.base))
        .bearer_auth(key)
        .header("idempotency-key", "k")
        .json(&json!({ "credits": 850 }));
    assert_eq!(crate::stage::answer(debit).await.0, 201);

    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (_, preview) = change(&maya, asked).await;

    let refund = cents(&preview["refund"]);
    assert!(
        (285..=475).contains(&refund),
        "15 to 25 percent of $19.00: {preview}"
    );
    let body = json!({ "action": "cancel", "when": "now", "quote": preview["quote"] });
    let (status, done) = change(&maya, body).await;
    assert_eq!(status, 200, "{done}");
    let left = maya.billing().await["credits"]["balance"].as_f64().unwrap();
    assert!(left <= 100.0, "the plan's credits end with it: {left}");
}

on_both!(an_immediate_cancellation_is_previewed_and_confirmed_again_when_the_amount_changes);
async fn an_immediate_cancellation_is_previewed_and_confirmed_again_when_the_amount_changes(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let (_, question) = maya.page("/dashboard/billing/plan?act=cancel").await;
    assert!(
        question.contains("/dashboard/billing/plan?act=end"),
        "{question}"
    );
    let (status, review) = maya.page("/dashboard/billing/plan?act=end").await;
    assert_eq!(status, 200);
    assert!(review.contains("End Pro and refund $"), "{review}");
    let end = |quote: String| {
        let form = [("act", "end".to_owned()), ("quote", quote)];
        maya.request(reqwest::Method::POST, "/dashboard/billing/plan")
            .form(&form)
            .send()
    };

    let now = stage.app.now().seconds();
    let wrong = end(format!("{now}:500000")).await.unwrap();
    assert_eq!(wrong.status(), 409);
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "PRO");
    assert_eq!(end("?".to_owned()).await.unwrap().status(), 400);

    let field = "name=\"quote\" value=\"";
    let start = review.find(field).unwrap() + field.len();
    let quote = review[start..].split('"').next().unwrap().to_owned();
    assert_eq!(end(quote).await.unwrap().status(), 303);
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "FREE");
}

on_both!(
    when_immediate_cancellation_is_off_plans_end_only_with_their_period,
    |settings: &mut Settings| settings.billing.cancel_now = "off".to_owned()
);
async fn when_immediate_cancellation_is_off_plans_end_only_with_their_period(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;

    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, answer) = change(&maya, asked).await;

    assert_eq!((status, code(&answer)), (409, "ends_with_period"));
    let (_, question) = maya.page("/dashboard/billing/plan?act=cancel").await;
    assert!(!question.contains("act=end"), "{question}");
}

on_both!(only_those_who_pay_for_an_account_change_its_plan);
async fn only_those_who_pay_for_an_account_change_its_plan(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let eve = stage.person("eve@example.com").await;
    let (account, user) = (maya.account, eve.user);
    let name = stage.public_id(account).await;
    let path = format!("{CHANGES}?account={name}");
    let body = json!({ "action": "cancel" });

    assert_eq!(
        eve.post(&path, body.clone()).await.0,
        404,
        "another's account"
    );
    stage.put_member(user, account, MemberRole::Member).await;
    let (status, answer) = eve.post(&path, body.clone()).await;
    assert_eq!((status, code(&answer)), (403, "not_billing_member"));
    let stranger = stage
        .http
        .post(format!("{}{CHANGES}", stage.base))
        .json(&body);
    assert_eq!(crate::stage::answer(stranger).await.0, 401);
    let own = format!("{CHANGES}?account={}", stage.public_id(eve.account).await);
    let (status, answer) = eve.post(&own, body).await;
    assert_eq!((status, code(&answer)), (409, "no_plan"));
    assert!(maya.billing().await["subscription"]["cancelAt"].is_null());
}
