//! Plans and packs, from the click to the credits.

use serde_json::{Value, json};

use crate::stage::on_both;

fn balance(body: &Value) -> f64 {
    body["credits"]["balance"].as_f64().unwrap()
}

on_both! {
    fn a_bought_pack_raises_the_balance_once(stage) {
        let maya = stage.person("maya@example.com").await;
        assert_eq!(balance(&maya.billing().await), 100.0);

        maya.buy_pack(5_000).await;
        maya.billing_when(|body| balance(body) == 5_100.0).await;
        for event in stage.stripe_events("checkout.session.completed").await {
            assert_eq!(stage.deliver(&event).await.status(), 200);
        }
        stage.settled().await;

        assert_eq!(balance(&maya.billing().await), 5_100.0);
        let rows = stage.transactions(maya.account).await;
        assert_eq!(rows, [("CREDIT_TOPUP".into(), "COMPLETED".into(), 500)]);
    }
}

on_both! {
    fn a_paid_plan_gives_its_tier_and_its_allowance(stage) {
        let maya = stage.person("maya@example.com").await;

        maya.subscribe("PRO").await;

        let body = maya.billing_when(|body| body["subscription"]["tier"] == "PRO").await;
        assert_eq!(body["subscription"]["status"], "ACTIVE");
        assert_eq!(body["credits"]["limit"], 10_000);
        assert_eq!(balance(&body), 1_100.0);
        assert_eq!(body["invoices"][0]["amount"], "19.00");
        let rows = stage.transactions(maya.account).await;
        assert_eq!(rows, [("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 1_900)]);
    }
}

on_both! {
    fn case_k12_a_live_plan_is_changed_and_not_bought_again(stage) {
        let maya = stage.person("maya@example.com").await;
        maya.subscribe("PRO").await;
        maya.billing_when(|body| body["subscription"]["tier"] == "PRO").await;

        let (status, body) = maya.checkout(json!({ "type": "subscription", "planId": "PRO_PLUS" })).await;

        assert_eq!((status, &body["code"]), (409, &json!("already_subscribed")));
        assert!(body["changePlanUrl"].as_str().unwrap().ends_with("/dashboard/billing/upgrade"));
    }
}
