//! Closing an account.

use super::*;

on_both!(
    an_account_whose_plan_was_canceled_is_closed_even_if_stripe_fails_then,
    stripe_proxy::install
);
async fn an_account_whose_plan_was_canceled_is_closed_even_if_stripe_fails_then(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let error = json!({ "error": { "type": "invalid_request_error", "message": "No." } });
    proxy.answer("POST", "/v1/customers/", 1, 400, &error);

    let closed = Answer::of(maya.request(Method::DELETE, "/api/v1/account")).await;

    assert_eq!(closed.refusal(), (503, "closing"), "{}", closed.body);
    let account = stage.account(maya.account).await;
    assert_eq!(account.status, AccountStatus::Active);
    assert_eq!(stage.subscription().await["status"], "canceled");
    let kind = IntentKind::Closing;
    assert_eq!(
        states(stage, maya.account, kind).await,
        [IntentState::Calling]
    );
    let boss = stage.person_as("boss@example.com", "admin").await;
    let (_, page) = boss.page("/admin").await;
    assert!(
        page.contains("The closing of the account is overdue"),
        "{page}"
    );

    later(stage, "1m").await;

    let account = stage.account(maya.account).await;
    assert_eq!(
        (account.status, account.email),
        (AccountStatus::Closed, None)
    );
    assert_eq!(
        states(stage, maya.account, kind).await,
        [IntentState::Closed]
    );
    let customer = &stage.stripe_list("/v1/customers").await[0];
    assert!(
        customer["email"].as_str().is_none_or(str::is_empty),
        "{customer}"
    );
    let acts =
        stage.read(|tx| store::audit_log::list(tx, None, None, Some("account.close"), None, 9));
    assert_eq!(acts.await.len(), 1);
}

on_both!(
    an_account_whose_plan_was_not_canceled_is_not_closed_later,
    stripe_proxy::install
);
async fn an_account_whose_plan_was_not_canceled_is_not_closed_later(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let unavailable = json!({ "error": { "type": "api_error" } });
    proxy.answer("DELETE", "/v1/subscriptions/", 20, 503, &unavailable);

    let closed = Answer::of(maya.request(Method::DELETE, "/api/v1/account")).await;
    proxy.forget();
    later(stage, "2m").await;

    assert_eq!(closed.status, 503, "{}", closed.body);
    let account = stage.account(maya.account).await;
    assert_eq!(account.status, AccountStatus::Active);
    assert_eq!(stage.subscription().await["status"], "active");
    let kind = IntentKind::Closing;
    assert_eq!(
        states(stage, maya.account, kind).await,
        [IntentState::Failed]
    );
}
