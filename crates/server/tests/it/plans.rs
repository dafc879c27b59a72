//! Plans over their life: larger at once and paid first, smaller with the next period, ended with
//! the period or at once, tried first, sold at a price of one's own.

use billing::config::Settings;
use serde_json::{Value, json};
use store::intents::NewIntent;

use crate::stage::{Person, Stage, on_both};

const CHANGES: &str = "/api/v1/plan-changes";

async fn change(person: &Person<'_>, body: Value) -> (u16, Value) {
    person.post(CHANGES, body).await
}

/// Previews a change and confirms what it said.
async fn confirm(person: &Person<'_>, plan: &str) -> (u16, Value) {
    let (status, preview) = change(person, json!({ "action": "preview", "planId": plan })).await;
    assert_eq!(status, 200, "{preview}");
    let quote = preview["quote"].clone();
    change(
        person,
        json!({ "action": "confirm", "planId": plan, "quote": quote }),
    )
    .await
}

async fn on_plan<'a>(stage: &'a Stage, email: &str, plan: &str) -> Person<'a> {
    let person = stage.person(email).await;
    person.subscribe(plan).await;
    let plan = plan.to_owned();
    person
        .billing_when(|body| body["subscription"]["tier"] == *plan)
        .await;
    person
}

fn cents(money: &Value) -> i64 {
    let text = money["amount"].as_str().unwrap().replace('.', "");
    text.parse().unwrap()
}

async fn subscription(stage: &Stage) -> Value {
    stage.stripe_get("/v1/subscriptions?status=all").await["data"][0].clone()
}

/// The card that the next payment is made with.
async fn pays_with(stage: &Stage, card: &str) {
    let held = subscription(stage).await;
    let customer = held["customer"].as_str().unwrap();
    let path = format!("/v1/payment_methods/{card}/attach");
    let method = stage.stripe_post(&path, &[("customer", customer)]).await;
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    let method = method["id"].as_str().unwrap();
    stage
        .stripe_post(&path, &[("default_payment_method", method)])
        .await;
}

on_both!(a_larger_plan_is_previewed_to_the_cent_and_counts_when_it_is_paid);
async fn a_larger_plan_is_previewed_to_the_cent_and_counts_when_it_is_paid(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let asked = json!({ "action": "preview", "planId": "PRO_PLUS" });

    let (status, preview) = change(&maya, asked).await;

    assert_eq!(status, 200, "{preview}");
    assert_eq!(preview["kind"], "upgrade");
    let due = cents(&preview["amountDue"]);
    let lines: i64 = preview["lines"].as_array().unwrap().iter().map(cents).sum();
    assert_eq!(lines, due, "{preview}");
    assert!((2_900..=3_000).contains(&due), "{preview}");
    assert_eq!(
        maya.billing().await["subscription"]["tier"],
        "PRO",
        "nothing is changed"
    );

    let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": preview["quote"] });
    let (status, done) = change(&maya, body.clone()).await;

    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert_eq!(done["subscription"]["accessTier"], "PRO_PLUS");
    let rows = stage.transactions(maya.account).await;
    assert_eq!(
        rows[1],
        ("SUBSCRIPTION_UPGRADE".into(), "COMPLETED".into(), due)
    );
    let (status, again) = change(&maya, body).await;
    assert_eq!(
        (status, &again["code"]),
        (409, &json!("same_plan")),
        "a second click"
    );
    assert_eq!(stage.transactions(maya.account).await.len(), 2);
}

on_both!(an_amount_that_is_not_the_quoted_one_charges_nothing_and_is_asked_again);
async fn an_amount_that_is_not_the_quoted_one_charges_nothing_and_is_asked_again(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let now = stage.app.now().seconds();
    let quotes = [
        format!("{now}:1"),
        format!("{}:2900", now + 2_000_000),
        format!("{}:3000", now - 601),
    ];

    for quote in quotes {
        let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": quote });
        let (status, answer) = change(&maya, body).await;
        assert_eq!(
            (status, &answer["code"]),
            (409, &json!("quote_changed")),
            "{quote}"
        );
        assert!(cents(&answer["preview"]["amountDue"]) > 2_000, "{answer}");
    }
    for quote in [json!(null), json!("x"), json!("1:2:3"), json!("")] {
        let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": quote });
        assert_eq!(change(&maya, body).await.0, 400, "{quote}");
    }
    assert_eq!(stage.transactions(maya.account).await.len(), 1);
    assert_eq!(
        subscription(stage).await["items"]["data"][0]["price"]["unit_amount"],
        1_900
    );
}

on_both!(a_declined_upgrade_keeps_the_plan_until_its_invoice_is_paid);
async fn a_declined_upgrade_keeps_the_plan_until_its_invoice_is_paid(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    stage
        .twin
        .decline_next(None, Some("insufficient_funds"))
        .await
        .unwrap();

    let (status, waits) = confirm(&maya, "PRO_PLUS").await;

    assert_eq!(
        (status, &waits["state"]),
        (200, &json!("awaiting_payment")),
        "{waits}"
    );
    assert!(
        waits["declined"]
            .as_str()
            .unwrap()
            .contains("insufficient funds"),
        "{waits}"
    );
    let body = maya.billing().await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(
        body["subscription"]["pendingChange"]["tier"], "PRO_PLUS",
        "{body}"
    );
    assert_eq!(
        body["credits"]["balance"], 1_100,
        "no credits of the larger plan"
    );
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("did not go through") && page.contains("Keep my plan"),
        "{page}"
    );

    let pay = waits["payUrl"].as_str().unwrap();
    let invoice = subscription(stage).await["latest_invoice"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(pay.starts_with(&stage.twin_url), "{pay}");
    stage
        .stripe_post(&format!("/v1/invoices/{invoice}/pay"), &[])
        .await;

    let body = maya
        .billing_when(|body| body["subscription"]["accessTier"] == "PRO_PLUS")
        .await;
    assert!(body["subscription"]["pendingChange"].is_null());
}

on_both!(an_upgrade_that_the_bank_asks_about_is_not_had_before_it_is_confirmed);
async fn an_upgrade_that_the_bank_asks_about_is_not_had_before_it_is_confirmed(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    pays_with(stage, "pm_card_authenticationRequired").await;

    let (status, waits) = confirm(&maya, "PRO_PLUS").await;

    assert_eq!(
        (status, &waits["state"]),
        (200, &json!("awaiting_payment")),
        "{waits}"
    );
    assert!(waits["declined"].is_null(), "{waits}");
    assert!(
        waits["payUrl"]
            .as_str()
            .unwrap()
            .starts_with(&stage.twin_url)
    );
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "PRO");
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("Your bank wants you to confirm"), "{page}");
    stage.settled().await;
    let mails = stage.mail_subjects().await;
    let asked = mails
        .iter()
        .filter(|subject| subject.starts_with("Confirm your payment of $"));
    assert_eq!(asked.count(), 1, "{mails:?}");

    // Given up within a day, it never was.
    stage.twin.advance("25h").await.unwrap();
    let body = maya
        .billing_when(|body| body["subscription"]["pendingChange"].is_null())
        .await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(body["subscription"]["status"], "ACTIVE");
}

on_both!(an_upgrade_that_waits_is_taken_back_and_nothing_is_owed);
async fn an_upgrade_that_waits_is_taken_back_and_nothing_is_owed(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    stage.twin.decline_next(None, None).await.unwrap();
    confirm(&maya, "PRO_PLUS").await;

    let (status, undone) = change(&maya, json!({ "action": "undo" })).await;

    assert_eq!(
        (status, &undone["state"]),
        (200, &json!("done")),
        "{undone}"
    );
    assert!(
        undone["subscription"]["pendingChange"].is_null(),
        "{undone}"
    );
    let held = subscription(stage).await;
    assert!(held["pending_update"].is_null());
    let open = stage.stripe_get("/v1/invoices?status=open").await;
    assert_eq!(open["data"].as_array().unwrap().len(), 0, "{open}");
    assert_eq!(
        change(&maya, json!({ "action": "undo" })).await.0,
        200,
        "twice is as good"
    );
}

on_both!(a_smaller_plan_waits_for_the_periods_end_and_costs_nothing);
async fn a_smaller_plan_waits_for_the_periods_end_and_costs_nothing(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO_PLUS").await;
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
    assert!(page.contains("Pro, from then on"), "{page}");
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

on_both!(a_scheduled_plan_is_taken_back_with_one_click);
async fn a_scheduled_plan_is_taken_back_with_one_click(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO_PLUS").await;
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
    // And what was scheduled once can be scheduled again.
    let (status, _) = change(&maya, json!({ "action": "confirm", "planId": "PRO" })).await;
    assert_eq!(status, 200);
    assert_eq!(
        maya.billing().await["subscription"]["pendingChange"]["tier"],
        "PRO"
    );
}

on_both!(a_scheduled_plan_gives_way_to_an_upgrade_and_to_an_end);
async fn a_scheduled_plan_gives_way_to_an_upgrade_and_to_an_end(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO_PLUS").await;
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
    assert_eq!((status, &answer["code"]), (409, &json!("plan_ends")));
    let (status, kept) = change(&maya, json!({ "action": "resume" })).await;
    assert_eq!(status, 200);
    assert!(kept["subscription"]["cancelAt"].is_null(), "{kept}");
}

on_both!(the_smaller_plan_is_reviewed_on_the_page_before_it_is_scheduled);
async fn the_smaller_plan_is_reviewed_on_the_page_before_it_is_scheduled(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO_PLUS").await;

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

on_both!(a_plan_that_ends_now_gives_the_rest_of_the_period_back);
async fn a_plan_that_ends_now_gives_the_rest_of_the_period_back(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    stage.twin.advance("10d").await.unwrap();
    stage.settled().await;
    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, preview) = change(&maya, asked).await;
    assert_eq!(status, 200, "{preview}");
    let refund = cents(&preview["refund"]);
    // 10 of 30 or 31 days are used.
    assert!((1_260..=1_290).contains(&refund), "{preview}");

    let body =
        json!({ "action": "cancel", "when": "now", "quote": preview["quote"], "reason": "unused" });
    let (status, done) = change(&maya, body).await;

    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert_eq!(done["subscription"]["accessTier"], "FREE");
    let refunds = stage.stripe_get("/v1/refunds").await;
    let amounts: Vec<_> = refunds["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["amount"].clone())
        .collect();
    assert_eq!(amounts, [refund]);
    let rows = stage.transactions(maya.account).await;
    assert!(
        rows.contains(&("REFUND".into(), "COMPLETED".into(), refund)),
        "{rows:?}"
    );
    assert!(
        rows.iter().any(|row| row.0 == "SUBSCRIPTION_CANCEL"),
        "{rows:?}"
    );
    let held = subscription(stage).await;
    assert_eq!(held["cancellation_details"]["feedback"], "unused");
    let (status, _) = change(
        &maya,
        json!({ "action": "cancel", "when": "now", "quote": preview["quote"] }),
    )
    .await;
    assert_eq!(status, 409, "there is no plan any more");
}

on_both!(an_end_now_pays_nothing_back_for_credits_that_were_spent_and_ends_the_rest);
async fn an_end_now_pays_nothing_back_for_credits_that_were_spent_and_ends_the_rest(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let key = maya.meter_key().await;
    // The free month's credits are spent as well: 100 of them come first or last.
    let debit = stage
        .http
        .post(format!("{}/api/v1/debits", stage.base))
        .bearer_auth(key)
        .header("idempotency-key", "k")
        .json(&json!({ "credits": 850 }));
    assert_eq!(crate::stage::answer(debit).await.0, 201);

    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (_, preview) = change(&maya, asked).await;

    let refund = cents(&preview["refund"]);
    assert!(
        (285..=475).contains(&refund),
        "15 to 25 percent of $19.00: {preview}"
    );
    let body = json!({ "action": "cancel", "when": "now", "quote": preview["quote"] });
    let (status, done) = change(&maya, body).await;
    assert_eq!(status, 200, "{done}");
    let left = maya.billing().await["credits"]["balance"].as_f64().unwrap();
    assert!(left <= 100.0, "the plan's credits end with it: {left}");
}

on_both!(an_end_now_is_reviewed_on_its_page_and_asked_again_when_the_amount_is_another);
async fn an_end_now_is_reviewed_on_its_page_and_asked_again_when_the_amount_is_another(
    stage: &Stage,
) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let (_, question) = maya.page("/dashboard/billing/plan?act=cancel").await;
    assert!(
        question.contains("/dashboard/billing/plan?act=end"),
        "{question}"
    );
    let (status, review) = maya.page("/dashboard/billing/plan?act=end").await;
    assert_eq!(status, 200);
    assert!(review.contains("End Pro and refund $"), "{review}");
    let end = |quote: String| {
        let form = [("act", "end".to_owned()), ("quote", quote)];
        maya.request(reqwest::Method::POST, "/dashboard/billing/plan")
            .form(&form)
            .send()
    };

    let now = stage.app.now().seconds();
    let wrong = end(format!("{now}:500000")).await.unwrap();
    assert_eq!(wrong.status(), 409);
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "PRO");
    assert_eq!(end("?".to_owned()).await.unwrap().status(), 400);

    let field = "name=\"quote\" value=\"";
    let start = review.find(field).unwrap() + field.len();
    let quote = review[start..].split('"').next().unwrap().to_owned();
    assert_eq!(end(quote).await.unwrap().status(), 303);
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "FREE");
}

on_both!(case_d6_an_end_that_a_crash_left_half_done_is_finished_once);
async fn case_d6_an_end_that_a_crash_left_half_done_is_finished_once(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let held = subscription(stage).await["id"].as_str().unwrap().to_owned();
    let payment = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let params = stripe::Form::new()
        .push("subscription", &held)
        .push("refund[0][payment_intent]", &payment)
        .push("refund[0][amount]", 700)
        .encode();
    let (account, long_ago) = (maya.account, stage.app.now().plus_seconds(-120));
    stage
        .app
        .write(account, move |tx| {
            let new = NewIntent {
                id: "int_left",
                account_id: account,
                kind: "plan_end",
                params: &params,
                ..NewIntent::default()
            };
            store::intents::insert(tx, &new, long_ago)
        })
        .await
        .unwrap();
    // The first step was made before the crash.
    let url = format!("{}/v1/subscriptions/{held}", stage.twin_url);
    stage
        .http
        .delete(url)
        .bearer_auth("sk_test_other")
        .send()
        .await
        .unwrap();

    for _ in 0..2 {
        billing::payments::plan::ending::finish_left(&stage.app)
            .await
            .unwrap();
    }

    let refunds = stage.stripe_get("/v1/refunds").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1, "{refunds}");
    assert_eq!(refunds["data"][0]["amount"], 700);
    maya.billing_when(|body| body["subscription"]["accessTier"] == "FREE")
        .await;
}

on_both!(
    where_it_is_switched_off_plans_end_with_their_period_only,
    |settings: &mut Settings| settings.billing.cancel_now = "off".to_owned()
);
async fn where_it_is_switched_off_plans_end_with_their_period_only(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;

    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, answer) = change(&maya, asked).await;

    assert_eq!((status, &answer["code"]), (409, &json!("ends_with_period")));
    let (_, question) = maya.page("/dashboard/billing/plan?act=cancel").await;
    assert!(!question.contains("act=end"), "{question}");
}

on_both!(only_those_who_pay_for_an_account_change_its_plan);
async fn only_those_who_pay_for_an_account_change_its_plan(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let eve = stage.person("eve@example.com").await;
    let (account, user) = (maya.account, eve.user);
    let name = stage
        .app
        .read(move |tx| store::accounts::find(tx, account))
        .await
        .unwrap()
        .unwrap()
        .public_id;
    let path = format!("{CHANGES}?account={name}");
    let body = json!({ "action": "cancel" });

    assert_eq!(
        eve.post(&path, body.clone()).await.0,
        404,
        "another's account"
    );
    let now = stage.app.now();
    stage
        .app
        .write(account, move |tx| {
            store::users::put_member(tx, user, account, "member", now)
        })
        .await
        .unwrap();
    let (status, answer) = eve.post(&path, body.clone()).await;
    assert_eq!(
        (status, &answer["code"]),
        (403, &json!("not_billing_member"))
    );
    let stranger = stage
        .http
        .post(format!("{}{CHANGES}", stage.base))
        .json(&body);
    assert_eq!(crate::stage::answer(stranger).await.0, 401);
    let own = format!("{CHANGES}?account={}", public_id(stage, eve.account).await);
    let (status, answer) = eve.post(&own, body).await;
    assert_eq!((status, &answer["code"]), (409, &json!("no_plan")));
    assert!(maya.billing().await["subscription"]["cancelAt"].is_null());
}

/// The demo's plans, PRO with a trial of 14 days.
fn with_trial(settings: &mut Settings) {
    let text = include_str!("../../../../catalog.toml");
    let text = text.replace("price = \"19.00\"", "price = \"19.00\"\ntrial_days = 14");
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, path) = file.keep().unwrap();
    std::fs::write(&path, text).unwrap();
    settings.billing.catalog = path.to_str().unwrap().to_owned();
}

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
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("Your Pro trial ends on") && page.contains("Cancel trial"),
        "{page}"
    );
    assert_eq!(
        stage.stripe_get("/v1/charges").await["data"]
            .as_array()
            .unwrap()
            .len(),
        0
    );

    // A larger plan without a trial is not had for free.
    let (status, answer) =
        change(&maya, json!({ "action": "preview", "planId": "PRO_PLUS" })).await;
    assert_eq!(
        (status, &answer["code"]),
        (409, &json!("in_trial")),
        "{answer}"
    );

    change(&maya, json!({ "action": "cancel" })).await;
    stage.twin.advance("15d").await.unwrap();
    maya.billing_when(|body| body["subscription"]["tier"] == "FREE")
        .await;
    let (_, plans) = maya.page("/dashboard/billing/upgrade").await;
    assert!(!plans.contains("Try 14 days free"), "{plans}");
    maya.subscribe("PRO").await;
    maya.billing_when(|body| body["subscription"]["status"] == "ACTIVE")
        .await;
    let charges = stage.stripe_get("/v1/charges").await;
    assert_eq!(charges["data"][0]["amount"], 1_900, "{charges}");
}

on_both!(
    a_card_that_had_its_trial_gets_no_second_one_and_is_not_charged,
    with_trial
);
async fn a_card_that_had_its_trial_gets_no_second_one_and_is_not_charged(stage: &Stage) {
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
    assert_eq!(
        stage.stripe_get("/v1/charges").await["data"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    let (_, page) = again.page("/dashboard/billing").await;
    assert!(page.contains("its trial was used before"), "{page}");
    assert_eq!(maya.billing().await["subscription"]["status"], "TRIALING");
    // Without a trial the plan is theirs.
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
    let pack = maya
        .session(json!({ "type": "topup", "amount": 500 }))
        .await;
    let plan = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
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

on_both!(a_code_that_is_typed_at_checkout_is_shown_on_the_invoice);
async fn a_code_that_is_typed_at_checkout_is_shown_on_the_invoice(stage: &Stage) {
    let coupon = stage
        .stripe_post(
            "/v1/coupons",
            &[("percent_off", "50"), ("duration", "once")],
        )
        .await;
    stage
        .stripe_post(
            "/v1/promotion_codes",
            &[
                ("promotion[type]", "coupon"),
                ("promotion[coupon]", coupon["id"].as_str().unwrap()),
                ("code", "HALF"),
            ],
        )
        .await;
    let maya = stage.person("maya@example.com").await;
    let session = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
    let page = format!("{}/c/pay/{session}/promotion", stage.twin_url);
    let typed = stage
        .http
        .post(page)
        .form(&[("promotion_code", "HALF")])
        .send()
        .await
        .unwrap();
    assert!(typed.status().is_redirection(), "{}", typed.status());

    maya.pay(&session).await;

    let body = maya
        .billing_when(|body| body["subscription"]["tier"] == "PRO")
        .await;
    assert_eq!(body["invoices"][0]["amount"], "9.50");
    assert_eq!(body["invoices"][0]["discount"], "9.50", "{body}");
    let (_, invoices) = maya.page("/dashboard/billing/invoices").await;
    assert!(invoices.contains("$9.50 off"), "{invoices}");
}

async fn custom_price(stage: &Stage, amount: &str) -> String {
    let product = stage
        .stripe_post("/v1/products", &[("name", "Enterprise for Acme")])
        .await;
    let price = stage
        .stripe_post(
            "/v1/prices",
            &[
                ("product", product["id"].as_str().unwrap()),
                ("unit_amount", amount),
                ("currency", "usd"),
                ("recurring[interval]", "month"),
            ],
        )
        .await;
    price["id"].as_str().unwrap().to_owned()
}

async fn public_id(stage: &Stage, account: i64) -> String {
    let found = stage
        .app
        .read(move |tx| store::accounts::find(tx, account))
        .await;
    found.unwrap().unwrap().public_id
}

on_both!(a_price_agreed_with_one_account_is_sold_to_that_one_only);
async fn a_price_agreed_with_one_account_is_sold_to_that_one_only(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let olga = stage.person_as("olga@example.com", "admin").await;
    let price = custom_price(stage, "50000").await;
    let path = format!(
        "/api/admin/accounts/{}/prices/ENTERPRISE",
        public_id(stage, maya.account).await
    );
    let agree = |person: &Person<'_>, body: Value| {
        crate::stage::answer(person.request(reqwest::Method::PUT, &path).json(&body))
    };
    let body = json!({ "priceId": price, "reason": "contract 7" });
    let buy = json!({ "type": "subscription", "planId": "ENTERPRISE" });
    assert_eq!(maya.checkout(buy.clone()).await.1["code"], "contact_sales");

    assert_eq!(agree(&eve, body.clone()).await.0, 403);
    assert_eq!(
        agree(&olga, json!({ "priceId": "price_none", "reason": "x" }))
            .await
            .0,
        422
    );
    assert_eq!(
        agree(&olga, json!({ "priceId": price, "reason": " " }))
            .await
            .0,
        400
    );
    let (status, agreed) = agree(&olga, body).await;

    assert_eq!(
        (status, &agreed["amount"]),
        (200, &json!("500.00")),
        "{agreed}"
    );
    assert_eq!(eve.checkout(buy).await.1["code"], "contact_sales");
    let (_, plans) = maya.page("/dashboard/billing/upgrade").await;
    assert!(
        plans.contains("$500") && plans.contains("agreed with you"),
        "{plans}"
    );
    maya.subscribe("ENTERPRISE").await;
    let body = maya
        .billing_when(|body| body["subscription"]["accessTier"] == "ENTERPRISE")
        .await;
    assert_eq!(body["invoices"][0]["amount"], "500.00");
    // What was agreed before stays mapped when it ends.
    let ended = olga.request(reqwest::Method::DELETE, &path);
    assert_eq!(crate::stage::answer(ended).await.0, 204);
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    assert_eq!(
        maya.billing().await["subscription"]["accessTier"],
        "ENTERPRISE"
    );
}

on_both!(an_agreed_price_is_what_an_upgrade_costs);
async fn an_agreed_price_is_what_an_upgrade_costs(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let price = custom_price(stage, "10000").await;
    let path = format!(
        "/api/admin/accounts/{}/prices/ENTERPRISE",
        public_id(stage, maya.account).await
    );
    let put = olga.request(reqwest::Method::PUT, &path);
    let body = json!({ "priceId": price, "reason": "contract 8" });
    assert_eq!(crate::stage::answer(put.json(&body)).await.0, 200);

    let (status, done) = confirm(&maya, "ENTERPRISE").await;

    assert_eq!(
        (status, &done["subscription"]["accessTier"]),
        (200, &json!("ENTERPRISE")),
        "{done}"
    );
    let due = stage.transactions(maya.account).await[1].2;
    assert!((8_000..=8_100).contains(&due), "{due}");
}

on_both!(requirement_14_3_a_lapsed_plan_is_bought_again_by_the_same_customer);
async fn requirement_14_3_a_lapsed_plan_is_bought_again_by_the_same_customer(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    change(&maya, json!({ "action": "cancel" })).await;
    stage.twin.advance("32d").await.unwrap();
    maya.billing_when(|body| body["subscription"]["tier"] == "FREE")
        .await;

    maya.subscribe("PRO_PLUS").await;

    maya.billing_when(|body| body["subscription"]["tier"] == "PRO_PLUS")
        .await;
    let customers = stage.stripe_get("/v1/customers").await;
    assert_eq!(
        customers["data"].as_array().unwrap().len(),
        1,
        "{customers}"
    );
}

on_both!(two_packs_clicked_at_once_never_lead_to_each_others_page);
async fn two_packs_clicked_at_once_never_lead_to_each_others_page(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let click = |credits: i64| maya.checkout(json!({ "type": "topup", "amount": credits }));

    let both = tokio::join!(click(500), click(10_000));

    let mut opened = 0;
    for ((status, answer), cents) in [(both.0, 50), (both.1, 1_000)] {
        if status == 503 {
            assert_eq!(answer["code"], "claimed", "{answer}");
            continue;
        }
        assert_eq!(status, 200, "{answer}");
        opened += 1;
        let id = crate::stage::session_id(answer["checkoutUrl"].as_str().unwrap());
        let session = stage
            .stripe_get(&format!("/v1/checkout/sessions/{id}"))
            .await;
        assert_eq!(session["amount_total"], cents, "another pack's page");
    }
    assert!(opened > 0);
    let open = stage.stripe_get("/v1/checkout/sessions?status=open").await;
    assert_eq!(open["data"].as_array().unwrap().len(), 1, "{open}");
}

on_both!(the_parts_for_other_sites_are_shown_to_a_server_key_and_to_members);
async fn the_parts_for_other_sites_are_shown_to_a_server_key_and_to_members(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;
    let eve = stage.person("eve@example.com").await;
    let name = public_id(stage, maya.account).await;
    let meter = maya.meter_key().await;
    let server = stage.server_key().await;
    let parts = [
        ("credit-balance", "1,100"),
        ("payment-method", "Visa ending 4242"),
        ("invoice-list", "$19.00"),
        ("usage-chart", "No calls yet"),
    ];

    for (part, words) in parts {
        let path = format!("/fragments/{part}?account={name}");
        let with = |key: &str| {
            let request = stage
                .http
                .get(format!("{}{path}", stage.base))
                .bearer_auth(key);
            crate::stage::answer(request)
        };
        let (status, html) = with(&server).await;
        assert_eq!(status, 200, "{html}");
        let html = html.as_str().unwrap();
        assert!(
            html.starts_with("<section class=\"lbx-") && html.contains(words),
            "{html}"
        );
        assert_eq!(maya.page(&format!("/fragments/{part}")).await.0, 200);
        assert_eq!(eve.page(&path).await.0, 404, "another's account");
        assert_eq!(with(&meter).await.0, 403, "a key that only meters");
        assert_eq!(
            stage
                .http
                .get(format!("{}{path}", stage.base))
                .send()
                .await
                .unwrap()
                .status(),
            401
        );
    }
}

on_both!(invoices_are_listed_page_by_page);
async fn invoices_are_listed_page_by_page(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let account = maya.account;
    let start = stage.app.now().plus_days(-30);
    stage
        .app
        .write(account, move |tx| {
            for number in 0..25 {
                let row = store::invoices::Invoice {
                    invoice_id: format!("in_{number:02}"),
                    account_id: account,
                    subscription_id: None,
                    number: Some(format!("A-{number:02}")),
                    status: "paid".to_owned(),
                    billing_reason: None,
                    amount_due: 1_900,
                    amount_paid: 1_900,
                    currency: "usd".to_owned(),
                    created_at: start.plus_seconds(number / 2),
                    period_start: None,
                    period_end: None,
                    attempt_count: 1,
                    next_payment_attempt: None,
                    hosted_url: None,
                    pdf_url: Some("https://files.example/a.pdf".to_owned()),
                    paid_at: None,
                    discount_minor: 0,
                };
                store::invoices::put(tx, &row)?;
            }
            Ok(())
        })
        .await
        .unwrap();

    let (status, first) = maya.page("/dashboard/billing/invoices").await;
    assert_eq!(status, 200);
    assert!(
        first.contains("A-24") && first.contains("A-05") && !first.contains("A-04"),
        "{first}"
    );
    assert!(
        first.contains("after=in_05") && first.contains(">PDF<"),
        "{first}"
    );
    let (_, second) = maya.page("/dashboard/billing/invoices?after=in_05").await;
    assert!(
        second.contains("A-04") && second.contains("A-00") && !second.contains("A-05"),
        "{second}"
    );
    assert_eq!(
        eve.page("/dashboard/billing/invoices?after=in_05").await.0,
        404
    );
}

on_both!(the_seeds_addresses_work_as_they_are_written);
async fn the_seeds_addresses_work_as_they_are_written(stage: &Stage) {
    let maya = on_plan(stage, "maya@example.com", "PRO").await;

    for path in [
        "/dashboard/billing",
        "/dashboard/billing/upgrade",
        "/dashboard/billing/credits",
        "/dashboard/billing/success",
        "/dashboard/billing/success?type=credits",
        "/dashboard/billing/cancel",
        "/dashboard/usage",
        "/api/dashboard/billing",
        "/api/pricing",
        "/api/stripe/customer-portal",
    ] {
        let (status, page) = maya.page(path).await;
        let wanted = if path.ends_with("portal") { 303 } else { 200 };
        assert_eq!(status, wanted, "{path}: {page}");
    }
}

on_both!(requirement_n11_a_form_that_is_sent_again_after_it_was_paid_sells_nothing_more);
async fn requirement_n11_a_form_that_is_sent_again_after_it_was_paid_sells_nothing_more(
    stage: &Stage,
) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let send = |person: &Person<'_>, attempt: &'static str| {
        let form = [("amount", "500"), ("attempt", attempt)];
        let request = person
            .request(reqwest::Method::POST, "/dashboard/billing/credits")
            .form(&form);
        async move {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 303);
            answer.headers()["location"].to_str().unwrap().to_owned()
        }
    };
    let first = send(&maya, "att_1").await;
    assert_eq!(send(&maya, "att_1").await, first, "a double click");
    assert_eq!(send(&maya, "att_2").await, first, "another tab");
    let session = crate::stage::session_id(&first);
    maya.pay(&session).await;
    maya.billing_when(|body| body["credits"]["balance"] == 600)
        .await;

    for attempt in ["att_1", "att_2"] {
        let again = send(&maya, attempt).await;
        assert!(
            again.contains("/dashboard/billing/success?type=credits"),
            "{again}"
        );
        assert!(again.contains(&session), "{again}");
    }

    let third = send(&maya, "att_3").await;
    assert_ne!(
        crate::stage::session_id(&third),
        session,
        "a new form is a new purchase"
    );
    let theirs = send(&eve, "att_1").await;
    assert_ne!(
        crate::stage::session_id(&theirs),
        session,
        "an attempt is of one account"
    );
}
