//! A suspension while Stripe refuses, is slow or does not answer.

use super::*;

on_both!(
    a_plan_whose_pause_is_refused_keeps_no_other_from_being_paused,
    stripe_proxy::install
);
async fn a_plan_whose_pause_is_refused_keeps_no_other_from_being_paused(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let customer = stage.stripe_id("/v1/customers").await;
    stage.start_trial(&customer, "PRO_PLUS").await;
    stage.settled().await;
    let all = stage.stripe_list("/v1/subscriptions").await;
    let plans: Vec<&'static str> = all
        .iter()
        .map(|one| &*one["id"].as_str().unwrap().to_owned().leak())
        .collect();
    assert_eq!(plans.len(), 2);
    let proxy = stripe_proxy::of(stage);
    let refused = json!({ "error": { "type": "invalid_request_error", "message": "Not now." } });
    for (stuck, other) in [(plans[0], plans[1]), (plans[1], plans[0])] {
        proxy.answer("POST", stuck, 100, 400, &refused);

        set(&maya, "suspended").await;

        let pause_of = async |id: &str| {
            let held = stage.stripe_get(&format!("/v1/subscriptions/{id}")).await;
            held["pause_collection"]["behavior"].clone()
        };
        eventually(async || pause_of(other).await, |now| *now == "void").await;
        assert_eq!(pause_of(stuck).await, Value::Null);
        proxy.forget();
        later(stage, "10m").await;
        assert_eq!(pause_of(stuck).await, "void");
        set(&maya, "active").await;
        for id in [stuck, other] {
            assert_eq!(pause_of(id).await, Value::Null);
        }
    }
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
}

on_both!(
    an_unpaid_invoice_is_not_voided_after_the_suspension_was_lifted,
    stripe_proxy::install
);
async fn an_unpaid_invoice_is_not_voided_after_the_suspension_was_lifted(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    stage.decline_next("card_declined").await;
    later(stage, "32d").await;
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    let gate = stripe_proxy::of(stage).hold("GET", "/v1/payment_intents/");
    let (app, account) = (stage.app.clone(), stage.account(maya.account).await);
    let who = "usr_operator";
    let again = account.clone();
    let call = tokio::spawn(async move {
        billing::operators::accounts::set_suspended(&app, &again, true, "Abuse", who).await
    });
    gate.reached().await;
    let lifted =
        billing::operators::accounts::set_suspended(&stage.app, &account, false, "Sorry", who);
    lifted.await.unwrap();
    gate.open();
    call.await.unwrap().unwrap();
    stage.settled().await;

    assert_eq!(invoices(stage).await, ["open", "paid"]);
    later(stage, "1m").await;
    assert_eq!(pause(stage).await, (Value::Null, false));
    assert!(intents(&maya).await.iter().all(|one| !one.is_unfinished()));
}

on_both!(
    an_operator_reads_that_stripe_has_not_confirmed_a_suspension_yet,
    stripe_proxy::install
);
async fn an_operator_reads_that_stripe_has_not_confirmed_a_suspension_yet(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let account = maya.account_id().await;
    let path = format!("/admin/accounts/{account}/status");
    let broken = json!({ "error": { "type": "api_error", "message": "Try again." } });
    for (status, here) in [("suspended", "suspended-here"), ("active", "resumed-here")] {
        let proxy = stripe_proxy::of(stage);
        proxy.answer("POST", "/v1/subscriptions/", 20, 503, &broken);

        let form = [("status", status), ("reason", "Abuse, ticket 9")];
        let answer = crate::pages::send(&admin, &path, &form).await;

        let to = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(to.ends_with(&format!("done={here}")), "{to}");
        let (_, page) = admin.page(&to).await;
        assert!(page.contains("Stripe has not confirmed yet"), "{page}");
        assert!(!page.contains("it is charged nothing"), "{page}");
        proxy.forget();
        later(stage, "10m").await;
    }
    assert_eq!(pause(stage).await, (Value::Null, false));
}
