//! Changes to a larger plan.

use super::*;

on_both!(an_upgrade_is_previewed_to_the_cent_and_takes_effect_when_it_is_paid);
async fn an_upgrade_is_previewed_to_the_cent_and_takes_effect_when_it_is_paid(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let asked = json!({ "action": "preview", "planId": "PRO_PLUS" });

    let (status, preview) = change(&maya, asked).await;

    assert_eq!(status, 200, "{preview}");
    assert_eq!(preview["kind"], "upgrade");
    let due = cents(&preview["amountDue"]);
    let lines: i64 = preview["lines"].as_array().unwrap().iter().map(cents).sum();
    assert_eq!(lines, due, "{preview}");
    assert!((2_900..=3_000).contains(&due), "{preview}");
    assert_eq!(
        maya.billing().await["subscription"]["tier"],
        "PRO",
        "nothing is changed"
    );

    let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": preview["quote"] });
    let (status, done) = change(&maya, body.clone()).await;

    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert_eq!(done["subscription"]["accessTier"], "PRO_PLUS");
    let rows = stage.transactions(maya.account).await;
    assert_eq!(
        rows[1],
        ("SUBSCRIPTION_UPGRADE".into(), "COMPLETED".into(), due)
    );
    let (status, again) = change(&maya, body).await;
    assert_eq!((status, code(&again)), (409, "same_plan"), "a second click");
    assert_eq!(stage.transactions(maya.account).await.len(), 2);
}

on_both!(an_upgrade_keeps_the_quantity_in_its_preview_its_charge_and_what_recurs);
async fn an_upgrade_keeps_the_quantity_in_its_preview_its_charge_and_what_recurs(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let held = stage.subscription().await;
    let form = [
        (
            "items[0][id]",
            held["items"]["data"][0]["id"].as_str().unwrap(),
        ),
        ("items[0][quantity]", "3"),
        ("proration_behavior", "none"),
    ];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;
    let asked = json!({ "action": "preview", "planId": "PRO_PLUS" });

    let (status, preview) = change(&maya, asked).await;

    assert_eq!(status, 200, "{preview}");
    let due = cents(&preview["amountDue"]);
    // Three of the larger plan, less the one that was paid.
    assert!((12_790..=12_800).contains(&due), "{preview}");
    assert_eq!(preview["recurring"]["amount"], "147.00");
    let (status, done) = confirm(&maya, "PRO_PLUS").await;
    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    let item = stage.subscription().await["items"]["data"][0].clone();
    assert_eq!(item["quantity"], 3);
    assert_eq!(item["price"]["id"], stage.price("PRO_PLUS"));
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows[1].0, "SUBSCRIPTION_UPGRADE");
    assert!((12_790..=12_800).contains(&rows[1].2), "{rows:?}");
}

on_both!(an_amount_other_than_the_quoted_one_charges_nothing_and_is_previewed_again);
async fn an_amount_other_than_the_quoted_one_charges_nothing_and_is_previewed_again(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let now = stage.app.now().seconds();
    let quotes = [
        format!("{now}:1"),
        format!("{}:2900", now + 2_000_000),
        format!("{}:3000", now - 601),
    ];

    for quote in quotes {
        let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": quote });
        let (status, answer) = change(&maya, body).await;
        assert_eq!((status, code(&answer)), (409, "quote_changed"), "{quote}");
        assert!(cents(&answer["preview"]["amountDue"]) > 2_000, "{answer}");
    }
    for quote in [json!(null), json!("x"), json!("1:2:3"), json!("")] {
        let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": quote });
        assert_eq!(change(&maya, body).await.0, 400, "{quote}");
    }
    assert_eq!(stage.transactions(maya.account).await.len(), 1);
    assert_eq!(
        stage.subscription().await["items"]["data"][0]["price"]["unit_amount"],
        1_900
    );
}

on_both!(a_declined_upgrade_keeps_the_plan_until_its_invoice_is_paid);
async fn a_declined_upgrade_keeps_the_plan_until_its_invoice_is_paid(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.decline_next("insufficient_funds").await;

    let (status, waits) = confirm(&maya, "PRO_PLUS").await;

    assert_eq!(
        (status, &waits["state"]),
        (200, &json!("awaiting_payment")),
        "{waits}"
    );
    assert!(
        waits["declined"]
            .as_str()
            .unwrap()
            .contains("insufficient funds"),
        "{waits}"
    );
    let body = maya.billing().await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(
        body["subscription"]["pendingChange"]["tier"], "PRO_PLUS",
        "{body}"
    );
    assert_eq!(
        body["credits"]["balance"], 1_100,
        "no credits of the larger plan"
    );
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("did not go through") && page.contains("Keep my plan"),
        "{page}"
    );

    let pay = waits["payUrl"].as_str().unwrap();
    let invoice = stage.subscription().await["latest_invoice"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(pay.starts_with(&stage.twin_url), "{pay}");
    stage
        .stripe_post(&format!("/v1/invoices/{invoice}/pay"), &[])
        .await;

    let body = maya
        .billing_when(|body| body["subscription"]["accessTier"] == "PRO_PLUS")
        .await;
    assert!(body["subscription"]["pendingChange"].is_null());
}

on_both!(an_upgrade_that_requires_authentication_takes_effect_only_once_it_is_confirmed);
async fn an_upgrade_that_requires_authentication_takes_effect_only_once_it_is_confirmed(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    pays_with(stage, "pm_card_authenticationRequired").await;

    let (status, waits) = confirm(&maya, "PRO_PLUS").await;

    assert_eq!(
        (status, &waits["state"]),
        (200, &json!("awaiting_payment")),
        "{waits}"
    );
    assert!(waits["declined"].is_null(), "{waits}");
    assert!(
        waits["payUrl"]
            .as_str()
            .unwrap()
            .starts_with(&stage.twin_url)
    );
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "PRO");
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("Your bank wants you to confirm"), "{page}");
    stage.settled().await;
    let mails = stage.mail_subjects().await;
    let asked = mails
        .iter()
        .filter(|subject| subject.starts_with("Confirm your payment of $"));
    assert_eq!(asked.count(), 1, "{mails:?}");

    // An upgrade withdrawn within a day leaves no trace.
    stage.twin.advance("25h").await.unwrap();
    let body = maya
        .billing_when(|body| body["subscription"]["pendingChange"].is_null())
        .await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(body["subscription"]["status"], "ACTIVE");
}

on_both!(a_pending_upgrade_is_withdrawn_and_nothing_is_owed);
async fn a_pending_upgrade_is_withdrawn_and_nothing_is_owed(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.twin.decline_next(None, None).await.unwrap();
    confirm(&maya, "PRO_PLUS").await;

    let (status, undone) = change(&maya, json!({ "action": "undo" })).await;

    assert_eq!(
        (status, &undone["state"]),
        (200, &json!("done")),
        "{undone}"
    );
    assert!(
        undone["subscription"]["pendingChange"].is_null(),
        "{undone}"
    );
    let held = stage.subscription().await;
    assert!(held["pending_update"].is_null());
    let open = stage.stripe_get("/v1/invoices?status=open").await;
    assert_eq!(open["data"].as_array().unwrap().len(), 0, "{open}");
    assert_eq!(
        change(&maya, json!({ "action": "undo" })).await.0,
        200,
        "twice is as good"
    );
}
