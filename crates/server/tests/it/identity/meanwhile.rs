//! What happens while an account is closed or named at the same moment.

use super::*;

/// Runs `job` in a commit that takes a second, while the host's `PUT` waits for it.
async fn put_during(
    (stage, host): (&Stage, &Program<'_>),
    (id, email): (&str, &str),
    mut job: impl FnMut(&mut store::Tx<'_>) -> store::Result<()> + Send + 'static,
) -> Answer {
    let (began, begun) = std::sync::mpsc::channel();
    // The writer of odd accounts on PostgreSQL; `PUT` has the other one.
    let writing = stage.write(1, move |tx| {
        job(tx)?;
        began.send(()).ok();
        std::thread::sleep(std::time::Duration::from_secs(1));
        Ok(())
    });
    let putting = async {
        let waiting = tokio::task::spawn_blocking(move || begun.recv().unwrap());
        waiting.await.unwrap();
        put(host, id, email).await
    };
    tokio::join!(writing, putting).1
}

on_both!(
    an_account_that_is_closed_meanwhile_is_not_written_again,
    hosted
);
async fn an_account_that_is_closed_meanwhile_is_not_written_again(stage: &Stage) {
    let host = host(stage).await;
    assert_eq!(put(&host, "user-1", "maya@example.com").await.status, 201);
    let maya = stage.person("maya@example.com").await;
    let (account, now) = (maya.account, stage.app.now());

    let put = put_during((stage, &host), ("user-1", "maya@example.com"), move |tx| {
        store::accounts::anonymize(tx, account, now).map(|_| ())
    });
    let put = put.await;

    // It finds the closed account and refuses it, or a new one is made.
    assert!([404, 201].contains(&put.status), "{}", put.body);
    assert_ne!(put.body["id"], maya.account_id().await);
    let closed = stage.account(account).await;
    assert_eq!((closed.name.as_str(), closed.email), ("", None));
    let (status, now) = (domain::plan::AccountStatus::Active, stage.app.now());
    let opened = stage.write(account, move |tx| {
        store::accounts::set_status(tx, account, status, now)
    });
    assert_eq!(opened.await, 0);
}

on_both!(
    an_account_that_gets_another_id_meanwhile_is_not_adopted,
    hosted
);
async fn an_account_that_gets_another_id_meanwhile_is_not_adopted(stage: &Stage) {
    let host = host(stage).await;
    let maya = stage.person("maya@example.com").await;
    let (account, now) = (maya.account, stage.app.now());

    let refused = put_during((stage, &host), ("user-2", "maya@example.com"), move |tx| {
        store::accounts::set_external_id(tx, account, "user-1", now).map(|_| ())
    });

    assert_eq!(refused.await.refusal(), (409, "email_taken"));
    let row = stage.account(account).await;
    assert_eq!(
        (row.external_id.as_deref(), row.name.as_str()),
        (Some("user-1"), "maya")
    );
}

on_both!(
    an_invitation_that_is_accepted_while_the_account_is_closed_adds_no_one,
    hosted
);
async fn an_invitation_that_is_accepted_while_the_account_is_closed_adds_no_one(stage: &Stage) {
    let noah = stage.person("noah@example.com").await;
    let (account, now) = (noah.account, stage.app.now());
    let digest = billing::secrets::hash("invited");
    stage
        .write(account, move |tx| {
            let new = store::invitations::NewInvitation {
                public_id: "inv_1",
                token_hash: &digest,
                account_id: account,
                email: "maya@example.com",
                role: domain::people::MemberRole::Owner,
                invited_by: noah.user,
                expires_at: now.plus_days(7),
            };
            store::invitations::put(tx, &new, now)
        })
        .await;
    let (began, begun) = std::sync::mpsc::channel();
    // The other writer on PostgreSQL, as a second process has.
    let closing = stage.write(account + 1, move |tx| {
        store::accounts::lock(tx, account)?;
        for member in store::users::members(tx, account)? {
            store::users::remove_member(tx, member.user_id, account)?;
        }
        store::accounts::anonymize(tx, account, now)?;
        began.send(()).ok();
        std::thread::sleep(std::time::Duration::from_secs(1));
        store::invitations::close_all(tx, account, now)
    });
    let accepting = async {
        let waiting = tokio::task::spawn_blocking(move || begun.recv().unwrap());
        waiting.await.unwrap();
        billing::people::members::accept(&stage.app, "invited").await
    };

    let (_, accepted) = tokio::join!(closing, accepting);

    assert!(accepted.unwrap().is_none(), "the link is no longer valid");
    let members = stage
        .read(move |tx| store::users::members(tx, account))
        .await;
    assert!(members.is_empty(), "{members:?}");
}
