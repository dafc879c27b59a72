//! Duplicate subscriptions (case K12).

use super::*;

on_both!(case_k12_a_duplicate_subscription_paid_days_later_is_refunded_when_the_money_arrives);
async fn case_k12_a_duplicate_subscription_paid_days_later_is_refunded_when_the_money_arrives(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    let old_page = maya.session(plan_of("PRO")).await;
    let method = stage
        .stripe_post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", &customer)],
        )
        .await;
    let plus = stage.price("PRO_PLUS");
    stage
        .stripe_post(
            "/v1/subscriptions",
            &[
                ("customer", &customer),
                ("items[0][price]", &plus),
                ("default_payment_method", method["id"].as_str().unwrap()),
            ],
        )
        .await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    stage.pay_later(&old_page).await;
    let left = async || stage.stripe_list("/v1/subscriptions").await.len();
    eventually(left, |left| *left == 1).await;
    stage.settled().await;
    assert!(
        stage.stripe_list("/v1/refunds").await.is_empty(),
        "nothing came yet"
    );

    stage.twin.settle(&old_page, true).await.unwrap();

    maya.rows_when(|rows| refunds(rows) == [1_900]).await;
    stage.settled().await;
    for _ in 0..2 {
        stage.sync(maya.account).await;
    }
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1, "once");
    let body = maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    assert_eq!(
        body["credits"]["balance"], 6_600,
        "500 bought, 100 free and the 6,000 of the plan that stays"
    );
    stage.audited().await;
}

on_both!(a_subscription_of_a_former_customer_keeps_that_customers_name);
async fn a_subscription_of_a_former_customer_keeps_that_customers_name(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let former = stage
        .stripe_post("/v1/customers", &[("name", "Former")])
        .await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let method = stage
        .stripe_post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", &former)],
        )
        .await;
    let pro = stage.price("PRO");
    let old = stage
        .stripe_post(
            "/v1/subscriptions",
            &[
                ("customer", &former),
                ("items[0][price]", &pro),
                ("default_payment_method", method["id"].as_str().unwrap()),
            ],
        )
        .await;
    let old = id_of(&old);
    stage
        .stripe_delete(&format!("/v1/subscriptions/{old}"))
        .await;
    let (account, now, named) = (maya.account, stage.app.now(), former.clone());
    stage
        .write(account, move |tx| {
            store::customers::insert_former(tx, &named, account, now)
        })
        .await;

    billing::sync::whole_account(&stage.app, account)
        .await
        .unwrap();

    let rows = stage
        .read(move |tx| store::subscriptions::of_account(tx, account))
        .await;
    assert_eq!(rows.len(), 2);
    let row = rows.iter().find(|row| row.subscription_id == old).unwrap();
    assert_eq!(row.customer_id, former);
    assert_ne!(
        rows.iter()
            .find(|row| row.subscription_id != old)
            .unwrap()
            .customer_id,
        former
    );
}
