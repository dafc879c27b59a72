//! Every payment is accounted for: what a restored backup, a lost order or lost metadata hides is
//! recovered, or is a finding with its repair.

use serde_json::{Value, json};

use crate::audit::run_on;
use crate::ours::{customer_of, findings};
use crate::stage::{
    Person, Stage, balance, eventually, fresh_key, id_of, is, on_both, pack, plan_of,
};

/// Runs a command; returns its exit code and its JSON.
async fn run(stage: &Stage, line: &[&str]) -> (u8, Value) {
    run_on(&stage.app, line).await
}

/// Makes the database a backup from before the account's purchases: no order, no row that mirrors
/// Stripe and no customer.
async fn forget_purchases(person: &Person<'_>) {
    let account = person.account;
    person
        .stage
        .write(account, move |tx| {
            store::testing::forget_orders(tx, account)?;
            store::testing::forget_customers(tx, account)
        })
        .await;
}

/// A payment that is made at Stripe, without Checkout or invoice.
async fn pay_at_stripe(
    stage: &Stage,
    customer: &str,
    cents: &str,
    more: &[(&str, &str)],
) -> String {
    let card = stage.attach("pm_card_visa", customer).await;
    let form = [
        ("customer", customer),
        ("amount", cents),
        ("currency", "usd"),
        ("payment_method", &card),
        ("confirm", "true"),
        ("off_session", "true"),
    ];
    let form = [&form[..], more].concat();
    id_of(&stage.stripe_post("/v1/payment_intents", &form).await)
}

on_both!(a_pack_bought_after_the_backup_is_granted_by_a_sync_of_all_accounts);
async fn a_pack_bought_after_the_backup_is_granted_by_a_sync_of_all_accounts(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    let session = maya.session(pack(5_000)).await;
    maya.pay(&session).await;
    forget_purchases(&maya).await;
    let payment = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    let payment = payment["payment_intent"].as_str().unwrap().to_owned();

    let (code, audited) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!(code, 3, "a customer without a row: {audited}");
    assert!(
        audited["stripe"]["lost"][0]["customer"].is_string(),
        "{audited}"
    );
    let (code, synced) = run(stage, &["sync", "--all"]).await;

    assert_eq!(code, 0, "{synced}");
    assert_eq!(balance(&maya.billing().await), 5_100.0);
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows, [("CREDIT_TOPUP".into(), "COMPLETED".into(), 500)]);
    let (code, audited) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!(code, 0, "{audited}");
    assert_eq!(audited["stripe"]["payments"], json!([]));
    let (code, refund) = run(stage, &["admin", "refund", &payment, "--dry-run"]).await;
    assert_eq!(
        (code, &refund["creditsTaken"]),
        (0, &json!(5_000)),
        "{refund}"
    );
    let (_, again) = run(stage, &["sync", "--all"]).await;
    assert_eq!(again["changed"], json!([]), "once");
    stage.audited().await;
    // The next purchase uses the customer that was found.
    maya.buy_pack(500).await;
    stage.sync(maya.account).await;
    assert_eq!(balance(&maya.billing().await), 5_600.0);
    assert_eq!(stage.stripe_list("/v1/customers").await.len(), 1);
}

on_both!(a_restored_database_finds_its_purchases_by_the_events_since_the_backup);
async fn a_restored_database_finds_its_purchases_by_the_events_since_the_backup(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let since = stage.app.now().plus_seconds(-60).rfc3339();
    stage.webhooks(false).await;
    maya.buy_pack(5_000).await;
    maya.subscribe("PRO").await;
    forget_purchases(&maya).await;

    // Stripe's list would miss what happened before it begins.
    let early = stage.app.now().plus_days(-31).rfc3339();
    let refused = billing::sync::since::record(&stage.app, stage.app.now().plus_days(-31)).await;
    assert!(refused.unwrap_err().to_string().contains("sync --all"));
    assert_ne!(run(stage, &["sync", "--since", &early]).await.0, 0);
    let (code, synced) = run(stage, &["sync", "--since", &since]).await;

    assert_eq!(code, 0, "{synced}");
    assert!(is("PRO", "ACTIVE")(&maya.billing().await));
    assert_eq!(balance(&maya.billing().await), 6_100.0);
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 0);
    let (status, body) = maya.checkout(plan_of("PRO")).await;
    assert_eq!(
        (status, crate::stage::code(&body)),
        (409, "already_subscribed")
    );
    stage.audited().await;
}

on_both!(a_refund_made_after_the_backup_is_not_paid_twice);
async fn a_refund_made_after_the_backup_is_not_paid_twice(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 5_000).await;
    stage.settled().await;
    stage.webhooks(false).await;
    let payment = stage.stripe_list("/v1/payment_intents").await;
    let payment = id_of(&payment[0]);
    let key = fresh_key();
    let refund = ["admin", "refund", &payment, "--key", &key];
    assert_eq!(run(stage, &refund).await.0, 0);
    let account = maya.account;
    stage
        .write(account, move |tx| {
            store::testing::forget_orders(tx, account)
        })
        .await;

    assert_eq!(run(stage, &["sync", "--all"]).await.0, 0);
    assert_eq!(balance(&maya.billing().await), 100.0);
    let (again, _) = run(stage, &refund).await;
    let (other, _) = run(stage, &["admin", "refund", &payment, "--key", "another"]).await;

    assert_eq!(other, 1, "everything was refunded");
    assert!(again <= 1);
    let refunds = stage.stripe_list("/v1/refunds").await;
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    assert_eq!(refunds[0]["amount"], 500);
    let mut rows = stage.transactions(account).await;
    rows.sort();
    assert_eq!(
        rows,
        [
            ("CREDIT_TOPUP".into(), "REFUNDED".into(), 500),
            ("REFUND".into(), "COMPLETED".into(), 500),
        ]
    );
}

on_both!(an_order_in_flight_at_the_backup_is_recovered_by_its_own_row);
async fn an_order_in_flight_at_the_backup_is_recovered_by_its_own_row(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    stage.webhooks(false).await;
    let session = maya.session(pack(5_000)).await;
    let account = maya.account;
    stage
        .write(account, move |tx| {
            let open = store::args![account, &session];
            tx.execute(
                "update stripe_intent
                    set state = 'calling', stripe_object_id = null, url = null, expires_at = null
                  where account_id = $1 and stripe_object_id = $2",
                open,
            )
        })
        .await;
    let session = stage.stripe_id("/v1/checkout/sessions").await;
    maya.pay(&session).await;

    assert_eq!(run(stage, &["sync", "--all"]).await.0, 0);

    assert_eq!(balance(&maya.billing().await), 5_600.0);
    let left = stage.read(move |tx| {
        store::intents::under_way(tx, account, store::intents::IntentKind::CheckoutTopup)
    });
    assert_eq!(left.await, None, "the order is closed");
    stage.audited().await;
}

on_both!(an_automatic_purchase_whose_order_is_lost_is_recovered_by_our_mark_and_its_amount);
async fn an_automatic_purchase_whose_order_is_lost_is_recovered_by_our_mark_and_its_amount(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    let mark = format!("{}:{}", maya.account_id().await, stage.app.instance);
    let ours = [
        ("metadata[localboxs_account]", mark.as_str()),
        ("metadata[type]", "topup"),
        ("metadata[intent]", "int_lost"),
    ];

    pay_at_stripe(stage, &customer, "500", &ours).await;

    maya.balance_is(5_600).await;
    // No pack ever had this price: certain that it is ours, not what it bought.
    let odd = pay_at_stripe(stage, &customer, "777", &ours).await;
    eventually(async || findings(&maya).await, |found| found.contains(&odd)).await;
    assert_eq!(balance(&maya.billing().await), 5_600.0);
    stage.audited().await;
}

on_both!(a_purchase_whose_metadata_were_lost_is_found_by_its_session);
async fn a_purchase_whose_metadata_were_lost_is_found_by_its_session(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    let session = maya.session(pack(5_000)).await;
    let path = format!("/v1/checkout/sessions/{session}");
    let none = [("metadata", "")];
    stage.stripe_post(&path, &none).await;
    maya.pay(&session).await;
    let payment = stage.stripe_id("/v1/payment_intents").await;
    stage
        .stripe_post(&format!("/v1/payment_intents/{payment}"), &none)
        .await;

    stage.sync(maya.account).await;

    assert_eq!(balance(&maya.billing().await), 5_100.0);
    // Also without the order: the line item is our pack.
    let account = maya.account;
    stage
        .write(account, move |tx| {
            store::testing::forget_orders(tx, account)
        })
        .await;
    assert_eq!(run(stage, &["sync", "--all"]).await.0, 0);
    assert_eq!(balance(&maya.billing().await), 5_100.0, "once");
    let rows = stage.transactions(account).await;
    assert_eq!(rows, [("CREDIT_TOPUP".into(), "COMPLETED".into(), 500)]);
    assert_eq!(findings(&maya).await, "");
    stage.audited().await;
}

on_both!(a_payment_made_by_hand_at_stripe_has_a_row_and_a_finding_until_it_is_decided);
async fn a_payment_made_by_hand_at_stripe_has_a_row_and_a_finding_until_it_is_decided(
    stage: &Stage,
) {
    let operator = stage.person_as("boss@example.com", "admin").await;
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;

    let payment = pay_at_stripe(stage, &customer, "500", &[]).await;

    eventually(
        async || findings(&maya).await,
        |found| found.contains(&payment),
    )
    .await;
    assert_eq!(
        balance(&maya.billing().await),
        600.0,
        "nobody knows what it bought"
    );
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows[1], ("CREDIT_TOPUP".into(), "COMPLETED".into(), 500));
    stage.twin.advance("40d").await.unwrap();
    stage.sync(maya.account).await;
    assert!(
        findings(&maya).await.contains(&payment),
        "it does not grow old"
    );
    let (code, preview) = run(stage, &["repair"]).await;
    assert_eq!(code, 0, "{preview}");
    assert_eq!(
        preview["payments"][0]["payment"],
        json!(payment),
        "{preview}"
    );
    let decide = ["admin", "payment", &payment, "--pack", "5000"];
    let (_, shown) = run(stage, &decide).await;
    assert_eq!(shown["applied"], false, "{shown}");
    assert_eq!(balance(&maya.billing().await), 600.0, "only shown");
    let row = preview["payments"][0]["transaction"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, page) = operator.page(&format!("/admin/payments/{row}")).await;
    assert_eq!(status, 200);
    assert!(page.contains("What was this payment for?"), "{page}");
    let review = format!("/admin/payments/{row}?review=1&decision=pack:5000");
    let (_, page) = operator.page(&review).await;
    assert!(page.contains("grants 5000 credits"), "{page}");

    let (code, done) = run(stage, &[&decide[..], &["--apply"]].concat()).await;

    assert_eq!(code, 0, "{done}");
    assert_eq!(balance(&maya.billing().await), 5_600.0);
    assert_eq!(findings(&maya).await, "");
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows.len(), 2, "the same row: {rows:?}");
    assert_eq!(run(stage, &decide).await.0, 1, "there is nothing to decide");
    let charge = stage.charge_of(500).await;
    stage.refund(&charge).await;
    maya.balance_is(600).await;
    stage.audited().await;
}

on_both!(an_operator_can_say_that_a_payment_is_another_products_or_needs_no_credits_or_refund_it);
async fn an_operator_can_say_that_a_payment_is_another_products_or_needs_no_credits_or_refund_it(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    let theirs = pay_at_stripe(stage, &customer, "1111", &[]).await;
    let accepted = pay_at_stripe(stage, &customer, "2222", &[]).await;
    let refunded = pay_at_stripe(stage, &customer, "3333", &[]).await;
    let all = [&theirs, &accepted, &refunded];
    let named = |found: &String| all.iter().all(|one| found.contains(one.as_str()));
    eventually(async || findings(&maya).await, named).await;

    for (payment, what) in [(&theirs, "--other-product"), (&accepted, "--accept")] {
        let line = ["admin", "payment", payment, what, "--apply"];
        assert_eq!(run(stage, &line).await.0, 0, "{what}");
    }
    let line = ["admin", "refund", &refunded];
    let (code, made) = run(stage, &line).await;
    assert_eq!(code, 0, "{made}");
    stage.settled().await;
    assert_eq!(run(stage, &["sync", "--all"]).await.0, 0);

    assert_eq!(findings(&maya).await, "");
    let mut rows = stage.transactions(maya.account).await;
    rows.sort();
    assert_eq!(
        rows,
        [
            ("CREDIT_TOPUP".into(), "COMPLETED".into(), 50),
            ("CREDIT_TOPUP".into(), "COMPLETED".into(), 2_222),
            ("CREDIT_TOPUP".into(), "REFUNDED".into(), 3_333),
            ("REFUND".into(), "COMPLETED".into(), 3_333),
        ]
    );
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 0);
    assert_eq!(balance(&maya.billing().await), 600.0);
    let old = ["admin", "refund", &theirs, "--dry-run"];
    assert_eq!(
        run(stage, &old).await.0,
        1,
        "another product's is not ours to refund"
    );
}

on_both!(an_invoice_written_at_stripe_is_granted_if_it_sells_a_pack_and_is_a_finding_if_not);
async fn an_invoice_written_at_stripe_is_granted_if_it_sells_a_pack_and_is_a_finding_if_not(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let customer = customer_of(&maya).await;
    let card = stage.attach("pm_card_visa", &customer).await;
    stage.pays_with(&customer, &card).await;
    let pack_price = stage.app.prices().price_of_pack[&5_000].clone();
    let bill = async |item: &[(&str, &str)]| {
        let invoice = [("customer", customer.as_str()), ("auto_advance", "false")];
        let invoice = id_of(&stage.stripe_post("/v1/invoices", &invoice).await);
        let base = [
            ("customer", customer.as_str()),
            ("invoice", invoice.as_str()),
        ];
        stage
            .stripe_post("/v1/invoiceitems", &[&base[..], item].concat())
            .await;
        let path = format!("/v1/invoices/{invoice}");
        stage.stripe_post(&format!("{path}/finalize"), &[]).await;
        stage.stripe_post(&format!("{path}/pay"), &[]).await;
    };

    bill(&[("pricing[price]", pack_price.as_str())]).await;
    maya.balance_is(5_600).await;
    bill(&[
        ("amount", "12300"),
        ("currency", "usd"),
        ("description", "Consulting"),
    ])
    .await;

    eventually(
        async || findings(&maya).await,
        |found| found.contains("123.00 USD"),
    )
    .await;
    assert_eq!(balance(&maya.billing().await), 5_600.0);
    let rows = stage.transactions(maya.account).await;
    assert!(
        rows.contains(&("CREDIT_TOPUP".into(), "COMPLETED".into(), 12_300)),
        "{rows:?}"
    );
    stage.audited().await;
}

on_both!(
    a_lost_order_whose_bonus_changed_since_is_proposed_by_repair_and_granted_when_it_is_applied,
    changing_catalog
);
async fn a_lost_order_whose_bonus_changed_since_is_proposed_by_repair_and_granted_when_it_is_applied(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(5_000).await;
    forget_purchases(&maya).await;
    let with_bonus = crate::stage::CATALOG.replace("credits = 5000", "credits = 5000\nbonus = 700");
    std::fs::write(&stage.app.settings.billing.catalog, with_bonus).unwrap();
    // Unless the service was faster.
    stage.app.load_catalog().await.unwrap();

    assert_eq!(run(stage, &["sync", "--all"]).await.0, 0);
    assert_eq!(
        balance(&maya.billing().await),
        100.0,
        "which bonus is not certain"
    );
    let (code, dry) = run(stage, &["repair"]).await;
    assert_eq!((code, &dry["applied"]), (3, &json!(false)), "{dry}");
    assert_eq!(
        dry["payments"][0]["proposed"], "grants 5000 credits",
        "{dry}"
    );
    assert_eq!(balance(&maya.billing().await), 100.0, "only shown");
    let (code, done) = run(stage, &["repair", "--apply"]).await;

    assert_eq!((code, &done["failed"]), (0, &json!([])), "{done}");
    assert_eq!(
        balance(&maya.billing().await),
        5_100.0,
        "the terms of that day"
    );
    assert_eq!(findings(&maya).await, "");
    assert_eq!(run(stage, &["repair"]).await.0, 0);
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 0);
}

/// A catalog that the test changes.
fn changing_catalog(settings: &mut billing::config::Settings) {
    crate::stage::own_catalog(settings, crate::stage::CATALOG);
}

on_both!(an_open_or_expired_page_that_nobody_paid_is_no_difference_from_stripe);
async fn an_open_or_expired_page_that_nobody_paid_is_no_difference_from_stripe(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    let first = maya.session(pack(5_000)).await;
    maya.session(plan_of("PRO")).await;

    let (code, audited) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!(code, 0, "{audited}");
    let path = format!("/v1/checkout/sessions/{first}/expire");
    stage.stripe_post(&path, &[]).await;
    let (code, audited) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!(code, 0, "{audited}");

    // A paid page is one until a sync.
    let second = maya.session(pack(1_000)).await;
    maya.pay(&second).await;
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 3);
}

on_both!(a_customer_whose_account_is_lost_is_reported_and_adopted_by_hand);
async fn a_customer_whose_account_is_lost_is_reported_and_adopted_by_hand(stage: &Stage) {
    let mark = format!("acc_lost:{}", stage.app.instance);
    let form = [
        ("email", "maya@example.com"),
        ("metadata[localboxs_account]", &mark),
    ];
    let lost = id_of(&stage.stripe_post("/v1/customers", &form).await);

    let (code, audited) = run(stage, &["audit", "--stripe"]).await;
    assert_eq!(code, 3, "{audited}");
    assert_eq!(audited["stripe"]["lost"][0]["customer"], json!(lost));
    let (_, synced) = run(stage, &["sync", "--all"]).await;
    assert_eq!(synced["lost"][0]["account"], "acc_lost");

    let maya = stage.person("maya@example.com").await;
    let name = maya.account_id().await;
    let adopt = ["sync", &name, "--adopt", "--customer", &lost, "--apply"];
    assert_eq!(run(stage, &adopt).await.0, 0);
    assert_eq!(customer_of(&maya).await, lost);
    assert_eq!(run(stage, &["audit", "--stripe"]).await.0, 0);
    assert_eq!(code, 3);
}
