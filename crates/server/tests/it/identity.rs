//! Who is who (G12): sign-in, the host application's accounts and its ids meet in one account.

mod kinds;
mod meanwhile;
mod taken_over;

use domain::people::MemberRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::host_session::{hosted, signed};
use crate::metering::{Answer, Program};
use crate::stage::{Stage, answer, code, fresh_key, on_both, pack};

async fn host(stage: &Stage) -> Program<'_> {
    let secret = stage.server_key().await;
    Program { stage, secret }
}

async fn put(host: &Program<'_>, id: &str, email: &str) -> Answer {
    let body = json!({ "name": "Maya Kim", "email": email });
    host.put(&format!("/api/v1/accounts/{id}"), body).await
}

/// Puts an account whose id is an organization's.
async fn put_organization(host: &Program<'_>, id: &str, email: &str) -> Answer {
    let body = json!({ "name": "Acme", "email": email, "kind": "organization" });
    host.put(&format!("/api/v1/accounts/{id}"), body).await
}

/// The cookie of the host's session of this person.
fn of_host(stage: &Stage, id: &str, email: &str) -> String {
    let claims = json!({ "sub": id, "email": email, "emailVerified": true });
    format!("next-auth.session-token={}", signed(stage, &claims))
}

/// The ids of the accounts that a caller with this cookie has.
async fn accounts(stage: &Stage, cookie: &str) -> Vec<Value> {
    let url = format!("{}/api/v1/organisations", stage.base);
    let (status, listed) = answer(stage.http.get(url).header("cookie", cookie)).await;
    assert_eq!(status, 200, "{listed}");
    let rows = listed["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].clone()).collect()
}

on_both!(
    whatever_comes_first_makes_the_account_and_the_others_adopt_it,
    hosted
);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn whatever_comes_first_makes_the_account_and_the_others_adopt_it(stage: &Stage) {
    let host = host(stage).await;
    let token = |id: &str, email: &str| {
        let claims = json!({ "sub": id, "email": email, "emailVerified": true });
        format!("next-auth.session-token={}", signed(stage, &claims))
    };
    // A mailed sign-in with a purchase, the host's PUT, then its session.
    let maya = stage.buyer("maya@example.com", 500).await;
    let first = maya.account_id().await;
    let adopted = put(&host, "user-1", "Maya@example.com").await;
    assert_eq!(
        (
            adopted.status,
            &adopted.body["adopted"],
            &adopted.body["id"]
        ),
        (200, &json!(true), &json!(first)),
        "{}",
        adopted.body
    );
    assert_eq!(adopted.body["externalId"], "user-1");
    let again = put(&host, "user-1", "maya@example.com").await;
    assert_eq!((again.status, &again.body["adopted"]), (200, &json!(false)));
    let cookie = token("user-1", "maya@example.com");
    assert_eq!(accounts(stage, &cookie).await, [json!(first)]);
    let debit = json!({ "account": "user-1", "credits": 600 });
    let debit = host.post("/api/v1/debits", &fresh_key(), debit).await;
    assert_eq!(debit.status, 201, "{}", debit.body);
    assert_eq!(maya.billing().await["credits"]["balance"], 0);

    // The host's session, then its PUT.
    let cookie = token("user-2", "noah@example.com");
    let own = accounts(stage, &cookie).await;
    let known = put(&host, "user-2", "noah@example.com").await;
    assert_eq!((known.status, &known.body["adopted"]), (200, &json!(false)));
    assert_eq!(own, [known.body["id"].clone()]);

    // The host's PUT, then a mailed sign-in, then its session.
    let made = put(&host, "user-3", "eve@example.com").await;
    assert_eq!((made.status, &made.body["adopted"]), (201, &json!(false)));
    let eve = stage.person("eve@example.com").await;
    assert_eq!(json!(eve.account_id().await), made.body["id"]);
    let cookie = token("user-3", "eve@example.com");
    assert_eq!(accounts(stage, &cookie).await, [made.body["id"].clone()]);
    assert_eq!(eve.billing().await["credits"]["balance"], 100);
    let (status, said) = eve.checkout(pack(500)).await;
    assert_eq!(status, 200, "{said}");

    // A mailed sign-in, then the host's session, which names the account.
    let ann = stage.person("ann@example.com").await;
    let cookie = token("user-4", "ann@example.com");
    assert_eq!(
        accounts(stage, &cookie).await,
        [json!(ann.account_id().await)]
    );
    let named = host.get("/api/v1/balance?account=user-4").await;
    assert_eq!(named.body["available"], 100, "{}", named.body);

    // A mailed sign-in, a member whom the owner invited, the host's session, its PUT.
    let joe = stage.person("joe@example.com").await;
    let eves = eve.user;
    stage
        .put_member(eves, joe.account, MemberRole::Billing)
        .await;
    let cookie = token("user-5", "joe@example.com");
    let own = json!(joe.account_id().await);
    assert_eq!(accounts(stage, &cookie).await, std::slice::from_ref(&own));
    assert_eq!(
        put(&host, "user-5", "joe@example.com").await.body["id"],
        own
    );

    // One person, one account, one free allowance.
    let free = stage
        .read(|tx| {
            tx.query_one::<i64>(
                "select count(*) from credit_grant where kind = 'allowance'",
                store::args![],
            )
        })
        .await;
    assert_eq!(free, 5);
    stage.audited().await;
}

on_both!(
    an_address_that_another_account_owns_is_refused_with_what_to_do,
    hosted
);
async fn an_address_that_another_account_owns_is_refused_with_what_to_do(stage: &Stage) {
    let host = host(stage).await;
    assert_eq!(put(&host, "user-1", "maya@example.com").await.status, 201);
    assert_eq!(put(&host, "user-2", "noah@example.com").await.status, 201);
    let before = host.get("/api/v1/transactions?account=user-3").await;
    assert_eq!(before.status, 404);

    for (id, what) in [("user-3", "a new account"), ("user-2", "a changed address")] {
        let refused = put(&host, id, "maya@example.com").await;
        assert_eq!(refused.refusal(), (409, "email_taken"), "{what}");
        let said = refused.body["detail"].as_str().unwrap();
        assert!(
            said.contains("Another account owns this email address"),
            "{said}"
        );
    }

    let after = host.get("/api/v1/transactions?account=user-3").await;
    assert_eq!(after.status, 404, "nothing was made");
}

/// The status and the code of the answer to a session of the host for this person.
async fn enter(stage: &Stage, id: &str, email: &str) -> (u16, String) {
    let url = format!("{}/api/dashboard/billing", stage.base);
    let cookie = of_host(stage, id, email);
    let (status, said) = answer(stage.http.get(url).header("cookie", cookie)).await;
    (status, code(&said).to_owned())
}

on_both!(
    a_token_with_another_id_is_refused_for_the_address_of_a_person_whom_the_host_named,
    hosted
);
async fn a_token_with_another_id_is_refused_for_the_address_of_a_person_whom_the_host_named(
    stage: &Stage,
) {
    let host = host(stage).await;
    let taken = (401, "host_session_address_taken".to_owned());
    // By adopting her personal account.
    let maya = stage.person("maya@example.com").await;
    assert_eq!(put(&host, "user-1", "maya@example.com").await.status, 200);
    // By the id of his personal account alone, from before users were named with it.
    let noah = stage.person("noah@example.com").await;
    let (account, now) = (noah.account, stage.app.now());
    stage
        .write(account, move |tx| {
            store::accounts::set_external_id(tx, account, "user-2", now)
        })
        .await;

    for email in ["maya@example.com", "noah@example.com"] {
        assert_eq!(enter(stage, "user-9", email).await, taken, "{email}");
    }

    assert_eq!(enter(stage, "user-1", "maya@example.com").await.0, 200);
    assert_eq!(enter(stage, "user-2", "noah@example.com").await.0, 200);
    assert_eq!(maya.get("/api/v1/sessions").await.0, 200);
    // An organization of the host names no one: its owner's token has an id of its own.
    let made = put_organization(&host, "org-1", "eve@example.com").await;
    let cookie = of_host(stage, "user-3", "eve@example.com");
    assert_eq!(accounts(stage, &cookie).await, [made.body["id"].clone()]);
    assert_eq!(enter(stage, "user-4", "eve@example.com").await, taken);
}

on_both!(
    a_changed_address_moves_with_the_id_and_the_old_one_opens_and_keeps_nothing,
    hosted
);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn a_changed_address_moves_with_the_id_and_the_old_one_opens_and_keeps_nothing(
    stage: &Stage,
) {
    let host = host(stage).await;
    let maya = stage.buyer("old@example.com", 500).await;
    let paid = maya.account_id().await;
    assert_eq!(put(&host, "user-1", "old@example.com").await.status, 200);
    let mails = stage.mails_with("").await;
    stage
        .http
        .post(format!("{}/api/auth/link", stage.base))
        .json(&json!({ "email": "old@example.com" }))
        .send()
        .await
        .unwrap();
    let links = async || {
        let rows =
            stage.read(|tx| tx.query_one::<i64>("select count(*) from login_link", store::args![]));
        rows.await
    };
    assert_eq!(links().await, 1);
    // Another account has invited the address, and emails wait, also one about her own account.
    let noah = stage.person("noah@example.com").await;
    let invite = json!({ "email": "old@example.com", "role": "member" });
    let invited = noah.post("/api/v1/members", invite).await;
    assert_eq!(invited.0, 201, "{}", invited.1);
    let (account, later) = (maya.account, stage.app.real_now().plus_days(1));
    stage
        .write(account, move |tx| {
            use store::outbox::{MessageKind::Mail, NewMessage, enqueue};
            for (key, account_id) in [("receipt:1", Some(account)), ("link:1", None)] {
                let new = NewMessage {
                    key,
                    kind: Mail,
                    account_id,
                    recipient: "old@example.com",
                    payload: "{}",
                };
                enqueue(tx, &new, later)?;
            }
            Ok(())
        })
        .await;

    let moved = put(&host, "user-1", "new@example.com").await;
    let waiting = stage
        .read(|tx| {
            let all = ["receipt:1", "link:1"].map(|key| store::outbox::by_key(tx, key));
            all.into_iter().collect::<store::Result<Vec<_>>>()
        })
        .await;
    let waiting = waiting.into_iter().flatten();
    let waiting: Vec<_> = waiting
        .map(|one| (one.recipient, one.state.word()))
        .collect();
    assert_eq!(
        waiting,
        [
            ("new@example.com".to_owned(), "queued"),
            (String::new(), "failed")
        ]
    );
    let found = crate::closing::everything(stage).await;
    assert!(!found.contains("old@example.com"), "{found}");
    let (_, people) = noah.get("/api/v1/members").await;
    assert_eq!(people["invitations"], json!([]), "{people}");

    assert_eq!(
        (moved.status, &moved.body["email"]),
        (200, &json!("new@example.com"))
    );
    assert_eq!(
        maya.get("/api/dashboard/billing").await.0,
        401,
        "its sessions ended"
    );
    assert_eq!(links().await, 0, "its links too");
    let synced = stage.sync(maya.account).await;
    assert!(
        !synced
            .changes
            .iter()
            .any(|change| change.starts_with("mail")),
        "{:?}",
        synced.changes
    );
    assert_eq!(stage.mails_with("").await, mails + 1, "only the link");
    let new = stage.person("new@example.com").await;
    assert_eq!(new.account_id().await, paid);
    assert_eq!(new.billing().await["credits"]["balance"], 600);
    let old = stage.person("old@example.com").await;
    assert_ne!(old.account_id().await, paid);
    assert_eq!(
        old.billing().await["credits"]["balance"],
        0,
        "nor free credits"
    );
    // A session of the host from before the change names the person by its id.
    let claims = json!({ "sub": "user-1", "email": "old@example.com", "emailVerified": true });
    let cookie = format!("next-auth.session-token={}", signed(stage, &claims));
    assert_eq!(accounts(stage, &cookie).await, [json!(paid)]);
    // And back again, once the other account of the old address is closed.
    let taken = put(&host, "user-1", "old@example.com").await;
    assert_eq!(taken.refusal(), (409, "email_taken"));
    let closed = answer(old.request(Method::DELETE, "/api/v1/account")).await;
    assert_eq!(closed.0, 200, "{}", closed.1);
    assert_eq!(put(&host, "user-1", "old@example.com").await.status, 200);
    let back = stage.person("old@example.com").await;
    assert_eq!(back.account_id().await, paid);
}

on_both!(
    an_organizations_address_is_not_its_owners_and_an_operators_is_not_the_hosts,
    hosted
);
async fn an_organizations_address_is_not_its_owners_and_an_operators_is_not_the_hosts(
    stage: &Stage,
) {
    let host = host(stage).await;
    let made = put_organization(&host, "org-1", "maya@example.com").await;
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let role = domain::people::MemberRole::Member;
    stage.put_member(noah.user, maya.account, role).await;

    let renamed = put(&host, "org-1", "finance@example.com").await;

    assert_eq!(
        (renamed.status, &renamed.body["email"]),
        (200, &json!("finance@example.com"))
    );
    assert_eq!(maya.account_id().await, made.body["id"].as_str().unwrap());
    assert_eq!(
        maya.get("/api/v1/sessions").await.0,
        200,
        "she stays who she is"
    );
    // An owner without other members who also belongs elsewhere.
    let eve = stage.person("eve@example.com").await;
    let owner = domain::people::MemberRole::Owner;
    let now = stage.app.now();
    let shop = stage
        .write(0, move |tx| {
            let new = store::accounts::NewAccount {
                public_id: "acc_shop",
                external_id: Some("org-2"),
                kind: domain::plan::AccountKind::Organisation,
                name: "Shop",
                email: Some("eve@example.com"),
                tier: "FREE",
                email_verified_at: Some(now),
            };
            store::accounts::insert(tx, &new, now)
        })
        .await;
    stage.put_member(eve.user, shop.id, owner).await;
    let renamed = put(&host, "org-2", "sales@example.com").await;
    assert_eq!(
        (renamed.status, &renamed.body["email"]),
        (200, &json!("sales@example.com"))
    );
    assert_eq!(eve.get("/api/v1/sessions").await.0, 200);
    let boss = stage.person_as("boss@example.com", "admin").await;
    assert_eq!(put(&host, "user-2", "boss@example.com").await.status, 200);
    let refused = put(&host, "user-2", "evil@example.com").await;
    assert_eq!(refused.refusal(), (409, "operator_address"));
    assert_eq!(boss.get("/api/admin/accounts").await.0, 200);
}

on_both!(
    an_id_means_the_person_with_the_accounts_address_and_not_whoever_owns_it_now,
    hosted
);
async fn an_id_means_the_person_with_the_accounts_address_and_not_whoever_owns_it_now(
    stage: &Stage,
) {
    let host = host(stage).await;
    let made = put(&host, "user-1", "maya@example.com").await;
    let maya = stage.person("maya@example.com").await;
    let bob = stage.person("bob@example.com").await;
    let owner = domain::people::MemberRole::Owner;
    stage.put_member(bob.user, maya.account, owner).await;
    let end = async || {
        let path = "/api/v1/users/user-1/sessions";
        host.call(Method::DELETE, path, None, "").await.status
    };
    assert_eq!(end().await, 200, "one of two owners has the address");
    assert_eq!(maya.get("/api/v1/sessions").await.0, 401);
    assert_eq!(bob.get("/api/v1/sessions").await.0, 200);
    let (user, account) = (maya.user, maya.account);
    stage
        .write(account, move |tx| {
            store::users::remove_member(tx, user, account)
        })
        .await;

    assert_eq!(end().await, 200, "it is still hers");
    // Issued after her sessions were ended.
    let claims = json!({
        "sub": "user-1",
        "email": "maya@example.com",
        "emailVerified": true,
        "iat": stage.app.real_now().seconds() + 5,
    });
    let cookie = format!("next-auth.session-token={}", signed(stage, &claims));
    let own = accounts(stage, &cookie).await;

    assert_eq!(own.len(), 1);
    assert_ne!(own[0], made.body["id"], "the account is Bob's");
    let bobs = stage
        .read(move |tx| store::users::find(tx, bob.user))
        .await
        .unwrap();
    assert_eq!(bobs.external_id, None);
}
