//! The seed's two acceptance lists, line by line: the checklist of 9.3 and the functional success
//! criteria of 19.1. Each test is named after its line and takes the steps of a user.

use reqwest::Method;
use serde_json::Value;
use store::events::EventState;

use crate::pages::{hidden, location, mailed_link, send};
use crate::stage::{Person, Stage, fresh_key, is_tier, on_both, plan_of, session_id};

const BILLING: &str = "/dashboard/billing";

/// Signs up through the emailed link, as a new user does, and returns the owner of the new cookie.
async fn sign_up<'a>(stage: &'a Stage, email: &str) -> Person<'a> {
    let mut person = Person {
        stage,
        cookie: String::new(),
        account: 0,
        user: 0,
    };
    let sent = send(&person, "/login", &[("email", email)]).await;
    assert_eq!(sent.status(), 200);
    let link = mailed_link(stage).await;
    let token = link.rsplit('=').next().expect("a token");
    let entered = send(&person, &format!("/api/auth/link/{token}"), &[]).await;
    assert_eq!(entered.status(), 303);
    let cookie = entered.headers()["set-cookie"]
        .to_str()
        .expect("a cookie")
        .split(';')
        .next()
        .expect("a value");
    person.cookie = cookie.to_owned();
    person
}

/// Chooses a plan or a pack on its page and pays in Checkout.
async fn buy(person: &Person<'_>, page: &str, choice: (&str, &str)) -> String {
    let chosen = send(person, &format!("{BILLING}/{page}"), &[choice]).await;
    assert_eq!(chosen.status(), 303);
    let session = session_id(&location(&chosen));
    person.pay(&session).await;
    let (status, text) = person
        .page(&format!("{BILLING}/success?session_id={session}"))
        .await;
    assert_eq!(status, 200, "{text}");
    text
}

fn subscription(body: &Value) -> (&str, &str) {
    let subscription = &body["subscription"];
    let word = |name: &str| subscription[name].as_str().expect("a word");
    (word("tier"), word("status"))
}

/// Previews an upgrade and confirms what the page showed.
async fn upgrade(person: &Person<'_>, plan: &str) {
    let (status, review) = person
        .page(&format!("{BILLING}/upgrade?planId={plan}"))
        .await;
    assert_eq!(status, 200);
    let quote = hidden(&review, "quote");
    let form = [("act", "change"), ("planId", plan), ("quote", quote)];
    let changed = send(person, &format!("{BILLING}/plan"), &form).await;
    assert_eq!(changed.status(), 303, "{:?}", changed.text().await);
}

/// Cancels the plan with two clicks.
async fn cancel(person: &Person<'_>) {
    let (status, question) = person.page(&format!("{BILLING}/plan?act=cancel")).await;
    assert_eq!(status, 200, "{question}");
    let done = send(person, &format!("{BILLING}/plan"), &[("act", "cancel")]).await;
    assert_eq!(done.status(), 303);
}

on_both!(seed_9_3_user_signs_up_and_subscribes_to_pro_plan);
async fn seed_9_3_user_signs_up_and_subscribes_to_pro_plan(stage: &Stage) {
    let maya = sign_up(stage, "maya@example.com").await;

    let success = buy(&maya, "upgrade", ("planId", "PRO")).await;

    assert!(success.contains("Pro is active"), "{success}");
    assert_eq!(subscription(&maya.billing().await), ("PRO", "ACTIVE"));
}

on_both!(seed_9_3_webhook_updates_user_subscription_tier_in_db);
async fn seed_9_3_webhook_updates_user_subscription_tier_in_db(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let account = maya.account;
    let tier = || async {
        let found = stage.account(account).await;
        found.subscription_tier
    };
    assert_eq!(tier().await, "FREE");

    // No page is opened: the change arrives only through the webhook.
    maya.subscribe("PRO").await;
    stage.settled().await;

    assert_eq!(tier().await, "PRO");
}

on_both!(seed_9_3_user_purchases_credits);
async fn seed_9_3_user_purchases_credits(stage: &Stage) {
    let maya = sign_up(stage, "maya@example.com").await;
    let before = maya.billing().await["credits"]["balance"].as_i64().unwrap();

    let success = buy(&maya, "credits", ("amount", "5000")).await;

    assert!(success.contains("5,000"), "{success}");
    assert_eq!(maya.billing().await["credits"]["balance"], before + 5_000);
}

on_both!(seed_9_3_credits_are_deducted_on_api_calls);
async fn seed_9_3_credits_are_deducted_on_api_calls(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    let before = maya.billing().await["credits"]["balance"].as_i64().unwrap();

    let hold = program.hold(10).await;
    let capture = format!("/api/v1/holds/{hold}/capture");
    let captured = program
        .call(Method::POST, &capture, None, r#"{"credits": 4}"#)
        .await;
    let debited = program.debit(&fresh_key(), 3).await;

    assert_eq!((captured.status, debited.status), (200, 201));
    assert_eq!(maya.billing().await["credits"]["balance"], before - 7);
}

on_both!(seed_9_3_user_upgrades_from_pro_to_pro_plus);
async fn seed_9_3_user_upgrades_from_pro_to_pro_plus(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;

    upgrade(&maya, "PRO_PLUS").await;

    assert_eq!(subscription(&maya.billing().await), ("PRO_PLUS", "ACTIVE"));
    assert_eq!(
        stage
            .stripe_list("/v1/subscriptions?status=active")
            .await
            .len(),
        1,
        "changed, not bought again"
    );
}

on_both!(seed_9_3_user_cancels_subscription_downgrades_to_free);
async fn seed_9_3_user_cancels_subscription_downgrades_to_free(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;

    cancel(&maya).await;
    assert_eq!(
        subscription(&maya.billing().await).0,
        "PRO",
        "it is paid until its end"
    );
    stage.twin.advance("32d").await.unwrap();

    let body = maya.billing_when(is_tier("FREE")).await;
    assert_eq!(body["subscription"]["accessTier"], "FREE");
}

on_both!(seed_9_3_payment_fails_user_receives_notification);
async fn seed_9_3_payment_fails_user_receives_notification(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;
    stage.decline_next("card_declined").await;

    stage.twin.advance("31d").await.unwrap();

    maya.billing_when(|body| body["subscription"]["status"] == "PAST_DUE")
        .await;
    assert_eq!(stage.mails_with("did not go through").await, 1);
    let (_, page) = maya.page(BILLING).await;
    assert!(
        page.contains("did not go through"),
        "the page says so, too: {page}"
    );
}

on_both!(seed_9_3_admin_views_all_transactions);
async fn seed_9_3_admin_views_all_transactions(stage: &Stage) {
    for email in ["maya@example.com", "noor@example.com"] {
        let person = stage.person(email).await;
        buy(&person, "credits", ("amount", "500")).await;
    }
    let olga = stage.person_as("olga@example.com", "admin").await;

    let (status, page) = olga.page("/admin/transactions").await;

    assert_eq!(status, 200);
    for email in ["maya@example.com", "noor@example.com"] {
        assert!(page.contains(email), "{email}: {page}");
    }
}

on_both!(seed_19_1_users_can_upgrade_to_pro_and_pro_plus_via_stripe);
async fn seed_19_1_users_can_upgrade_to_pro_and_pro_plus_via_stripe(stage: &Stage) {
    for (plan, email) in [
        ("PRO", "maya@example.com"),
        ("PRO_PLUS", "noor@example.com"),
    ] {
        let person = stage.person(email).await;

        buy(&person, "upgrade", ("planId", plan)).await;

        assert_eq!(subscription(&person.billing().await), (plan, "ACTIVE"));
    }
}

on_both!(seed_19_1_users_can_purchase_credits_via_stripe);
async fn seed_19_1_users_can_purchase_credits_via_stripe(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let before = maya.billing().await["credits"]["balance"].as_i64().unwrap();
    let mut bought = 0;

    for credits in [500, 1_000, 5_000, 10_000] {
        buy(&maya, "credits", ("amount", &credits.to_string())).await;
        bought += credits;

        assert_eq!(maya.billing().await["credits"]["balance"], before + bought);
    }
}

on_both!(seed_19_1_webhooks_correctly_update_database);
async fn seed_19_1_webhooks_correctly_update_database(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.subscribe("PRO").await;
    stage.settled().await;

    let mut rows = stage.transactions(maya.account).await;
    rows.sort();

    assert_eq!(
        rows,
        [
            ("CREDIT_TOPUP".into(), "COMPLETED".into(), 50),
            ("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 1_900),
        ]
    );
    let left = stage
        .events()
        .await
        .into_iter()
        .filter(|event| event.state != EventState::Done);
    let left: Vec<_> = left
        .filter(|event| event.state != EventState::Ignored)
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

on_both!(seed_19_1_credit_deduction_works_for_api_calls);
async fn seed_19_1_credit_deduction_works_for_api_calls(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = maya.program().await;
    let all = maya.billing().await["credits"]["balance"].as_i64().unwrap();
    let spend = async |credits| program.debit(&fresh_key(), credits).await;

    assert_eq!(spend(all - 1).await.status, 201);
    assert_eq!(spend(2).await.status, 402);
    assert_eq!(spend(1).await.status, 201, "the last credit can be spent");
    assert_eq!(spend(1).await.status, 402);

    assert_eq!(maya.billing().await["credits"]["balance"], 0);
}

on_both!(seed_19_1_subscription_cancellation_downgrades_user_correctly);
async fn seed_19_1_subscription_cancellation_downgrades_user_correctly(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "credits", ("amount", "500")).await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;
    cancel(&maya).await;

    stage.twin.advance("32d").await.unwrap();

    let body = maya.billing_when(is_tier("FREE")).await;
    assert_eq!(
        body["credits"]["balance"], 600,
        "the bought ones and the free month's"
    );
    let (status, again) = maya.checkout(plan_of("PRO")).await;
    assert_eq!(status, 200, "the plan can be bought again: {again}");
}

on_both!(seed_19_1_billing_dashboard_displays_accurate_information);
async fn seed_19_1_billing_dashboard_displays_accurate_information(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;
    buy(&maya, "credits", ("amount", "5000")).await;
    let program = maya.program().await;
    program.debit(&fresh_key(), 123).await;

    let body = maya.billing().await;
    let (_, page) = maya.page(BILLING).await;
    let (_, balance) = maya.get("/api/v1/balance").await;

    // The ledger, the API and the page show the same balance.
    let account = maya.account;
    let wallet = stage
        .read(move |tx| store::ledger::wallet(tx, account))
        .await
        .unwrap();
    let credits = (wallet.posted - wallet.debt) / 1_000_000;
    assert_eq!(body["credits"]["balance"], credits);
    assert_eq!(balance["balance"], credits);
    let shown = format!("{},{:03}", credits / 1_000, credits % 1_000);
    assert!(page.contains(&shown), "{shown} is not on the page: {page}");
    assert_eq!(body["credits"]["usageThisMonth"], 123);
    assert_eq!(body["credits"]["limit"], 10_000);
    let paid: i64 = stage
        .transactions(account)
        .await
        .iter()
        .map(|row| row.2)
        .sum();
    assert_eq!(paid, 1_900 + 500);
    for amount in ["$19.00", "$5.00"] {
        assert!(page.contains(amount), "{amount} is not on the page");
    }
    let stripe = stage.stripe_get("/v1/subscriptions").await;
    assert_eq!(
        body["subscription"]["stripeSubscriptionId"],
        stripe["data"][0]["id"]
    );
}

on_both!(seed_19_1_admin_can_view_all_transactions);
async fn seed_19_1_admin_can_view_all_transactions(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "credits", ("amount", "500")).await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;
    let olga = stage.person_as("olga@example.com", "admin").await;

    let (status, all) = olga.get("/api/admin/transactions").await;
    let (_, topups) = olga.get("/api/admin/transactions?type=CREDIT_TOPUP").await;
    let (refused, _) = maya.get("/api/admin/transactions").await;

    assert_eq!((status, refused), (200, 403));
    assert_eq!(all["data"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(topups["data"].as_array().unwrap().len(), 1);
    assert_eq!(topups["data"][0]["amount"], "0.50");
}

on_both!(seed_19_1_failed_payments_trigger_user_notifications);
async fn seed_19_1_failed_payments_trigger_user_notifications(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    buy(&maya, "upgrade", ("planId", "PRO")).await;
    stage.decline_next("insufficient_funds").await;

    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(|body| body["subscription"]["status"] == "PAST_DUE")
        .await;

    assert_eq!(stage.mails_with("did not go through").await, 1);
}
