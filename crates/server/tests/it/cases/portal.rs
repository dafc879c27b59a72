//! Changes that users make in Stripe's portal.

use super::*;

/// Opens the customer portal from our page.
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
        let held = self.stage.subscription().await;
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
        let price = self.stage.price(tier);
        self.press("plan", &[("price", &price)]).await;
    }
}

on_both!(case_k19_changes_in_the_portal_take_effect_at_their_time);
async fn case_k19_changes_in_the_portal_take_effect_at_their_time(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    let portal = Portal::of(&maya).await;

    // A downgrade at the end of the period.
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

    // An immediate upgrade that costs money.
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

    // Canceled, resumed, canceled again.
    portal.press("cancel", &[]).await;
    let body = maya.billing_when(is_canceled).await;
    assert!(is("PRO_PLUS", "ACTIVE")(&body), "{body}");
    portal.press("resume", &[]).await;
    maya.billing_when(|body| body["subscription"]["cancelAt"].is_null())
        .await;

    // A failed renewal is paid with another card.
    stage.decline_next("insufficient_funds").await;
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
    maya.billing_when(is_canceled).await;
    stage.twin.advance("32d").await.unwrap();
    maya.billing_when(is_tier("FREE")).await;
    stage.audited().await;
}

async fn pay_with_full_discount(person: &Person<'_>, what: Value) {
    let session = person.session(what).await;
    person.stage.enter_code(&session, "FREE").await;
    person.pay(&session).await;
    let seen = person
        .stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    assert_eq!(seen["payment_status"], "no_payment_required");
}

on_both!(
    case_k20_a_full_discount_gives_the_plan_and_no_credits,
    |settings| settings.billing.promotion_codes_for_credits = true
);
async fn case_k20_a_full_discount_gives_the_plan_and_no_credits(stage: &Stage) {
    stage.promotion_code("FREE", "100").await;
    let maya = stage.person("maya@example.com").await;

    pay_with_full_discount(&maya, plan_of("PRO")).await;
    pay_with_full_discount(&maya, pack(5_000)).await;

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
    stage.audited().await;
}

on_both!(
    case_k20_if_allowed_a_full_discount_grants_the_pack_once,
    |settings| {
        settings.billing.promotion_codes_for_credits = true;
        settings.billing.credits_without_payment = true;
    }
);
async fn case_k20_if_allowed_a_full_discount_grants_the_pack_once(stage: &Stage) {
    stage.promotion_code("FREE", "100").await;
    let maya = stage.person("maya@example.com").await;

    pay_with_full_discount(&maya, pack(5_000)).await;

    let body = maya.balance_is(5_100).await;
    let kinds = column(&body["credits"]["grants"], "kind");
    assert_eq!(kinds, ["allowance", "promo"], "it is a gift");
    stage.settled().await;
    let report = stage.sync(maya.account).await;
    assert!(report.changes.is_empty(), "{report:?}");
    assert_eq!(
        stage.transactions(maya.account).await,
        [("CREDIT_TOPUP".into(), "COMPLETED".into(), 0)]
    );
    stage.audited().await;
}
