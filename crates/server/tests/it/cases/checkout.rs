//! Customers and checkout sessions.

use super::*;

on_both!(
    case_k6_a_customer_that_was_created_but_not_stored_is_found_within_a_day_and_after,
    stripe_proxy::install
);
async fn case_k6_a_customer_that_was_created_but_not_stored_is_found_within_a_day_and_after(
    stage: &Stage,
) {
    let (maya, noah) = (
        stage.person("maya@example.com").await,
        stage.person("noah@example.com").await,
    );
    let proxy = stripe_proxy::of(stage);
    for (person, pause) in [(&maya, None), (&noah, Some("25h"))] {
        let call = proxy.hold("POST", "/v1/customers");
        // The customer is created at Stripe, but the request is aborted before it is stored.
        tokio::select! {
            answered = person.checkout(pack(500)) => panic!("{answered:?}"),
            () = call.reached() => {}
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        call.open();
        assert_eq!(customers_of(person).await.len(), 1);
        let account = person.account;
        let kept = stage
            .read(move |tx| store::customers::current(tx, account))
            .await;
        assert_eq!(kept, None);

        if let Some(pause) = pause {
            // Stripe no longer knows the idempotency key, so the customer is found by its metadata.
            stage.twin.advance(pause).await.unwrap();
        }
        person.buy_pack(500).await;
        assert_eq!(customers_of(person).await.len(), 1, "no second one is made");
        person.billing_when(|body| balance(body) >= 600.0).await;
    }
}

on_both!(
    case_k9_a_key_that_is_in_use_elsewhere_is_tried_again,
    stripe_proxy::install
);
async fn case_k9_a_key_that_is_in_use_elsewhere_is_tried_again(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let proxy = stripe_proxy::of(stage);
    let in_use = json!({ "error": { "type": "idempotency_error", "code": "idempotency_key_in_use",
        "message": "There is currently another in-progress request using this key." } });
    proxy.answer("POST", "/v1/checkout/sessions", 2, 409, &in_use);

    let (status, answer) = maya.checkout(pack(500)).await;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(proxy.calls("POST", "/v1/checkout/sessions"), 3);
    assert_eq!(stage.stripe_list("/v1/checkout/sessions").await.len(), 1);
}

on_both!(
    case_k10_stripes_error_messages_are_not_passed_on,
    stripe_proxy::install
);
async fn case_k10_stripes_error_messages_are_not_passed_on(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let proxy = stripe_proxy::of(stage);
    let said = "No such price: 'price_inside'; a similar object exists in live mode.";
    for (status, kind, reason) in [
        (400, "invalid_request_error", "resource_missing"),
        (402, "card_error", "card_declined"),
    ] {
        let error = json!({ "error": { "type": kind, "code": reason, "message": said,
            "request_log_url": "https://dashboard.stripe.com/acct_inside" } });
        proxy.answer("POST", "/v1/checkout/sessions", 1, status, &error);

        let (status, answer) = maya.checkout(pack(500)).await;

        assert_eq!((status, code(&answer)), (502, "stripe_refused"), "{answer}");
        assert!(!answer.to_string().contains("inside"), "{answer}");
    }
    assert_eq!(
        maya.checkout(pack(500)).await.0,
        200,
        "the next click is a new attempt"
    );
}

on_both!(
    case_k11_a_price_that_changes_between_page_and_click_is_charged_as_stripe_shows_it,
    |settings| own_catalog(settings, CATALOG)
);
async fn case_k11_a_price_that_changes_between_page_and_click_is_charged_as_stripe_shows_it(
    stage: &Stage,
) {
    let (maya, noah) = (
        stage.person("maya@example.com").await,
        stage.person("noah@example.com").await,
    );
    let old_page = maya.session(pack(500)).await;
    let text = CATALOG.replace(
        "credits = 500\nprice = \"0.50\"",
        "credits = 500\nbonus = 100\nprice = \"0.80\"",
    );
    std::fs::write(&stage.app.settings.billing.catalog, text).unwrap();
    let amount = async || stage.app.catalog().pack(500).unwrap().price.amount;
    eventually(amount, |amount| *amount == 80).await;
    billing::setup::run(&stage.app, false).await.unwrap();

    let new_page = noah.session(pack(500)).await;
    maya.pay(&old_page).await;
    noah.pay(&new_page).await;

    maya.balance_is(600).await;
    noah.balance_is(700).await;
    stage.settled().await;
    let row = |amount| vec![("CREDIT_TOPUP".to_owned(), "COMPLETED".to_owned(), amount)];
    assert_eq!(
        stage.transactions(maya.account).await,
        row(50),
        "what her page showed"
    );
    assert_eq!(stage.transactions(noah.account).await, row(80));
    stage.audited().await;
}

on_both!(case_k13_two_sessions_of_one_payment_intent_grant_credits_once);
async fn case_k13_two_sessions_of_one_payment_intent_grant_credits_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let first = maya.session(pack(500)).await;
    stage
        .stripe_post(&format!("/v1/checkout/sessions/{first}/expire"), &[])
        .await;
    let seen = stage
        .stripe_get(&format!("/v1/checkout/sessions/{first}"))
        .await;
    let intent = seen["metadata"]["intent"].as_str().unwrap();
    let price = stage.app.prices().price_of_pack[&500].clone();
    let again = stage
        .stripe_post(
            "/v1/checkout/sessions",
            &[
                ("mode", "payment"),
                ("customer", seen["customer"].as_str().unwrap()),
                ("line_items[0][price]", &price),
                ("line_items[0][quantity]", "1"),
                ("success_url", seen["success_url"].as_str().unwrap()),
                ("metadata[intent]", intent),
                ("payment_intent_data[metadata][intent]", intent),
            ],
        )
        .await;

    maya.pay(again["id"].as_str().unwrap()).await;
    maya.balance_is(600).await;
    for kind in ["checkout.session.completed", "checkout.session.expired"] {
        for event in stage.stripe_events(kind).await {
            assert_eq!(stage.deliver(&event).await.status(), 200);
        }
    }
    stage.settled().await;
    stage.sync(maya.account).await;

    assert_eq!(balance(&maya.billing().await), 600.0, "once");
    let mut statuses: Vec<_> = stage
        .transactions(maya.account)
        .await
        .into_iter()
        .map(|row| row.1)
        .collect();
    statuses.sort();
    assert_eq!(statuses, ["CANCELLED", "COMPLETED"]);
    stage.audited().await;
}
