//! Changes to a smaller plan at the end of the period.

use super::*;

on_both!(a_downgrade_waits_for_the_end_of_the_period_and_costs_nothing);
async fn a_downgrade_waits_for_the_end_of_the_period_and_costs_nothing(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    let asked = json!({ "action": "preview", "planId": "PRO" });
    let (_, preview) = change(&maya, asked).await;
    assert_eq!(
        (&preview["kind"], cents(&preview["amountDue"])),
        (&json!("downgrade"), 0)
    );
    assert!(preview["quote"].is_null(), "{preview}");

    let (status, done) = change(&maya, json!({ "action": "confirm", "planId": "PRO" })).await;

    assert_eq!(
        (status, &done["state"]),
        (200, &json!("scheduled")),
        "{done}"
    );
    assert_eq!(done["effectiveAt"], preview["effectiveAt"]);
    let plan = &done["subscription"];
    assert_eq!(
        (&plan["accessTier"], &plan["pendingChange"]["tier"]),
        (&json!("PRO_PLUS"), &json!("PRO"))
    );
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("You move from Pro Plus to Pro on") && page.contains("Stay on Pro Plus"));
    assert!(page.contains("From then on $19.00 per month"), "{page}");
    let next = &plan["nextCharge"]["amount"]["amount"];
    assert_eq!(
        (next, page.contains("Total")),
        (&json!("19.00"), true),
        "{page}"
    );
    let (_, plans) = maya.page("/dashboard/billing/upgrade").await;
    assert!(plans.contains("Scheduled"), "{plans}");

    stage.twin.advance("32d").await.unwrap();

    let body = maya
        .billing_when(|body| body["subscription"]["accessTier"] == "PRO")
        .await;
    assert!(body["subscription"]["pendingChange"].is_null(), "{body}");
    let paid: Vec<i64> = stage
        .transactions(maya.account)
        .await
        .iter()
        .filter(|row| row.0 == "SUBSCRIPTION_PAYMENT")
        .map(|row| row.2)
        .collect();
    assert_eq!(paid, [4_900, 1_900]);
}

on_both!(a_scheduled_plan_change_is_withdrawn_with_one_click);
async fn a_scheduled_plan_change_is_withdrawn_with_one_click(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    change(&maya, json!({ "action": "confirm", "planId": "PRO" })).await;
    let form = [("act", "undo")];

    let undone = maya
        .request(reqwest::Method::POST, "/dashboard/billing/plan")
        .form(&form);
    assert_eq!(undone.send().await.unwrap().status(), 303);

    assert!(maya.billing().await["subscription"]["pendingChange"].is_null());
    stage.twin.advance("32d").await.unwrap();
    stage.settled().await;
    let body = maya
        .billing_when(|body| body["subscription"]["status"] == "ACTIVE")
        .await;
    assert_eq!(body["subscription"]["accessTier"], "PRO_PLUS");
    // A change that was scheduled before can be scheduled again.
    let (status, _) = change(&maya, json!({ "action": "confirm", "planId": "PRO" })).await;
    assert_eq!(status, 200);
    assert_eq!(
        maya.billing().await["subscription"]["pendingChange"]["tier"],
        "PRO"
    );
}

on_both!(a_scheduled_plan_change_is_replaced_by_an_upgrade_and_by_a_cancellation);
async fn a_scheduled_plan_change_is_replaced_by_an_upgrade_and_by_a_cancellation(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    change(&maya, json!({ "action": "confirm", "planId": "PRO" })).await;

    let (status, ends) = change(&maya, json!({ "action": "confirm", "planId": "FREE" })).await;

    assert_eq!(
        (status, &ends["state"]),
        (200, &json!("scheduled")),
        "{ends}"
    );
    let plan = &ends["subscription"];
    assert!(
        plan["cancelAt"].is_string() && plan["pendingChange"].is_null(),
        "{ends}"
    );
    let (status, answer) = change(&maya, json!({ "action": "confirm", "planId": "PRO" })).await;
    assert_eq!((status, code(&answer)), (409, "plan_ends"));
    let (status, kept) = change(&maya, json!({ "action": "resume" })).await;
    assert_eq!(status, 200);
    assert!(kept["subscription"]["cancelAt"].is_null(), "{kept}");
}

on_both!(a_downgrade_is_previewed_on_the_page_before_it_is_scheduled);
async fn a_downgrade_is_previewed_on_the_page_before_it_is_scheduled(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;

    let (status, review) = maya.page("/dashboard/billing/upgrade?planId=PRO").await;

    assert_eq!(status, 200);
    assert!(
        review.contains("Review your change: Pro Plus to Pro"),
        "{review}"
    );
    assert!(
        review.contains("Calls per month drop from 50,000 to 10,000."),
        "{review}"
    );
    let form = [("act", "change"), ("planId", "PRO")];
    let sent = maya
        .request(reqwest::Method::POST, "/dashboard/billing/plan")
        .form(&form);
    assert_eq!(sent.send().await.unwrap().status(), 303);
    assert_eq!(
        maya.billing().await["subscription"]["pendingChange"]["tier"],
        "PRO"
    );
}
