//! Credit notes.

use super::*;
use store::events::EventState;

on_both!(a_credit_note_is_shown_with_its_invoice_and_its_refund_is_recorded_once);
async fn a_credit_note_is_shown_with_its_invoice_and_its_refund_is_recorded_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let invoice = invoice(stage).await;

    stage.credit_note(&invoice, "500", "refund_amount").await;
    stage.credit_note(&invoice, "300", "credit_amount").await;

    let body = maya
        .billing_when(|body| {
            body["invoices"][0]["creditNotes"]
                .as_array()
                .is_some_and(|all| all.len() == 2)
        })
        .await;
    let rows = maya.rows_when(|rows| refunds(rows) == [500]).await;
    let note = |place: usize| &body["invoices"][0]["creditNotes"][place];
    let refunded = usize::from(note(0)["refunded"] != "5.00");
    assert_eq!(note(refunded)["amount"], "5.00");
    assert_eq!(
        (
            &note(1 - refunded)["amount"],
            &note(1 - refunded)["toBalance"]
        ),
        (&json!("3.00"), &json!("3.00"))
    );
    assert_eq!(rows.len(), 2, "a note is no transaction: {rows:?}");
    assert_eq!(
        rows.iter()
            .find(|row| row.0 == "SUBSCRIPTION_PAYMENT")
            .unwrap()
            .2,
        1_900
    );
    let (_, page) = maya.page("/dashboard/billing/invoices").await;
    assert!(
        page.contains("$5.00 credited") && page.contains("-CN-0"),
        "{page}"
    );
    let notes = stage.stripe_list("/v1/credit_notes").await;
    let path = format!("/v1/credit_notes/{}", notes[0]["id"].as_str().unwrap());
    stage.stripe_post(&path, &[("memo", "Sorry")]).await;
    for event in stage.stripe_events("credit_note.created").await {
        assert_eq!(stage.deliver(&event).await.status(), 200);
    }
    stage.settled().await;
    assert_eq!(
        refunds(&stage.transactions(maya.account).await),
        [500],
        "once"
    );
    assert!(
        stage
            .events()
            .await
            .iter()
            .all(|event| event.state == EventState::Done || !event.kind.starts_with("credit_note"))
    );
    assert_eq!(stage.mails_with("refund").await, 1);
    maya.in_step().await;
    stage.audited().await;
}

on_both!(a_credit_note_on_an_open_invoice_reduces_it_until_the_note_is_voided);
async fn a_credit_note_on_an_open_invoice_reduces_it_until_the_note_is_voided(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    stage.decline_next("insufficient_funds").await;
    stage.twin.advance("31d").await.unwrap();
    maya.billing_when(is("PRO", "PAST_DUE")).await;
    let open = invoice(stage).await;

    let note = stage
        .stripe_post("/v1/credit_notes", &[("invoice", &open), ("amount", "400")])
        .await;
    maya.billing_when(|body| body["invoices"][0]["amount"] == "15.00")
        .await;
    stage
        .stripe_post(
            &format!("/v1/credit_notes/{}/void", note["id"].as_str().unwrap()),
            &[],
        )
        .await;

    let body = maya
        .billing_when(|body| body["invoices"][0]["amount"] == "19.00")
        .await;
    let body = if body["invoices"][0]["creditNotes"][0]["status"] == "void" {
        body
    } else {
        maya.billing_when(|body| body["invoices"][0]["creditNotes"][0]["status"] == "void")
            .await
    };
    assert_eq!(body["subscription"]["status"], "PAST_DUE");
    assert_eq!(refunds(&stage.transactions(maya.account).await), [0; 0]);
    stage.settled().await;
    maya.in_step().await;
}

on_both!(a_credit_note_whose_events_were_lost_is_found_by_the_comparison_and_by_a_sync);
async fn a_credit_note_whose_events_were_lost_is_found_by_the_comparison_and_by_a_sync(
    stage: &Stage,
) {
    let maya = on_plan(stage, "PRO").await;
    let invoice = invoice(stage).await;
    stage.webhooks(false).await;
    stage
        .credit_note(&invoice, "500", "out_of_band_amount")
        .await;

    let lines = billing::sync::differences::account(&stage.app, maya.account)
        .await
        .unwrap();
    let compared = billing::sync::compare::account(&stage.app, maya.account)
        .await
        .unwrap();
    assert!(
        lines.iter().any(|line| line.contains("credit note")),
        "{lines:?}"
    );
    assert!(!compared.agrees());
    stage.sync(maya.account).await;

    assert_eq!(
        maya.billing().await["invoices"][0]["creditNotes"][0]["amount"],
        "5.00"
    );
    assert_eq!(
        refunds(&stage.transactions(maya.account).await),
        [0; 0],
        "no money of ours moved"
    );
    maya.in_step().await;
}

async fn refund_by(operator: &Person<'_>, key: &str, body: &Value) -> (u16, Value) {
    let request = operator.request(Method::POST, "/api/admin/refunds");
    answer(request.header("idempotency-key", key).json(body)).await
}

on_both!(an_operators_refund_of_a_plan_can_be_a_credit_note_that_is_made_once);
async fn an_operators_refund_of_a_plan_can_be_a_credit_note_that_is_made_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    maya.buy_pack(500).await;
    maya.balance_is(1_600).await;
    stage.settled().await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let invoice = invoice(stage).await;
    let body = json!({ "payment": invoice, "amount": "4.00", "reason": "requested_by_customer", "creditNote": true });
    // The credit note is created and the response is lost, several times.
    stage.no_faults().await;

    let (status, made) = refund_by(&olga, "n1", &body).await;
    let (again, same) = refund_by(&olga, "n1", &body).await;

    assert_eq!((status, &made["amount"]), (201, &json!("4.00")), "{made}");
    assert_eq!((again, &same["id"]), (201, &made["id"]));
    let notes = stage.stripe_list("/v1/credit_notes").await;
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(
        (&notes[0]["reason"], &notes[0]["refunds"][0]["refund"]),
        (&json!("order_change"), &made["id"])
    );
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1);
    stage.settled().await;
    assert_eq!(refunds(&stage.transactions(maya.account).await), [400]);
    assert_eq!(
        maya.billing().await["invoices"][0]["creditNotes"][0]["refunded"],
        "4.00"
    );
    assert_eq!(stage.mails_with("refund").await, 1, "one letter");
    // A payment without an invoice can have no credit note.
    let charges = stage.stripe_list("/v1/charges?limit=100").await;
    let pack = charges
        .iter()
        .find(|charge| charge["amount"] == 50)
        .unwrap();
    let body =
        json!({ "payment": pack["payment_intent"], "reason": "duplicate", "creditNote": true });
    let (status, refused) = refund_by(&olga, "n2", &body).await;
    assert_eq!(
        (status, &refused["field"]),
        (400, &json!("creditNote")),
        "{refused}"
    );
    maya.in_step().await;
    stage.audited().await;
}

on_both!(
    case_d6_a_credit_note_whose_answer_was_lost_is_made_once,
    stripe_proxy::install
);
async fn case_d6_a_credit_note_whose_answer_was_lost_is_made_once(stage: &Stage) {
    let maya = on_plan(stage, "PRO").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let body = json!({ "payment": invoice(stage).await, "amount": "4.00", "reason": "duplicate", "creditNote": true });
    let proxy = stripe_proxy::of(stage);
    // The credit note is created, but reading its refund keeps failing.
    proxy.answer(
        "GET",
        "/v1/refunds/",
        20,
        500,
        &json!({ "error": { "type": "api_error" } }),
    );
    let (status, _) = refund_by(&olga, "lost", &body).await;
    assert_eq!(status, 503);
    proxy.forget();
    assert_eq!(stage.stripe_list("/v1/credit_notes").await.len(), 1);

    let (status, again) = refund_by(&olga, "lost", &body).await;

    assert_eq!((status, &again["amount"]), (201, &json!("4.00")), "{again}");
    assert_eq!(stage.stripe_list("/v1/credit_notes").await.len(), 1);
    assert_eq!(stage.stripe_list("/v1/refunds").await.len(), 1);
    maya.rows_when(|rows| refunds(rows) == [400]).await;
    assert_eq!(stage.mails_with("refund").await, 1);
}
