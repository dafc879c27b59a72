//! Refunds whose response was lost (case D6).

use super::*;
use store::intents::{IntentKind, NewIntent};

/// The id of the intent that an operator's request with this idempotency key creates.
fn intent_id(payment: &str, key: &str) -> String {
    let digest = billing::secrets::hash(&format!("{payment}\n{key}"));
    let hex: Vec<String> = digest[..16].iter().map(|b| format!("{b:02x}")).collect();
    format!("rfd_{}", hex.concat())
}

/// A refund of $1.00 that was requested at `when` and whose response was lost, so its outcome is
/// unknown.
struct Lost<'a> {
    id: &'a str,
    operator: Option<i64>,
    when: domain::time::Timestamp,
}

impl Lost<'_> {
    async fn form(&self, stage: &Stage) -> stripe::Form {
        let intent = stage.stripe_id("/v1/payment_intents").await;
        stripe::Form::new()
            .push("payment_intent", intent)
            .push("amount", 100)
            .push("reason", "duplicate")
            .push("metadata[intent]", self.id)
    }

    async fn is_stored(&self, maya: &Person<'_>) {
        let (stage, account) = (maya.stage, maya.account);
        let params = self.form(stage).await.encode();
        let (id, user_id, when) = (self.id.to_owned(), self.operator, self.when);
        stage
            .write(account, move |tx| {
                let new = NewIntent {
                    user_id,
                    credits_micros: Some(1_000_000_000),
                    amount_minor: Some(100),
                    currency: Some("usd"),
                    ..NewIntent::new(&id, account, IntentKind::Refund, &params)
                };
                store::intents::insert(tx, &new, when)?;
                store::intents::set_calling(tx, new.id, when)
            })
            .await;
    }

    /// Creates the refund at Stripe, as if the request had arrived.
    async fn is_made(&self, stage: &Stage) {
        let sent = stage
            .http
            .post(format!("{}/v1/refunds", stage.twin_url))
            .bearer_auth("sk_test_stage")
            .header("idempotency-key", self.id)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(self.form(stage).await.encode());
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }
}

on_both!(case_d6_a_refund_whose_answer_was_lost_is_made_once);
async fn case_d6_a_refund_whose_answer_was_lost_is_made_once(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });
    let lost = Lost {
        id: &intent_id(&payment, "same"),
        operator: None,
        when: stage.app.now(),
    };
    lost.is_made(stage).await;
    lost.is_stored(&maya).await;

    let other = refund(&admin, "other", body.clone()).await;
    let again = refund(&admin, "same", body.clone()).await;
    stage.settled().await;

    assert_eq!(other.refusal(), (409, "refund_under_way"), "{}", other.body);
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1);
    assert_eq!(maya.billing().await["credits"]["balance"], 4_100);
    stage.audited().await;
}

on_both!(case_d6_a_refund_that_never_reached_stripe_is_made_once_in_the_background);
async fn case_d6_a_refund_that_never_reached_stripe_is_made_once_in_the_background(stage: &Stage) {
    let (maya, _, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let body = json!({ "payment": payment, "amount": "1.00", "reason": "duplicate" });
    let lost = Lost {
        id: &intent_id(&payment, "first"),
        operator: None,
        when: stage.app.now().plus_seconds(-120),
    };
    lost.is_stored(&maya).await;

    let made = async || stage.stripe_list("/v1/refunds").await.len();
    eventually(made, |count| *count == 1).await;
    stage.settled().await;
    let first = refund(&admin, "first", body.clone()).await;
    let later = refund(&admin, "later", body.clone()).await;
    stage.settled().await;

    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(first.header("idempotency-replayed"), Some("true"));
    assert_eq!(later.status, 201, "{}", later.body);
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 2);
    assert_eq!(maya.billing().await["credits"]["balance"], 3_100);
    stage.audited().await;
}

on_both!(case_d6_a_refund_that_was_lost_for_long_is_found_before_another_begins);
async fn case_d6_a_refund_that_was_lost_for_long_is_found_before_another_begins(stage: &Stage) {
    let (maya, id, payment) = buyer(stage, "maya@example.com").await;
    let admin = stage.person_as("ops@example.com", "admin").await;
    let lost = Lost {
        id: "rfd_lost",
        operator: Some(admin.user),
        when: stage.app.now().plus_seconds(-120),
    };
    stage.webhooks(false).await;
    lost.is_made(stage).await;
    lost.is_stored(&maya).await;
    let found = async || acts(stage, "payment.refund").await.len();
    eventually(found, |count| *count == 1).await;
    stage.settled().await;

    let body = json!({ "payment": payment, "amount": "2.00", "reason": "duplicate" });
    let next = refund(&admin, "next", body.clone()).await;
    stage.settled().await;

    assert_eq!(next.status, 201, "{}", next.body);
    let acts = acts(stage, "payment.refund").await;
    assert_eq!(acts.len(), 2);
    assert!(
        acts.iter()
            .all(|act| act.subject == id && act.actor.starts_with("usr_"))
    );
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 2);
    assert_eq!(maya.billing().await["credits"]["balance"], 2_100);
    stage.audited().await;
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
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1);
}
