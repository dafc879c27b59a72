//! Changes found without webhooks: old refunds, long histories and lost events.

use super::*;
use store::events::EventState;

on_both!(a_refund_of_an_old_payment_is_found_by_the_event_that_names_it);
async fn a_refund_of_an_old_payment_is_found_by_the_event_that_names_it(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 5_000).await;
    stage.twin.advance("80d").await.unwrap();
    stage.sync(maya.account).await;
    stage.refund_newest().await;

    maya.balance_is(100).await;
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows[0], ("CREDIT_TOPUP".into(), "REFUNDED".into(), 500));
}

on_both!(a_history_of_more_than_a_thousand_payments_is_read_completely);
async fn a_history_of_more_than_a_thousand_payments_is_read_completely(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(5_000).await;
    maya.subscribe("PRO").await;
    let customer = stage.stripe_id("/v1/customers").await;
    stage.twin.advance("3d").await.unwrap();
    let form = [
        ("customer", customer.as_str()),
        ("amount", "100"),
        ("currency", "usd"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    for _ in 0..2 {
        for _ in 0..600 {
            stage.stripe_post("/v1/payment_intents", &form).await;
        }
        stage.twin.advance("1d").await.unwrap();
    }

    billing::sync::whole_account(&stage.app, maya.account)
        .await
        .unwrap();

    let body = maya.billing().await;
    assert_eq!(body["subscription"]["accessTier"], "PRO");
    assert_eq!(balance(&body), 6_100.0, "the oldest purchase of all, too");
    let account = maya.account;
    let state = stage.sync_state(account).await;
    assert_eq!(
        (state.backfill_until, state.parked_at),
        (None, None),
        "{state:?}"
    );
    assert!(state.read_until.is_some());
}

/// A service that polls Stripe's events and receives no webhooks.
async fn polls_and_converges(database: store::testing::TestDatabase) {
    let stage = Stage::with(database, |settings| settings.stripe.events_poll_seconds = 1).await;
    stage.webhooks(false).await;
    let maya = stage.buyer("maya@example.com", 5_000).await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.refund(&stage.charge_of(500).await).await;
    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("cancel_at_period_end", "true")])
        .await;

    maya.billing_when(is_canceled).await;
    maya.balance_is(1_100).await;
    let settled = |events: &[store::events::Event]| {
        !events.is_empty() && events.iter().all(|event| event.state == EventState::Done)
    };
    eventually(async || stage.events().await, |events| settled(events)).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_webhook_lost_the_poll_finds_everything_on_sqlite() {
    polls_and_converges(store::testing::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_webhook_lost_the_poll_finds_everything_on_postgres() {
    let database = tokio::task::spawn_blocking(store::testing::postgres)
        .await
        .unwrap();
    polls_and_converges(database).await;
}

on_both!(after_a_gap_in_the_events_every_account_is_synced);
async fn after_a_gap_in_the_events_every_account_is_synced(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let poll = async || billing::jobs::poll::once(&stage.app).await.unwrap();
    poll().await;
    let synced = async || {
        stage.settled().await;
        stage.sync_state(maya.account).await.dirty_gen
    };

    // Nothing happens for longer than Stripe keeps events. They are read meanwhile, so none is lost.
    stage.webhooks(false).await;
    for _ in 0..15 {
        stage.twin.advance("3d").await.unwrap();
        poll().await;
    }
    let before = synced().await;
    poll().await;
    assert_eq!(synced().await, before);

    // A refund that is no longer listed when events are read again is found all the same.
    stage.refund_newest().await;
    stage.twin.advance("40d").await.unwrap();
    assert_eq!(synced().await, before);
    poll().await;
    maya.balance_is(100).await;
    let after = synced().await;
    poll().await;
    assert_eq!(synced().await, after, "once");
    stage.audited().await;
}

on_both!(the_end_of_a_trial_sends_one_email_even_if_no_event_arrives);
async fn the_end_of_a_trial_sends_one_email_even_if_no_event_arrives(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    let customer = stage.stripe_id("/v1/customers").await;
    stage.start_trial(&customer, "PRO").await;
    maya.billing_when(is("PRO", "TRIALING")).await;
    stage.webhooks(false).await;
    let told = || stage.mails_with("trial");

    stage.twin.advance("10d").await.unwrap();
    assert_eq!(told().await, 0);
    stage.twin.advance("2d").await.unwrap();
    assert_eq!(told().await, 1, "{:?}", stage.mail_subjects().await);
    stage.sync(maya.account).await;
    stage.twin.advance("1h").await.unwrap();
    assert_eq!(told().await, 1, "once");
}

on_both!(a_renewal_and_a_retry_are_found_although_every_event_is_lost);
async fn a_renewal_and_a_retry_are_found_although_every_event_is_lost(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.webhooks(false).await;
    stage.decline_next("insufficient_funds").await;

    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    stage.twin.advance("6d").await.unwrap();

    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    assert_eq!(stage.mails_with("did not go through").await, 1);
}
