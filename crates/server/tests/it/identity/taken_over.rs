//! A personal account that someone else took over: its id still means the person it was made for.

use super::*;

on_both!(
    who_took_over_a_personal_account_has_an_id_of_their_own,
    hosted
);
async fn who_took_over_a_personal_account_has_an_id_of_their_own(stage: &Stage) {
    let host = host(stage).await;
    let taken = (401, "host_session_address_taken".to_owned());
    // By a token first, by `PUT` first, with an account of one's own, and from before users were named.
    for (n, first) in ["token", "put", "own", "unnamed"].into_iter().enumerate() {
        let (old_id, new_id) = (format!("alice-{n}"), format!("bob-{n}"));
        let (alice_at, bob_at) = (
            format!("alice{n}@example.com"),
            format!("bob{n}@example.com"),
        );
        let made = put(&host, &old_id, &alice_at).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let alice = stage.person(&alice_at).await;
        let bob = stage.person(&bob_at).await;
        stage
            .put_member(bob.user, alice.account, MemberRole::Owner)
            .await;
        stage
            .put_member(alice.user, alice.account, MemberRole::Billing)
            .await;
        stage
            .write(0, move |tx| {
                if first != "own" {
                    store::users::remove_member(tx, bob.user, bob.account)?;
                }
                if first == "unnamed" {
                    store::users::forget_external_id(tx, alice.user)?;
                }
                Ok(())
            })
            .await;

        if first == "put" || first == "own" {
            let made = put(&host, &new_id, &bob_at).await;
            let status = if first == "put" { 201 } else { 200 };
            assert_eq!(made.status, status, "{first}: {}", made.body);
            assert_ne!(
                made.body["id"],
                json!(stage.public_id(alice.account).await),
                "{first}"
            );
        }
        assert_eq!(enter(stage, &new_id, &bob_at).await.0, 200, "{first}");
        assert_eq!(enter(stage, "someone", &bob_at).await, taken, "{first}");
        assert_eq!(enter(stage, &old_id, &alice_at).await.0, 200, "{first}");
        assert_eq!(enter(stage, "someone", &alice_at).await, taken, "{first}");
        let people = stage.read(move |tx| {
            let all = [alice.user, bob.user].map(|user| store::users::find(tx, user));
            all.into_iter().collect::<store::Result<Vec<_>>>()
        });
        let ids: Vec<_> = people
            .await
            .into_iter()
            .map(|one| one.unwrap().external_id)
            .collect();
        assert_eq!(ids, [Some(old_id), Some(new_id)], "{first}");
    }
}
