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

on_both!(
    an_account_without_a_plan_that_is_being_closed_buys_nothing_and_is_closed_later,
    stripe_proxy::install
);
async fn an_account_without_a_plan_that_is_being_closed_buys_nothing_and_is_closed_later(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 500).await;
    maya.session(pack(500)).await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let unavailable = json!({ "error": { "type": "api_error" } });
    let call = proxy.hold("POST", "/expire");
    // A page that is opened while the other one is closed, so that the first step has one to close.
    let other = async {
        call.reached().await;
        maya.session(plan_of("PRO")).await;
        proxy.answer("POST", "/expire", 20, 503, &unavailable);
        call.open();
    };

    let closing = Answer::of(maya.request(Method::DELETE, "/api/v1/account"));
    let (closed, ()) = tokio::join!(closing, other);
    proxy.forget();

    assert_eq!(closed.refusal(), (503, "closing"), "{}", closed.body);
    for purchase in [pack(500), plan_of("PRO")] {
        let (status, body) = maya.checkout(purchase).await;
        assert_eq!((status, &body["code"]), (409, &json!("closing")), "{body}");
    }
    let account = stage.account(maya.account).await;
    assert_eq!(account.status, AccountStatus::Active);

    later(stage, "2m").await;

    let account = stage.account(maya.account).await;
    assert_eq!(account.status, AccountStatus::Closed);
    let pages = stage.stripe_list("/v1/checkout/sessions?limit=100").await;
    assert_eq!(pages.len(), 3, "{pages:?}");
    assert!(pages.iter().all(|one| one["status"] != "open"), "{pages:?}");
}

on_both!(
    an_account_that_is_being_closed_is_charged_nothing_more,
    stripe_proxy::install
);
async fn an_account_that_is_being_closed_is_charged_nothing_more(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let program = maya.program().await;
    let auto = json!({ "autoTopup": {
        "enabled": true, "threshold": 500, "pack": 5000, "monthlyMax": "20.00" } });
    let (status, body) = maya.put("/api/v1/settings", auto.clone()).await;
    assert_eq!(status, 200, "{body}");
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let error = json!({ "error": { "type": "invalid_request_error", "message": "No." } });
    proxy.answer("POST", "/v1/customers/", 20, 400, &error);
    let call = proxy.hold("DELETE", "/v1/subscriptions/");
    // A page that is opened while Stripe cancels the plan.
    let other = async {
        call.reached().await;
        let page = maya.session(pack(500)).await;
        call.open();
        page
    };

    let closing = Answer::of(maya.request(Method::DELETE, "/api/v1/account"));
    let (closed, page) = tokio::join!(closing, other);
    program.debit(&fresh_key(), 700).await;
    billing::jobs::auto_topup::once(&stage.app).await.unwrap();
    stage.settled().await;

    assert_eq!(closed.refusal(), (503, "closing"), "{}", closed.body);
    let path = format!("/v1/checkout/sessions/{page}");
    assert_eq!(stage.stripe_get(&path).await["status"], "expired");
    let paid = stage.stripe_list("/v1/payment_intents?limit=100").await;
    assert!(paid.iter().all(|one| one["amount"] != 500), "{paid:?}");
    let (_, settings) = maya.get("/api/v1/settings").await;
    assert_eq!(settings["autoTopup"]["state"], "off", "{settings}");
    let (status, body) = maya.put("/api/v1/settings", auto).await;
    assert_eq!((status, &body["code"]), (409, &json!("closing")), "{body}");
    let (status, body) = maya.checkout(pack(500)).await;
    assert_eq!((status, &body["code"]), (409, &json!("closing")), "{body}");
}
