//! Money that goes back, waits, or comes late: credit notes, add-ons, second purchases, ends at
//! once, bank debits. Nothing is given twice, nothing that is owed is kept.

use std::time::{Duration, Instant};

use billing::config::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::between;
use crate::metering::Program;
use crate::stage::{PATIENCE, Person, Stage, answer, fresh_key, on_both};

const CATALOG: &str = include_str!("../../../../catalog.toml");
const CHANGES: &str = "/api/v1/plan-changes";

fn is(tier: &'static str, status: &'static str) -> impl Fn(&Value) -> bool {
    move |body| {
        body["subscription"]["accessTier"] == tier && body["subscription"]["status"] == status
    }
}

fn cents(text: &Value) -> i64 {
    text.as_str().unwrap().replace('.', "").parse().unwrap()
}

async fn audited(stage: &Stage) {
    let report =
        billing::books::audit::run(&stage.app, billing::books::audit::Scope::Everything).await;
    let report = report.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn on_plan<'a>(stage: &'a Stage, plan: &'static str) -> Person<'a> {
    let person = stage.person("maya@example.com").await;
    person.subscribe(plan).await;
    person.billing_when(is(plan, "ACTIVE")).await;
    stage.settled().await;
    person
}

async fn subscription(stage: &Stage) -> Value {
    stage.stripe_get("/v1/subscriptions?status=all").await["data"][0].clone()
}

async fn invoice(stage: &Stage) -> String {
    let held = subscription(stage).await;
    held["latest_invoice"].as_str().unwrap().to_owned()
}

async fn listed(stage: &Stage, path: &str) -> Vec<Value> {
    stage.stripe_get(path).await["data"]
        .as_array()
        .unwrap()
        .clone()
}

/// Waits until the account's rows satisfy `wanted`.
async fn rows_when(
    person: &Person<'_>,
    wanted: impl Fn(&[(String, String, i64)]) -> bool,
) -> Vec<(String, String, i64)> {
    let started = Instant::now();
    loop {
        let rows = person.stage.transactions(person.account).await;
        if wanted(&rows) {
            return rows;
        }
        assert!(started.elapsed() < PATIENCE, "they never came: {rows:?}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn refunds(rows: &[(String, String, i64)]) -> Vec<i64> {
    let refunds = rows
        .iter()
        .filter(|row| row.0 == "REFUND" && row.1 == "COMPLETED");
    refunds.map(|row| row.2).collect()
}

async fn mails_with(stage: &Stage, part: &str) -> usize {
    stage.settled().await;
    let subjects = stage.mail_subjects().await;
    let with = |subject: &&String| subject.to_lowercase().contains(part);
    subjects.iter().filter(with).count()
}

/// An account and what Stripe has agree to the last row.
async fn in_step(person: &Person<'_>) {
    let report = billing::sync::account(&person.stage.app, person.account)
        .await
        .unwrap();
    assert!(report.changes.is_empty(), "{report:?}");
    let lines = billing::sync::differences::account(&person.stage.app, person.account)
        .await
        .unwrap();
    assert!(lines.is_empty(), "{lines:?}");
}

on_both!(a_credit_note_is_shown_with_its_invoice_and_its_refund_is_recorded_once);
async fn a_credit_note_is_shown_with_its_invoice_and_its_refund_is_recorded_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let invoice = invoice(stage).await;

    stage
        .stripe_post(
            "/v1/credit_notes",
            &[
                ("invoice", &invoice),
                ("amount", "500"),
                ("refund_amount", "500"),
            ],
        )
        .await;
    stage
        .stripe_post(
            "/v1/credit_notes",
            &[
                ("invoice", &invoice),
                ("amount", "300"),
                ("credit_amount", "300"),
            ],
        )
        .await;

    let body = maya
        .billing_when(|body| {
            body["invoices"][0]["creditNotes"]
                .as_array()
                .is_some_and(|all| all.len() == 2)
        })
        .await;
    let rows = rows_when(&maya, |rows| refunds(rows) == [500]).await;
    let note = |place: usize| &body["invoices"][0]["creditNotes"][place];
    let refunded = if note(0)["refunded"] == "5.00" { 0 } else { 1 };
    assert_eq!(note(refunded)["amount"], "5.00");
    assert_eq!(
        (
            &note(1 - refunded)["amount"],
            &note(1 - refunded)["toBalance"]
        ),
        (&json!("3.00"), &json!("3.00"))
    );
    assert_eq!(rows.len(), 2, "a note is no transaction: {rows:?}");
    assert_eq!(
        rows.iter()
            .find(|row| row.0 == "SUBSCRIPTION_PAYMENT")
            .unwrap()
            .2,
        1_900
    );
    let (_, page) = maya.page("/dashboard/billing/invoices").await;
    assert!(
        page.contains("$5.00 credited") && page.contains("-CN-0"),
        "{page}"
    );
    let notes = listed(stage, "/v1/credit_notes").await;
    let path = format!("/v1/credit_notes/{}", notes[0]["id"].as_str().unwrap());
    stage.stripe_post(&path, &[("memo", "Sorry")]).await;
    for event in stage.stripe_events("credit_note.created").await {
        assert_eq!(stage.deliver(&event).await.status(), 200);
    }
    stage.settled().await;
    assert_eq!(
        refunds(&stage.transactions(maya.account).await),
        [500],
        "once"
    );
    assert!(
        stage
            .events()
            .await
            .iter()
            .all(|event| event.state == "done" || !event.kind.starts_with("credit_note"))
    );
    assert_eq!(mails_with(stage, "refund").await, 1);
    in_step(&maya).await;
    audited(stage).await;
}

on_both!(a_credit_note_of_an_open_invoice_lowers_it_until_it_is_taken_back);
async fn a_credit_note_of_an_open_invoice_lowers_it_until_it_is_taken_back(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    stage
        .twin
        .decline_next(None, Some("insufficient_funds"))
        .await
        .unwrap();
    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    let open = invoice(stage).await;

    let note = stage
        .stripe_post("/v1/credit_notes", &[("invoice", &open), ("amount", "400")])
        .await;
    maya.billing_when(|body| body["invoices"][0]["amount"] == "15.00")
        .await;
    stage
        .stripe_post(
            &format!("/v1/credit_notes/{}/void", note["id"].as_str().unwrap()),
            &[],
        )
        .await;

    let body = maya
        .billing_when(|body| body["invoices"][0]["amount"] == "19.00")
        .await;
    let body = if body["invoices"][0]["creditNotes"][0]["status"] == "void" {
        body
    } else {
        maya.billing_when(|body| body["invoices"][0]["creditNotes"][0]["status"] == "void")
            .await
    };
    assert_eq!(body["subscription"]["status"], "PAST_DUE");
    assert_eq!(refunds(&stage.transactions(maya.account).await), [0; 0]);
    stage.settled().await;
    in_step(&maya).await;
}

on_both!(a_credit_note_whose_events_were_lost_is_found_by_comparing_and_by_a_sync);
async fn a_credit_note_whose_events_were_lost_is_found_by_comparing_and_by_a_sync(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let invoice = invoice(stage).await;
    stage.webhooks(false).await;
    stage
        .stripe_post(
            "/v1/credit_notes",
            &[
                ("invoice", &invoice),
                ("amount", "500"),
                ("out_of_band_amount", "500"),
            ],
        )
        .await;

    let lines = billing::sync::differences::account(&stage.app, maya.account)
        .await
        .unwrap();
    let compared = billing::sync::compare::account(&stage.app, maya.account)
        .await
        .unwrap();
    assert!(
        lines.iter().any(|line| line.contains("credit note")),
        "{lines:?}"
    );
    assert!(!compared.agrees());
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();

    assert_eq!(
        maya.billing().await["invoices"][0]["creditNotes"][0]["amount"],
        "5.00"
    );
    assert_eq!(
        refunds(&stage.transactions(maya.account).await),
        [0; 0],
        "no money of ours moved"
    );
    in_step(&maya).await;
}

async fn refund_by(operator: &Person<'_>, key: &str, body: &Value) -> (u16, Value) {
    let request = operator.request(Method::POST, "/api/admin/refunds");
    answer(request.header("idempotency-key", key).json(body)).await
}

on_both!(an_operators_refund_of_a_plan_can_be_a_credit_note_that_is_made_once);
async fn an_operators_refund_of_a_plan_can_be_a_credit_note_that_is_made_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| body["credits"]["balance"] == 1_600)
        .await;
    stage.settled().await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let invoice = invoice(stage).await;
    let body = json!({ "payment": invoice, "amount": "4.00", "reason": "requested_by_customer", "creditNote": true });
    // The note is made and its answer lost, several times.
    stage.twin.faults(&json!({ "mode": "none" })).await.unwrap();

    let (status, made) = refund_by(&olga, "n1", &body).await;
    let (again, same) = refund_by(&olga, "n1", &body).await;

    assert_eq!((status, &made["amount"]), (201, &json!("4.00")), "{made}");
    assert_eq!((again, &same["id"]), (201, &made["id"]));
    let notes = listed(stage, "/v1/credit_notes").await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(
        (&notes[0]["reason"], &notes[0]["refunds"][0]["refund"]),
        (&json!("order_change"), &made["id"])
    );
    assert_eq!(listed(stage, "/v1/refunds").await.len(), 1);
    stage.settled().await;
    assert_eq!(refunds(&stage.transactions(maya.account).await), [400]);
    assert_eq!(
        maya.billing().await["invoices"][0]["creditNotes"][0]["refunded"],
        "4.00"
    );
    assert_eq!(mails_with(stage, "refund").await, 1, "one letter");
    // What has no invoice cannot be corrected on paper.
    let charges = listed(stage, "/v1/charges?limit=100").await;
    let pack = charges
        .iter()
        .find(|charge| charge["amount"] == 50)
        .unwrap();
    let body =
        json!({ "payment": pack["payment_intent"], "reason": "duplicate", "creditNote": true });
    let (status, refused) = refund_by(&olga, "n2", &body).await;
    assert_eq!(
        (status, &refused["field"]),
        (400, &json!("creditNote")),
        "{refused}"
    );
    in_step(&maya).await;
    audited(stage).await;
}

on_both!(
    case_d6_a_credit_note_whose_answer_was_lost_is_made_once,
    between::put
);
async fn case_d6_a_credit_note_whose_answer_was_lost_is_made_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let body = json!({ "payment": invoice(stage).await, "amount": "4.00", "reason": "duplicate", "creditNote": true });
    let between = between::of(stage);
    // Made, and the look at its refund fails for long.
    between.answer(
        "GET",
        "/v1/refunds/",
        20,
        500,
        &json!({ "error": { "type": "api_error" } }),
    );
    let (status, _) = refund_by(&olga, "lost", &body).await;
    assert_eq!(status, 503);
    between.forget();
    assert_eq!(listed(stage, "/v1/credit_notes").await.len(), 1);

    let (status, again) = refund_by(&olga, "lost", &body).await;

    assert_eq!((status, &again["amount"]), (201, &json!("4.00")), "{again}");
    assert_eq!(listed(stage, "/v1/credit_notes").await.len(), 1);
    assert_eq!(listed(stage, "/v1/refunds").await.len(), 1);
    rows_when(&maya, |rows| refunds(rows) == [400]).await;
    assert_eq!(mails_with(stage, "refund").await, 1);
}

fn with_addons(settings: &mut Settings) {
    let text = format!(
        "{CATALOG}\n[[addon]]\nname = \"SEATS\"\ntitle = \"Extra seats\"\nprice = \"5.00\"\n"
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, path) = file.keep().unwrap();
    std::fs::write(&path, text).unwrap();
    settings.billing.catalog = path.to_str().unwrap().to_owned();
}

fn seats(stage: &Stage) -> String {
    stage
        .app
        .prices()
        .addon_of_price
        .keys()
        .next()
        .unwrap()
        .clone()
}

async fn findings(person: &Person<'_>) -> String {
    let account = person.account;
    let state = person
        .stage
        .app
        .read(move |tx| store::sync::of_account(tx, account));
    let state = state.await.unwrap().unwrap();
    assert!(state.parked_at.is_none(), "{state:?}");
    state.findings.unwrap_or_default()
}

on_both!(
    an_add_on_beside_a_plan_keeps_the_tier_brings_no_credits_and_stays_through_changes,
    with_addons
);
async fn an_add_on_beside_a_plan_keeps_the_tier_brings_no_credits_and_stays_through_changes(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO_PLUS").await;
    let held = subscription(stage).await["id"].as_str().unwrap().to_owned();
    let seats = seats(stage);
    stage
        .stripe_post(
            "/v1/subscription_items",
            &[
                ("subscription", &held),
                ("price", &seats),
                ("quantity", "3"),
            ],
        )
        .await;

    let body = maya
        .billing_when(|body| {
            body["subscription"]["addOns"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        })
        .await;

    let addon = &body["subscription"]["addOns"][0];
    assert_eq!(
        (&addon["name"], &addon["quantity"], &addon["amount"]),
        (&json!("SEATS"), &json!(3), &json!("15.00"))
    );
    assert!(is("PRO_PLUS", "ACTIVE")(&body), "{body}");
    assert_eq!(body["credits"]["balance"], 6_100, "no second allowance");
    assert_eq!(findings(&maya).await, "");
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains("With Extra seats, 3, $15.00 per month"),
        "{page}"
    );

    // A smaller plan for the period's end keeps the seats, and is paid with them.
    let (status, done) = maya
        .post(CHANGES, json!({ "action": "confirm", "planId": "PRO" }))
        .await;
    assert_eq!(
        (status, &done["state"]),
        (200, &json!("scheduled")),
        "{done}"
    );
    assert_eq!(done["subscription"]["pendingChange"]["tier"], "PRO");
    stage.twin.advance("32d").await.unwrap();
    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    assert_eq!(body["subscription"]["addOns"][0]["quantity"], 3, "{body}");
    let allowances: Vec<_> = body["credits"]["grants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["remaining"])
        .collect();
    assert_eq!(allowances, [&json!(1_000)], "one allowance a period");
    let rows = stage.transactions(maya.account).await;
    let renewal = rows
        .iter()
        .rfind(|row| row.0 == "SUBSCRIPTION_PAYMENT")
        .unwrap();
    assert!(renewal.2 >= 1_900 + 1_500, "{rows:?}");

    // A larger one too.
    let (_, preview) = maya
        .post(
            CHANGES,
            json!({ "action": "preview", "planId": "PRO_PLUS" }),
        )
        .await;
    let confirm = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": preview["quote"] });
    let (status, done) = maya.post(CHANGES, confirm).await;
    assert_eq!(
        (status, &done["subscription"]["accessTier"]),
        (200, &json!("PRO_PLUS")),
        "{done}"
    );
    assert_eq!(done["subscription"]["addOns"][0]["name"], "SEATS");
    assert_eq!(
        subscription(stage).await["items"]["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    in_step(&maya).await;
    audited(stage).await;
}

on_both!(
    the_plan_is_found_behind_an_add_on_and_an_unknown_item_parks_nobody,
    with_addons
);
async fn the_plan_is_found_behind_an_add_on_and_an_unknown_item_parks_nobody(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = listed(stage, "/v1/customers").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let method = stage
        .stripe_post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", &customer)],
        )
        .await;
    let product = stage
        .stripe_post("/v1/products", &[("name", "Consulting")])
        .await;
    let stray = stage
        .stripe_post(
            "/v1/prices",
            &[
                ("product", product["id"].as_str().unwrap()),
                ("unit_amount", "700"),
                ("currency", "usd"),
                ("recurring[interval]", "month"),
            ],
        )
        .await;
    let pro = stage.app.prices().price_of_tier["PRO"].clone();
    let seats = seats(stage);

    stage
        .stripe_post(
            "/v1/subscriptions",
            &[
                ("customer", &customer),
                ("default_payment_method", method["id"].as_str().unwrap()),
                ("items[0][price]", &seats),
                ("items[1][price]", stray["id"].as_str().unwrap()),
                ("items[2][price]", &pro),
            ],
        )
        .await;

    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(
        body["subscription"]["addOns"].as_array().unwrap().len(),
        2,
        "{body}"
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 1_600);
    assert!(
        findings(&maya).await.contains("unknown price"),
        "a person should look"
    );
    let rows = stage.transactions(maya.account).await;
    assert!(
        rows.contains(&("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 3_100)),
        "{rows:?}"
    );
    // Stripe's portal changes no subscription to several products.
    let (_, portal) = maya.post("/api/stripe/customer-portal", json!({})).await;
    let held = subscription(stage).await["id"].as_str().unwrap().to_owned();
    let plus = stage.app.prices().price_of_tier["PRO_PLUS"].clone();
    let url = format!("{}/plan", portal["url"].as_str().unwrap());
    let form = [("subscription", held.as_str()), ("price", &plus)];
    let pressed = stage.http.post(url).form(&form).send().await.unwrap();
    assert!(pressed.status().is_client_error(), "{}", pressed.status());
}

on_both!(case_k12_a_second_plan_that_is_paid_days_later_is_refunded_when_the_money_comes);
async fn case_k12_a_second_plan_that_is_paid_days_later_is_refunded_when_the_money_comes(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = listed(stage, "/v1/customers").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let old_page = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
    let method = stage
        .stripe_post(
            "/v1/payment_methods/pm_card_visa/attach",
            &[("customer", &customer)],
        )
        .await;
    let plus = stage.app.prices().price_of_tier["PRO_PLUS"].clone();
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
    stage
        .twin
        .pay(&old_page, twin::client::PayBy::Delayed)
        .await
        .unwrap();
    let started = Instant::now();
    while listed(stage, "/v1/subscriptions").await.len() != 1 {
        assert!(started.elapsed() < PATIENCE, "the second is not cancelled");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.settled().await;
    assert!(
        listed(stage, "/v1/refunds").await.is_empty(),
        "nothing came yet"
    );

    stage.twin.settle(&old_page, true).await.unwrap();

    rows_when(&maya, |rows| refunds(rows) == [1_900]).await;
    stage.settled().await;
    for _ in 0..2 {
        billing::sync::account(&stage.app, maya.account)
            .await
            .unwrap();
    }
    assert_eq!(listed(stage, "/v1/refunds").await.len(), 1, "once");
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    audited(stage).await;
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
    let pro = stage.app.prices().price_of_tier["PRO"].clone();
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
    let old = old["id"].as_str().unwrap().to_owned();
    let delete = stage
        .http
        .delete(format!("{}/v1/subscriptions/{old}", stage.twin_url));
    delete.bearer_auth("sk_test_other").send().await.unwrap();
    let (account, now, named) = (maya.account, stage.app.now(), former.clone());
    let known = stage.app.write(account, move |tx| {
        store::customers::insert_former(tx, &named, account, now)
    });
    known.await.unwrap();

    billing::sync::whole_account(&stage.app, account)
        .await
        .unwrap();

    let rows = stage
        .app
        .read(move |tx| store::subscriptions::of_account(tx, account))
        .await
        .unwrap();
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

async fn end_now(maya: &Person<'_>) -> (Value, (u16, Value)) {
    let asked = json!({ "action": "preview", "planId": "FREE", "when": "now" });
    let (status, preview) = maya.post(CHANGES, asked).await;
    assert_eq!(status, 200, "{preview}");
    let body = json!({ "action": "cancel", "when": "now", "quote": preview["quote"] });
    (preview, maya.post(CHANGES, body).await)
}

on_both!(an_end_now_is_told_by_one_letter_of_the_refund_and_one_of_the_end);
async fn an_end_now_is_told_by_one_letter_of_the_refund_and_one_of_the_end(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;

    let (preview, (status, done)) = end_now(&maya).await;
    assert_eq!(status, 200, "{done}");
    rows_when(&maya, |rows| {
        refunds(rows) == [cents(&preview["refund"]["amount"])]
    })
    .await;
    stage.settled().await;
    for event in stage.stripe_events("charge.refunded").await {
        assert_eq!(stage.deliver(&event).await.status(), 200);
    }
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();

    assert_eq!(
        mails_with(stage, "refund").await,
        1,
        "{:?}",
        stage.mail_subjects().await
    );
    assert_eq!(
        mails_with(stage, "ended").await + mails_with(stage, "over").await,
        1,
        "{:?}",
        stage.mail_subjects().await
    );
}

on_both!(
    credits_that_are_spent_while_a_plan_ends_are_not_paid_back,
    between::put
);
async fn credits_that_are_spent_while_a_plan_ends_are_not_paid_back(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let program = Program {
        stage,
        secret: maya.meter_key().await,
    };
    let call = between::of(stage).hold("DELETE", "/v1/subscriptions/");

    let spend = async {
        // The refund is confirmed, the plan is just ending at Stripe.
        call.reached().await;
        let spent = program.debit(&fresh_key(), 850).await;
        assert_eq!(spent.status, 201, "{}", spent.body);
        call.open();
    };
    let ((preview, (status, done)), ()) = tokio::join!(end_now(&maya), spend);

    assert_eq!(status, 200, "{done}");
    assert!(cents(&preview["refund"]["amount"]) > 1_850, "{preview}");
    let rows = rows_when(&maya, |rows| !refunds(rows).is_empty()).await;
    let back: i64 = refunds(&rows).iter().sum();
    assert!(
        (285..=475).contains(&back),
        "15 to 25 percent of what was paid: {rows:?}"
    );
    let left = maya.billing().await["credits"]["balance"].as_f64().unwrap();
    assert!(left <= 100.0, "{left}");
    audited(stage).await;
}

on_both!(
    an_end_now_pays_what_is_left_of_a_payment_that_was_refunded_meanwhile,
    between::put
);
async fn an_end_now_pays_what_is_left_of_a_payment_that_was_refunded_meanwhile(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let charge = listed(stage, "/v1/charges").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let call = between::of(stage).hold("DELETE", "/v1/subscriptions/");

    let other = async {
        call.reached().await;
        stage
            .stripe_post("/v1/refunds", &[("charge", &charge), ("amount", "1000")])
            .await;
        call.open();
    };
    let ((_, (status, done)), ()) = tokio::join!(end_now(&maya), other);

    assert_eq!(status, 200, "{done}");
    rows_when(&maya, |rows| refunds(rows).iter().sum::<i64>() == 1_900).await;
    let account = maya.account;
    let left = stage
        .app
        .read(move |tx| store::intents::under_way(tx, account, "plan_end"));
    assert!(left.await.unwrap().is_none(), "nothing is left to be done");
}

on_both!(
    an_end_now_of_a_disputed_payment_ends_the_plan_and_leaves_the_money_to_the_bank,
    between::put
);
async fn an_end_now_of_a_disputed_payment_ends_the_plan_and_leaves_the_money_to_the_bank(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO").await;
    let charge = listed(stage, "/v1/charges").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let call = between::of(stage).hold("DELETE", "/v1/subscriptions/");

    let other = async {
        call.reached().await;
        stage.twin.dispute(&charge, None).await.unwrap();
        call.open();
    };
    let ((_, (status, done)), ()) = tokio::join!(end_now(&maya), other);

    assert_eq!(
        (status, &done["subscription"]["accessTier"]),
        (200, &json!("FREE")),
        "{done}"
    );
    stage.settled().await;
    assert!(
        listed(stage, "/v1/refunds").await.is_empty(),
        "not paid back twice"
    );
    audited(stage).await;
}

on_both!(a_smaller_plan_taken_by_hand_at_once_leaves_a_balance_that_is_never_paid_out_twice);
async fn a_smaller_plan_taken_by_hand_at_once_leaves_a_balance_that_is_never_paid_out_twice(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO_PLUS").await;
    let held = subscription(stage).await;
    let pro = stage.app.prices().price_of_tier["PRO"].clone();
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    stage
        .stripe_post(
            &path,
            &[
                (
                    "items[0][id]",
                    held["items"]["data"][0]["id"].as_str().unwrap(),
                ),
                ("items[0][price]", &pro),
                ("proration_behavior", "always_invoice"),
            ],
        )
        .await;

    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    let rows = stage.transactions(maya.account).await;
    assert!(rows.iter().all(|row| row.2 >= 0), "{rows:?}");
    let balance = |customer: &Value| customer["balance"].as_i64().unwrap();
    let owed = balance(&listed(stage, "/v1/customers").await[0]);
    assert!((-3_001..-2_900).contains(&owed), "{owed}");

    // The next period is paid from the balance: there is no payment that could go back.
    stage.twin.advance("32d").await.unwrap();
    stage.settled().await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    assert_eq!(maya.billing().await["invoices"][0]["amount"], "0.00");
    let (preview, (status, done)) = end_now(&maya).await;
    assert_eq!(
        (status, cents(&preview["refund"]["amount"])),
        (200, 0),
        "{preview} {done}"
    );
    stage.settled().await;
    assert!(listed(stage, "/v1/refunds").await.is_empty());
    in_step(&maya).await;
    audited(stage).await;
}

/// A card as what payments without their owner are made with: without one they are not turned on.
async fn pays_by_card(person: &Person<'_>) {
    let stage = person.stage;
    let customer = listed(stage, "/v1/customers").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = "/v1/payment_methods/pm_card_visa/attach";
    let method = stage.stripe_post(path, &[("customer", &customer)]).await;
    let method = method["id"].as_str().unwrap().to_owned();
    let form = [("invoice_settings[default_payment_method]", method.as_str())];
    stage
        .stripe_post(&format!("/v1/customers/{customer}"), &form)
        .await;
    let (account, started) = (person.account, Instant::now());
    let card = || {
        stage
            .app
            .read(move |tx| store::payment_methods::of_account(tx, account))
    };
    while card().await.unwrap().is_none() {
        assert!(started.elapsed() < PATIENCE, "the card is not seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A bank debit as what the next payment is made with: it takes days.
async fn pays_by_debit(stage: &Stage, iban: &str) {
    let customer = listed(stage, "/v1/customers").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let method = stage
        .stripe_post(
            "/v1/payment_methods",
            &[
                ("type", "sepa_debit"),
                ("sepa_debit[iban]", iban),
                ("billing_details[name]", "Maya"),
                ("billing_details[email]", "maya@example.com"),
            ],
        )
        .await;
    let method = method["id"].as_str().unwrap().to_owned();
    stage
        .stripe_post(
            &format!("/v1/payment_methods/{method}/attach"),
            &[("customer", &customer)],
        )
        .await;
    let form = [("invoice_settings[default_payment_method]", method.as_str())];
    stage
        .stripe_post(&format!("/v1/customers/{customer}"), &form)
        .await;
}

async fn turned_on(person: &Person<'_>) {
    let on = json!({ "autoTopup": { "enabled": true, "threshold": 500, "pack": 5000, "monthlyMax": "50.00" } });
    let (status, body) = answer(person.request(Method::PUT, "/api/v1/settings").json(&on)).await;
    assert_eq!(status, 200, "{body}");
}

async fn automatic(stage: &Stage) -> Vec<Value> {
    let all = listed(stage, "/v1/payment_intents?limit=100").await;
    all.into_iter().filter(|one| one["amount"] == 500).collect()
}

async fn automatic_when(stage: &Stage, status: &str) {
    let started = Instant::now();
    loop {
        billing::jobs::topup::once(&stage.app).await.unwrap();
        let all = automatic(stage).await;
        if all.iter().any(|one| one["status"] == status) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{all:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both!(an_automatic_purchase_is_not_made_again_while_its_money_is_on_the_way);
async fn an_automatic_purchase_is_not_made_again_while_its_money_is_on_the_way(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| body["credits"]["available"] == 600)
        .await;
    pays_by_card(&maya).await;
    turned_on(&maya).await;
    // One was made and its bank takes days: the payment is under way.
    let session = maya
        .session(json!({ "type": "topup", "amount": 5000 }))
        .await;
    stage
        .twin
        .pay(&session, twin::client::PayBy::Delayed)
        .await
        .unwrap();
    let seen = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    let payment = seen["payment_intent"].as_str().unwrap().to_owned();
    let (account, now) = (maya.account, stage.app.now());
    let made = stage.app.write(account, move |tx| {
        let new = store::intents::NewIntent {
            id: "int_on_its_way",
            account_id: account,
            kind: store::auto_topup::INTENT_KIND,
            params: "",
            ..store::intents::NewIntent::default()
        };
        store::intents::insert(tx, &new, now)?;
        store::intents::set_done(tx, "int_on_its_way", &payment, None, None, now)
    });
    assert!(made.await.unwrap());
    let program = Program {
        stage,
        secret: maya.meter_key().await,
    };

    program.debit(&fresh_key(), 200).await;
    for _ in 0..3 {
        for _ in 0..2 {
            billing::jobs::topup::once(&stage.app).await.unwrap();
            stage.settled().await;
        }
        stage.twin.advance("7h").await.unwrap();
    }

    assert_eq!(
        automatic(stage).await.len(),
        1,
        "the card is not charged beside it"
    );
    assert_eq!(maya.billing().await["credits"]["available"], 400);
}

on_both!(an_automatic_purchase_whose_bank_debit_bounces_counts_as_declined);
async fn an_automatic_purchase_whose_bank_debit_bounces_counts_as_declined(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| body["credits"]["available"] == 600)
        .await;
    pays_by_card(&maya).await;
    turned_on(&maya).await;
    pays_by_debit(stage, "AT861904300235473202").await;
    let program = Program {
        stage,
        secret: maya.meter_key().await,
    };
    program.debit(&fresh_key(), 200).await;
    automatic_when(stage, "processing").await;

    let started = Instant::now();
    let account = maya.account;
    let state = loop {
        stage.twin.advance("5d").await.unwrap();
        billing::jobs::topup::once(&stage.app).await.unwrap();
        let row = stage
            .app
            .read(move |tx| store::auto_topup::of_account(tx, account))
            .await
            .unwrap()
            .unwrap();
        if row.state == "off" || started.elapsed() > PATIENCE {
            break row;
        }
    };

    assert_eq!(
        (state.state.as_str(), state.declines),
        ("off", 2),
        "{state:?}"
    );
    assert_eq!(automatic(stage).await.len(), 2, "tried again once");
    assert_eq!(
        maya.billing().await["credits"]["balance"].as_i64().unwrap() / 1_000,
        0,
        "nothing was granted"
    );
    audited(stage).await;
}

/// The demo's plans, PRO with a trial of 14 days.
fn with_trial(settings: &mut Settings) {
    let text = CATALOG.replace("price = \"19.00\"", "price = \"19.00\"\ntrial_days = 14");
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, path) = file.keep().unwrap();
    std::fs::write(&path, text).unwrap();
    settings.billing.catalog = path.to_str().unwrap().to_owned();
}

on_both!(
    a_larger_plan_that_is_taken_in_the_portal_during_a_trial_is_paid_at_once,
    with_trial
);
async fn a_larger_plan_that_is_taken_in_the_portal_during_a_trial_is_paid_at_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "TRIALING")).await;
    let (_, portal) = maya.post("/api/stripe/customer-portal", json!({})).await;
    let held = subscription(stage).await["id"].as_str().unwrap().to_owned();
    let plus = stage.app.prices().price_of_tier["PRO_PLUS"].clone();

    let url = format!("{}/plan", portal["url"].as_str().unwrap());
    let form = [("subscription", held.as_str()), ("price", &plus)];
    stage.http.post(url).form(&form).send().await.unwrap();

    let body = maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    assert!(body["subscription"]["trialEnd"].is_null(), "{body}");
    let charges = listed(stage, "/v1/charges").await;
    assert_eq!(charges[0]["amount"], 4_900, "{charges:?}");
}

on_both!(setup_sees_and_mends_what_was_switched_off_in_the_portals_configuration);
async fn setup_sees_and_mends_what_was_switched_off_in_the_portals_configuration(stage: &Stage) {
    let check = || billing::setup::run(&stage.app, true);
    assert_eq!(check().await.unwrap().changes, Vec::<String>::new());
    let known = listed(stage, "/v1/billing_portal/configurations").await;
    let update = &known[0]["features"]["subscription_update"];
    assert_eq!(update["enabled"], true, "plans can be switched: {update}");
    assert_eq!(
        update["schedule_at_period_end"]["conditions"][0]["type"],
        "decreasing_item_amount"
    );
    assert_eq!(update["products"].as_array().unwrap().len(), 2, "{update}");
    let path = format!(
        "/v1/billing_portal/configurations/{}",
        known[0]["id"].as_str().unwrap()
    );

    for _ in 0..2 {
        stage
            .stripe_post(
                &path,
                &[("features[subscription_update][enabled]", "false")],
            )
            .await;
        assert_eq!(check().await.unwrap().changes, ["portal configuration"]);
        billing::setup::run(&stage.app, false).await.unwrap();
        assert_eq!(check().await.unwrap().changes, Vec::<String>::new());
    }

    assert_eq!(
        listed(stage, "/v1/billing_portal/configurations")
            .await
            .len(),
        1
    );
}

on_both!(a_pause_of_collection_keeps_the_plan_and_a_paused_subscription_gives_none);
async fn a_pause_of_collection_keeps_the_plan_and_a_paused_subscription_gives_none(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let held = subscription(stage).await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/subscriptions/{held}");
    let account = maya.account;
    let is_paused = || {
        stage
            .app
            .read(move |tx| Ok(store::subscriptions::of_account(tx, account)?[0].paused))
    };

    stage
        .stripe_post(&path, &[("pause_collection[behavior]", "void")])
        .await;
    let started = Instant::now();
    while !is_paused().await.unwrap() {
        assert!(started.elapsed() < PATIENCE, "the pause is not seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        is("PRO", "ACTIVE")(&maya.billing().await),
        "who is not charged keeps the plan"
    );
    stage.stripe_post(&path, &[("pause_collection", "")]).await;
    while is_paused().await.unwrap() {
        assert!(started.elapsed() < PATIENCE, "the resumption is not seen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // A trial that ends without a card pauses the subscription itself.
    let noah = stage.person("noah@example.com").await;
    noah.buy_pack(500).await;
    let customers = listed(stage, "/v1/customers").await;
    let customer = customers
        .iter()
        .find(|one| one["email"] == "noah@example.com")
        .unwrap();
    let pro = stage.app.prices().price_of_tier["PRO"].clone();
    stage
        .stripe_post(
            "/v1/subscriptions",
            &[
                ("customer", customer["id"].as_str().unwrap()),
                ("items[0][price]", &pro),
                ("trial_period_days", "5"),
                (
                    "trial_settings[end_behavior][missing_payment_method]",
                    "pause",
                ),
            ],
        )
        .await;
    noah.billing_when(is("PRO", "TRIALING")).await;
    stage.twin.advance("6d").await.unwrap();
    let body = noah
        .billing_when(|body| body["subscription"]["status"] == "PAUSED")
        .await;
    assert_eq!(body["subscription"]["accessTier"], "FREE", "{body}");
}
