//! Plans paid by bank debit, whose payments are in progress for days.

use super::turn::{allowances, past};
use super::*;
use crate::audit::run_on;
use crate::ours::findings;

on_both!(a_renewal_by_bank_debit_has_not_failed_while_the_debit_is_in_progress);
async fn a_renewal_by_bank_debit_has_not_failed_while_the_debit_is_in_progress(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let session = maya.session(plan_of("PRO")).await;
    stage.pay_later(&session).await;
    stage.twin.settle(&session, true).await.unwrap();
    maya.billing_when(is("PRO", "ACTIVE")).await;
    stage.settled().await;
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
