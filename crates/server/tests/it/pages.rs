//! Pages as a browser sees them: forms post and redirect, and no page requires JavaScript.

mod sign_in;

use reqwest::{Method, Response};
use serde_json::json;

use crate::stage::{Person, Stage, eventually, on_both, pack, session_id};

const BILLING: &str = "/dashboard/billing";

/// Submits a form as a browser does.
pub async fn send(person: &Person<'_>, path: &str, form: &[(&str, &str)]) -> Response {
    let request = person.request(Method::POST, path);
    let request = request.header("accept", "text/html").form(form);
    request.send().await.expect("the service answers")
}

pub fn location(answer: &Response) -> String {
    let to = answer.headers()["location"].to_str();
    to.expect("an address").to_owned()
}

/// Requests a page as a signed-out browser does.
pub async fn stranger(stage: &Stage, path: &str) -> Response {
    let request = stage.http.get(format!("{}{path}", stage.base));
    let request = request.header("accept", "text/html");
    request.send().await.expect("the service answers")
}

/// The path of the link in the newest email, once there is one.
pub async fn mailed_link(stage: &Stage) -> String {
    let mark = "/login/confirm?token=";
    let mails = async || stage.twin.get("/_twin/mails").await.unwrap().to_string();
    let text = eventually(mails, |text| text.contains(mark)).await;
    let rest = &text[text.find(mark).unwrap()..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"/?=".contains(c));
    rest[..end.unwrap_or(rest.len())].to_owned()
}

on_both!(every_account_page_is_shown_to_members_and_redirects_others_to_sign_in);
async fn every_account_page_is_shown_to_members_and_redirects_others_to_sign_in(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let pages = [
        "/dashboard/billing",
        "/dashboard/billing/upgrade",
        "/dashboard/billing/credits",
        "/dashboard/billing/success",
        "/dashboard/billing/cancel",
        "/dashboard/billing/history.csv",
        "/dashboard/usage?period=7d",
        "/dashboard/keys",
    ];
    for path in pages {
        assert_eq!(maya.page(path).await.0, 200, "{path}");

        let sent_away = stranger(stage, path).await;

        assert_eq!(sent_away.status(), 303, "{path}");
        assert!(
            location(&sent_away).starts_with("/login?next=%2Fdashboard"),
            "{path}"
        );
    }
    for path in ["/pricing", "/login", "/login?next=/dashboard/usage"] {
        assert_eq!(stranger(stage, path).await.status(), 200, "{path}");
    }
    assert_eq!(location(&stranger(stage, "/").await), "/pricing");
}

on_both!(operators_pages_are_closed_to_users);
async fn operators_pages_are_closed_to_users(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    for path in ["/admin/transactions", "/admin/accounts", "/admin/events"] {
        assert_eq!(maya.page(path).await.0, 403, "{path}");
        assert_eq!(olga.page(path).await.0, 200, "{path}");
    }
}

on_both!(case_k14_the_success_page_shows_only_the_users_own_sessions);
async fn case_k14_the_success_page_shows_only_the_users_own_sessions(stage: &Stage) {
    let (maya, eve) = (
        stage.person("maya@example.com").await,
        stage.person("eve@example.com").await,
    );
    let session = maya.buy_pack(5_000).await;
    stage.settled().await;
    let path = format!("{BILLING}/success?session_id={session}");

    let (status, page) = eve.page(&path).await;

    assert_eq!(status, 404);
    assert!(page.contains("could not find this checkout") && !page.contains("5,000"));
    assert_eq!(
        eve.page(&format!("{BILLING}/success?session_id=cs_test_none"))
            .await
            .0,
        404
    );
    assert_eq!(eve.billing().await["credits"]["balance"], json!(100));
}

on_both!(case_k14_the_success_page_grants_nothing_for_an_unpaid_session);
async fn case_k14_the_success_page_grants_nothing_for_an_unpaid_session(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(5_000)).await;

    let (status, page) = maya
        .page(&format!("{BILLING}/success?session_id={session}"))
        .await;

    assert_eq!(status, 200);
    assert!(page.contains("This checkout is not paid"), "{page}");
    assert_eq!(maya.billing().await["credits"]["balance"], json!(100));
}

on_both!(case_k14_the_success_page_is_correct_on_first_load_without_any_webhook);
async fn case_k14_the_success_page_is_correct_on_first_load_without_any_webhook(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    assert_eq!(maya.billing().await["credits"]["balance"], json!(100));
    stage.webhooks(false).await;
    let pack = maya.buy_pack(5_000).await;
    let plan = maya.subscribe("PRO").await;

    let (_, credits) = maya
        .page(&format!("{BILLING}/success?type=credits&session_id={pack}"))
        .await;
    let (_, pro) = maya
        .page(&format!("{BILLING}/success?session_id={plan}"))
        .await;
    for _ in 0..5 {
        maya.page(&format!("{BILLING}/success?session_id={pack}"))
            .await;
    }

    assert!(credits.contains("5,000 credits added"), "{credits}");
    assert!(
        pro.contains("Pro is active") && pro.contains("$19.00 per month"),
        "{pro}"
    );
    assert_eq!(maya.billing().await["credits"]["balance"], json!(6_100));
}

on_both!(case_k15_the_cancel_page_keeps_the_choice_and_changes_nothing);
async fn case_k15_the_cancel_page_keeps_the_choice_and_changes_nothing(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(pack(5_000)).await;

    let (status, page) = maya.page(&format!("{BILLING}/cancel")).await;

    assert_eq!(status, 200);
    assert!(page.contains("Nothing was charged") && page.contains("5,000 credits for $5.00"));
    let at_stripe = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(at_stripe["status"], "open");
}

on_both!(a_pack_and_a_plan_are_bought_by_forms);
async fn a_pack_and_a_plan_are_bought_by_forms(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;

    let pack = send(&maya, &format!("{BILLING}/credits"), &[("amount", "1000")]).await;
    let plan = send(&maya, &format!("{BILLING}/upgrade"), &[("planId", "PRO")]).await;

    assert_eq!((pack.status().as_u16(), plan.status().as_u16()), (303, 303));
    for answer in [pack, plan] {
        maya.pay(&session_id(&location(&answer))).await;
    }
    maya.billing_when(|body| body["credits"]["balance"] == json!(2_100))
        .await;
}

on_both!(a_pack_that_was_paid_for_can_be_bought_again_in_a_new_checkout);
async fn a_pack_that_was_paid_for_can_be_bought_again_in_a_new_checkout(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let form = [("amount", "500")];
    let open = location(&send(&maya, &format!("{BILLING}/credits"), &form).await);
    let same = location(&send(&maya, &format!("{BILLING}/credits"), &form).await);
    assert_eq!(open, same, "an open page is used again");
    maya.pay(&session_id(&open)).await;

    let next = location(&send(&maya, &format!("{BILLING}/credits"), &form).await);

    assert_ne!(session_id(&open), session_id(&next));
    maya.pay(&session_id(&next)).await;
    maya.billing_when(|body| body["credits"]["balance"] == json!(1_100))
        .await;
}

on_both!(choosing_something_not_for_sale_shows_the_form_again);
async fn choosing_something_not_for_sale_shows_the_form_again(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for amount in ["", "7", "-500", "1e3", "500.0"] {
        let answer = send(&maya, &format!("{BILLING}/credits"), &[("amount", amount)]).await;
        assert_eq!(answer.status(), 400, "{amount}");
        assert!(
            answer.text().await.unwrap().contains("Choose a pack"),
            "{amount}"
        );
    }
    for (plan, status) in [("FREE", 400), ("NONE", 400), ("ENTERPRISE", 409)] {
        let answer = send(&maya, &format!("{BILLING}/upgrade"), &[("planId", plan)]).await;
        assert_eq!(answer.status(), status, "{plan}");
        assert!(
            answer.text().await.unwrap().contains("Nothing was bought"),
            "{plan}"
        );
    }
}

on_both!(a_cancellation_at_the_end_of_the_period_can_be_undone);
async fn a_cancellation_at_the_end_of_the_period_can_be_undone(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let plan = format!("{BILLING}/plan");
    let (_, question) = maya.page(&format!("{plan}?act=cancel")).await;
    assert!(
        question.contains("Calls per month drop from 10,000 to 1,000."),
        "{question}"
    );

    let canceled = send(&maya, &plan, &[("act", "cancel"), ("reason", "unused")]).await;

    assert_eq!(canceled.status(), 303);
    let body = maya.billing().await;
    assert_eq!(body["subscription"]["tier"], "PRO");
    assert!(body["subscription"]["cancelAt"].is_string(), "{body}");
    let (_, page) = maya.page(BILLING).await;
    assert!(page.contains("Keep Pro") && page.contains("be charged again"));

    // Repeating it changes nothing.
    assert_eq!(send(&maya, &plan, &[("act", "cancel")]).await.status(), 303);
    assert_eq!(send(&maya, &plan, &[("act", "resume")]).await.status(), 303);

    assert!(maya.billing().await["subscription"]["cancelAt"].is_null());
    let (_, page) = maya.page(BILLING).await;
    assert!(page.contains("Renews on") && page.contains("Cancel plan"));
}

/// The value of the first hidden field of this name.
pub fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let field = format!("name=\"{name}\" value=\"");
    let start = page.find(&field).expect("the field is there") + field.len();
    page[start..].split('"').next().expect("a value")
}

on_both!(an_upgrade_costs_the_previewed_amount_and_starts_immediately);
async fn an_upgrade_costs_the_previewed_amount_and_starts_immediately(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let (status, review) = maya
        .page(&format!("{BILLING}/upgrade?planId=PRO_PLUS"))
        .await;
    assert_eq!(status, 200);
    assert!(
        review.contains("Pro to Pro Plus") && review.contains("Due today"),
        "{review}"
    );
    let quote = hidden(&review, "quote");
    let due: i64 = quote.split(':').nth(1).unwrap().parse().unwrap();
    assert!(due > 0 && due <= 3_000, "{quote}");

    let form = [("act", "change"), ("planId", "PRO_PLUS"), ("quote", quote)];
    let changed = send(&maya, &format!("{BILLING}/plan"), &form).await;

    assert_eq!(changed.status(), 303);
    let body = maya.billing().await;
    assert_eq!(body["subscription"]["tier"], "PRO_PLUS");
    assert_eq!(body["subscription"]["status"], "ACTIVE");
    let rows = stage.transactions(maya.account).await;
    assert_eq!(
        rows[1],
        ("SUBSCRIPTION_UPGRADE".into(), "COMPLETED".into(), due)
    );
    // A second click is refused, because the change was already made.
    let again = send(&maya, &format!("{BILLING}/plan"), &form).await;
    assert_eq!(again.status(), 409);
    assert_eq!(stage.transactions(maya.account).await.len(), 2);
}

on_both!(a_tampered_amount_or_time_is_previewed_again_and_charges_nothing);
async fn a_tampered_amount_or_time_is_previewed_again_and_charges_nothing(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let now = stage.app.now().seconds();
    let later = now + 29 * 86_400;

    for quote in [
        format!("{now}:1"),
        format!("{later}:100"),
        format!("{}:3000", now - 9_000),
    ] {
        let form = [
            ("act", "change"),
            ("planId", "PRO_PLUS"),
            ("quote", &*quote),
        ];
        let answer = send(&maya, &format!("{BILLING}/plan"), &form).await;
        assert_eq!(answer.status(), 409, "{quote}");
        assert!(
            answer
                .text()
                .await
                .unwrap()
                .contains("The amount has changed"),
            "{quote}"
        );
    }
    let form = [("act", "change"), ("planId", "PRO_PLUS")];
    assert_eq!(
        send(&maya, &format!("{BILLING}/plan"), &form)
            .await
            .status(),
        400
    );
    assert_eq!(maya.billing().await["subscription"]["tier"], "PRO");
    assert_eq!(stage.transactions(maya.account).await.len(), 1);
}

on_both!(a_downgrade_is_not_previewed_as_an_upgrade);
async fn a_downgrade_is_not_previewed_as_an_upgrade(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;

    let (status, page) = maya.page(&format!("{BILLING}/upgrade?planId=PRO")).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("Move to Pro on") && !page.contains("and upgrade"),
        "{page}"
    );
    for plan in ["PRO_PLUS", "FREE", "ENTERPRISE"] {
        let (status, page) = maya.page(&format!("{BILLING}/upgrade?planId={plan}")).await;
        assert_eq!(status, 409, "{plan}");
        assert!(!page.contains("Due today"), "{plan}");
    }
}

on_both!(without_a_plan_there_is_nothing_to_cancel);
async fn without_a_plan_there_is_nothing_to_cancel(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let plan = format!("{BILLING}/plan");

    assert_eq!(maya.page(&format!("{plan}?act=cancel")).await.0, 303);
    assert_eq!(send(&maya, &plan, &[("act", "cancel")]).await.status(), 409);
    assert_eq!(send(&maya, &plan, &[("act", "sell")]).await.status(), 400);
}
