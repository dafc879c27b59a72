//! Refunds whose response was lost (case D6).

use super::*;
use store::intents::{IntentKind, NewIntent};

on_both!(case_d6_a_refund_whose_answer_was_lost_is_made_once);
async fn case_d6_a_refund_whose_answer_was_lost_is_made_once(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });
    // The state when the response to the call was lost: stored and requested, with unknown outcome.
    let digest = billing::secrets::hash(&format!("{payment}\nsame"));
    let id: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let id = format!("rfd_{id}");
    let intent = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = [
        ("payment_intent", intent.as_str()),
        ("amount", "100"),
        ("reason", "duplicate"),
        ("metadata[intent]", &id),
    ];
    let sent = stage
        .http
        .post(format!("{}/v1/refunds", stage.twin_url))
        .bearer_auth("sk_test_stage");
    let sent = sent
        .header("idempotency-key", &id)
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    let (account, now) = (maya.account, stage.app.now());
    let params = form
        .iter()
        .fold(stripe::Form::new(), |all, (name, value)| {
            all.push(*name, value)
        })
        .encode();
    stage
        .app
        .db
        .write(account, move |tx| {
            let new = NewIntent {
                credits_micros: Some(1_000_000_000),
                amount_minor: Some(100),
                currency: Some("usd"),
                ..NewIntent::new(&id, account, IntentKind::Refund, &params)
            };
            store::intents::insert(tx, &new, now)?;
            store::intents::set_calling(tx, new.id, now)
        })
        .await
        .unwrap();

    let other = refund(&admin, "other", body.clone()).await;
    let again = refund(&admin, "same", body.clone()).await;
    stage.settled().await;

    assert_eq!(
        (other.status, &other.body["code"]),
        (409, &json!("refund_under_way")),
        "{}",
        other.body
    );
    assert_eq!(again.status, 201, "{}", again.body);
    let refunds = stage.stripe_get("/v1/refunds").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
    assert_eq!(maya.billing().await["credits"]["balance"], 4_100);
    audit_is_clean(stage).await;
}

on_both!(case_d6_a_refund_abandoned_for_a_later_one_is_never_made);
async fn case_d6_a_refund_abandoned_for_a_later_one_is_never_made(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });
    let digest = billing::secrets::hash(&format!("{payment}\nfirst"));
    let id: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let id = format!("rfd_{id}");
    let intent = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let params = stripe::Form::new()
        .push("payment_intent", &intent)
        .push("amount", 100)
        .push("reason", "duplicate")
        .push("metadata[intent]", &id)
        .encode();
    let (account, before) = (maya.account, stage.app.now().plus_seconds(-120));
    stage
        .app
        .db
        .write(account, move |tx| {
            let new = NewIntent {
                credits_micros: Some(1_000_000_000),
                amount_minor: Some(100),
                currency: Some("usd"),
                ..NewIntent::new(&id, account, IntentKind::Refund, &params)
            };
            store::intents::insert(tx, &new, before)?;
            store::intents::set_calling(tx, new.id, before)
        })
        .await
        .unwrap();

    let later = refund(&admin, "later", body.clone()).await;
    let first = refund(&admin, "first", body.clone()).await;
    stage.settled().await;

    assert_eq!(later.status, 201, "{}", later.body);
    assert_eq!(
        (first.status, &first.body["code"]),
        (409, &json!("refund_failed")),
        "{}",
        first.body
    );
    let refunds = stage.stripe_get("/v1/refunds").await;
    assert_eq!(refunds["data"].as_array().unwrap().len(), 1);
    audit_is_clean(stage).await;
}

on_both!(case_d6_a_refund_that_was_lost_for_long_is_found_before_another_begins);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_d6_a_refund_that_was_lost_for_long_is_found_before_another_begins(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let intent = stage.stripe_get("/v1/payment_intents").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = [
        ("payment_intent", intent.as_str()),
        ("amount", "100"),
        ("reason", "duplicate"),
        ("metadata[intent]", "rfd_lost"),
    ];
    stage.webhooks(false).await;
    let sent = stage
        .http
        .post(format!("{}/v1/refunds", stage.twin_url))
        .bearer_auth("sk_test_stage");
    assert_eq!(
        sent.header("idempotency-key", "rfd_lost")
            .form(&form)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let (account, operator, before) =
        (maya.account, admin.user, stage.app.now().plus_seconds(-120));
    let params = form
        .iter()
        .fold(stripe::Form::new(), |all, (name, value)| {
            all.push(*name, value)
        })
        .encode();
    stage
        .app
        .db
        .write(account, move |tx| {
            let new = NewIntent {
                user_id: Some(operator),
                credits_micros: Some(1_000_000_000),
                amount_minor: Some(100),
                currency: Some("usd"),
                ..NewIntent::new("rfd_lost", account, IntentKind::Refund, &params)
            };
            store::intents::insert(tx, &new, before)?;
            store::intents::set_calling(tx, "rfd_lost", before)
        })
        .await
        .unwrap();

    let body = json!({ "payment": payment, "amount": "2.00", "reason": "duplicate" });
    let found = refund(&admin, "next", body.clone()).await;
    let next = refund(&admin, "next", body.clone()).await;
    stage.settled().await;

    assert_eq!(
        (found.status, &found.body["code"]),
        (409, &json!("changed_meanwhile")),
        "{}",
        found.body
    );
    assert_eq!(next.status, 201, "{}", next.body);
    let acts = acts(stage, "payment.refund").await;
    assert_eq!(acts.len(), 2);
    assert!(
        acts.iter()
            .all(|act| act.subject == id && act.actor.starts_with("usr_"))
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 2_100);
    audit_is_clean(stage).await;
}

on_both!(a_refund_on_the_page_is_reviewed_before_money_moves);
async fn a_refund_on_the_page_is_reviewed_before_money_moves(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let finance = stage.person_as("finance@example.com", "finance").await;
    let path = format!("/admin/refunds/{payment}");

    let (_, list) = finance.page("/admin/transactions").await;
    let (_, form) = finance.page(&path).await;
    let (wrong, told) = finance
        .page(&format!("{path}?review=1&amount=9.00&reason=duplicate"))
        .await;
    let (_, review) = finance
        .page(&format!(
            "{path}?review=1&amount=5.00&reason=duplicate&note=T"
        ))
        .await;
    let blind = send(
        &finance,
        &path,
        &[("amount", "5.00"), ("reason", "duplicate")],
    )
    .await;
    assert_eq!(maya.billing().await["credits"]["balance"], 5_100);
    let fields = ["amount", "reason", "note", "refunded", "attempt"];
    let sent: Vec<(&str, &str)> = fields
        .iter()
        .map(|name| (*name, hidden(&review, name)))
        .collect();
    let made = send(&finance, &path, &sent).await;
    let twice = send(&finance, &path, &sent).await;
    stage.settled().await;

    assert!(list.contains(&path), "{list}");
    assert!(form.contains("value=\"5.00\""), "{form}");
    assert_eq!(wrong, 422);
    assert!(told.contains("id=\"amount-error\""));
    assert!(review.contains("Refund $5.00?") && review.contains("Credits taken"));
    assert_eq!(blind.status(), 200);
    assert_eq!(
        (made.status(), twice.status()),
        (303.try_into().unwrap(), 303.try_into().unwrap())
    );
    assert_eq!(
        location(&made),
        format!("/admin/accounts/{id}?done=refunded")
    );
    assert_eq!(maya.billing().await["credits"]["balance"], 100);
    assert_eq!(
        stage.stripe_get("/v1/refunds").await["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
