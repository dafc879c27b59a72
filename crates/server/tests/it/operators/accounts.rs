//! An account as support sees it, and support's actions on it.

use super::*;

on_both!(the_account_page_compares_our_data_with_stripes_and_says_when_stripe_is_unreachable);
async fn the_account_page_compares_our_data_with_stripes_and_says_when_stripe_is_unreachable(
    stage: &Stage,
) {
    let (maya, id, _) = buyer(stage, "maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(is_tier("PRO")).await;
    stage.settled().await;
    let viewer = stage.person_as("looks@example.com", "viewer").await;
    let support = stage.person_as("support@example.com", "support").await;
    let home = format!("/admin/accounts/{id}");

    let (_, agreed) = viewer.page(&home).await;
    stage.webhooks(false).await;
    let subscription = stage.stripe_id("/v1/subscriptions").await;
    stage
        .stripe_post(
            &format!("/v1/subscriptions/{subscription}"),
            &[("cancel_at_period_end", "true")],
        )
        .await;
    let (_, differs) = viewer.page(&home).await;
    let synced = send(&support, &format!("{home}/sync"), &[]).await;
    let (_, mended) = viewer.page(&location(&synced)).await;
    stage
        .faults(json!({ "mode": "status", "count": 1_000 }))
        .await;
    let (status, silent) = viewer.page(&home).await;
    stage.no_faults().await;

    assert!(
        agreed.contains("In sync") && agreed.contains("Paid in all"),
        "{agreed}"
    );
    assert!(!agreed.contains("Sync from Stripe") && !agreed.contains("Refund txn"));
    assert!(
        differs.contains(">Differs<") && differs.contains('\u{2260}'),
        "{differs}"
    );
    assert_eq!(location(&synced), format!("{home}?done=synced"));
    assert!(mended.contains("In sync") && mended.contains("Differences were found and fixed"));
    assert_eq!(status, 200);
    assert!(silent.contains("Not reachable"), "{silent}");
    assert_eq!(acts(stage, "account.sync").await.len(), 1);
}

on_both!(an_override_beside_a_paid_plan_brings_only_what_the_plan_did_not);
async fn an_override_beside_a_paid_plan_brings_only_what_the_plan_did_not(stage: &Stage) {
    let maya = stage.subscriber("maya@example.com", "PRO_PLUS").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = stage.public_id(maya.account).await;
    let path = format!("/admin/accounts/{id}/plan");
    stage.settled().await;
    let balance = async || maya.billing().await["credits"]["balance"].clone();
    let before = balance().await;

    for (tier, reason) in [("PRO_PLUS", "Partner"), ("", "Over")] {
        let set = send(&admin, &path, &[("tier", tier), ("reason", reason)]).await;
        assert_eq!(set.status(), 303);
        stage.sync(maya.account).await;
        assert_eq!(balance().await, before, "{reason}");
    }
    stage.audited().await;
}

on_both!(a_plan_override_has_a_reason_and_an_end_and_survives_every_sync);
async fn a_plan_override_has_a_reason_and_an_end_and_survives_every_sync(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = stage.public_id(maya.account).await;
    maya.billing().await;
    let path = format!("/admin/accounts/{id}/plan");

    let silent = send(&admin, &path, &[("tier", "PRO_PLUS"), ("reason", " ")]).await;
    let past = send(
        &admin,
        &path,
        &[
            ("tier", "PRO_PLUS"),
            ("reason", "Partner"),
            ("until", "2020-01-01"),
        ],
    )
    .await;
    let wrong = send(&admin, &path, &[("tier", "GOLD"), ("reason", "Partner")]).await;
    let set = send(
        &admin,
        &path,
        &[
            ("tier", "PRO_PLUS"),
            ("reason", "Partner"),
            ("until", "2100-01-01"),
        ],
    )
    .await;
    stage.sync(maya.account).await;

    assert_eq!(
        (silent.status(), past.status()),
        (422.try_into().unwrap(), 422.try_into().unwrap())
    );
    assert_eq!(wrong.status(), 422);
    assert_eq!(set.status(), 303);
    assert_eq!(
        maya.billing().await["subscription"]["accessTier"],
        "PRO_PLUS"
    );
    let (_, page) = admin.page(&format!("/admin/accounts/{id}")).await;
    assert!(page.contains("Pro Plus, Partner, until"), "{page}");
    let cleared = send(&admin, &path, &[("tier", ""), ("reason", "Over")]).await;
    assert_eq!(cleared.status(), 303);
    assert_eq!(maya.billing().await["subscription"]["accessTier"], "FREE");
    let acts = acts(stage, "account.tier_override").await;
    assert_eq!(acts.len(), 2);
    assert!(acts[1].detail.contains("Partner") && acts[1].actor.starts_with("usr_"));
    stage.audited().await;
}

on_both!(a_suspended_account_spends_nothing_until_it_is_reactivated);
async fn a_suspended_account_spends_nothing_until_it_is_reactivated(stage: &Stage) {
    let program = program(stage, "maya@example.com").await;
    let maya = stage.person("maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let id = stage.public_id(maya.account).await;
    let path = format!("/admin/accounts/{id}/status");

    let asked = admin.page(&path).await;
    send(
        &admin,
        &path,
        &[("status", "suspended"), ("reason", "Abuse, ticket 9")],
    )
    .await;
    let refused = program.debit(&fresh_key(), 1).await;
    let (_, page) = admin
        .page(&format!("/admin/accounts/{id}?done=suspended"))
        .await;
    send(
        &admin,
        &path,
        &[("status", "active"), ("reason", "Sorted out")],
    )
    .await;
    let answered = program.debit(&fresh_key(), 1).await;

    assert!(asked.1.contains("Suspend this account?"));
    assert_eq!(refused.refusal(), (403, "account_not_active"));
    assert!(page.contains("This account is suspended"), "{page}");
    assert_eq!(answered.status, 201, "{}", answered.body);
    assert_eq!(acts(stage, "account.suspend").await.len(), 1);
    assert_eq!(acts(stage, "account.resume").await.len(), 1);
}

on_both!(debt_is_forgiven_with_a_reason_and_a_grant_is_voided);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn debt_is_forgiven_with_a_reason_and_a_grant_is_voided(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let program = program(stage, "maya@example.com").await;
    program.debit(&fresh_key(), 2_000).await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    refund(
        &finance,
        "r",
        json!({ "payment": payment, "reason": "duplicate" }),
    )
    .await;
    stage.settled().await;
    let home = format!("/admin/accounts/{id}");
    let forgive = format!("{home}/forgive");
    let debt = maya.get("/api/v1/balance").await.1["debt"].clone();

    let (_, asked) = finance.page(&forgive).await;
    let attempt = hidden(&asked, "attempt").to_owned();
    let too_much = send(
        &finance,
        &forgive,
        &[
            ("credits", "99999"),
            ("reason", "goodwill"),
            ("attempt", &attempt),
        ],
    )
    .await;
    let owed = debt.to_string();
    let form = [
        ("credits", owed.as_str()),
        ("reason", "goodwill"),
        ("note", "T"),
        ("attempt", &attempt),
    ];
    let done = send(&finance, &forgive, &form).await;

    assert_eq!(debt, 1_900);
    assert_eq!(too_much.status(), 422);
    assert_eq!(location(&done), format!("{home}?done=forgiven"));
    assert_eq!(maya.get("/api/v1/balance").await.1["debt"], 0);
    assert_eq!(finance.page(&forgive).await.0, 409);
    assert_eq!(acts(stage, "debt.forgive").await.len(), 1);

    let host = crate::metering::host(stage).await;
    let given = host
        .post(
            &format!("/api/v1/accounts/{id}/grants"),
            "p",
            json!({ "credits": 40 }),
        )
        .await;
    let lot = given.body["id"]
        .as_str()
        .unwrap()
        .trim_start_matches("grant_")
        .to_owned();
    let (_, page) = finance.page(&home).await;
    let void = page
        .split("void?grant=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let (_, asked) = finance.page(&format!("{home}/void?grant={void}")).await;
    let attempt = hidden(&asked, "attempt");
    let form = [
        ("grant", void.as_str()),
        ("reason", "whim"),
        ("note", "T"),
        ("attempt", attempt),
    ];
    let unknown_reason = send(&finance, &format!("{home}/void"), &form).await;
    let form = [
        ("grant", void.as_str()),
        ("reason", "correction"),
        ("note", "T"),
        ("attempt", attempt),
    ];
    let ended = send(&finance, &format!("{home}/void"), &form).await;
    let twice = send(&finance, &format!("{home}/void"), &form).await;
    let form = [
        ("grant", void.as_str()),
        ("reason", "correction"),
        ("note", "T"),
        ("attempt", "other"),
    ];
    let again = send(&finance, &format!("{home}/void"), &form).await;
    let api = host
        .post(
            &format!("/api/v1/accounts/{id}/grants/grant_{void}/void"),
            "v",
            json!({ "reason": "other" }),
        )
        .await;
    assert!(asked.contains(">40<"), "{asked} {lot}");
    assert_eq!(unknown_reason.status(), 422);
    assert_eq!(location(&ended), format!("{home}?done=voided"));
    assert_eq!(
        location(&twice),
        format!("{home}?done=voided"),
        "a double click acts once"
    );
    assert_eq!(
        (again.status().as_u16(), api.status),
        (409, 409),
        "it was voided before"
    );
    assert_eq!(maya.get("/api/v1/balance").await.1["available"], 0);
    assert_eq!(acts(stage, "grant.void").await.len(), 1);
    stage.audited().await;
}

on_both!(a_history_too_long_for_one_read_is_compared_as_far_as_it_was_read);
async fn a_history_too_long_for_one_read_is_compared_as_far_as_it_was_read(stage: &Stage) {
    let (maya, id, _) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    stage.twin.advance("10d").await.unwrap();
    stage.settled().await;
    stage.webhooks(false).await;
    let account = maya.account;
    let row = stage.account(account).await;
    let customer = row.stripe_customer_id.unwrap();
    // Charges that another application made for the same customer: more than one page of a list.
    let form = [
        ("amount", "100"),
        ("currency", "usd"),
        ("customer", customer.as_str()),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
        ("automatic_payment_methods[enabled]", "true"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ];
    for _ in 0..1_001 {
        stage.stripe_post("/v1/payment_intents", &form).await;
    }

    let compared = billing::sync::compare::account(&stage.app, account)
        .await
        .unwrap();
    let (_, page) = admin.page(&format!("/admin/accounts/{id}")).await;

    assert!(compared.since.is_some(), "{compared:?}");
    assert!(
        compared.agrees(),
        "what was not read is no difference: {compared:?}"
    );
    assert!(
        page.contains("Payments compared since") || page.contains("answer in time"),
        "{page}"
    );
}

on_both!(case_m1_manual_credits_have_a_reason_an_actor_and_a_key_wherever_they_are_made);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_m1_manual_credits_have_a_reason_an_actor_and_a_key_wherever_they_are_made(
    stage: &Stage,
) {
    let (maya, id, _) = buyer(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let api = format!("/api/v1/accounts/{id}/credits/adjustments");
    let page = format!("/admin/accounts/{id}/credits");
    let actor = finance.user_id().await;
    let by_api = |key: Option<&'static str>, body: Value| {
        let request = finance.request(Method::POST, &api).json(&body);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        crate::stage::answer(request)
    };

    let no_key = by_api(None, json!({ "credits": 5, "reason": "goodwill" })).await;
    let no_reason = by_api(Some("k0"), json!({ "credits": 5 })).await;
    let odd_reason = by_api(
        Some("k0"),
        json!({ "credits": 5, "reason": "update wallet" }),
    )
    .await;
    let made = by_api(
        Some("k1"),
        json!({ "credits": 5, "reason": "goodwill", "note": "T1" }),
    )
    .await;
    let again = by_api(
        Some("k1"),
        json!({ "credits": 5, "reason": "goodwill", "note": "T1" }),
    )
    .await;
    let other = by_api(
        Some("k1"),
        json!({ "credits": 6, "reason": "goodwill", "note": "T1" }),
    )
    .await;
    let form = [
        ("credits", "-7"),
        ("reason", "correction"),
        ("note", "T2"),
        ("attempt", "a1"),
        ("confirm", "yes"),
    ];
    send(&finance, &page, &form).await;
    send(&finance, &page, &form).await;
    let form = [
        ("credits", "-7"),
        ("reason", "correction"),
        ("note", "T2"),
        ("confirm", "yes"),
    ];
    let unnamed = send(&finance, &page, &form).await;

    assert_eq!(
        (
            no_key.0,
            no_reason.0,
            odd_reason.0,
            unnamed.status().as_u16()
        ),
        (400, 400, 400, 400)
    );
    assert_eq!((made.0, again.0, other.0), (201, 201, 409));
    assert_eq!(maya.get("/api/v1/balance").await.1["available"], 5_098);
    let account = maya.account;
    let journal = stage
        .read(move |tx| store::ledger::journal_after(tx, account, 0, 100))
        .await;
    let by_hand: Vec<_> = journal
        .iter()
        .filter(|entry| entry.context.actor.is_some())
        .collect();
    let said: Vec<_> = by_hand
        .iter()
        .map(|entry| {
            (
                entry.context.actor.as_deref().unwrap(),
                entry.context.reason.as_deref().unwrap(),
                entry.key.is_some(),
                entry.posted_delta.to_string(),
            )
        })
        .collect();
    let wanted = [("goodwill", "5"), ("correction", "-7")]
        .map(|(why, by)| (actor.as_str(), why, true, by.to_owned()));
    assert_eq!(said, wanted);
    let acts = acts(stage, "credits.adjust").await;
    assert_eq!(acts.len(), 2, "page and API under one name: {acts:?}");
    assert!(
        acts.iter()
            .all(|act| act.actor == actor && act.subject == id)
    );
    stage.audited().await;
}
