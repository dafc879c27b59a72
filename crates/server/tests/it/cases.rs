//! Cases of checkout, the portal, the inbox and the ledger in which something fails at the worst
//! moment.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use billing::app::App;
use billing::config::Settings;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use web::site::Site;

use crate::between;
use crate::metering::{Answer, Program, program};
use crate::stage::{PATIENCE, Person, Stage, on_both};

const CATALOG: &str = include_str!("../../../../catalog.toml");

fn is(tier: &'static str, status: &'static str) -> impl Fn(&Value) -> bool {
    move |body| {
        body["subscription"]["accessTier"] == tier && body["subscription"]["status"] == status
    }
}

fn balance(body: &Value) -> f64 {
    body["credits"]["balance"].as_f64().unwrap()
}

fn pack(credits: i64) -> Value {
    json!({ "type": "topup", "amount": credits })
}

async fn audited(stage: &Stage) {
    let report =
        billing::books::audit::run(&stage.app, billing::books::audit::Scope::Everything).await;
    let report = report.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// Customers at Stripe that carry this person's account.
async fn customers_of(person: &Person<'_>) -> Vec<Value> {
    let account = person.account;
    let row = person
        .stage
        .app
        .read(move |tx| store::accounts::find(tx, account));
    let name = row.await.unwrap().unwrap().public_id;
    let listed = person.stage.stripe_get("/v1/customers?limit=100").await;
    let all = listed["data"].as_array().unwrap().clone();
    let own = all
        .into_iter()
        .filter(|one| one["metadata"]["accountId"] == json!(name));
    own.collect()
}

async fn subscription(stage: &Stage) -> Value {
    stage.stripe_get("/v1/subscriptions?status=all").await["data"][0].clone()
}

async fn move_to(stage: &Stage, tier: &str) {
    let held = subscription(stage).await;
    let path = format!("/v1/subscriptions/{}", held["id"].as_str().unwrap());
    let item = held["items"]["data"][0]["id"].as_str().unwrap();
    let price = stage.app.prices().price_of_tier[tier].clone();
    let form = [("items[0][id]", item), ("items[0][price]", &price)];
    stage.stripe_post(&path, &form).await;
}

on_both!(
    case_k6_a_customer_that_was_made_and_not_kept_is_found_again_within_a_day_and_after,
    between::put
);
async fn case_k6_a_customer_that_was_made_and_not_kept_is_found_again_within_a_day_and_after(
    stage: &Stage,
) {
    let (maya, noah) = (
        stage.person("maya@example.com").await,
        stage.person("noah@example.com").await,
    );
    let between = between::of(stage);
    for (person, pause) in [(&maya, None), (&noah, Some("25h"))] {
        let call = between.hold("POST", "/v1/customers");
        // The customer is made, and whoever asked for it is gone before it is written down.
        tokio::select! {
            answered = person.checkout(pack(500)) => panic!("{answered:?}"),
            () = call.reached() => {}
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        call.open();
        assert_eq!(customers_of(person).await.len(), 1);
        let account = person.account;
        let kept = stage
            .app
            .read(move |tx| store::customers::current(tx, account));
        assert_eq!(kept.await.unwrap(), None);

        if let Some(pause) = pause {
            // Stripe has forgotten the key: the orphan is found by what it carries.
            stage.twin.advance(pause).await.unwrap();
        }
        person.buy_pack(500).await;
        assert_eq!(customers_of(person).await.len(), 1, "no second one is made");
        person.billing_when(|body| balance(body) >= 600.0).await;
    }
}

on_both!(
    case_k9_a_key_that_is_in_use_elsewhere_is_tried_again,
    between::put
);
async fn case_k9_a_key_that_is_in_use_elsewhere_is_tried_again(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let between = between::of(stage);
    let in_use = json!({ "error": { "type": "idempotency_error", "code": "idempotency_key_in_use",
        "message": "There is currently another in-progress request using this key." } });
    between.answer("POST", "/v1/checkout/sessions", 2, 409, &in_use);

    let (status, answer) = maya.checkout(pack(500)).await;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(between.calls("POST", "/v1/checkout/sessions"), 3);
    let made = stage.stripe_get("/v1/checkout/sessions").await;
    assert_eq!(made["data"].as_array().unwrap().len(), 1);
}

on_both!(
    case_k10_what_stripe_says_of_a_refusal_is_not_passed_on,
    between::put
);
async fn case_k10_what_stripe_says_of_a_refusal_is_not_passed_on(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let between = between::of(stage);
    let said = "No such price: 'price_inside'; a similar object exists in live mode.";
    for (status, kind, code) in [
        (400, "invalid_request_error", "resource_missing"),
        (402, "card_error", "card_declined"),
    ] {
        let error = json!({ "error": { "type": kind, "code": code, "message": said,
            "request_log_url": "https://dashboard.stripe.com/acct_inside" } });
        between.answer("POST", "/v1/checkout/sessions", 1, status, &error);

        let (status, answer) = maya.checkout(pack(500)).await;

        assert_eq!(
            (status, &answer["code"]),
            (502, &json!("stripe_refused")),
            "{answer}"
        );
        assert!(!answer.to_string().contains("inside"), "{answer}");
    }
    assert_eq!(
        maya.checkout(pack(500)).await.0,
        200,
        "the next click is a new attempt"
    );
}

/// A catalog in a file of the test's own, which it may change.
fn own_catalog(settings: &mut Settings, text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (_, path) = file.keep().unwrap();
    std::fs::write(&path, text).unwrap();
    settings.billing.catalog = path.to_str().unwrap().to_owned();
}

on_both!(
    case_k11_a_price_that_changes_between_page_and_click_is_charged_as_stripe_shows_it,
    |settings| own_catalog(settings, CATALOG)
);
async fn case_k11_a_price_that_changes_between_page_and_click_is_charged_as_stripe_shows_it(
    stage: &Stage,
) {
    let (maya, noah) = (
        stage.person("maya@example.com").await,
        stage.person("noah@example.com").await,
    );
    let old_page = maya.session(pack(500)).await;
    let text = CATALOG.replace(
        "credits = 500\nprice = \"0.50\"",
        "credits = 500\nbonus = 100\nprice = \"0.80\"",
    );
    std::fs::write(&stage.app.settings.billing.catalog, text).unwrap();
    let started = Instant::now();
    while stage.app.catalog().pack(500).unwrap().price.amount != 80 {
        assert!(started.elapsed() < PATIENCE, "the catalog is not followed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    billing::setup::run(&stage.app, false).await.unwrap();

    let new_page = noah.session(pack(500)).await;
    maya.pay(&old_page).await;
    noah.pay(&new_page).await;

    maya.billing_when(|body| balance(body) == 600.0).await;
    noah.billing_when(|body| balance(body) == 700.0).await;
    stage.settled().await;
    let row = |amount| vec![("CREDIT_TOPUP".to_owned(), "COMPLETED".to_owned(), amount)];
    assert_eq!(
        stage.transactions(maya.account).await,
        row(50),
        "what her page showed"
    );
    assert_eq!(stage.transactions(noah.account).await, row(80));
    audited(stage).await;
}

on_both!(case_k13_two_sessions_of_one_intent_bring_what_was_paid_once);
async fn case_k13_two_sessions_of_one_intent_bring_what_was_paid_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let first = maya.session(pack(500)).await;
    stage
        .stripe_post(&format!("/v1/checkout/sessions/{first}/expire"), &[])
        .await;
    let seen = stage
        .stripe_get(&format!("/v1/checkout/sessions/{first}"))
        .await;
    let intent = seen["metadata"]["intent"].as_str().unwrap();
    let price = stage.app.prices().price_of_pack[&500].clone();
    let again = stage
        .stripe_post(
            "/v1/checkout/sessions",
            &[
                ("mode", "payment"),
                ("customer", seen["customer"].as_str().unwrap()),
                ("line_items[0][price]", &price),
                ("line_items[0][quantity]", "1"),
                ("success_url", seen["success_url"].as_str().unwrap()),
                ("metadata[intent]", intent),
                ("payment_intent_data[metadata][intent]", intent),
            ],
        )
        .await;

    maya.pay(again["id"].as_str().unwrap()).await;
    maya.billing_when(|body| balance(body) == 600.0).await;
    for kind in ["checkout.session.completed", "checkout.session.expired"] {
        for event in stage.stripe_events(kind).await {
            assert_eq!(stage.deliver(&event).await.status(), 200);
        }
    }
    stage.settled().await;
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();

    assert_eq!(balance(&maya.billing().await), 600.0, "once");
    let mut statuses: Vec<_> = stage
        .transactions(maya.account)
        .await
        .into_iter()
        .map(|row| row.1)
        .collect();
    statuses.sort();
    assert_eq!(statuses, ["CANCELLED", "COMPLETED"]);
    audited(stage).await;
}

/// The customer's portal, opened from our page.
struct Portal<'a> {
    stage: &'a Stage,
    url: String,
}

impl Portal<'_> {
    async fn of<'a>(person: &Person<'a>) -> Portal<'a> {
        let (status, answer) = person.post("/api/stripe/customer-portal", json!({})).await;
        assert_eq!(status, 200, "{answer}");
        let url = answer["url"].as_str().unwrap().to_owned();
        Portal {
            stage: person.stage,
            url,
        }
    }

    async fn press(&self, button: &str, fields: &[(&str, &str)]) {
        let held = subscription(self.stage).await;
        let mut form = vec![("subscription", held["id"].as_str().unwrap())];
        form.extend(fields);
        let url = format!("{}/{button}", self.url);
        let answer = self.stage.http.post(url).form(&form).send().await.unwrap();
        let status = answer.status();
        assert!(
            status.is_redirection(),
            "{button}: {status} {}",
            answer.text().await.unwrap()
        );
    }

    async fn switch_to(&self, tier: &str) {
        let price = self.stage.app.prices().price_of_tier[tier].clone();
        self.press("plan", &[("price", &price)]).await;
    }
}

on_both!(case_k19_what_is_done_in_the_portal_counts_at_its_moment);
async fn case_k19_what_is_done_in_the_portal_counts_at_its_moment(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    let portal = Portal::of(&maya).await;

    // Down at the period's end.
    portal.switch_to("PRO").await;
    let body = maya
        .billing_when(|body| body["subscription"]["pendingChange"].is_object())
        .await;
    let pending = &body["subscription"]["pendingChange"];
    assert_eq!(
        (&pending["kind"], &pending["tier"]),
        (&json!("scheduled"), &json!("PRO")),
        "{body}"
    );
    assert_eq!(pending["at"], body["subscription"]["currentPeriodEnd"]);
    assert!(is("PRO_PLUS", "ACTIVE")(&body), "{body}");
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("You move from Pro Plus to Pro on"), "{page}");
    stage.twin.advance("20d").await.unwrap();
    stage.settled().await;
    assert!(
        is("PRO_PLUS", "ACTIVE")(&maya.billing().await),
        "what is paid lasts to its end"
    );
    stage.twin.advance("12d").await.unwrap();
    maya.billing_when(is("PRO", "ACTIVE")).await;

    // Up at once, for money.
    portal.switch_to("PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    let rows = stage.transactions(maya.account).await;
    let of = |kind: &str| rows.iter().filter(|row| row.0 == kind).collect::<Vec<_>>();
    assert_eq!(of("SUBSCRIPTION_DOWNGRADE").len(), 1, "{rows:?}");
    let paid = of("SUBSCRIPTION_UPGRADE");
    assert!(
        paid.len() == 1 && paid[0].1 == "COMPLETED" && (2_700..=3_000).contains(&paid[0].2),
        "{rows:?}"
    );

    // Ended, kept, ended again.
    portal.press("cancel", &[]).await;
    let body = maya
        .billing_when(|body| body["subscription"]["cancelAt"].is_string())
        .await;
    assert!(is("PRO_PLUS", "ACTIVE")(&body), "{body}");
    portal.press("resume", &[]).await;
    maya.billing_when(|body| body["subscription"]["cancelAt"].is_null())
        .await;

    // A renewal that fails is mended by another card.
    stage
        .twin
        .decline_next(None, Some("insufficient_funds"))
        .await
        .unwrap();
    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(is("PRO_PLUS", "PAST_DUE")).await;
    portal
        .press(
            "card",
            &[
                ("number", "5555555555554444"),
                ("exp", "12/40"),
                ("cvc", "123"),
                ("name", "Maya"),
            ],
        )
        .await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("4444"), "{page}");

    portal.press("cancel", &[]).await;
    maya.billing_when(|body| body["subscription"]["cancelAt"].is_string())
        .await;
    stage.twin.advance("32d").await.unwrap();
    maya.billing_when(|body| body["subscription"]["tier"] == "FREE")
        .await;
    audited(stage).await;
}

/// A code that takes everything off, once.
async fn code(stage: &Stage, name: &str) {
    let coupon = stage
        .stripe_post(
            "/v1/coupons",
            &[("percent_off", "100"), ("duration", "once")],
        )
        .await;
    stage
        .stripe_post(
            "/v1/promotion_codes",
            &[
                ("promotion[type]", "coupon"),
                ("promotion[coupon]", coupon["id"].as_str().unwrap()),
                ("code", name),
            ],
        )
        .await;
}

async fn take_for_nothing(person: &Person<'_>, what: Value) {
    let session = person.session(what).await;
    let page = format!("{}/c/pay/{session}/promotion", person.stage.twin_url);
    let typed = person
        .stage
        .http
        .post(page)
        .form(&[("promotion_code", "FREE")])
        .send()
        .await
        .unwrap();
    assert!(typed.status().is_redirection(), "{}", typed.status());
    person.pay(&session).await;
    let seen = person
        .stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(seen["payment_status"], "no_payment_required");
}

on_both!(
    case_k20_a_code_of_all_gives_the_plan_and_no_credits,
    |settings| settings.billing.promotion_codes_for_credits = true
);
async fn case_k20_a_code_of_all_gives_the_plan_and_no_credits(stage: &Stage) {
    code(stage, "FREE").await;
    let maya = stage.person("maya@example.com").await;

    take_for_nothing(&maya, json!({ "type": "subscription", "planId": "PRO" })).await;
    take_for_nothing(&maya, pack(5_000)).await;

    let body = maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(body["invoices"][0]["amount"], "0.00");
    assert_eq!(
        balance(&maya.billing().await),
        1_100.0,
        "the plan's and the free ones"
    );
    let rows = stage.transactions(maya.account).await;
    assert!(
        rows.contains(&("SUBSCRIPTION_PAYMENT".into(), "COMPLETED".into(), 0)),
        "{rows:?}"
    );
    assert!(
        rows.contains(&("CREDIT_TOPUP".into(), "CANCELLED".into(), 0)),
        "{rows:?}"
    );
    audited(stage).await;
}

on_both!(
    case_k20_where_it_is_allowed_a_code_of_all_brings_the_pack_once,
    |settings| {
        settings.billing.promotion_codes_for_credits = true;
        settings.billing.credits_without_payment = true;
    }
);
async fn case_k20_where_it_is_allowed_a_code_of_all_brings_the_pack_once(stage: &Stage) {
    code(stage, "FREE").await;
    let maya = stage.person("maya@example.com").await;

    take_for_nothing(&maya, pack(5_000)).await;

    let body = maya.billing_when(|body| balance(body) == 5_100.0).await;
    let kinds: Vec<_> = body["credits"]["grants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["allowance", "promo"], "it is a gift");
    stage.settled().await;
    let report = billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();
    assert!(report.changes.is_empty(), "{report:?}");
    assert_eq!(
        stage.transactions(maya.account).await,
        [("CREDIT_TOPUP".into(), "COMPLETED".into(), 0)]
    );
    audited(stage).await;
}

/// The demo's catalog in another currency: PRO at `plan`, all packs at `pack`.
fn in_currency(settings: &mut Settings, currency: &str, plan: &str, pack: &str) {
    let mut text = CATALOG.replace("\"usd\"", &format!("{currency:?}"));
    for (old, new) in [
        ("19.00", plan),
        ("49.00", plan),
        ("0.50", pack),
        ("1.00", pack),
        ("5.00", pack),
        ("10.00", pack),
    ] {
        text = text.replace(&format!("\"{old}\""), &format!("{new:?}"));
    }
    own_catalog(settings, &text);
}

/// A plan and a pack in that currency, from the session to the page.
async fn sold_in(stage: &Stage, currency: &str, plan: (i64, &str), credits: (i64, &str)) {
    let maya = stage.person("maya@example.com").await;
    let session = maya
        .session(json!({ "type": "subscription", "planId": "PRO" }))
        .await;
    let seen = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(
        (&seen["amount_total"], &seen["currency"]),
        (&json!(plan.0), &json!(currency))
    );
    maya.pay(&session).await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let session = maya.buy_pack(500).await;
    let seen = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(seen["amount_total"], credits.0);

    let body = maya.billing_when(|body| balance(body) == 1_600.0).await;

    assert_eq!(
        (
            &body["invoices"][0]["amount"],
            &body["invoices"][0]["currency"]
        ),
        (&json!(plan.1), &json!(currency))
    );
    stage.settled().await;
    let mut amounts: Vec<_> = stage
        .transactions(maya.account)
        .await
        .into_iter()
        .map(|row| row.2)
        .collect();
    amounts.sort_unstable();
    let mut wanted = [plan.0, credits.0];
    wanted.sort_unstable();
    assert_eq!(amounts, wanted);
    let (_, listed) = maya.get("/api/v1/transactions").await;
    assert!(
        listed
            .to_string()
            .contains(&format!("\"amount\":\"{}\"", credits.1)),
        "{listed}"
    );
    let (_, page) = maya.page("/dashboard/billing/invoices").await;
    let digits = |text: &str| text.replace(',', "");
    assert!(digits(&page).contains(plan.1), "{page}");
    audited(stage).await;
}

on_both!(case_k21_yen_have_no_decimals_anywhere, |settings| {
    in_currency(settings, "jpy", "1900", "120")
});
async fn case_k21_yen_have_no_decimals_anywhere(stage: &Stage) {
    sold_in(stage, "jpy", (1_900, "1900"), (120, "120")).await;
}

on_both!(case_k21_dinars_have_three_decimals_everywhere, |settings| {
    in_currency(settings, "kwd", "5.750", "1.250")
});
async fn case_k21_dinars_have_three_decimals_everywhere(stage: &Stage) {
    sold_in(stage, "kwd", (5_750, "5.750"), (1_250, "1.250")).await;
}

on_both!(
    case_k21_kronur_are_counted_in_hundredths_and_charged_whole,
    |settings| in_currency(settings, "isk", "2500", "150")
);
async fn case_k21_kronur_are_counted_in_hundredths_and_charged_whole(stage: &Stage) {
    sold_in(stage, "isk", (250_000, "2500.00"), (15_000, "150.00")).await;
}

on_both!(case_k23_a_name_that_changes_between_two_tries_is_told_to_stripe_afterwards);
async fn case_k23_a_name_that_changes_between_two_tries_is_told_to_stripe_afterwards(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    stage
        .twin
        .faults(&json!({ "mode": "cut_after", "count": 20 }))
        .await
        .unwrap();
    assert_eq!(maya.checkout(pack(500)).await.0, 503);
    stage.twin.faults(&json!({ "mode": "none" })).await.unwrap();
    let (account, now) = (maya.account, stage.app.now());
    let renamed = stage.app.write(account, move |tx| {
        store::accounts::rename(tx, account, "Maya & Sons", Some("maya@example.com"), now)
    });
    renamed.await.unwrap();

    let (status, answer) = maya.checkout(pack(500)).await;

    assert_eq!(
        status, 200,
        "the same key came with the same parameters: {answer}"
    );
    let customers = customers_of(&maya).await;
    assert_eq!(customers.len(), 1);
    assert_eq!(customers[0]["name"], "Maya & Sons");
}

on_both!(case_k23_a_customer_is_called_what_the_host_calls_its_account);
async fn case_k23_a_customer_is_called_what_the_host_calls_its_account(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let key = stage.server_key().await;
    let name = customers_of(&maya).await[0]["metadata"]["accountId"]
        .as_str()
        .unwrap()
        .to_owned();
    let put = stage
        .http
        .put(format!("{}/api/v1/accounts/{name}", stage.base))
        .bearer_auth(key);

    let (status, answer) =
        crate::stage::answer(put.json(&json!({ "name": "Acme", "email": "pay@acme.example" })))
            .await;

    assert_eq!(status, 200, "{answer}");
    let started = Instant::now();
    loop {
        let customer = customers_of(&maya).await.remove(0);
        if customer["name"] == "Acme" && customer["email"] == "pay@acme.example" {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{customer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both!(
    case_w14_an_older_answer_of_stripes_is_never_written_over_a_newer_one,
    between::put
);
async fn case_w14_an_older_answer_of_stripes_is_never_written_over_a_newer_one(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    stage.webhooks(false).await;
    let (between, account) = (between::of(stage), maya.account);
    let sync = || {
        let app = stage.app.clone();
        tokio::spawn(async move { billing::sync::account(&app, account).await })
    };

    // A worker has fetched, and is taken for lost before it writes.
    let last_call = between.hold("GET", "/v1/payment_methods/");
    let older = sync();
    last_call.reached().await;
    move_to(stage, "PRO_PLUS").await;
    let late = stage.app.real_now().plus_seconds(600);
    let taken = stage.app.write(account, move |tx| {
        store::sync::lease_account(tx, account, late, late.plus_seconds(-1_200))
    });
    assert!(taken.await.unwrap().is_some());
    sync().await.unwrap().unwrap();
    assert!(is("PRO_PLUS", "ACTIVE")(&maya.billing().await));
    last_call.open();
    assert!(older.await.unwrap().is_err(), "its token is old");
    assert!(
        is("PRO_PLUS", "ACTIVE")(&maya.billing().await),
        "what it had fetched is dropped"
    );

    // Two that are both alive take turns: the newer looks after the older has written.
    let last_call = between.hold("GET", "/v1/payment_methods/");
    let older = sync();
    last_call.reached().await;
    move_to(stage, "PRO").await;
    let newer = sync();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!newer.is_finished(), "one worker an account");
    last_call.open();
    older.await.unwrap().unwrap();
    newer.await.unwrap().unwrap();
    assert!(is("PRO", "ACTIVE")(&maya.billing().await));
}

/// Events of a burst, and how many of them are under way at once.
const BURST: usize = 1_500;
const AT_ONCE: usize = 50;

on_both!(
    case_w31_a_burst_of_events_is_taken_whole_and_looked_into_by_few,
    between::put
);
async fn case_w31_a_burst_of_events_is_taken_whole_and_looked_into_by_few(stage: &Stage) {
    let mut customers = Vec::new();
    for number in 0..6 {
        let person = stage.person(&format!("person{number}@example.com")).await;
        person.buy_pack(500).await;
        customers.push(customers_of(&person).await.remove(0));
    }
    stage.settled().await;
    let between = between::of(stage);
    between.most_in_hand();
    let looks_before = between.calls("GET", "/v1/customers/");
    let version = stage.app.settings.stripe.api_version.clone();
    let now = stage.app.now().seconds();
    let event = |number: usize| {
        json!({
            "id": format!("evt_burst_{number}"), "object": "event", "type": "customer.updated",
            "created": now, "livemode": false, "api_version": version,
            "data": { "object": customers[number % customers.len()] },
        })
    };

    let all: Vec<usize> = (0..BURST).collect();
    for part in all.chunks(AT_ONCE) {
        let events: Vec<Value> = part.iter().map(|number| event(*number)).collect();
        let answers = join_all(events.iter().map(|event| stage.deliver(event))).await;
        assert!(
            answers.iter().all(|answer| answer.status() == 200),
            "every one is taken"
        );
    }
    stage.settled().await;

    let kept = stage.app.read(tx_count).await.unwrap();
    assert_eq!(
        kept,
        i64::try_from(BURST).unwrap(),
        "each is done, none waits"
    );
    let looks = between.calls("GET", "/v1/customers/") - looks_before;
    assert!(looks < BURST / 2, "{looks} looks for {BURST} events");
    assert!(
        between.most_in_hand() <= 8,
        "four workers ask, one thing at a time"
    );
}

fn tx_count(tx: &mut store::Tx<'_>) -> store::Result<i64> {
    let (mut found, mut before) = (0, None);
    loop {
        let page = store::events::list(tx, &store::events::Filter::default(), before, 500)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        before = Some(last.n);
        let is_done = |event: &&store::events::Event| {
            event.event_id.starts_with("evt_burst_") && event.state == "done"
        };
        found += i64::try_from(page.iter().filter(is_done).count()).unwrap_or(0);
    }
}

on_both!(case_c7_a_hold_that_ran_out_during_its_call_takes_what_is_free_and_never_more);
async fn case_c7_a_hold_that_ran_out_during_its_call_takes_what_is_free_and_never_more(
    stage: &Stage,
) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    stage.twin.advance("10m").await.unwrap();
    stage.settled().await;
    assert_eq!(
        program.debit("others", 85).await.status,
        201,
        "the hold's credits are free again"
    );

    let late = program.capture(&hold, json!({ "credits": 40 })).await;

    assert_eq!(late.status, 200, "{}", late.body);
    assert_eq!(
        (&late.body["captured"], &late.body["uncollected"]),
        (&json!(15), &json!(25)),
        "{}",
        late.body
    );
    assert_eq!(program.available().await, 0.0);
    assert_eq!(program.debit("more", 1).await.status, 402);
    let balance = program.get("/api/v1/balance").await;
    assert_eq!(
        balance.body["debt"], 0,
        "usage makes no debt: {}",
        balance.body
    );
    audited(stage).await;
}

on_both!(case_c8_a_sweep_and_a_capture_of_a_hold_that_runs_out_settle_it_once);
async fn case_c8_a_sweep_and_a_capture_of_a_hold_that_runs_out_settle_it_once(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let mut captured = 0;
    for round in 0..8 {
        let hold = program
            .post(
                "/api/v1/holds",
                &format!("h{round}"),
                json!({ "credits": 10, "ttlSeconds": 1 }),
            )
            .await;
        let hold = hold.body["id"].as_str().unwrap().to_owned();
        stage.twin.advance("1s").await.unwrap();

        let (_, first, second) = tokio::join!(
            billing::jobs::sweep::once(&stage.app),
            program.capture(&hold, json!({ "credits": 4 })),
            program.capture(&hold, json!({ "credits": 4 })),
        );

        let statuses = [first.status, second.status];
        assert!(
            statuses.contains(&200) && statuses.contains(&409),
            "{statuses:?}"
        );
        captured += 4;
        assert_eq!(
            program.available().await,
            f64::from(100 - captured),
            "round {round}"
        );
    }
    audited(stage).await;
}

on_both!(case_c9_holds_keep_their_deadlines_when_only_the_systems_clock_moves);
async fn case_c9_holds_keep_their_deadlines_when_only_the_systems_clock_moves(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let hold = program.hold(40).await;
    let before = stage.app.now();
    // The billing clock is told an earlier time, as by a system that was set back.
    stage.app.clock.set(before.plus_seconds(-3_600));
    assert!(stage.app.now() >= before, "it never goes back");
    let shown = program.get(&format!("/api/v1/holds/{hold}")).await;
    assert_eq!(shown.body["state"], "pending");

    let session = stage.person("maya@example.com").await;
    let real = stage.app.real_now();
    stage.twin.advance("1d").await.unwrap();
    stage.settled().await;

    let shown = program.get(&format!("/api/v1/holds/{hold}")).await;
    assert_eq!(
        shown.body["state"], "expired",
        "the twin's clock does move it"
    );
    assert!(stage.app.now() >= before.plus_days(1));
    assert!(
        stage.app.real_now() < real.plus_seconds(600),
        "sign-ins live on real time"
    );
    assert_eq!(session.get("/api/dashboard/billing").await.0, 200);
    audited(stage).await;
}

/// A route of the test's own behind all that the service puts before its routes.
async fn shielded(app: &App, routes: Router<Site>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = web::router::shielded(Site::new(app.clone()), routes);
    let router = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

async fn panics_in_a_job(State(app): State<App>) -> web::http::error::HttpResult<&'static str> {
    let job = |_: &mut store::Tx<'_>| -> store::Result<()> { panic!("case D12 in a job") };
    app.write(0, job).await?;
    Ok("never")
}

async fn panics_after_a_hold(State(app): State<App>) -> &'static str {
    let account = app
        .read(|tx| store::accounts::ids_after(tx, 0, 1))
        .await
        .unwrap()[0];
    let command = domain::ledger::Command::Authorize {
        hold: app.new_id("hold"),
        amount: domain::money::Credits::new(30),
        ttl_seconds: 60,
    };
    app.ledger(account, domain::ledger::Request::internal(command))
        .await
        .unwrap()
        .unwrap();
    panic!("case D12 after a hold")
}

on_both!(case_d12_a_panic_is_one_answer_and_nothing_else_notices);
async fn case_d12_a_panic_is_one_answer_and_nothing_else_notices(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let program = Program {
        stage,
        secret: maya.meter_key().await,
    };
    assert_eq!(program.available().await, 100.0);
    let routes = Router::new()
        .route("/job", get(panics_in_a_job))
        .route("/hold", get(panics_after_a_hold));
    let base = shielded(&stage.app, routes).await;

    for path in ["/job", "/hold", "/job"] {
        let answer = Answer::of(stage.http.get(format!("{base}{path}"))).await;
        assert_eq!(answer.status, 500, "{}", answer.body);
        assert_eq!(answer.body["code"], "internal");
        assert!(
            !answer.body.to_string().contains("D12"),
            "nothing of the inside: {}",
            answer.body
        );
    }

    assert_eq!(program.available().await, 70.0);
    assert_eq!(
        program.debit("after", 5).await.status,
        201,
        "neither pool nor lock is poisoned"
    );
    stage.twin.advance("2m").await.unwrap();
    stage.settled().await;
    assert_eq!(program.available().await, 95.0, "the hold ran out");
    audited(stage).await;
}

/// A mail server's address at which nobody answers yet.
static DEAD: Mutex<Vec<(u16, u16)>> = Mutex::new(Vec::new());

fn without_mail(settings: &mut Settings) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    DEAD.lock().unwrap().push((port, settings.mail.port));
    settings.mail.port = port;
}

/// Passes connections to the port on to the mailbox.
async fn revive(port: u16, mailbox: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(("127.0.0.1", mailbox)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
}

on_both!(
    case_d15_while_the_mail_server_is_down_billing_goes_on_and_mails_wait,
    without_mail
);
async fn case_d15_while_the_mail_server_is_down_billing_goes_on_and_mails_wait(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| balance(body) == 1_600.0).await;
    let started = Instant::now();
    let waiting = loop {
        let waiting = stage
            .app
            .read(|tx| store::outbox::list(tx, Some("queued"), None, None, 100))
            .await
            .unwrap();
        if waiting.len() == 2 && waiting.iter().all(|mail| mail.last_error.is_some()) {
            break waiting;
        }
        assert!(started.elapsed() < PATIENCE, "{waiting:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(waiting.iter().all(|mail| mail.attempts >= 1));
    assert!(stage.app.busy.load(Ordering::SeqCst) < 100);

    let port = stage.app.settings.mail.port;
    let mailbox = DEAD
        .lock()
        .unwrap()
        .iter()
        .find(|dead| dead.0 == port)
        .unwrap()
        .1;
    revive(port, mailbox).await;
    // What is told again is told under the same key.
    billing::sync::account(&stage.app, maya.account)
        .await
        .unwrap();

    let started = Instant::now();
    while stage.mail_subjects().await.len() < 2 {
        assert!(
            started.elapsed() < PATIENCE,
            "{:?}",
            stage.mail_subjects().await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let subjects = stage.mail_subjects().await;
    assert_eq!(subjects.len(), 2, "each once: {subjects:?}");
}
