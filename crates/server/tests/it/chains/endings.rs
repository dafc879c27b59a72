//! Plans that are ended immediately.

use super::*;

/// The ids of the account's unfinished requests.
async fn unfinished(stage: &Stage, account: i64) -> Vec<String> {
    let all = stage.read(move |tx| store::intents::unfinished::owed(tx, account, 10));
    all.await.into_iter().map(|one| one.id).collect()
}

async fn alerts(operator: &Person<'_>) -> Vec<String> {
    crate::alerts::states(operator, "owed").await
}

on_both!(
    the_refund_of_an_ended_plan_is_made_once_when_stripe_saves_an_error_for_it,
    stripe_proxy::install
);
async fn the_refund_of_an_ended_plan_is_made_once_when_stripe_saves_an_error_for_it(stage: &Stage) {
    for (email, is_executed) in [("maya@example.com", false), ("noah@example.com", true)] {
        let person = stage.subscriber(email, "PRO_PLUS").await;
        stage.settled().await;
        let before = refunded(stage).await.len();
        stripe_proxy::of(stage).save_error("POST", "/v1/refunds", is_executed);

        let (quoted, (status, done)) = end_now(&person).await;

        assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
        assert_eq!(done["subscription"]["accessTier"], "FREE");
        let made = refunded(stage).await;
        assert_eq!((made.len(), made[0]), (before + 1, quoted), "{is_executed}");
        let kind = IntentKind::PlanEnd;
        assert_eq!(
            states(stage, person.account, kind).await,
            [IntentState::Closed]
        );
        assert_eq!(person.billing().await["owedRefunds"], json!([]));
    }
}

on_both!(
    a_refund_that_stripe_refused_is_owed_shown_alerted_and_made_when_an_operator_tries_again,
    stripe_proxy::install
);
async fn a_refund_that_stripe_refused_is_owed_shown_alerted_and_made_when_an_operator_tries_again(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    let viewer = stage.person_as("viewer@example.com", "viewer").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer("POST", "/v1/refunds", 1, 400, &too_little());

    let (quoted, (status, done)) = end_now(&maya).await;

    assert_eq!(
        (status, &done["state"]),
        (200, &json!("done")),
        "the plan has ended: {done}"
    );
    assert_eq!(refunded(stage).await, [0; 0]);
    let owed = maya.billing().await["owedRefunds"][0].clone();
    let text = format!("{}.{:02}", quoted / 100, quoted % 100);
    assert_eq!(
        (&owed["amount"], &owed["state"]),
        (&json!(text), &json!("delayed"))
    );
    let (_, page) = maya.page("/dashboard/billing").await;
    assert!(
        page.contains(&format!("Your refund of ${text} is delayed")),
        "{page}"
    );
    assert!(page.contains("Delayed</span>"), "{page}");
    let home = format!("/admin/accounts/{}", maya.account_id().await);
    for path in [&*home, "/admin"] {
        let (_, page) = boss.page(path).await;
        let attention = format!("Needs attention: A refund of ${text} is overdue");
        assert!(page.contains(&attention), "{path}: {page}");
        assert!(page.contains("Try again"), "{path}");
        let (_, page) = viewer.page(path).await;
        assert!(
            page.contains(&attention) && !page.contains("Try again"),
            "{path}: {page}"
        );
    }
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    assert_eq!(alerts(&boss).await, ["open"]);

    let id = unfinished(stage, maya.account).await.remove(0);
    let retry = format!("{home}/requests/{id}/retry");
    let by_viewer = send(&viewer, &retry, &[]).await;
    let by_boss = send(&boss, &retry, &[]).await;
    stage.settled().await;

    assert_eq!(by_viewer.status(), 403);
    assert_eq!(
        crate::pages::location(&by_boss),
        format!("{home}?done=finished")
    );
    assert_eq!(refunded(stage).await, [quoted]);
    assert_eq!(maya.billing().await["owedRefunds"], json!([]));
    billing::jobs::alerts::once(&stage.app).await.unwrap();
    assert_eq!(alerts(&boss).await, ["closed"]);
    let again = send(&boss, &retry, &[]).await;
    assert_eq!(again.status(), 409, "it has ended");
    stage.audited().await;
}

on_both!(
    an_owed_refund_is_retried_automatically_with_growing_pauses,
    stripe_proxy::install
);
async fn an_owed_refund_is_retried_automatically_with_growing_pauses(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer("POST", "/v1/refunds", 3, 400, &too_little());
    let (quoted, (status, _)) = end_now(&maya).await;
    assert_eq!(status, 200);

    later(stage, "20s").await;
    assert_eq!(proxy.calls("POST", "/v1/refunds"), 2);
    later(stage, "20s").await;
    assert_eq!(proxy.calls("POST", "/v1/refunds"), 2, "a minute's pause");
    later(stage, "1m").await;
    assert_eq!(proxy.calls("POST", "/v1/refunds"), 3);
    assert_eq!(refunded(stage).await, [0; 0]);
    later(stage, "6m").await;

    assert_eq!(refunded(stage).await, [quoted]);
    assert_eq!(proxy.calls("POST", "/v1/refunds"), 4);
    later(stage, "1d").await;
    assert_eq!(refunded(stage).await, [quoted], "once");
}

on_both!(
    what_is_owed_for_one_plan_does_not_keep_the_next_from_being_ended,
    stripe_proxy::install
);
async fn what_is_owed_for_one_plan_does_not_keep_the_next_from_being_ended(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer("POST", "/v1/refunds", 1, 400, &too_little());
    let (first, (status, _)) = end_now(&maya).await;
    assert_eq!(status, 200);
    stage.settled().await;
    maya.subscribe("PRO_PLUS").await;
    maya.billing_when(is("PRO_PLUS", "ACTIVE")).await;
    stage.settled().await;

    let (second, (status, done)) = end_now(&maya).await;

    assert_eq!(status, 200, "{done}");
    assert_eq!(done["subscription"]["accessTier"], "FREE");
    later(stage, "1m").await;
    let mut made = refunded(stage).await;
    made.sort_unstable();
    assert_eq!(made, [first, second]);
}

on_both!(
    an_owed_refund_that_was_settled_another_way_is_ended_with_a_reason,
    stripe_proxy::install
);
async fn an_owed_refund_that_was_settled_another_way_is_ended_with_a_reason(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer("POST", "/v1/refunds", 1, 400, &too_little());
    end_now(&maya).await;
    let id = unfinished(stage, maya.account).await.remove(0);
    let home = format!("/admin/accounts/{}", maya.account_id().await);
    let path = format!("{home}/requests/{id}/dismiss");

    let (status, form) = boss.page(&path).await;
    let silent = send(&boss, &path, &[("reason", " ")]).await;
    let ended = send(
        &boss,
        &path,
        &[("reason", "Paid by bank transfer, ticket 7")],
    )
    .await;
    later(stage, "1d").await;

    assert_eq!(status, 200);
    assert!(form.contains("It is not tried again"), "{form}");
    assert_eq!(silent.status(), 422);
    assert_eq!(
        crate::pages::location(&ended),
        format!("{home}?done=settled")
    );
    assert_eq!(refunded(stage).await, [0; 0]);
    assert_eq!(maya.billing().await["owedRefunds"], json!([]));
    let acts =
        stage.read(|tx| store::audit_log::list(tx, None, None, Some("request.dismiss"), None, 10));
    let acts = acts.await;
    assert!(
        acts.len() == 1 && acts[0].detail.contains("ticket 7"),
        "{acts:?}"
    );
}

on_both!(
    a_refund_waits_for_a_dispute_and_is_made_when_the_dispute_is_won,
    stripe_proxy::install
);
async fn a_refund_waits_for_a_dispute_and_is_made_when_the_dispute_is_won(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let charge = stage.stripe_id("/v1/charges").await;
    let call = stripe_proxy::of(stage).hold("DELETE", "/v1/subscriptions/");
    let other = async {
        call.reached().await;
        stage.twin.dispute(&charge, None).await.unwrap();
        call.open();
    };
    let ((quoted, (status, _)), ()) = tokio::join!(end_now(&maya), other);
    assert_eq!(status, 200);
    later(stage, "2d").await;
    assert_eq!(refunded(stage).await, [0; 0], "the bank decides");
    assert_eq!(
        maya.billing().await["owedRefunds"][0]["state"],
        "on_its_way"
    );

    let dispute = stage.stripe_id("/v1/disputes").await;
    stage.twin.close_dispute(&dispute, true).await.unwrap();
    later(stage, "2d").await;

    assert_eq!(refunded(stage).await, [quoted]);
    assert_eq!(maya.billing().await["owedRefunds"], json!([]));
}

on_both!(case_d6_an_interrupted_cancellation_is_completed_once_and_abandoned_pages_do_not_hide_it);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_d6_an_interrupted_cancellation_is_completed_once_and_abandoned_pages_do_not_hide_it(
    stage: &Stage,
) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let held = id_of(&stage.subscription().await);
    let payment = stage.stripe_id("/v1/payment_intents").await;
    let account = maya.account;
    let lots = stage.read(move |tx| store::ledger::grants(tx, account, i64::MAX, 100));
    let lots = lots.await.into_iter().map(|lot| lot.source_key);
    let allowance = lots.filter(|key| key.contains(":PRO:")).collect::<Vec<_>>();
    let params = stripe::Form::new()
        .push("subscription", &held)
        .push("credits[0]", &allowance[0])
        .push("refund[0][payment_intent]", &payment)
        .push("refund[0][amount]", 700)
        .push("paid", 1_900)
        .encode();
    let now = stage.app.now();
    let (long_ago, earlier) = (now.plus_seconds(-120), now.plus_seconds(-7_200));
    let idle = stage
        .write(account, move |tx| {
            let mut idle = Vec::new();
            for n in 0..220 {
                let id = format!("int_idle_{n}");
                let name = format!("acc_idle_{n}");
                let new = store::accounts::NewAccount {
                    public_id: &name,
                    external_id: None,
                    kind: domain::plan::AccountKind::Personal,
                    name: "Idle",
                    email: None,
                    tier: "FREE",
                    email_verified_at: None,
                };
                let other = store::accounts::insert(tx, &new, earlier)?.id;
                let kind = IntentKind::CheckoutTopup;
                let new = store::intents::NewIntent::new(&id, other, kind, "");
                store::intents::insert(tx, &new, earlier)?;
                idle.push(other);
            }
            let kind = IntentKind::PlanEnd;
            let new = store::intents::NewIntent::new("int_left", account, kind, &params);
            store::intents::insert(tx, &new, long_ago)?;
            Ok(idle)
        })
        .await;
    // The first step was completed before the crash.
    stage
        .stripe_delete(&format!("/v1/subscriptions/{held}"))
        .await;

    for _ in 0..2 {
        billing::jobs::unfinished::once(&stage.app).await;
    }
    stage.settled().await;

    assert_eq!(refunded(stage).await, [700]);
    maya.billing_when(|body| body["subscription"]["accessTier"] == "FREE")
        .await;
    let steps = stage
        .read(move |tx| store::intent_steps::of_intent(tx, account, "int_left"))
        .await;
    let steps: Vec<_> = steps.iter().map(|step| step.state.word()).collect();
    assert_eq!(steps, ["done", "done", "done"]);
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    let rows = stage.transactions(account).await;
    let sums: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.2)).collect();
    assert_eq!(
        sums,
        [
            ("SUBSCRIPTION_PAYMENT", 1_900),
            ("SUBSCRIPTION_CANCEL", 0),
            ("REFUND", 700)
        ]
    );
    stage.audited().await;
    for other in [idle[0], idle[219]] {
        let kind = IntentKind::CheckoutTopup;
        assert_eq!(
            states(stage, other, kind).await,
            [IntentState::Closed],
            "abandoned"
        );
    }
}

on_both!(
    a_plan_that_was_not_canceled_is_not_canceled_later,
    stripe_proxy::install
);
async fn a_plan_that_was_not_canceled_is_not_canceled_later(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    let unavailable = json!({ "error": { "type": "api_error" } });
    proxy.answer("DELETE", "/v1/subscriptions/", 20, 503, &unavailable);

    let (_, (status, told)) = end_now(&maya).await;
    proxy.forget();
    later(stage, "2m").await;

    assert_eq!(status, 503, "{told}");
    assert_eq!(stage.subscription().await["status"], "active");
    let kind = IntentKind::PlanEnd;
    assert_eq!(
        states(stage, maya.account, kind).await,
        [IntentState::Failed]
    );
    let (_, (status, done)) = end_now(&maya).await;
    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert_eq!(stage.subscription().await["status"], "canceled");
}

on_both!(a_cancellation_of_an_older_release_that_did_nothing_does_not_hide_the_next_one);
async fn a_cancellation_of_an_older_release_that_did_nothing_does_not_hide_the_next_one(
    stage: &Stage,
) {
    use store::intents::unfinished::{self, Failure, NEVER};
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    stage.settled().await;
    let (account, kind) = (maya.account, IntentKind::PlanEnd);
    let held = id_of(&stage.subscription().await);
    let params = stripe::Form::new().push("subscription", &held).encode();
    let long_ago = stage.app.now().plus_days(-9);
    stage
        .write(account, move |tx| {
            let new = store::intents::NewIntent::new("int_old", account, kind, &params);
            store::intents::insert(tx, &new, long_ago)?;
            unfinished::set_owed(tx, "int_old", long_ago)?;
            let failure = Failure {
                error: "refused",
                needs_attention: true,
                counts: false,
                next_attempt_at: NEVER,
            };
            unfinished::put_off(tx, "int_old", &failure, long_ago)
        })
        .await;

    let (_, (status, done)) = end_now(&maya).await;

    assert_eq!((status, &done["state"]), (200, &json!("done")), "{done}");
    assert_eq!(stage.subscription().await["status"], "canceled");
    assert_eq!(
        states(stage, account, kind).await,
        [IntentState::Closed, IntentState::Failed]
    );
}

on_both!(
    an_owed_refund_that_stripe_made_is_not_ended_but_recorded,
    stripe_proxy::install
);
async fn an_owed_refund_that_stripe_made_is_not_ended_but_recorded(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO").await;
    let boss = stage.person_as("boss@example.com", "admin").await;
    stage.settled().await;
    let proxy = stripe_proxy::of(stage);
    proxy.answer("POST", "/v1/refunds", 1, 400, &too_little());
    let (quoted, _) = end_now(&maya).await;
    let id = unfinished(stage, maya.account).await.remove(0);
    let payment = stage.stripe_id("/v1/payment_intents").await;
    let (amount, mark) = (quoted.to_string(), format!("{id}-refund-0"));
    let form = [
        ("payment_intent", &*payment),
        ("amount", &*amount),
        ("metadata[intent]", &*mark),
    ];
    stage.stripe_post("/v1/refunds", &form).await;

    let home = format!("/admin/accounts/{}", maya.account_id().await);
    let path = format!("{home}/requests/{id}/dismiss");
    send(&boss, &path, &[("reason", "Paid by bank transfer")]).await;
    assert_eq!(unfinished(stage, maya.account).await, [id]);
    later(stage, "1d").await;

    assert!(unfinished(stage, maya.account).await.is_empty());
    assert_eq!(refunded(stage).await, [quoted]);
    let acts =
        stage.read(|tx| store::audit_log::list(tx, None, None, Some("request.dismiss"), None, 10));
    assert!(acts.await.is_empty());
}
