//! Currencies of zero, two and three decimals (case K21).

use super::*;

/// The demo's catalog in another currency, with the plans at `plan`, by the year too, and all packs at `pack`.
fn in_currency(settings: &mut Settings, currency: &str, plan: &str, pack: &str) {
    let mut text = CATALOG.replace("\"usd\"", &format!("{currency:?}"));
    for (old, new) in [
        ("19.00", plan),
        ("49.00", plan),
        ("190.00", plan),
        ("490.00", plan),
        ("0.50", pack),
        ("1.00", pack),
        ("5.00", pack),
        ("10.00", pack),
    ] {
        text = text.replace(&format!("\"{old}\""), &format!("{new:?}"));
    }
    own_catalog(settings, &text);
}

/// Buys a plan and a pack in that currency, and checks each step from the session to the page.
async fn sold_in(stage: &Stage, currency: &str, plan: (i64, &str), credits: (i64, &str)) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
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

    let body = maya.balance_is(1_600).await;

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
    stage.audited().await;
}

on_both!(case_k21_yen_have_no_decimals_anywhere, |settings| {
    in_currency(settings, "jpy", "1900", "120");
});
async fn case_k21_yen_have_no_decimals_anywhere(stage: &Stage) {
    sold_in(stage, "jpy", (1_900, "1900"), (120, "120")).await;
}

on_both!(case_k21_dinars_have_three_decimals_everywhere, |settings| {
    in_currency(settings, "kwd", "5.750", "1.250");
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
