//! Failing syncs, crashed workers, and databases that can't be written.

use super::*;
use crate::stripe_proxy;
use store::events::EventState;

/// Leases the account as a worker that then crashes; the lease expires after `seconds`.
async fn leased_for(person: &Person<'_>, seconds: i64) -> Option<store::sync::Lease> {
    let (account, now) = (person.account, person.stage.app.real_now());
    let lease = person.stage.write(account, move |tx| {
        store::sync::mark_for_sync(tx, account, now)?;
        store::sync::lease_account(tx, account, now, now.plus_seconds(seconds))
    });
    lease.await
}

on_both!(case_w23_a_sync_that_stripe_fails_is_tried_again_and_has_one_effect);
async fn case_w23_a_sync_that_stripe_fails_is_tried_again_and_has_one_effect(stage: &Stage) {
    let (maya, event) = undelivered(stage).await;
    stage.answers(500, 4).await;

    assert_eq!(stage.deliver(&event).await.status(), 200);

    maya.balance_is(1_100).await;
    stage.settled().await;
    assert_eq!(balance(&maya.billing().await), 1_100.0);
    assert_eq!(stage.events().await[0].state, EventState::Done);
}

on_both!(case_w24_an_account_that_always_fails_is_parked_and_others_are_synced);
async fn case_w24_an_account_that_always_fails_is_parked_and_others_are_synced(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(1_000).await;
    let of_maya = stage.stripe_event("checkout.session.completed").await;
    let account = maya.account;
    stage
        .write(account, move |tx| store::testing::near_parking(tx, account))
        .await;
    stage.answers(400, 1).await;
    stage.deliver(&of_maya).await;
    let parked = async || stage.read(|tx| store::sync::parked(tx, 10)).await.len();
    eventually(parked, |parked| *parked > 0).await;
    stage.no_faults().await;

    noah.buy_pack(500).await;
    let of_noah = stage.stripe_event("checkout.session.completed").await;
    stage.deliver(&of_noah).await;

    noah.balance_is(600).await;
    assert_eq!(balance(&maya.billing().await), 100.0);
    let now = stage.app.real_now();
    stage
        .write(account, move |tx| store::sync::unpark(tx, account, now))
        .await;
    maya.balance_is(1_100).await;
}

on_both!(case_w30_a_sync_finds_what_no_webhook_delivered);
async fn case_w30_a_sync_finds_what_no_webhook_delivered(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(1_000).await;
    maya.subscribe("PRO").await;

    let first = stage.sync(maya.account).await;
    let second = stage.sync(maya.account).await;

    assert!(!first.changes.is_empty());
    assert!(second.changes.is_empty(), "{second:?}");
    let body = maya.billing().await;
    assert_eq!(
        (balance(&body), &body["subscription"]["tier"]),
        (2_100.0, &json!("PRO"))
    );
}

on_both!(case_w25_an_acknowledged_event_is_processed_although_its_worker_died);
async fn case_w25_an_acknowledged_event_is_processed_although_its_worker_died(stage: &Stage) {
    let (maya, event) = undelivered(stage).await;
    // A worker leases the account and crashes, so its lease expires.
    assert!(leased_for(&maya, 2).await.is_some());
    assert_eq!(stage.deliver(&event).await.status(), 200);
    assert_eq!(stage.events().await[0].state, EventState::Received);

    maya.balance_is(1_100).await;

    stage.settled().await;
    assert_eq!(stage.events().await[0].state, EventState::Done);
}

on_both!(
    case_w26_a_sync_that_was_overtaken_writes_nothing,
    stripe_proxy::install
);
async fn case_w26_a_sync_that_was_overtaken_writes_nothing(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    stage.webhooks(false).await;
    maya.buy_pack(1_000).await;
    let account = maya.account;
    let charge = stage.stripe_id("/v1/charges").await;
    // The first sync reads the charge before its refund, and then hangs.
    let read = stripe_proxy::of(stage).hold("GET", "/v1/charges");
    let overtake = async {
        read.reached().await;
        stage.refund(&charge).await;
        stage
            .write(account, move |tx| {
                let expire = "update account_sync set lease_until = 1 where account_id = $1";
                tx.execute(expire, store::args![account])
            })
            .await;
        let newer = stage.sync(account).await;
        assert!(!newer.changes.is_empty());
        let after = state_of(&maya).await;
        read.open();
        after
    };

    let (stale, after) = tokio::join!(billing::sync::account(&stage.app, account), overtake);

    assert!(stale.is_err(), "the token fences the commit: {stale:?}");
    assert_eq!(
        state_of(&maya).await,
        after,
        "not one row is older than before"
    );
    assert_eq!(balance(&maya.billing().await), 100.0, "the refund stands");
    let rows = stage.transactions(account).await;
    assert_eq!(rows[0], ("CREDIT_TOPUP".into(), "REFUNDED".into(), 100));
    stage.audited().await;
}

/// Everything that a sync writes about a person's account.
async fn state_of(person: &Person<'_>) -> String {
    let account = person.account;
    let rows = person.stage.transactions(account).await;
    let (entries, read_until) = person
        .stage
        .read(move |tx| {
            let state = store::sync::of_account(tx, account)?;
            let read_until = state.and_then(|state| state.read_until);
            Ok((
                store::ledger::journal_after(tx, account, 0, 100)?,
                read_until,
            ))
        })
        .await;
    format!("{rows:?} {entries:?} {read_until:?}")
}

on_both!(case_w28_a_database_that_cannot_be_written_is_answered_503);
async fn case_w28_a_database_that_cannot_be_written_is_answered_503(stage: &Stage) {
    let block = stage.block_writes().await;
    let started = Instant::now();

    let answer = stage.deliver(&some_event()).await;

    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    drop(block);
}

on_both!(case_w21_an_event_of_the_other_mode_is_stored_and_changes_nothing);
async fn case_w21_an_event_of_the_other_mode_is_stored_and_changes_nothing(stage: &Stage) {
    let (maya, mut event) = undelivered(stage).await;
    event["livemode"] = json!(true);

    assert_eq!(stage.deliver(&event).await.status(), 200);

    stage.settled().await;
    assert_eq!(stage.events().await[0].state, EventState::Ignored);
    assert_eq!(balance(&maya.billing().await), 100.0);
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    let alerts = stage.read(|tx| store::alerts::all_open(tx, 10)).await;
    let rules: Vec<_> = alerts.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, ["other-mode"]);
}

on_both!(case_w29_while_a_secret_is_rotated_both_secrets_are_accepted_without_a_restart);
async fn case_w29_while_a_secret_is_rotated_both_secrets_are_accepted_without_a_restart(
    stage: &Stage,
) {
    let old = stage.webhook_secret();
    stage.app.add_webhook_secret("whsec_new").await.unwrap();
    let now = stage.app.real_now().seconds();

    for (secret, id) in [(old.as_str(), "evt_old"), ("whsec_new", "evt_new")] {
        let body = renamed(&some_event(), id).to_string().into_bytes();
        let signature = stripe::sign(&body, secret, now);
        assert_eq!(
            stage.deliver_signed(body, &signature).await.status(),
            200,
            "{id}"
        );
    }

    assert_eq!(stage.events().await.len(), 2);
}

on_both!(case_w32_an_event_that_waited_for_hours_is_processed_without_checking_its_age_again);
async fn case_w32_an_event_that_waited_for_hours_is_processed_without_checking_its_age_again(
    stage: &Stage,
) {
    let (maya, event) = undelivered(stage).await;
    // No worker processes the account when the event arrives, and hours pass.
    assert!(leased_for(&maya, 2).await.is_some());
    assert_eq!(stage.deliver(&event).await.status(), 200);
    stage.twin.advance("5h").await.unwrap();

    maya.balance_is(1_100).await;
    assert_eq!(stage.events().await[0].state, EventState::Done);
}
