use axum::http::StatusCode;
use serde_json::json;

use super::*;
use crate::harness::*;

#[tokio::test]
async fn checkout_shows_the_order_charges_the_card_and_returns_to_the_store() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    twin.endpoint(&receiver, &["checkout.session.completed"])
        .await;
    let (id, path) = payment_session(&twin).await;

    let (status, page) = twin.page(&path).await;
    assert_eq!(status, 200);
    for words in [
        "500 credits",
        "Pay $19.00",
        "TEST MODE",
        "Card number",
        "CVC",
        "Name on card",
    ] {
        assert!(page.contains(words), "{words} is missing");
    }
    assert!(page.contains("href=\"http://127.0.0.1:9/back\""));
    let paid = twin.post_form(&path, &card(GOOD)).await;

    assert_eq!(paid.status(), 303);
    assert_eq!(
        location(&paid),
        format!("http://127.0.0.1:9/ok?session={id}")
    );
    let event = receiver.wait_for(1).await[0].event();
    assert_eq!(event["data"]["object"]["payment_status"], "paid");
    assert_eq!(
        event["data"]["object"]["customer_details"]["email"],
        "ada@example.com"
    );
    let (_, again) = twin.page(&path).await;
    assert!(again.contains("This order is complete"));
    let twice = twin.post_form(&path, &card(GOOD)).await;
    assert_eq!(location(&twice), path, "a second click pays nothing");
}

#[tokio::test]
async fn a_declined_card_is_reported_above_the_form_which_keeps_its_values() {
    let twin = start().await;
    let (id, path) = payment_session(&twin).await;

    let declined = twin.post_form(&path, &card(DECLINED)).await;

    assert_eq!(declined.status(), 402);
    let page = declined.text().await.unwrap();
    assert!(page.contains("role=\"alert\"") && page.contains("Your card was declined."));
    assert!(page.contains("value=\"Ada Lovelace\""));
    let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(session["status"], "open");
    assert_eq!(twin.post_form(&path, &card(GOOD)).await.status(), 303);
}

#[tokio::test]
async fn a_form_with_errors_names_each_field_and_charges_nothing() {
    let twin = start().await;
    let (_, path) = payment_session(&twin).await;

    let answer = twin
        .post_form(&path, &[("number", "1234"), ("cvc", "x")])
        .await;

    assert_eq!(answer.status(), 400);
    let page = answer.text().await.unwrap();
    for field in ["email", "number", "exp", "cvc", "name"] {
        assert!(page.contains(&format!("href=\"#{field}\"")), "{field}");
        assert!(
            page.contains(&format!("aria-describedby=\"{field}-error\"")),
            "{field}"
        );
    }
    assert_eq!(twin.api_get("/v1/charges").await["data"], json!([]));
}

#[tokio::test]
async fn a_card_with_3d_secure_requires_authentication_that_can_fail_or_succeed() {
    let twin = start().await;
    let (id, path) = payment_session(&twin).await;
    let asked = twin.post_form(&path, &card(ASKS_FIRST)).await;
    let bank = location(&asked).to_owned();
    assert_eq!(bank, format!("/c/pay/{id}/authenticate"));
    let (_, page) = twin.page(&bank).await;
    assert!(page.contains("Complete") && page.contains("Fail"));

    let failed = twin.post_form(&bank, &[("outcome", "fail")]).await;
    assert_eq!(failed.status(), 402);
    twin.post_form(&path, &card(ASKS_FIRST)).await;
    let done = twin.post_form(&bank, &[("outcome", "complete")]).await;

    assert_eq!(done.status(), 303, "{}", done.text().await.unwrap());
    let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(session["payment_status"], "paid");
}

#[tokio::test]
async fn bank_debit_completes_unpaid_and_settles_later() {
    let twin = start().await;
    let receiver = Receiver::start().await;
    let wanted = [
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
    ];
    twin.endpoint(&receiver, &wanted).await;
    let (id, path) = payment_session(&twin).await;

    let paid = twin
        .post_form(&path, &[("email", "a@b.c"), ("method", "delayed")])
        .await;
    assert_eq!(paid.status(), 303);
    let first = receiver.wait_for(1).await[0].event();
    assert_eq!(first["data"]["object"]["payment_status"], "unpaid");
    let settle = format!("/_twin/checkout/sessions/{id}/settle");
    let (status, session) = twin.control(&settle, json!({"outcome": "succeeded"})).await;

    assert_eq!(
        (status, &session["payment_status"]),
        (StatusCode::OK, &json!("paid"))
    );
    assert_eq!(receiver.wait_for(2).await[1].kind(), wanted[1]);
}

#[tokio::test]
async fn an_expired_session_says_so_and_cannot_be_paid() {
    let twin = start().await;
    let (_, path) = payment_session(&twin).await;

    twin.control("/_twin/clock", json!({"advance": "25h"}))
        .await;

    let (_, page) = twin.page(&path).await;
    assert!(page.contains("has expired"), "{page}");
    twin.post_form(&path, &card(GOOD)).await;
    assert_eq!(twin.api_get("/v1/charges").await["data"], json!([]));
}

#[tokio::test]
async fn the_control_interface_pays_a_session_and_returns_it() {
    let twin = start().await;
    let (id, _) = payment_session(&twin).await;
    let control = twin::client::Control::new(&twin.handle.url()).unwrap();

    control.decline_next(None, None).await.unwrap();
    let refused = control
        .pay(&id, twin::client::PayBy::Card)
        .await
        .unwrap_err();
    let session = control.pay(&id, twin::client::PayBy::Card).await.unwrap();

    assert_eq!(refused.to_string(), "Your card was declined.");
    assert_eq!(session["id"], id.as_str());
    assert_eq!(session["payment_status"], "paid");
    let (status, _) = twin
        .control("/_twin/checkout/sessions/cs_x/pay", json!({}))
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_free_order_is_completed_with_a_button_and_without_a_card() {
    let twin = start().await;
    let coupon = twin.api("/v1/coupons", &[("percent_off", "100")]).await;
    let coupon = coupon["id"].as_str().unwrap().to_owned();
    let form = [
        ("mode", "payment"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "1900"),
        (
            "line_items[0][price_data][product_data][name]",
            "500 credits",
        ),
        ("line_items[0][quantity]", "1"),
        ("discounts[0][coupon]", &coupon),
        ("success_url", "http://127.0.0.1:9/ok"),
    ];
    let (id, path) = session(&twin, &form).await;
    let (_, page) = twin.page(&path).await;

    let nameless = twin.post_form(&path, &[]).await;
    let done = twin.post_form(&path, &[("email", "ada@example.com")]).await;

    assert!(
        page.contains("Complete order") && page.contains("name=\"email\""),
        "{page}"
    );
    for words in ["Card number", "Bank debit", "4242"] {
        assert!(!page.contains(words), "{words}");
    }
    assert_eq!(
        (nameless.status().as_u16(), location(&done)),
        (400, "http://127.0.0.1:9/ok")
    );
    let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(
        (&session["status"], &session["payment_status"]),
        (&json!("complete"), &json!("no_payment_required"))
    );
    assert_eq!(session["customer_details"]["email"], "ada@example.com");
    assert_eq!(twin.api_get("/v1/charges").await["data"], json!([]));
}

#[tokio::test]
async fn a_trial_that_requires_no_card_starts_with_a_button() {
    let twin = start().await;
    let product = twin.api("/v1/products", &[("name", "Pro plan")]).await;
    let price = monthly_price(&twin, product["id"].as_str().unwrap(), "1000").await;
    let form = |collects| {
        [
            ("mode", "subscription"),
            ("line_items[0][price]", price.as_str()),
            ("line_items[0][quantity]", "1"),
            ("subscription_data[trial_period_days]", "7"),
            ("payment_method_collection", collects),
            ("success_url", "http://127.0.0.1:9/ok"),
        ]
    };
    let (id, path) = session(&twin, &form("if_required")).await;
    let (_, always) = session(&twin, &form("always")).await;

    let (_, page) = twin.page(&path).await;
    let (_, with_card) = twin.page(&always).await;
    let (_, css) = twin.page("/assets/twin.css").await;
    assert!(with_card.contains("class=\"kv amounts\""));
    assert!(css.contains(".kv.amounts dd { white-space: nowrap;"));
    assert!(with_card.contains(">Start trial</button>") && with_card.contains("Card number"));
    let odd = twin.post_form(&path, &[("email", "a\0@b.co")]).await;
    assert_eq!(odd.status(), 400);
    let done = twin.post_form(&path, &[("email", "ada@example.com")]).await;
    let refused = twin
        .post_form(&always, &[("email", "ada@example.com")])
        .await;

    assert!(page.contains("Start trial") && !page.contains("Card number"));
    assert_eq!(
        (done.status().as_u16(), refused.status().as_u16()),
        (303, 400)
    );
    let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
    assert!(session["subscription"].is_string());
}

#[tokio::test]
async fn the_choice_of_bank_debit_hides_the_fields_of_the_card() {
    let twin = start().await;
    let (_, path) = payment_session(&twin).await;

    let (_, page) = twin.page(&path).await;
    let (_, css) = twin.page("/assets/twin.css").await;

    // The style sheet hides `card-only` in a form in which the delayed method is checked.
    assert!(
        css.contains("form:has(input[value=\"delayed\"]:checked) .card-only { display: none; }"),
        "the rule is missing"
    );
    let fields = page.split("<div class=\"").skip(1);
    for field in fields.filter(|field| field.contains("<label for=")) {
        let is_card = !field.contains("for=\"email\"") && !field.contains("for=\"promotion_code\"");
        let class = field.split('"').next().unwrap();
        assert_eq!(class.contains("card-only"), is_card, "{field}");
    }
    assert!(page.contains("name=\"method\" value=\"delayed\""));
}
