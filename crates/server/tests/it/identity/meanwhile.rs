//! What happens while an account is closed or named at the same moment.

use super::*;

/// Runs `job` in a commit that takes a second, while `other` waits for it.
async fn during<T>(
    stage: &Stage,
    mut job: impl FnMut(&mut store::Tx<'_>) -> store::Result<()> + Send + 'static,
    other: impl Future<Output = T>,
) -> T {
    let (began, begun) = std::sync::mpsc::channel();
    // The writer of odd accounts on PostgreSQL; `PUT` and sign-ins have the other one.
    let writing = stage.write(1, move |tx| {
        job(tx)?;
        began.send(()).ok();
        std::thread::sleep(std::time::Duration::from_secs(1));
        Ok(())
    });
    let other = async {
        let waiting = tokio::task::spawn_blocking(move || begun.recv().unwrap());
        waiting.await.unwrap();
        other.await
    };
    tokio::join!(writing, other).1
}

/// The host's `PUT` while `job` runs.
async fn put_during(
    (stage, host): (&Stage, &Program<'_>),
    (id, email): (&str, &str),
    job: impl FnMut(&mut store::Tx<'_>) -> store::Result<()> + Send + 'static,
) -> Answer {
    during(stage, job, put(host, id, email)).await
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

/// Closes an account of a person and erases them, as far as rows go.
fn erased(
    person: &crate::stage::Person<'_>,
) -> impl FnMut(&mut store::Tx<'_>) -> store::Result<()> + Send + 'static {
    let (user, account, now) = (person.user, person.account, person.stage.app.now());
    move |tx| {
        store::accounts::lock(tx, account)?;
        store::users::remove_member(tx, user, account)?;
        store::users::anonymize(tx, user, now)?;
        store::accounts::anonymize(tx, account, now).map(|_| ())
    }
}

on_both!(
    a_person_who_is_erased_meanwhile_comes_in_as_a_new_one,
    hosted
);
async fn a_person_who_is_erased_meanwhile_comes_in_as_a_new_one(stage: &Stage) {
    let host = host(stage).await;
    let is_gone = async |user: i64| {
        stage
            .read(move |tx| {
                let row = store::users::find(tx, user)?.unwrap();
                assert!(row.email.ends_with("@deleted.invalid"), "{}", row.email);
                assert_eq!(row.external_id, None);
                store::users::memberships(tx, user)
            })
            .await
            .is_empty()
    };

    // Whom the host knows by an id, and whom it knows by no id yet.
    assert_eq!(put(&host, "user-1", "maya@example.com").await.status, 201);
    for (id, email) in [
        ("user-1", "maya@example.com"),
        ("user-2", "noah@example.com"),
    ] {
        let person = stage.person(email).await;
        let entering = billing::people::users::of_host(&stage.app, Some(id), email);
        let user = during(stage, erased(&person), entering).await;
        let user = user.unwrap().expect("a user");
        assert_ne!(user.id, person.user, "{email}");
        assert_eq!(user.external_id.as_deref(), Some(id));
        assert!(is_gone(person.user).await, "{email}");
    }

    // `PUT` makes a new account for someone known, who owned none.
    let eve = stage.person("eve@example.com").await;
    stage
        .put_member(eve.user, eve.account, MemberRole::Billing)
        .await;
    let made = put_during((stage, &host), ("user-3", "eve@example.com"), erased(&eve)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(is_gone(eve.user).await);
    let again = stage.person("eve@example.com").await;
    assert_eq!(json!(again.account_id().await), made.body["id"]);

    // And gives an account that no one owned its owner.
    let body = json!({ "name": "Shop", "kind": "organization" });
    let shop = host.put("/api/v1/accounts/org-1", body).await;
    assert_eq!(shop.status, 201, "{}", shop.body);
    let joe = stage.person("joe@example.com").await;
    stage
        .put_member(joe.user, joe.account, MemberRole::Billing)
        .await;
    let owned = put_during((stage, &host), ("org-1", "joe@example.com"), erased(&joe)).await;
    assert_eq!(owned.status, 200, "{}", owned.body);
    assert!(is_gone(joe.user).await);
    let again = stage.person("joe@example.com").await;
    assert_eq!(json!(again.account_id().await), shop.body["id"]);
}

on_both!(
    what_is_answered_after_a_second_run_is_what_that_run_wrote,
    hosted
);
async fn what_is_answered_after_a_second_run_is_what_that_run_wrote(stage: &Stage) {
    use billing::accounts::put::{Outcome, Put};
    let host = host(stage).await;
    assert_eq!(put(&host, "user-1", "maya@example.com").await.status, 201);
    let maya = stage.person("maya@example.com").await;
    let body = json!({ "name": "Maya", "email": "maya@example.com" });
    let asked = serde_json::from_value(body).unwrap();
    let asked = Put::read(&stage.app, "cli", "user-2".to_owned(), asked).unwrap();
    let sleep = |millis| std::thread::sleep(std::time::Duration::from_millis(millis));
    let (began, begun) = std::sync::mpsc::channel();
    let mut is_first = true;

    // What waits for the first commit is one batch; it is run again because of its second part.
    let first = stage.write(0, move |_| {
        sleep(300);
        Ok(())
    });
    let putting = asked.run(&stage.app, false);
    let contended = stage.write(0, move |_| {
        if !std::mem::take(&mut is_first) {
            return Ok(());
        }
        began.send(()).ok();
        sleep(1_000);
        Err(store::Error::Contended("once".to_owned()))
    });
    // Meanwhile the other process of PostgreSQL frees the address.
    let freeing = async {
        let waiting = tokio::task::spawn_blocking(move || begun.recv().unwrap());
        waiting.await.unwrap();
        stage.write(1, erased(&maya)).await;
    };
    let ((), outcome, (), ()) = tokio::join!(first, putting, contended, freeing);

    let made = stage.read(|tx| store::accounts::by_external_id(tx, "user-2"));
    let is_saved = matches!(outcome.unwrap(), Outcome::Saved(_));
    assert_eq!(is_saved, made.await.is_some());
}
