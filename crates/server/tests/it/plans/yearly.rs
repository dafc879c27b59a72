//! Plans that are paid by the year.

use super::*;

fn by(plan: &str, interval: &str) -> Value {
    json!({ "type": "subscription", "planId": plan, "interval": interval })
}

async fn subscriber<'a>(stage: &'a Stage, plan: &str, interval: &str) -> Person<'a> {
    let person = stage.person("maya@example.com").await;
    let session = person.session(by(plan, interval)).await;
    person.pay(&session).await;
    person.billing_when(is_tier(plan)).await;
    person
}

async fn to(person: &Person<'_>, action: &str, plan: &str, interval: &str) -> (u16, Value) {
    let body = json!({ "action": action, "planId": plan, "interval": interval });
    change(person, body).await
}

/// Previews and confirms.
async fn moved(person: &Person<'_>, plan: &str, interval: &str) -> (Value, u16, Value) {
    let (status, preview) = to(person, "preview", plan, interval).await;
    assert_eq!(status, 200, "{preview}");
    let body = json!({
        "action": "confirm", "planId": plan, "interval": interval, "quote": preview["quote"],
    });
    let (status, done) = change(person, body).await;
    (preview, status, done)
}

on_both!(a_plan_is_bought_by_the_year_and_brings_twelve_allowances);
async fn a_plan_is_bought_by_the_year_and_brings_twelve_allowances(stage: &Stage) {
    let maya = subscriber(stage, "PRO", "year").await;

    let body = maya.balance_is(1_100).await;
    let subscription = &body["subscription"];
    assert_eq!(body["invoices"][0]["amount"], "190.00");
    assert_eq!(subscription["interval"], "year");
    assert_eq!(subscription["price"]["amount"], "190.00");
    assert_eq!(subscription["nextCharge"]["amount"]["amount"], "190.00");
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("$190.00 per year"), "{page}");
    let figures = billing::books::figures::of(&stage.app).await.unwrap();
    assert_eq!((figures.mrr.amount, figures.subscriptions), (1_583, 1));
    assert_eq!(figures.revenue.amount, 19_000);
    for _ in 0..2 {
        stage.twin.advance("32d").await.unwrap();
        // The free credits of the first month have expired.
        maya.balance_is(1_000).await;
    }
}

on_both!(who_says_no_interval_pays_by_the_month_and_a_wrong_one_is_refused);
async fn who_says_no_interval_pays_by_the_month_and_a_wrong_one_is_refused(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let yearly = stage.app.prices().yearly_price_of_tier["PRO"].clone();

    let (status, refused) = maya.checkout(by("PRO", "fortnight")).await;
    assert_eq!(
        (status, &refused["field"]),
        (400, &json!("interval")),
        "{refused}"
    );
    let (status, refused) = maya.checkout(by(&yearly, "month")).await;
    assert_eq!(
        (status, &refused["field"]),
        (400, &json!("interval")),
        "{refused}"
    );
    // A price id of a year needs no interval.
    let session = maya.session(plan_of(&yearly)).await;
    let session = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(session["amount_total"], 19_000);
    let session = maya.session(plan_of("PRO")).await;
    let session = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(session["amount_total"], 1_900);
    let (_, prices) = maya.get("/api/pricing").await;
    assert_eq!(prices["plans"][1]["priceYearly"]["amount"], "190.00");
    assert!(prices["plans"][0]["priceYearly"].is_null());
}

on_both!(a_month_becomes_a_year_now_for_at_most_its_quote);
async fn a_month_becomes_a_year_now_for_at_most_its_quote(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.twin.advance("10d").await.unwrap();

    let (preview, status, done) = moved(&maya, "PRO", "year").await;

    assert_eq!(status, 200, "{done}");
    assert_eq!(
        (&preview["kind"], &preview["interval"]),
        (&json!("upgrade"), &json!("year"))
    );
    assert_eq!(done["subscription"]["interval"], "year");
    let due = cents(&preview["amountDue"]);
    assert!((17_600..17_900).contains(&due), "{preview}");
    let latest = stage.stripe_list("/v1/invoices").await[0].clone();
    assert_eq!(latest["amount_paid"].as_i64(), Some(due));
    let next = &done["subscription"]["nextCharge"];
    assert_eq!(next["amount"]["amount"], "190.00", "{done}");
    assert_eq!(next["at"], done["subscription"]["currentPeriodEnd"]);
    // The same again is what the account has.
    let (status, again) = to(&maya, "preview", "PRO", "year").await;
    assert_eq!((status, code(&again)), (409, "same_plan"));
}

on_both!(a_month_that_becomes_a_year_keeps_its_credits_beside_the_years_twelve_allowances);
async fn a_month_that_becomes_a_year_keeps_its_credits_beside_the_years_twelve_allowances(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    maya.balance_is(1_100).await;
    stage.twin.advance("10d").await.unwrap();

    let (_, status, done) = moved(&maya, "PRO", "year").await;

    assert_eq!(status, 200, "{done}");
    maya.balance_is(2_100).await;
    // What is left of the month before expires with it, as do the free credits.
    stage.twin.advance("25d").await.unwrap();
    maya.balance_is(1_000).await;
    stage.twin.advance("10d").await.unwrap();
    maya.balance_is(1_000).await;
    let account = maya.account;
    let grants = stage
        .read(move |tx| store::ledger::grants(tx, account, i64::MAX, 100))
        .await;
    let paid = grants
        .iter()
        .filter(|one| one.source_key.contains(":PRO:"))
        .count();
    assert_eq!(paid, 3, "the month's, and the first two of twelve");
    stage.audited().await;
}

on_both!(a_change_shows_what_is_charged_afterward_and_never_an_amount_that_may_end);
async fn a_change_shows_what_is_charged_afterward_and_never_an_amount_that_may_end(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let held = stage.subscription().await;
    let item = held["items"]["data"][0]["id"].as_str().unwrap().to_owned();
    let item = format!("/v1/subscription_items/{item}");
    let twice = [("quantity", "2"), ("proration_behavior", "none")];
    stage.stripe_post(&item, &twice).await;
    let upgrade = "/dashboard/billing/upgrade?planId=PRO_PLUS&interval=";
    let shown = async |interval: &str| {
        let (status, preview) = to(&maya, "preview", "PRO_PLUS", interval).await;
        assert_eq!(status, 200, "{preview}");
        let (_, page) = maya.page(&format!("{upgrade}{interval}")).await;
        (preview["recurring"]["amount"].clone(), page)
    };

    let (month, page) = shown("month").await;
    assert_eq!(month, "98.00");
    assert!(page.contains("After that $98.00 per month"), "{page}");
    assert_eq!(shown("year").await.0, "980.00");
    let (_, less) = to(&maya, "preview", "PRO", "year").await;
    assert_eq!(less["recurring"]["amount"], "380.00", "{less}");

    // Stripe's preview can't say that a discount ends before it applies again.
    let path = stage.subscription_path().await;
    for (duration, expected) in [("once", Value::Null), ("forever", json!("49.00"))] {
        let form = [("percent_off", "50"), ("duration", duration)];
        let coupon = stage.stripe_post("/v1/coupons", &form).await;
        let form = [("discounts[0][coupon]", coupon["id"].as_str().unwrap())];
        stage.stripe_post(&path, &form).await;
        let (amount, page) = shown("month").await;
        assert_eq!(amount, expected, "{duration}");
        assert_eq!(
            page.contains("After that $"),
            duration == "forever",
            "{page}"
        );
        let listed = page.contains("the plan costs $98.00 per month before discounts and tax");
        assert_eq!(listed, duration == "once", "{page}");
    }
}

on_both!(a_year_becomes_a_month_at_its_end_and_that_can_be_undone);
async fn a_year_becomes_a_month_at_its_end_and_that_can_be_undone(stage: &Stage) {
    let maya = subscriber(stage, "PRO", "year").await;

    let (preview, status, done) = moved(&maya, "PRO", "month").await;
    assert_eq!(
        (status, &preview["kind"]),
        (200, &json!("downgrade")),
        "{done}"
    );
    let pending = &done["subscription"]["pendingChange"];
    assert_eq!(
        (&pending["tier"], &pending["interval"]),
        (&json!("PRO"), &json!("month"))
    );
    assert_eq!(pending["price"]["amount"], "19.00");
    assert_eq!(
        done["subscription"]["nextCharge"]["amount"]["amount"], "19.00",
        "{done}"
    );
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(page.contains("From then on $19.00 per month"), "{page}");

    let (status, undone) = change(&maya, json!({ "action": "undo" })).await;
    assert_eq!(status, 200, "{undone}");
    assert_eq!(
        undone["subscription"]["nextCharge"]["amount"]["amount"],
        "190.00"
    );
    assert!(undone["subscription"]["pendingChange"].is_null());

    moved(&maya, "PRO", "month").await;
    stage.twin.advance("366d").await.unwrap();
    let body = maya
        .billing_when(|body| body["subscription"]["interval"] == "month")
        .await;
    let charged = stage.stripe_list("/v1/invoices").await[0].clone();
    assert_eq!(charged["amount_due"], 1_900, "{body}");
}

on_both!(a_larger_plan_by_the_month_waits_for_the_end_of_the_year);
async fn a_larger_plan_by_the_month_waits_for_the_end_of_the_year(stage: &Stage) {
    let maya = subscriber(stage, "PRO", "year").await;

    let (_, monthly) = to(&maya, "preview", "PRO_PLUS", "month").await;
    // An upgrade keeps the interval that is paid, unless it is told another.
    let (preview, status, done) = {
        let body = json!({ "action": "preview", "planId": "PRO_PLUS" });
        let (_, preview) = change(&maya, body).await;
        let body = json!({ "action": "confirm", "planId": "PRO_PLUS", "quote": preview["quote"] });
        let (status, done) = change(&maya, body).await;
        (preview, status, done)
    };

    assert_eq!(
        (&monthly["kind"], &monthly["amountDue"]["amount"]),
        (&json!("downgrade"), &json!("0.00"))
    );
    assert_eq!(
        (status, &preview["interval"]),
        (200, &json!("year")),
        "{done}"
    );
    assert_eq!(preview["price"]["amount"], "490.00");
    assert_eq!(done["subscription"]["tier"], "PRO_PLUS");
    let due = cents(&preview["amountDue"]);
    assert!((29_900..=30_000).contains(&due), "{preview}");
}

on_both!(an_agreed_price_has_its_own_interval);
async fn an_agreed_price_has_its_own_interval(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let product = stage
        .stripe_post("/v1/products", &[("name", "Pro for Acme")])
        .await;
    let form = [
        ("product", product["id"].as_str().unwrap()),
        ("unit_amount", "15000"),
        ("currency", "usd"),
        ("recurring[interval]", "year"),
    ];
    let price = stage.stripe_post("/v1/prices", &form).await;
    let account = stage.public_id(maya.account).await;
    let path = format!("/api/admin/accounts/{account}/prices/PRO");
    let body = json!({ "priceId": price["id"], "reason": "contract 9" });
    assert_eq!(olga.put(&path, body).await.0, 200);

    let (status, refused) = maya.checkout(by("PRO", "month")).await;
    let session = maya.session(plan_of("PRO")).await;

    assert_eq!(
        (status, code(&refused)),
        (409, "agreed_interval"),
        "{refused}"
    );
    let session = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(session["amount_total"], 15_000);
    let (_, page) = maya.page("/dashboard/billing/upgrade?interval=month").await;
    assert!(page.contains("per year, custom price"), "{page}");
}

on_both!(the_pages_offer_both_intervals_without_script);
async fn the_pages_offer_both_intervals_without_script(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;

    let months = stage.get("/pricing").await.text().await.unwrap();
    let years = stage
        .get("/pricing?interval=year")
        .await
        .text()
        .await
        .unwrap();
    let (_, upgrade) = maya.page("/dashboard/billing/upgrade?interval=year").await;
    let path = "/dashboard/billing/upgrade?planId=PRO&interval=year";
    let (_, review) = maya.page(path).await;

    assert!(months.contains("$190.00 a year, 2 months free"), "{months}");
    assert!(months.contains("/pricing?interval=year"), "{months}");
    assert!(years.contains("$190 <small>per year</small>"), "{years}");
    assert!(years.contains("upgrade?interval=year"), "{years}");
    assert!(upgrade.contains("Pay yearly"), "{upgrade}");
    assert!(review.contains("Pro, monthly to Pro, yearly"), "{review}");
    let quote = review.split("name=\"quote\" value=\"").nth(1).unwrap();
    let quote = quote.split('"').next().unwrap();
    let form = [
        ("act", "change"),
        ("planId", "PRO"),
        ("interval", "year"),
        ("quote", quote),
    ];
    let posted = maya
        .request(reqwest::Method::POST, "/dashboard/billing/plan")
        .form(&form)
        .send()
        .await
        .unwrap();
    assert!(posted.status().is_redirection() || posted.status().is_success());
    maya.billing_when(|body| body["subscription"]["interval"] == "year")
        .await;
}
