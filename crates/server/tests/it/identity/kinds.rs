//! What the host application's accounts stand for, and what a dry run finds out.

use super::*;

/// What the audit log has about an account, newest first.
async fn log(stage: &Stage, account: &str) -> Vec<store::audit_log::Act> {
    let account = account.to_owned();
    let log =
        stage.read(move |tx| store::audit_log::list(tx, Some(&account), None, None, None, 100));
    log.await
}

async fn acts(stage: &Stage, account: &str) -> Vec<String> {
    let log = log(stage, account).await;
    log.into_iter().map(|act| act.action).collect()
}

/// The details of the newest act.
async fn detail(stage: &Stage, account: &str) -> Value {
    let log = log(stage, account).await;
    serde_json::from_str(&log[0].detail).unwrap()
}

on_both!(
    an_account_that_the_host_makes_names_its_person_unless_it_is_an_organization,
    hosted
);
async fn an_account_that_the_host_makes_names_its_person_unless_it_is_an_organization(
    stage: &Stage,
) {
    let host = host(stage).await;
    let taken = (401, "host_session_address_taken".to_owned());
    let made = put(&host, "user-1", "maya@example.com").await;
    assert_eq!((made.status, &made.body["kind"]), (201, &json!("personal")));

    // The first token of all has the owner's address and another id.
    assert_eq!(enter(stage, "user-9", "maya@example.com").await, taken);
    let cookie = of_host(stage, "user-1", "maya@example.com");
    assert_eq!(accounts(stage, &cookie).await, [made.body["id"].clone()]);

    // An organization that was put without its kind: its owner has an id of their own.
    let shop = put(&host, "org-1", "noah@example.com").await;
    assert_eq!(enter(stage, "user-2", "noah@example.com").await, taken);
    let told = put_organization(&host, "org-1", "noah@example.com").await;
    assert_eq!(
        (told.status, &told.body["kind"], &told.body["id"]),
        (200, &json!("organisation"), &shop.body["id"])
    );
    let cookie = of_host(stage, "user-2", "noah@example.com");
    assert_eq!(accounts(stage, &cookie).await, [shop.body["id"].clone()]);
    let own = made.body["id"].as_str().unwrap();
    assert_eq!(
        acts(stage, own).await,
        ["member.own"],
        "not at each sign-in"
    );
    let org = shop.body["id"].as_str().unwrap();
    assert_eq!(acts(stage, org).await, ["account.identify", "member.own"]);
    let noah = stage.person("noah@example.com").await;
    let unnamed = json!({ "kind": "organisation", "unnamed": noah.user_id().await });
    assert_eq!(detail(stage, org).await, unnamed);
    let kept = put(&host, "org-1", "noah@example.com").await;
    assert_eq!(kept.body["kind"], "organisation", "as it was");

    // An organization is no one's own account, and a wrong kind is refused.
    let eve = stage.person("eve@example.com").await;
    let refused = put_organization(&host, "org-2", "eve@example.com").await;
    assert_eq!(refused.refusal(), (409, "email_taken"));
    assert_eq!(stage.account(eve.account).await.external_id, None);
    let body = json!({ "name": "X", "kind": "robot" });
    let refused = host.put("/api/v1/accounts/org-3", body).await;
    assert_eq!(
        (refused.refusal(), &refused.body["field"]),
        ((400, "invalid_field"), &json!("kind"))
    );
    // From before the kind could be said.
    let (account, now) = (eve.account, stage.app.now());
    let kind = domain::plan::AccountKind::Organisation;
    stage
        .write(account, move |tx| {
            store::accounts::set_kind(tx, account, kind, now)?;
            store::accounts::set_external_id(tx, account, "user-4", now)
        })
        .await;
    let body = json!({ "name": "Eve", "kind": "personal" });
    let told = host.put("/api/v1/accounts/user-4", body).await;
    assert_eq!((told.status, &told.body["kind"]), (200, &json!("personal")));
    let own = told.body["id"].as_str().unwrap();
    let acts = acts(stage, own).await;
    assert_eq!(acts, ["account.identify", "account.identify"]);
    let named = json!({ "kind": "personal", "user": eve.user_id().await });
    assert_eq!(detail(stage, own).await, named);
    assert_eq!(enter(stage, "user-9", "eve@example.com").await, taken);
    assert_eq!(enter(stage, "user-4", "eve@example.com").await.0, 200);
}

on_both!(
    a_dry_run_sees_what_a_run_would_refuse_and_writes_nothing,
    hosted
);
async fn a_dry_run_sees_what_a_run_would_refuse_and_writes_nothing(stage: &Stage) {
    use billing::accounts::put::{Outcome, Put};
    let host = host(stage).await;
    assert_eq!(put(&host, "user-1", "maya@example.com").await.status, 201);
    let boss = stage.person_as("boss@example.com", "admin").await;
    assert_eq!(put(&host, "user-2", "boss@example.com").await.status, 200);
    stage.person("noah@example.com").await;
    let run = async |id: &str, email: &str, is_dry: bool| {
        let body = json!({ "name": "Someone", "email": email });
        let body = serde_json::from_value(body).unwrap();
        let put = Put::read(&stage.app, "cli", id.to_owned(), body).unwrap();
        match put.run(&stage.app, is_dry).await.unwrap() {
            Outcome::Saved(saved) if saved.is_new => "made",
            Outcome::Saved(saved) if saved.adopted => "adopted",
            Outcome::Saved(_) => "known",
            Outcome::Absent => "absent",
            Outcome::Taken => "taken",
            Outcome::Operator => "operator",
        }
    };
    let lines = [
        ("user-3", "maya@example.com", "taken"),
        ("user-1", "noah@example.com", "taken"),
        ("user-2", "other@example.com", "operator"),
        ("user-4", "noah@example.com", "adopted"),
        ("user-5", "new@example.com", "made"),
        ("user-1", "moved@example.com", "known"),
        ("acc_none", "x@example.com", "absent"),
    ];
    let all = async || {
        stage
            .read(|tx| store::accounts::list(tx, None, None, 100))
            .await
    };
    let before = format!("{:?}", all().await);

    for (id, email, expected) in lines {
        assert_eq!(run(id, email, true).await, expected, "{id} {email}");
    }
    assert_eq!(format!("{:?}", all().await), before);
    for (id, email, expected) in lines {
        assert_eq!(run(id, email, false).await, expected, "{id} {email}");
    }
    assert_eq!(boss.get("/api/admin/accounts").await.0, 200);
}

on_both!(
    a_new_address_of_an_organization_is_not_its_lone_owners,
    hosted
);
async fn a_new_address_of_an_organization_is_not_its_lone_owners(stage: &Stage) {
    let host = host(stage).await;
    // Said from the start, said again or not; and said only together with the new address.
    let cases = [
        ("org-1", true, true),
        ("org-2", true, false),
        ("org-3", false, true),
    ];
    for (n, (id, first, then)) in cases.into_iter().enumerate() {
        let own = format!("noah{n}@example.com");
        let puts = async |email: &str, is_told: bool| {
            if is_told {
                put_organization(&host, id, email).await
            } else {
                put(&host, id, email).await
            }
        };
        let made = puts(&own, first).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let noah = stage.person(&own).await;

        let office = format!("billing{n}@example.com");
        let renamed = puts(&office, then).await;

        assert_eq!(
            (
                renamed.status,
                &renamed.body["email"],
                &renamed.body["kind"]
            ),
            (200, &json!(office), &json!("organisation")),
            "{id}: {}",
            renamed.body
        );
        assert_eq!(noah.get("/api/v1/sessions").await.0, 200, "{id}");
        let user = stage
            .read(move |tx| store::users::find(tx, noah.user))
            .await;
        let user = user.unwrap();
        assert_eq!((&user.email, &user.external_id), (&own, &None), "{id}");
        // Whoever reads the organization's mail is no one here.
        let reader = stage.person(&office).await;
        assert_ne!(json!(reader.account_id().await), made.body["id"], "{id}");
        let cookie = of_host(stage, &format!("user-{n}"), &own);
        assert_eq!(accounts(stage, &cookie).await, [made.body["id"].clone()]);
    }
}
