//! Refunds made by operators.

use super::*;

on_both!(a_refund_shows_its_effect_is_made_once_and_its_webhook_changes_nothing_more);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn a_refund_shows_its_effect_is_made_once_and_its_webhook_changes_nothing_more(
    stage: &Stage,
) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let program = program(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let support = stage.person_as("support@example.com", "support").await;
    // The allowance of 100 is spent first, so 1,000 of the 5,000 purchased credits are spent.
    program.debit(&fresh_key(), 1_100).await;

    let (_, part) = finance
        .post(
            "/api/admin/refunds/preview",
            json!({ "payment": payment, "amount": "2.00" }),
        )
        .await;
    let (_, whole) = finance
        .post("/api/admin/refunds/preview", json!({ "payment": payment }))
        .await;
    let body = json!({ "payment": payment, "amount": "2.00", "reason": "requested_by_customer", "note": "Ticket 7", "refunded": "0.00" });
    let made = refund(&finance, "r1", body.clone()).await;
    let again = refund(&finance, "r1", body.clone()).await;
    let outdated = refund(&finance, "r2", body.clone()).await;
    let by_support = refund(&support, "r3", body.clone()).await;
    stage.settled().await;

    assert_eq!(
        (&part["amount"], &part["creditsTaken"], &part["debtAfter"]),
        (&json!("2.00"), &json!(2_000), &json!(0)),
        "{part}"
    );
    assert_eq!(
        (
            &whole["amount"],
            &whole["creditsTaken"],
            &whole["debtAfter"]
        ),
        (&json!("5.00"), &json!(4_000), &json!(1_000))
    );
    assert_eq!(
        (made.status, &made.body["amount"]),
        (201, &json!("2.00")),
        "{}",
        made.body
    );
    assert_eq!((again.status, &again.body["id"]), (201, &made.body["id"]));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(outdated.refusal(), (409, "changed_meanwhile"));
    assert_eq!(by_support.status, 403);
    assert_eq!(maya.billing().await["credits"]["balance"], 2_000);
    assert_eq!(stage.stripe_list("/v1/refunds?limit=10").await.len(), 1);
    let events = stage.stripe_events("charge.refunded").await;
    let outcomes: Vec<_> = stage
        .events()
        .await
        .into_iter()
        .filter(|event| event.kind == "charge.refunded")
        .collect();
    assert_eq!((events.len(), outcomes.len()), (1, 1));
    let seq = |account: i64| {
        stage
            .app
            .read(move |tx| Ok(store::ledger::wallet(tx, account)?.unwrap().seq))
    };
    let before = seq(maya.account).await.unwrap();
    stage.deliver(&events[0]).await;
    stage.sync(maya.account).await;
    assert_eq!(seq(maya.account).await.unwrap(), before);
    let acts = acts(stage, "payment.refund").await;
    assert_eq!((acts.len(), &acts[0].subject), (1, &id));
    assert!(acts[0].detail.contains("requested_by_customer") && !acts[0].detail.contains("Ticket"));
    let subjects = stage.mail_subjects().await;
    assert_eq!(
        subjects
            .iter()
            .filter(|subject| subject.to_lowercase().contains("refund"))
            .count(),
        1,
        "{subjects:?}"
    );

    let rest = refund(
        &finance,
        "r4",
        json!({ "payment": payment, "reason": "duplicate" }),
    )
    .await;
    let nothing = refund(
        &finance,
        "r5",
        json!({ "payment": payment, "reason": "duplicate" }),
    )
    .await;
    stage.settled().await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!("3.00")));
    assert_eq!(nothing.refusal(), (409, "already_refunded"));
    let (_, balance) = maya.get("/api/v1/balance").await;
    assert_eq!(balance["debt"], 1_000, "{balance}");
    stage.audited().await;
}

on_both!(a_refund_of_a_wrong_amount_or_an_unpaid_transaction_is_refused_with_a_reason);
async fn a_refund_of_a_wrong_amount_or_an_unpaid_transaction_is_refused_with_a_reason(
    stage: &Stage,
) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    maya.session(pack(500)).await;
    stage.sync(maya.account).await;
    let (_, list) = maya.get("/api/v1/transactions?status=PENDING").await;
    let pending = list["data"][0]["id"].as_str().unwrap();

    for amount in ["5.01", "0", "-1", "1e2", "1.005", "all"] {
        let body = json!({ "payment": payment, "amount": amount, "reason": "duplicate" });
        let answer = refund(&admin, &fresh_key(), body).await;
        assert_eq!(
            (answer.status, &answer.body["field"]),
            (400, &json!("amount")),
            "{amount}: {}",
            answer.body
        );
    }
    let unpaid = refund(
        &admin,
        "u",
        json!({ "payment": pending, "reason": "duplicate" }),
    )
    .await;
    let unknown = refund(
        &admin,
        "x",
        json!({ "payment": "txn_none", "reason": "duplicate" }),
    )
    .await;
    let why = refund(
        &admin,
        "w",
        json!({ "payment": payment, "reason": "because" }),
    )
    .await;

    assert_eq!(unpaid.refusal(), (409, "nothing_paid"));
    assert_eq!((unknown.status, why.status), (404, 400));
    assert_eq!(stage.stripe_get("/v1/refunds").await["data"], json!([]));
    assert_eq!(maya.billing().await["credits"]["balance"], 5_100);
}

on_both!(case_m2_a_disputed_payment_cannot_be_refunded);
async fn case_m2_a_disputed_payment_cannot_be_refunded(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let charge = stage.stripe_id("/v1/charges").await;
    stage
        .twin
        .dispute(&charge, Some("fraudulent"))
        .await
        .unwrap();
    maya.billing_when(|body| body["credits"]["available"] == 100)
        .await;
    stage.settled().await;

    let answer = refund(
        &admin,
        "d",
        json!({ "payment": payment, "reason": "fraudulent" }),
    )
    .await;
    let (status, page) = admin.page(&format!("/admin/refunds/{payment}")).await;

    assert_eq!(answer.refusal(), (409, "disputed"), "{}", answer.body);
    assert_eq!(status, 409);
    assert!(page.contains("The bank decides"), "{page}");
    assert_eq!(stage.stripe_get("/v1/refunds").await["data"], json!([]));
    assert_eq!(maya.billing().await["credits"]["available"], 100);
}
