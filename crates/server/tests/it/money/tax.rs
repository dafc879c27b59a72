//! Tax: added to what is paid, and no part of credits or revenue.

use super::*;

on_both!(tax_is_charged_and_refunded_and_is_no_revenue);
async fn tax_is_charged_and_refunded_and_is_no_revenue(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let rate = [
        ("display_name", "VAT"),
        ("percentage", "10"),
        ("inclusive", "false"),
    ];
    let rate = id_of(&stage.stripe_post("/v1/tax_rates", &rate).await);
    let form = [("default_tax_rates[0]", rate.as_str())];
    stage
        .stripe_post(&stage.subscription_path().await, &form)
        .await;

    // What is shown is what is charged, tax included.
    let body = maya
        .billing_when(|body| body["subscription"]["nextCharge"]["amount"]["amount"] == "20.90")
        .await;
    let lines = body["subscription"]["nextCharge"]["lines"].to_string();
    assert!(
        lines.contains("\"Tax\"") && lines.contains("1.90"),
        "{lines}"
    );
    stage.twin.advance("32d").await.unwrap();
    let body = maya
        .billing_when(|body| body["invoices"][0]["amount"] == "20.90")
        .await;
    assert_eq!(body["invoices"][0]["status"], "paid", "{body}");
    maya.balance_is(1_000).await;
    let rows = stage.transactions(maya.account).await;
    assert!(rows.iter().any(|row| row.2 == 2_090), "{rows:?}");
    // Revenue is without tax: 19.00 of this month's 20.90; tax isn't recurring revenue either.
    stage.settled().await;
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!((figures.revenue.amount, figures.mrr.amount), (1_900, 1_900));
    assert_eq!(figures.arpu.unwrap().amount, 1_900);

    // Half of the charge goes back, tax included: half of the credits, and half of the revenue.
    let payment = stage.charge_of(2_090).await;
    stage.refund_part(&payment, "1045").await;
    maya.balance_is(500).await;
    stage.settled().await;
    stage.twin.advance("2m").await.unwrap();
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!(figures.revenue.amount, 950);
    let (_, page) = olga.page("/admin").await;
    assert!(page.contains("$9.50"), "{page}");
}
