//! Plans paid by bank debit, whose payments are in progress for days.

use super::turn::{allowances, past};
use super::*;
use crate::audit::run_on;
use crate::ours::findings;
use crate::stage::code;

/// Maya, whose PRO was paid by a bank debit that settled.
async fn subscriber_by_debit(stage: &Stage) -> Person<'_> {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
    stage.pay_later(&session).await;
    stage.twin.settle(&session, true).await.unwrap();
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
    maya
}

on_both!(a_renewal_by_bank_debit_has_not_failed_while_the_debit_is_in_progress);
async fn a_renewal_by_bank_debit_has_not_failed_while_the_debit_is_in_progress(stage: &Stage) {
    let maya = subscriber_by_debit(stage).await;
    let held = stage.subscription().await;
    allowances(&maya).await;
    let mails = stage.mail_subjects().await.len();

    past(stage, &held, 70 * 3_600).await;

    let renewed = stage.subscription().await;
    let invoice = renewed["latest_invoice"].as_str().unwrap();
    let invoice = stage.stripe_get(&format!("/v1/invoices/{invoice}")).await;
    assert_eq!(
        (&invoice["status"], &invoice["attempt_count"]),
        (&json!("open"), &json!(1)),
        "Stripe counts an attempt when it begins"
    );
    maya.in_step().await;
    assert_eq!(allowances(&maya).await, [1_000], "the old allowance serves");
    assert_eq!(spend(&maya, 150).await, 201);
    let rows = stage.transactions(maya.account).await;
    assert_eq!(rows.last().unwrap().1, "PENDING", "{rows:?}");
    assert_eq!(
        stage.mail_subjects().await.len(),
        mails,
        "no failure is reported"
    );
}

on_both!(a_debit_that_arrives_for_a_voided_invoice_is_a_payment_that_waits_for_a_decision);
async fn a_debit_that_arrives_for_a_voided_invoice_is_a_payment_that_waits_for_a_decision(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
    stage.pay_later(&session).await;
    maya.billing_when(is("PRO", "ACTIVE")).await;
    let invoice = invoice(stage).await;
    let invoice = format!("/v1/invoices/{invoice}");
    stage.stripe_post(&format!("{invoice}/void"), &[]).await;
    stage.settled().await;

    stage.twin.settle(&session, true).await.unwrap();

    let found = eventually(async || findings(&maya).await, |found| !found.is_empty()).await;
    assert!(found.contains("pi_"), "{found}");
    let mut rows = stage.transactions(maya.account).await;
    rows.sort();
    assert_eq!(
        rows,
        [
            ("CREDIT_TOPUP".into(), "COMPLETED".into(), 1_900),
            ("SUBSCRIPTION_PAYMENT".into(), "CANCELLED".into(), 1_900),
        ]
    );
    assert_eq!(allowances(&maya).await, [0_i64; 0], "it brings nothing");
    maya.in_step().await;
    assert_eq!(run_on(&stage.app, &["audit", "--stripe"]).await.0, 0);

    let charge = stage.charge_of(1_900).await;
    stage.refund(&charge).await;

    eventually(async || findings(&maya).await, String::is_empty).await;
    maya.in_step().await;
    stage.audited().await;
}

on_both!(
    while_a_bank_debit_pays_a_change_there_is_no_other_change_and_its_invoice_stays,
    |settings: &mut Settings| settings.limits.portal_per_minute = 100
);
async fn while_a_bank_debit_pays_a_change_there_is_no_other_change_and_its_invoice_stays(
    stage: &Stage,
) {
    let maya = subscriber_by_debit(stage).await;
    let plan = json!({ "planId": "PRO_PLUS" });
    let ask = async |action: &str, more: Value| {
        let mut body = json!({ "action": action });
        for part in [&plan, &more] {
            body.as_object_mut()
                .unwrap()
                .extend(part.as_object().unwrap().clone());
        }
        maya.post(CHANGES, body).await
    };
    let (_, preview) = ask("preview", json!({})).await;
    let (status, done) = ask("confirm", json!({ "quote": preview["quote"] })).await;
    assert_eq!(status, 200, "{done}");
    let latest = async || stage.stripe_list("/v1/invoices").await[0].clone();
    let invoice = latest().await;
    assert_eq!(invoice["status"], "open", "the debit is in progress");

    let year = json!({ "planId": "PRO", "interval": "year" });
    for (action, more) in [
        ("preview", json!({})),
        ("confirm", json!({ "quote": preview["quote"] })),
        ("preview", year.clone()),
        ("confirm", year),
        ("undo", json!({})),
        ("preview", json!({ "planId": "FREE", "when": "now" })),
        ("cancel", json!({ "when": "now", "quote": "1:0" })),
    ] {
        let (status, said) = ask(action, more.clone()).await;
        assert_eq!(
            (status, code(&said)),
            (409, "payment_in_progress"),
            "{action} {more}"
        );
        let detail = said["detail"].as_str().unwrap();
        assert!(detail.contains("when it has arrived"), "{detail}");
    }
    let (status, page) = maya
        .page("/dashboard/billing/upgrade?planId=PRO_PLUS")
        .await;
    assert_eq!(status, 409, "{page}");
    assert!(page.contains("on its way from your bank"), "{page}");
    assert_eq!(latest().await, invoice);

    // An end with the period changes nothing of it.
    let (status, said) = ask("cancel", json!({})).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(latest().await["status"], "open");
    let (status, said) = ask("resume", json!({})).await;
    assert_eq!(status, 200, "{said}");
    // The debit is over, and the change with it.
    let path = format!("/v1/invoices/{}/void", id_of(&invoice));
    stage.stripe_post(&path, &[]).await;
    stage.settled().await;
    let (status, said) = ask("preview", json!({})).await;
    assert_eq!(status, 200, "{said}");
    stage.audited().await;
}
