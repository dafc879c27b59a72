//! Automatic top-up.

use super::*;
use store::auto_topup::AutoTopupState;
use store::intents::{IntentKind, NewIntent};

/// Sets a card as the payment method for off-session payments, which auto top-up requires.
async fn pays_by_card(person: &Person<'_>) {
    let stage = person.stage;
    let customer = stage.stripe_id("/v1/customers").await;
    let card = stage.attach("pm_card_visa", &customer).await;
    stage.pays_with(&customer, &card).await;
    let account = person.account;
    let card = async || {
        let card = stage.read(move |tx| store::payment_methods::of_account(tx, account));
        card.await.is_some()
    };
    eventually(card, |is_seen| *is_seen).await;
}

/// Sets a bank debit, which takes days, as the payment method of the next payment.
async fn pays_by_debit(stage: &Stage, iban: &str) {
    let customer = stage.stripe_id("/v1/customers").await;
    let method = stage
        .stripe_post(
            "/v1/payment_methods",
            &[
                ("type", "sepa_debit"),
                ("sepa_debit[iban]", iban),
                ("billing_details[name]", "Maya"),
                ("billing_details[email]", "maya@example.com"),
            ],
        )
        .await;
    let method = stage.attach(&id_of(&method), &customer).await;
    stage.pays_with(&customer, &method).await;
}

async fn turned_on(person: &Person<'_>) {
    let on = json!({ "autoTopup": { "enabled": true, "threshold": 500, "pack": 5000, "monthlyMax": "50.00" } });
    let (status, body) = person.put("/api/v1/settings", on).await;
    assert_eq!(status, 200, "{body}");
}

async fn automatic(stage: &Stage) -> Vec<Value> {
    let all = stage.stripe_list("/v1/payment_intents?limit=100").await;
    all.into_iter().filter(|one| one["amount"] == 500).collect()
}

async fn automatic_when(stage: &Stage, status: &str) {
    let bought = async || {
        billing::jobs::auto_topup::once(&stage.app).await.unwrap();
        automatic(stage).await
    };
    eventually(bought, |all| all.iter().any(|one| one["status"] == status)).await;
}

on_both!(an_automatic_purchase_is_not_repeated_while_its_payment_is_pending);
async fn an_automatic_purchase_is_not_repeated_while_its_payment_is_pending(stage: &Stage) {
    let maya = refilled(stage).await;
    // One payment was made by bank debit, so it stays pending for days.
    let session = maya.session(pack(5000)).await;
    stage.pay_later(&session).await;
    let seen = stage
        .stripe_get(&format!("/v1/checkout/sessions/{session}"))
        .await;
    let payment = seen["payment_intent"].as_str().unwrap().to_owned();
    let (account, now) = (maya.account, stage.app.now());
    let made = stage
        .write(account, move |tx| {
            let new = NewIntent::new("int_on_its_way", account, IntentKind::AutoTopup, "");
            store::intents::insert(tx, &new, now)?;
            store::intents::set_done(tx, "int_on_its_way", &payment, None, None, now)
        })
        .await;
    assert!(made);
    let program = maya.program().await;

    program.debit(&fresh_key(), 200).await;
    for _ in 0..3 {
        for _ in 0..2 {
            billing::jobs::auto_topup::once(&stage.app).await.unwrap();
            stage.settled().await;
        }
        stage.twin.advance("7h").await.unwrap();
    }

    assert_eq!(
        automatic(stage).await.len(),
        1,
        "the card is not charged beside it"
    );
    assert_eq!(maya.billing().await["credits"]["available"], 400);
}

/// SEPA debits are in euros only.
fn in_euros(settings: &mut billing::config::Settings) {
    own_catalog(
        settings,
        &CATALOG.replace("currency = \"usd\"", "currency = \"eur\""),
    );
}

/// Someone with 600 credits whose card buys more automatically.
async fn refilled(stage: &Stage) -> Person<'_> {
    let maya = stage.person("maya@example.com").await;
    maya.buy_pack(500).await;
    maya.billing_when(|body| body["credits"]["available"] == 600)
        .await;
    pays_by_card(&maya).await;
    turned_on(&maya).await;
    maya
}

on_both!(
    an_automatic_purchase_whose_bank_debit_bounces_counts_as_declined,
    in_euros
);
async fn an_automatic_purchase_whose_bank_debit_bounces_counts_as_declined(stage: &Stage) {
    let maya = refilled(stage).await;
    pays_by_debit(stage, "AT861904300235473202").await;
    let program = maya.program().await;
    program.debit(&fresh_key(), 200).await;
    automatic_when(stage, "processing").await;

    let account = maya.account;
    let state = async || {
        stage.twin.advance("5d").await.unwrap();
        billing::jobs::auto_topup::once(&stage.app).await.unwrap();
        let row = stage.read(move |tx| store::auto_topup::of_account(tx, account));
        row.await.unwrap()
    };
    let state = eventually(state, |row| row.state == AutoTopupState::Off).await;

    assert_eq!(
        (state.state.word(), state.declines),
        ("off", 2),
        "{state:?}"
    );
    assert_eq!(automatic(stage).await.len(), 2, "tried again once");
    assert_eq!(
        maya.billing().await["credits"]["balance"].as_i64().unwrap() / 1_000,
        0,
        "nothing was granted"
    );
    stage.audited().await;
}

on_both!(
    an_automatic_purchase_by_bank_debit_that_arrives_ends_a_series_of_declines,
    in_euros
);
async fn an_automatic_purchase_by_bank_debit_that_arrives_ends_a_series_of_declines(stage: &Stage) {
    let maya = refilled(stage).await;
    let account = maya.account;
    let declined = stage.write(account, move |tx| {
        store::auto_topup::set_declines(tx, account, 1)
    });
    assert_eq!(declined.await, 1);
    pays_by_debit(stage, "DE89370400440532013000").await;
    let program = maya.program().await;
    program.debit(&fresh_key(), 200).await;
    automatic_when(stage, "processing").await;
    stage.settled().await;
    let declines = async || {
        let row = stage.read(move |tx| store::auto_topup::of_account(tx, account));
        row.await.unwrap().declines
    };
    assert_eq!(declines().await, 1, "it may still fail");

    stage.twin.advance("5d").await.unwrap();

    automatic_when(stage, "succeeded").await;
    maya.billing_when(|body| body["credits"]["available"].as_i64() > Some(5_000))
        .await;
    assert_eq!(declines().await, 0);
    stage.audited().await;
}
