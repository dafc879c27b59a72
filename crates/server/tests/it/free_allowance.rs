//! An address's free credits come once a month, whatever becomes of its accounts (G9).

use reqwest::Method;
use serde_json::{Value, json};
use store::args;

use crate::metering::Program;
use crate::stage::{Person, Stage, answer, fresh_key, on_both};

async fn close(person: &Person<'_>) {
    let closed = answer(person.request(Method::DELETE, "/api/v1/account")).await;
    assert_eq!(closed.0, 200, "{}", closed.1);
}

async fn balance(person: &Person<'_>) -> Value {
    person.billing().await["credits"]["balance"].clone()
}

async fn pass(stage: &Stage, time: &str) {
    stage.twin.advance(time).await.unwrap();
    stage.settled().await;
}

on_both!(an_erased_address_gets_its_free_credits_again_when_its_month_has_ended);
async fn an_erased_address_gets_its_free_credits_again_when_its_month_has_ended(stage: &Stage) {
    let mut spent = 0;
    let began = stage.app.now();
    for round in 0..3 {
        let maya = stage.person("maya@example.com").await;
        let program = maya.program().await;
        let debit = program.debit(&fresh_key(), 100).await;
        spent += i64::from(debit.status == 201) * 100;
        assert_eq!(
            debit.status,
            if round == 0 { 201 } else { 402 },
            "{}",
            debit.body
        );
        pass(stage, "6d").await;
        close(&maya).await;
    }
    assert_eq!(spent, 100);
    let maya = stage.person("maya@example.com").await;
    assert_eq!(balance(&maya).await, 0);

    // The months go on from the first account's, so the next credits come on the same day.
    let month = began.plus_months(1);
    let left = month.seconds() - stage.app.now().seconds();
    pass(stage, &format!("{}h", left / 3_600 - 1)).await;
    assert_eq!(balance(&maya).await, 0);
    pass(stage, "2h").await;
    assert_eq!(balance(&maya).await, 100);
    close(&maya).await;
    let again = stage.person("maya@example.com").await;
    assert_eq!(balance(&again).await, 0);
    stage.audited().await;
}

on_both!(case_c13_an_allowance_comes_once_however_many_ask_at_the_turn_of_the_month);
async fn case_c13_an_allowance_comes_once_however_many_ask_at_the_turn_of_the_month(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    assert_eq!(balance(&maya).await, 100);
    let (account, program) = (maya.account, maya.program().await);
    for turn in 1..=2 {
        let month = stage.account(account).await.anchor_at.plus_months(turn);
        let left = month.seconds() - stage.app.now().seconds();
        stage.twin.advance(&format!("{left}s")).await.unwrap();

        let asked = async || program.debit(&fresh_key(), 1).await.status;
        let seen = futures_util::future::join_all((0..12).map(|_| maya.billing()));
        let debits = futures_util::future::join_all((0..12).map(|_| asked()));
        let sweeps =
            futures_util::future::join_all((0..4).map(|_| billing::jobs::sweep::once(&stage.app)));
        let (_, debits, _) = tokio::join!(seen, debits, sweeps);
        stage.settled().await;

        assert_eq!(debits, [201; 12], "month {turn}");
        assert_eq!(balance(&maya).await, 88, "month {turn}");
        let grants = stage.read(move |tx| store::ledger::grants(tx, account, i64::MAX, 100));
        let grants: Vec<i64> = grants.await.iter().map(|lot| lot.amount.floor()).collect();
        assert_eq!(
            grants.len(),
            usize::try_from(turn).unwrap() + 1,
            "{grants:?}"
        );
        assert!(grants.iter().all(|credits| *credits == 100), "{grants:?}");
    }
    stage.audited().await;
}

on_both!(every_way_to_write_a_mailbox_shares_one_free_allowance);
async fn every_way_to_write_a_mailbox_shares_one_free_allowance(stage: &Stage) {
    let first = stage.person("maya.kim@gmail.com").await;
    assert_eq!(balance(&first).await, 100);
    for same in ["mayakim+a@gmail.com", "m.a.y.a.kim@googlemail.com"] {
        let other = stage.person(same).await;
        assert_ne!(other.account, first.account);
        assert_eq!(balance(&other).await, 0, "{same}");
    }
    for different in ["maya.kim@example.com", "mayakim@example.com"] {
        let other = stage.person(different).await;
        assert_eq!(balance(&other).await, 100, "{different}");
    }
    let tagged = stage.person("mayakim+2@example.com").await;
    assert_eq!(balance(&tagged).await, 0);

    // One of them gets the next month's, whoever comes first.
    pass(stage, "32d").await;
    let mut all = Vec::new();
    for address in ["mayakim+a@gmail.com", "maya.kim@gmail.com"] {
        all.push(balance(&stage.person(address).await).await);
    }
    all.sort_by_key(Value::as_i64);
    assert_eq!(all, [json!(0), json!(100)]);
}

on_both!(an_account_of_the_host_and_a_sign_in_share_the_free_allowance_of_their_address);
async fn an_account_of_the_host_and_a_sign_in_share_the_free_allowance_of_their_address(
    stage: &Stage,
) {
    let secret = stage.server_key().await;
    let host = Program { stage, secret };
    let put = async |id: &str, email: Option<&str>| {
        let body = json!({ "name": "Acme", "email": email });
        let path = format!("/api/v1/accounts/{id}");
        host.put(&path, body).await
    };
    let available = async |id: &str| {
        let balance = host.get(&format!("/api/v1/balance?account={id}")).await;
        balance.body["available"].clone()
    };

    assert_eq!(put("user-1", Some("maya@example.com")).await.status, 201);
    assert_eq!(available("user-1").await, 100);
    close(&stage.person("maya@example.com").await).await;
    // Made again, by the host or by a sign-in, with the same or another way to write the address.
    assert_eq!(put("user-1", Some("maya+1@example.com")).await.status, 201);
    assert_eq!(available("user-1").await, 0);
    assert_eq!(balance(&stage.person("maya@example.com").await).await, 0);
    // The host's id counts, too, whether an address is left out or another one.
    assert_eq!(put("user-3", Some("noah@example.com")).await.status, 201);
    assert_eq!(available("user-3").await, 100);
    close(&stage.person("noah@example.com").await).await;
    assert_eq!(put("user-3", None).await.status, 201);
    assert_eq!(available("user-3").await, 0);
    assert_eq!(put("user-3", Some("eve@example.com")).await.status, 200);
    assert_eq!(available("user-3").await, 0);
    // Without an address, it is all there is.
    assert_eq!(put("tenant-2", None).await.status, 201);
    assert_eq!(available("tenant-2").await, 100);
    let debit = json!({ "account": "tenant-2", "credits": 100 });
    assert_eq!(
        host.post("/api/v1/debits", &fresh_key(), debit)
            .await
            .status,
        201
    );
}

on_both!(an_account_of_the_host_has_its_free_month_before_anyone_asks);
async fn an_account_of_the_host_has_its_free_month_before_anyone_asks(stage: &Stage) {
    let secret = stage.server_key().await;
    let host = Program { stage, secret };
    let body = json!({ "name": "Acme" });
    assert_eq!(host.put("/api/v1/accounts/acme", body).await.status, 201);
    let granted = |tx: &mut store::Tx<'_>| {
        let account = store::accounts::named(tx, "acme")?.expect("an account");
        store::ledger::grants(tx, account.id, i64::MAX, 10)
    };

    let granted = stage.read(granted).await;

    assert_eq!(granted.len(), 1, "{granted:?}");
    assert_eq!(
        granted[0].effective_at,
        stage
            .read(|tx| {
                let account = store::accounts::named(tx, "acme")?.expect("an account");
                Ok(account.anchor_at)
            })
            .await
    );
}

on_both!(another_address_from_the_host_brings_no_second_free_allowance);
async fn another_address_from_the_host_brings_no_second_free_allowance(stage: &Stage) {
    let secret = stage.server_key().await;
    let host = Program { stage, secret };
    let began = stage.app.now();
    let maya = stage.person("maya@example.com").await;
    assert_eq!(balance(&maya).await, 100);
    close(&maya).await;
    let available = async || {
        stage.settled().await;
        let balance = host.get("/api/v1/balance?account=user-1").await;
        balance.body["available"].clone()
    };

    // The account waits for the month of the address that it came with, whatever address it has next.
    for (address, status) in [("maya", 201), ("maya2", 200), ("maya3", 200)] {
        let body = json!({ "name": "Maya", "email": format!("{address}@example.com") });
        let saved = host.put("/api/v1/accounts/user-1", body).await;
        assert_eq!(saved.status, status, "{}", saved.body);
        assert_eq!(available().await, 0, "{address}");
    }
    let left = began.plus_months(1).seconds() - stage.app.now().seconds();
    pass(stage, &format!("{}h", left / 3_600 + 1)).await;
    assert_eq!(available().await, 100);
    stage.audited().await;
}

on_both!(the_hash_of_an_address_is_deleted_with_its_month_and_names_no_erased_account);
async fn the_hash_of_an_address_is_deleted_with_its_month_and_names_no_erased_account(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    assert_eq!(balance(&maya).await, 100);
    let number = maya.account;
    let rows = async || {
        stage
            .read(|tx| {
                tx.query::<(Vec<u8>, Option<i64>)>(
                    "select subject_hash, account_id from free_allowance",
                    args![],
                )
            })
            .await
    };
    let kept = rows().await;
    assert_eq!(
        (kept.len(), kept[0].0.len(), kept[0].1),
        (1, 32, Some(number))
    );

    close(&maya).await;

    let kept = rows().await;
    assert_eq!((kept.len(), kept[0].1), (1, None));
    pass(stage, "32d").await;
    let now = stage.app.now();
    stage
        .write(0, move |tx| store::ledger::free_allowances::sweep(tx, now))
        .await;
    assert_eq!(rows().await.len(), 0);
    assert_eq!(balance(&stage.person("maya@example.com").await).await, 100);
}

on_both!(an_allowance_from_before_addresses_were_remembered_counts_too);
async fn an_allowance_from_before_addresses_were_remembered_counts_too(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    for person in [&maya, &noah] {
        assert_eq!(balance(person).await, 100);
    }
    stage
        .write(0, |tx| {
            tx.execute("delete from free_allowance", args![])?;
            store::settings::remove(tx, "free_allowance.carried_over")
        })
        .await;

    // Erased before the program was started again: recorded with the erasure.
    close(&maya).await;
    billing::app::mailboxes::carry_over(&stage.app)
        .await
        .unwrap();

    assert_eq!(balance(&stage.person("maya+1@example.com").await).await, 0);
    assert_eq!(balance(&stage.person("noah+1@example.com").await).await, 0);
}
