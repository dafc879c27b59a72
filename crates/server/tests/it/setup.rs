//! What `setup` creates, finds and restores at Stripe.

use billing::setup;
use serde_json::Value;

use crate::stage::{Stage, on_both};

/// The number of objects at Stripe of each kind that `setup` creates.
async fn counts(stage: &Stage) -> [usize; 4] {
    let mut counts = [0; 4];
    let kinds = [
        "products",
        "prices",
        "billing_portal/configurations",
        "webhook_endpoints",
    ];
    for (count, kind) in counts.iter_mut().zip(kinds) {
        let listed = stage.stripe_get(&format!("/v1/{kind}?limit=100")).await;
        *count = listed["data"].as_array().unwrap().len();
    }
    counts
}

async fn differences(stage: &Stage) -> Vec<String> {
    setup::run(&stage.app, true).await.unwrap().changes
}

async fn first(stage: &Stage, kind: &str) -> Value {
    stage.stripe_get(&format!("/v1/{kind}")).await["data"][0].clone()
}

on_both!(requirement_7_1_a_second_setup_creates_nothing_and_a_check_finds_nothing);
async fn requirement_7_1_a_second_setup_creates_nothing_and_a_check_finds_nothing(stage: &Stage) {
    let before = counts(stage).await;
    assert!(before.iter().all(|count| *count > 0), "{before:?}");

    let again = setup::run(&stage.app, false).await.unwrap();

    assert_eq!(again.changes, Vec::<String>::new());
    assert_eq!(counts(stage).await, before);
    assert_eq!(differences(stage).await, Vec::<String>::new());
}

on_both!(requirement_7_1_an_archived_price_is_found_and_created_again);
async fn requirement_7_1_an_archived_price_is_found_and_created_again(stage: &Stage) {
    let price = stage.app.prices().price_of_pack[&500].clone();
    stage
        .stripe_post(&format!("/v1/prices/{price}"), &[("active", "false")])
        .await;

    assert_eq!(differences(stage).await.len(), 1);
    setup::run(&stage.app, false).await.unwrap();

    assert_eq!(differences(stage).await, Vec::<String>::new());
    let sold = stage.app.prices().price_of_pack[&500].clone();
    assert_ne!(sold, price);
    assert_eq!(
        stage.stripe_get(&format!("/v1/prices/{sold}")).await["active"],
        true
    );
}

on_both!(requirement_7_2_the_endpoint_receives_exactly_the_handled_events);
async fn requirement_7_2_the_endpoint_receives_exactly_the_handled_events(stage: &Stage) {
    let endpoint = first(stage, "webhook_endpoints").await;
    let id = endpoint["id"].as_str().unwrap();
    let events = |endpoint: &Value| {
        let events = endpoint["enabled_events"].as_array().unwrap();
        let mut events: Vec<_> = events
            .iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect();
        events.sort_unstable();
        events
    };
    let mut handled: Vec<_> = stripe::HANDLED_EVENTS
        .iter()
        .map(ToString::to_string)
        .collect();
    handled.sort_unstable();
    assert_eq!(events(&endpoint), handled);
    assert!(
        handled
            .iter()
            .any(|one| one == "customer.subscription.trial_will_end")
    );

    // Twice: the second repair must not get the response that Stripe saved for the first one's
    // idempotency key.
    for _ in 0..2 {
        let path = format!("/v1/webhook_endpoints/{id}");
        stage
            .stripe_post(&path, &[("enabled_events[0]", "invoice.paid")])
            .await;
        let found = differences(stage).await;
        assert!(found.len() == 1 && found[0].contains(id), "{found:?}");

        setup::run(&stage.app, false).await.unwrap();

        assert_eq!(events(&first(stage, "webhook_endpoints").await), handled);
    }
}

on_both!(requirement_7_3_the_portals_settings_are_restored);
async fn requirement_7_3_the_portals_settings_are_restored(stage: &Stage) {
    let configurations = stage
        .stripe_get("/v1/billing_portal/configurations?limit=100")
        .await;
    let ours = configurations["data"].as_array().unwrap().iter();
    let ours = ours
        .clone()
        .find(|one| one["metadata"]["localboxs"].is_string())
        .unwrap();
    let features = &ours["features"];
    for feature in [
        "subscription_cancel",
        "payment_method_update",
        "invoice_history",
        "subscription_update",
    ] {
        assert_eq!(features[feature]["enabled"], true, "{feature}");
    }
    assert_eq!(features["subscription_cancel"]["mode"], "at_period_end");
    assert_eq!(
        ours["default_return_url"],
        format!("{}/dashboard/billing", stage.base)
    );

    let path = format!(
        "/v1/billing_portal/configurations/{}",
        ours["id"].as_str().unwrap()
    );
    for _ in 0..2 {
        stage
            .stripe_post(&path, &[("features[invoice_history][enabled]", "false")])
            .await;
        assert_eq!(differences(stage).await, ["portal configuration"]);

        setup::run(&stage.app, false).await.unwrap();

        let now = stage.stripe_get(&path).await;
        assert_eq!(now["features"]["invoice_history"]["enabled"], true);
        assert_eq!(differences(stage).await, Vec::<String>::new());
    }
}

on_both!(requirement_n13_a_pack_that_card_fees_consume_gets_a_warning);
async fn requirement_n13_a_pack_that_card_fees_consume_gets_a_warning(stage: &Stage) {
    let warnings = setup::run(&stage.app, true).await.unwrap().warnings;
    let of = |credits: &str| {
        warnings
            .iter()
            .any(|one| one.contains(&format!("the {credits} credit pack")))
    };
    // 31 of 50 cents, and 59 of 1,000.
    assert!(of("500"), "{warnings:?}");
    assert!(!of("10000"), "{warnings:?}");
}
