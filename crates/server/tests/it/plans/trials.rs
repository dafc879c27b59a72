//! Trials, promotion codes and tax.

use super::*;

on_both!(
    a_trial_is_offered_once_to_an_account_and_then_the_plan_is_paid,
    with_trial
);
async fn a_trial_is_offered_once_to_an_account_and_then_the_plan_is_paid(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let (_, plans) = maya.page("/dashboard/billing/upgrade").await;
    assert!(
        plans.contains("Try 14 days free")
            && plans.contains("14 days free, then $19.00 per month."),
        "{plans}"
    );
    let (_, pricing) = maya.get("/api/pricing").await;
    assert_eq!(pricing["plans"][1]["trialDays"], 14);

    maya.subscribe("PRO").await;

    let body = maya
        .billing_when(|body| body["subscription"]["status"] == "TRIALING")
        .await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert!(body["subscription"]["trialEnd"].is_string());
    // The first charge.
    let first = &body["subscription"]["nextCharge"];
    assert_eq!(first["amount"]["amount"], "19.00", "{body}");
    assert_eq!(first["at"], body["subscription"]["trialEnd"]);
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("Your Pro trial ends on") && page.contains("Cancel trial"),
        "{page}"
    );
    assert_eq!(stage.stripe_list("/v1/charges").await.len(), 0);

    // An upgrade to a plan without a trial is not free.
    let (status, answer) =
        change(&maya, json!({ "action": "preview", "planId": "PRO_PLUS" })).await;
    assert_eq!((status, code(&answer)), (409, "in_trial"), "{answer}");

    change(&maya, json!({ "action": "cancel" })).await;
    stage.twin.advance("15d").await.unwrap();
    maya.billing_when(is_tier("FREE")).await;
    let (_, plans) = maya.page("/dashboard/billing/upgrade").await;
    assert!(!plans.contains("Try 14 days free"), "{plans}");
    maya.subscribe("PRO").await;
    maya.billing_when(|body| body["subscription"]["status"] == "ACTIVE")
        .await;
    let charges = stage.stripe_get("/v1/charges").await;
    assert_eq!(charges["data"][0]["amount"], 1_900, "{charges}");
}

on_both!(
    a_card_that_already_had_a_trial_gets_no_second_one_and_is_not_charged,
    with_trial
);
async fn a_card_that_already_had_a_trial_gets_no_second_one_and_is_not_charged(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(|body| body["subscription"]["status"] == "TRIALING")
        .await;
    let again = stage.person("maya.again@example.com").await;

    again.subscribe("PRO").await;
    stage.settled().await;

    let body = again
        .billing_when(|body| body["subscription"]["status"] == "CANCELED")
        .await;
    assert_eq!(body["subscription"]["accessTier"], "FREE");
    assert_eq!(
        body["credits"]["balance"], 100,
        "no credits of the plan: {body}"
    );
    assert_eq!(stage.stripe_list("/v1/charges").await.len(), 0);
    let (_, page) = again.page("/dashboard/billing").await;
    assert!(page.contains("its trial was used before"), "{page}");
    assert_eq!(maya.billing().await["subscription"]["status"], "TRIALING");
    // Without a trial the user has the plan.
    again.subscribe("PRO").await;
    again
        .billing_when(|body| body["subscription"]["status"] == "ACTIVE")
        .await;
}

on_both!(
    codes_and_tax_are_asked_for_as_the_settings_say,
    |settings: &mut Settings| settings.billing.automatic_tax = true
);
async fn codes_and_tax_are_asked_for_as_the_settings_say(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let pack = maya.session(pack(500)).await;
    let plan = maya.session(plan_of("PRO")).await;
    let session = |id: String| async move {
        stage
            .stripe_get(&format!("/v1/checkout/sessions/{id}"))
            .await
    };

    let (pack, plan) = (session(pack).await, session(plan).await);

    assert_eq!(
        (
            &pack["automatic_tax"]["enabled"],
            &plan["automatic_tax"]["enabled"]
        ),
        (&json!(true), &json!(true))
    );
    assert_eq!(plan["allow_promotion_codes"], true);
    assert_ne!(pack["allow_promotion_codes"], true, "off for credits");
}

on_both!(a_promotion_code_entered_at_checkout_is_shown_on_the_invoice);
async fn a_promotion_code_entered_at_checkout_is_shown_on_the_invoice(stage: &Stage) {
    stage.promotion_code("HALF", "50").await;
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
    stage.enter_code(&session, "HALF").await;

    maya.pay(&session).await;

    let body = maya.billing_when(is_tier("PRO")).await;
    assert_eq!(body["invoices"][0]["amount"], "9.50");
    assert_eq!(body["invoices"][0]["discount"], "9.50", "{body}");
    let (_, invoices) = maya.page("/dashboard/billing/invoices").await;
    assert!(invoices.contains("$9.50 off"), "{invoices}");
}
