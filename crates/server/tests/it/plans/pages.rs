//! Pages and fragments about plans.

use super::*;

on_both!(requirement_14_3_a_lapsed_plan_is_bought_again_by_the_same_customer);
async fn requirement_14_3_a_lapsed_plan_is_bought_again_by_the_same_customer(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    change(&maya, json!({ "action": "cancel" })).await;
    stage.twin.advance("32d").await.unwrap();
    maya.billing_when(is_tier("FREE")).await;

    maya.subscribe("PRO_PLUS").await;

    maya.billing_when(is_tier("PRO_PLUS")).await;
    let customers = stage.stripe_get("/v1/customers").await;
    assert_eq!(
        customers["data"].as_array().unwrap().len(),
        1,
        "{customers}"
    );
}

on_both!(two_packs_clicked_concurrently_never_share_a_checkout);
async fn two_packs_clicked_concurrently_never_share_a_checkout(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let click = |credits: i64| maya.checkout(pack(credits));

    let both = tokio::join!(click(500), click(10_000));

    let mut opened = 0;
    for ((status, answer), cents) in [(both.0, 50), (both.1, 1_000)] {
        if status == 503 {
            assert_eq!(answer["code"], "claimed", "{answer}");
            continue;
        }
        assert_eq!(status, 200, "{answer}");
        opened += 1;
        let id = crate::stage::session_id(answer["checkoutUrl"].as_str().unwrap());
        let session = stage
            .stripe_get(&format!("/v1/checkout/sessions/{id}"))
            .await;
        assert_eq!(session["amount_total"], cents, "another pack's page");
    }
    assert!(opened > 0);
    let open = stage.stripe_get("/v1/checkout/sessions?status=open").await;
    assert_eq!(open["data"].as_array().unwrap().len(), 1, "{open}");
}

on_both!(the_parts_for_other_sites_are_shown_to_a_server_key_and_to_members);
async fn the_parts_for_other_sites_are_shown_to_a_server_key_and_to_members(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let eve = stage.person("eve@example.com").await;
    let name = stage.public_id(maya.account).await;
    let meter = maya.meter_key().await;
    let server = stage.server_key().await;
    let parts = [
        ("credit-balance", "1,100"),
        ("payment-method", "Visa ending 4242"),
        ("invoice-list", "$19.00"),
        ("usage-chart", "No calls yet"),
    ];

    for (part, words) in parts {
        let path = format!("/fragments/{part}?account={name}");
        let with = |key: &str| {
            let request = stage
                .http
                .get(format!("{}{path}", stage.base))
                .bearer_auth(key);
            crate::stage::answer(request)
        };
        let (status, html) = with(&server).await;
        assert_eq!(status, 200, "{html}");
        let html = html.as_str().unwrap();
        assert!(
            html.starts_with("<section class=\"lbx-") && html.contains(words),
            "{html}"
        );
        assert_eq!(maya.page(&format!("/fragments/{part}")).await.0, 200);
        assert_eq!(eve.page(&path).await.0, 404, "another's account");
        assert_eq!(with(&meter).await.0, 403, "a key that only meters");
        assert_eq!(stage.get(&path).await.status(), 401);
    }
}

on_both!(invoices_are_listed_page_by_page);
async fn invoices_are_listed_page_by_page(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let account = maya.account;
    let start = stage.app.now().plus_days(-30);
    stage
        .write(account, move |tx| {
            for number in 0..25 {
                let row = store::invoices::Invoice {
                    invoice_id: format!("in_{number:02}"),
                    account_id: account,
                    subscription_id: None,
                    number: Some(format!("A-{number:02}")),
                    status: "paid".to_owned(),
                    billing_reason: None,
                    amount_due: 1_900,
                    amount_paid: 1_900,
                    currency: "usd".to_owned(),
                    created_at: start.plus_seconds(number / 2),
                    period_start: None,
                    period_end: None,
                    attempt_count: 1,
                    next_payment_attempt: None,
                    hosted_url: None,
                    pdf_url: Some("https://files.example/a.pdf".to_owned()),
                    paid_at: None,
                    discount_minor: 0,
                    tier: None,
                    prorated: false,
                    charged_minor: 0,
                    reversed_minor: 0,
                    disputed: false,
                };
                store::invoices::put(tx, &row)?;
            }
            Ok(())
        })
        .await;

    let (status, first) = maya.page("/dashboard/billing/invoices").await;
    assert_eq!(status, 200);
    assert!(
        first.contains("A-24") && first.contains("A-05") && !first.contains("A-04"),
        "{first}"
    );
    assert!(
        first.contains("after=in_05") && first.contains(">PDF<"),
        "{first}"
    );
    let (_, second) = maya.page("/dashboard/billing/invoices?after=in_05").await;
    assert!(
        second.contains("A-04") && second.contains("A-00") && !second.contains("A-05"),
        "{second}"
    );
    assert_eq!(
        eve.page("/dashboard/billing/invoices?after=in_05").await.0,
        404
    );
}

on_both!(the_specified_urls_work_as_they_are_written);
async fn the_specified_urls_work_as_they_are_written(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;

    for path in [
        "/dashboard/billing",
        "/dashboard/billing/upgrade",
        "/dashboard/billing/credits",
        "/dashboard/billing/success",
        "/dashboard/billing/success?type=credits",
        "/dashboard/billing/cancel",
        "/dashboard/usage",
        "/api/dashboard/billing",
        "/api/pricing",
        "/api/stripe/customer-portal",
    ] {
        let (status, page) = maya.page(path).await;
        let wanted = if path.ends_with("portal") { 303 } else { 200 };
        assert_eq!(status, wanted, "{path}: {page}");
    }
}

on_both!(requirement_n11_submitting_a_form_again_after_payment_sells_nothing_more);
async fn requirement_n11_submitting_a_form_again_after_payment_sells_nothing_more(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let send = |person: &Person<'_>, attempt: &'static str| {
        let form = [("amount", "500"), ("attempt", attempt)];
        let request = person
            .request(reqwest::Method::POST, "/dashboard/billing/credits")
            .form(&form);
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 303);
            answer.headers()["location"].to_str().unwrap().to_owned()
        }
    };
    let first = send(&maya, "att_1").await;
    assert_eq!(send(&maya, "att_1").await, first, "a double click");
    assert_eq!(send(&maya, "att_2").await, first, "another tab");
    let session = crate::stage::session_id(&first);
    maya.pay(&session).await;
    maya.balance_is(600).await;

    for attempt in ["att_1", "att_2"] {
        let again = send(&maya, attempt).await;
        assert!(
            again.contains("/dashboard/billing/success?type=credits"),
            "{again}"
        );
        assert!(again.contains(&session), "{again}");
    }

    let third = send(&maya, "att_3").await;
    assert_ne!(
        crate::stage::session_id(&third),
        session,
        "a new form is a new purchase"
    );
    let theirs = send(&eve, "att_1").await;
    assert_ne!(
        crate::stage::session_id(&theirs),
        session,
        "an attempt is of one account"
    );
}
