//! Automatic top-ups.

use super::*;

on_both!(
    an_automatic_top_up_is_bought_once_when_stripe_saves_an_error_for_it,
    stripe_proxy::install
);
async fn an_automatic_top_up_is_bought_once_when_stripe_saves_an_error_for_it(stage: &Stage) {
    for (email, is_executed) in [("maya@example.com", false), ("noah@example.com", true)] {
        let person = stage.subscriber(email, "PRO").await;
        let program = person.program().await;
        let on = json!({ "autoTopup": {
            "enabled": true, "threshold": 500, "pack": 5000, "monthlyMax": "20.00" } });
        let (status, body) = person.put("/api/v1/settings", on).await;
        assert_eq!(status, 200, "{body}");
        stripe_proxy::of(stage).save_error("POST", "/v1/payment_intents", is_executed);

        program.debit(&fresh_key(), 700).await;

        person
            .billing_when(|body| body["credits"]["available"] == 5_400)
            .await;
        stage.settled().await;
        let customer = stage
            .account(person.account)
            .await
            .stripe_customer_id
            .unwrap();
        let path = format!("/v1/payment_intents?limit=100&customer={customer}");
        let all = stage.stripe_list(&path).await;
        let automatic = all.iter().filter(|one| one["amount"] == 500);
        assert_eq!(automatic.count(), 1, "{is_executed}");
        let (_, settings) = person.get("/api/v1/settings").await;
        assert_eq!(settings["autoTopup"]["state"], "on");
        assert_eq!(settings["autoTopup"]["spentThisMonth"]["amount"], "5.00");
    }
}

on_both!(an_automatic_top_up_that_was_never_sent_is_not_bought_once_it_is_turned_off);
async fn an_automatic_top_up_that_was_never_sent_is_not_bought_once_it_is_turned_off(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let account = maya.account;
    let customer = stage.account(account).await.stripe_customer_id.unwrap();
    let params = stripe::Form::new()
        .push("amount", 500)
        .push("currency", "usd")
        .push("customer", &customer)
        .encode();
    let (kind, now) = (IntentKind::AutoTopup, stage.app.now());
    stage
        .write(account, move |tx| {
            let new = store::intents::NewIntent::new("int_unsent", account, kind, &params);
            store::intents::insert(tx, &new, now.plus_seconds(-120))
        })
        .await;

    later(stage, "1m").await;

    assert_eq!(states(stage, account, kind).await, [IntentState::Failed]);
    let path = format!("/v1/payment_intents?limit=100&customer={customer}");
    let all = stage.stripe_list(&path).await;
    assert!(all.iter().all(|one| one["amount"] != 500), "{all:?}");
}
