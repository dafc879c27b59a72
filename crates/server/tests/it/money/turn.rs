//! The turn of a period: the old allowance serves until the renewal is settled, and its rest
//! expires in the commit that brings the new one.

use super::*;

/// Moves the clock to `seconds` after the end of the newest subscription's period.
async fn past_the_end(stage: &Stage, seconds: i64) {
    let held = stage.subscription().await;
    past(stage, &held, seconds).await;
}

pub(super) async fn past(stage: &Stage, held: &Value, seconds: i64) {
    let end = &held["items"]["data"][0]["current_period_end"];
    let end = end.as_i64().unwrap();
    let wait = end + seconds - stage.app.now().seconds();
    stage.twin.advance(&format!("{wait}s")).await.unwrap();
    let reached = |now: &i64| *now >= end + seconds - 1;
    eventually(async || stage.app.now().seconds(), reached).await;
    stage.settled().await;
}

/// The allowances that have credits left: when they were granted for, and what is left.
pub(super) async fn allowances(person: &Person<'_>) -> Vec<i64> {
    let account = person.account;
    credits(person).await;
    let grants = person
        .stage
        .read(move |tx| store::ledger::grants(tx, account, i64::MAX, 100));
    let plans = grants
        .await
        .into_iter()
        .filter(|lot| lot.source_key.contains(":PRO"));
    let mut left: Vec<i64> = plans.map(|lot| lot.remaining().floor()).collect();
    left.reverse();
    left
}

on_both!(the_old_allowance_serves_until_the_renewal_is_paid);
async fn the_old_allowance_serves_until_the_renewal_is_paid(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    assert_eq!(spend(&maya, 300).await, 201);
    let spent = allowances(&maya).await;
    stage.settled().await;
    let mails = stage.mail_subjects().await.len();

    past_the_end(stage, 600).await;

    assert_eq!(allowances(&maya).await, spent, "it serves on");
    assert_eq!(spend(&maya, 150).await, 201);
    assert_eq!(
        stage.mail_subjects().await.len(),
        mails,
        "nothing is reported"
    );

    stage.twin.advance("2h").await.unwrap();

    eventually(async || allowances(&maya).await, |left| *left == [0, 1_000]).await;
    stage.settled().await;
    let account = maya.account;
    let entries = stage
        .read(move |tx| store::ledger::journal_after(tx, account, 0, 100))
        .await;
    let expired = entries
        .iter()
        .rev()
        .find(|one| one.kind.word() == "expire")
        .unwrap();
    let granted = entries
        .iter()
        .rev()
        .find(|one| one.kind.word() == "grant")
        .unwrap();
    assert_eq!(expired.at, granted.at, "in one commit");
    assert_eq!(stage.mails_with("credits").await, 0);
    maya.in_step().await;
    stage.audited().await;
}

on_both!(the_old_allowance_ends_when_the_renewal_fails);
async fn the_old_allowance_ends_when_the_renewal_fails(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    allowances(&maya).await;
    past_the_end(stage, 600).await;
    assert_eq!(allowances(&maya).await, [1_000]);

    stage.decline_next("insufficient_funds").await;
    stage.twin.advance("2h").await.unwrap();

    maya.billing_when(is("PRO", "PAST_DUE")).await;
    eventually(async || allowances(&maya).await, |left| *left == [0]).await;
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "PRO");
}

on_both!(without_webhooks_the_old_allowance_serves_at_most_72_hours);
async fn without_webhooks_the_old_allowance_serves_at_most_72_hours(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    allowances(&maya).await;
    let held = stage.subscription().await;
    stage.webhooks(false).await;
    stage.answers(500, 100_000).await;

    past(stage, &held, 71 * 3_600).await;
    assert_eq!(allowances(&maya).await, [1_000]);

    stage.twin.advance("2h").await.unwrap();
    eventually(async || allowances(&maya).await, |left| *left == [0]).await;

    stage.no_faults().await;
    stage.sync(maya.account).await;
    assert_eq!(allowances(&maya).await, [0, 1_000]);
}

on_both!(a_plan_that_ends_with_its_period_has_no_turn);
async fn a_plan_that_ends_with_its_period_has_no_turn(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    allowances(&maya).await;
    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("cancel_at_period_end", "true")])
        .await;
    maya.billing_when(crate::stage::is_canceled).await;

    past_the_end(stage, 600).await;

    assert_eq!(allowances(&maya).await, [0]);
    maya.billing_when(is("FREE", "CANCELED")).await;
}

on_both!(
    the_trials_allowance_serves_until_the_first_payment_is_settled,
    with_trial
);
async fn the_trials_allowance_serves_until_the_first_payment_is_settled(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is("PRO", "TRIALING")).await;
    assert_eq!(allowances(&maya).await, [1_000]);

    past_the_end(stage, 600).await;

    assert_eq!(allowances(&maya).await, [1_000], "it serves on");
    assert_eq!(spend(&maya, 250).await, 201);
    stage.twin.advance("2h").await.unwrap();
    eventually(async || allowances(&maya).await, |left| *left == [0, 1_000]).await;
    let charges = stage.stripe_list("/v1/charges").await;
    assert_eq!((charges.len(), &charges[0]["amount"]), (1, &json!(1_900)));
}

on_both!(a_paused_collection_earns_nothing_whatever_its_behavior);
async fn a_paused_collection_earns_nothing_whatever_its_behavior(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    allowances(&maya).await;
    let path = stage.subscription_path().await;
    for behavior in ["void", "mark_uncollectible", "keep_as_draft"] {
        stage
            .stripe_post(&path, &[("pause_collection[behavior]", behavior)])
            .await;
        past_the_end(stage, 7_200).await;

        let left = allowances(&maya).await;
        assert_eq!(left, [0], "{behavior}");
        assert_eq!(maya.billing().await["subscription"]["status"], "ACTIVE");
        assert_eq!(
            maya.billing().await["subscription"]["collectionPaused"],
            true
        );
    }
}

on_both!(
    a_paused_collection_earns_in_full_where_the_setting_says_so,
    |settings: &mut Settings| settings.billing.allowance_while_paused = "full".to_owned()
);
async fn a_paused_collection_earns_in_full_where_the_setting_says_so(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    allowances(&maya).await;
    let path = stage.subscription_path().await;
    stage
        .stripe_post(&path, &[("pause_collection[behavior]", "void")])
        .await;

    past_the_end(stage, 7_200).await;

    assert_eq!(allowances(&maya).await, [0, 1_000]);
}

on_both!(
    a_period_that_turns_while_a_sync_reads_earns_nothing_before_it_is_paid,
    stripe_proxy::install
);
async fn a_period_that_turns_while_a_sync_reads_earns_nothing_before_it_is_paid(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    // By the second turn, the plan is too old to be listed: it is read by its id, after the lists.
    past_the_end(stage, 86_400).await;
    eventually(async || allowances(&maya).await, |left| *left == [0, 1_000]).await;
    stage.webhooks(false).await;
    let held = stage.subscription().await;
    past(stage, &held, -60).await;
    stage.sync(maya.account).await;
    let period = |held: &Value| held["items"]["data"][0]["current_period_start"].clone();
    let gate = stripe_proxy::of(stage).hold("GET", "/v1/invoices");
    let (app, account) = (stage.app.clone(), maya.account);
    let sync = tokio::spawn(async move { billing::sync::account(&app, account).await });
    gate.reached().await;

    // The invoices were listed; the subscription is read after the turn.
    let (advance, turned) = tokio::join!(stage.twin.advance("90s"), async {
        let turned = |now: &Value| period(now) != period(&held);
        let now = eventually(async || stage.subscription().await, turned).await;
        gate.open();
        now
    });
    advance.unwrap();
    sync.await.unwrap().unwrap();

    assert_ne!(period(&turned), period(&held));
    let left = allowances(&maya).await;
    assert_eq!(left, [0, 1_000], "the renewal is a draft");
    past(stage, &held, 86_400).await;
    stage.sync(maya.account).await;
    assert_eq!(allowances(&maya).await, [0, 0, 1_000]);
    stage.audited().await;
}
