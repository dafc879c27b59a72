//! Emails about an account's credits and payments.

use store::{args, outbox};

use crate::metering::host as host_program;
use crate::stage::{Stage, on_both};

on_both!(
    what_an_earlier_version_mailed_is_not_mailed_again_to_a_changed_address,
    |_| {}
);
async fn what_an_earlier_version_mailed_is_not_mailed_again_to_a_changed_address(stage: &Stage) {
    let maya = stage.buyer("old@example.com", 500).await;
    let account = maya.account;
    stage.settled().await;
    // Earlier versions kept a key for each address, and none of the fact.
    let facts = stage
        .write(account, move |tx| {
            let facts: Vec<String> = tx.query(
                "select key from outbox where kind = 'mail' and account_id = $1",
                args![account],
            )?;
            for fact in &facts {
                let told = outbox::by_key(tx, fact)?.unwrap();
                tx.execute("delete from outbox where key = $1", args![fact])?;
                let new = outbox::NewMessage {
                    key: &format!("{fact}:old@example.com"),
                    kind: outbox::MessageKind::Mail,
                    account_id: Some(account),
                    recipient: &told.recipient,
                    payload: &told.payload,
                };
                outbox::enqueue(tx, &new, told.created_at)?;
            }
            Ok(facts)
        })
        .await;
    assert!(!facts.is_empty());
    let mails = async || {
        stage
            .read(move |tx| {
                tx.query_one::<i64>(
                    "select count(*) from outbox where kind = 'mail' and recipient <> ''",
                    args![],
                )
            })
            .await
    };
    let before = mails().await;
    stage.sync(account).await;
    assert_eq!(mails().await, before, "the address was told");

    let host = host_program(stage).await;
    for email in ["old@example.com", "new@example.com"] {
        let body = serde_json::json!({ "name": "Maya", "email": email });
        let put = host.put("/api/v1/accounts/user-1", body).await;
        assert_eq!(put.status, 200, "{}", put.body);
    }
    let moved = mails().await;
    stage.sync(account).await;

    assert_eq!(mails().await, moved, "and no other address is");
}
