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
