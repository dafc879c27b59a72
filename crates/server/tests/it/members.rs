//! Members of an account and what each role may do: invitations, roles, leaving, and every route
//! called with each role.

use domain::people::MemberRole;
use reqwest::Method;
use serde_json::{Value, json};
use web::http::access::need_of;

use crate::access::routes;
use crate::stage::{Person, Stage, answer, code, eventually, id_of, on_both, pack};

/// Creates an organization and returns its id.
async fn found(person: &Person<'_>, name: &str) -> String {
    let (status, body) = person
        .post("/api/v1/organisations", json!({ "name": name }))
        .await;
    assert_eq!(status, 201, "{body}");
    id_of(&body)
}

/// The token of the newest invitation that was emailed to `email`.
async fn mailed(stage: &Stage, email: &str, nth: usize) -> String {
    let tokens = async || {
        let mails = stage.twin.get("/_twin/mails").await.unwrap();
        let to_them = mails["data"].as_array().unwrap().iter().filter_map(|mail| {
            let (_, token) = mail["text"].as_str()?.split_once("/invitation?token=")?;
            let is_theirs = mail.to_string().contains(email);
            is_theirs.then(|| token.split_whitespace().next().unwrap().to_owned())
        });
        to_them.collect::<Vec<String>>()
    };
    let mut tokens = eventually(tokens, |tokens| tokens.len() >= nth).await;
    tokens.pop().unwrap()
}

/// Invites a user who joins through the emailed link, and returns the cookie of the new member.
async fn invite_and_join(
    stage: &Stage,
    owner: &Person<'_>,
    place: &str,
    email: &str,
    role: &str,
) -> String {
    let body = json!({ "email": email, "role": role });
    let (status, invited) = owner
        .post(&format!("/api/v1/members?account={place}"), body)
        .await;
    assert_eq!(status, 201, "{invited}");
    let token = mailed(stage, email, 1).await;
    let url = format!("{}/api/auth/invitation/{token}", stage.base);
    let joined = stage.http.post(url).send().await.unwrap();
    assert_eq!(joined.status(), 303);
    assert_eq!(
        joined.headers()["location"],
        format!("/dashboard?account={place}")
    );
    let cookie = joined.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

async fn call(
    stage: &Stage,
    cookie: &str,
    method: Method,
    path: &str,
    body: Value,
) -> (u16, Value) {
    let request = stage.http.request(method, format!("{}{path}", stage.base));
    answer(request.header("cookie", cookie).json(&body)).await
}

async fn members(owner: &Person<'_>, place: &str) -> Vec<(String, String, String)> {
    let (status, body) = owner.get(&format!("/api/v1/members?account={place}")).await;
    assert_eq!(status, 200, "{body}");
    let rows = body["data"].as_array().unwrap().iter();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.map(|row| (text(row, "email"), text(row, "role"), text(row, "id")))
        .collect()
}

on_both!(an_invitation_is_emailed_works_once_and_gives_its_role);
async fn an_invitation_is_emailed_works_once_and_gives_its_role(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let place = found(&maya, "Acme").await;
    let cookie = invite_and_join(stage, &maya, &place, "noah@example.com", "billing").await;

    let token = mailed(stage, "noah@example.com", 1).await;
    let url = format!("{}/api/auth/invitation/{token}", stage.base);
    assert_eq!(
        stage.http.post(url).send().await.unwrap().status(),
        400,
        "once"
    );

    let people = members(&maya, &place).await;
    let roles: Vec<(&str, &str)> = people
        .iter()
        .map(|(mail, role, _)| (mail.as_str(), role.as_str()))
        .collect();
    assert_eq!(
        roles,
        [
            ("maya@example.com", "owner"),
            ("noah@example.com", "billing")
        ]
    );
    let checkout = format!("/api/stripe/create-checkout-session?account={place}");
    let pack = pack(500);
    assert_eq!(
        call(stage, &cookie, Method::POST, &checkout, pack).await.0,
        200
    );
    // It gets no free credits, neither when it is created nor when its owner signs in again.
    billing::people::users::sign_in(&stage.app, "maya@example.com")
        .await
        .unwrap();
    let (_, billing) = maya
        .get(&format!("/api/dashboard/billing?account={place}"))
        .await;
    assert_eq!(billing["credits"]["balance"], 0);
}

on_both!(a_replaced_or_withdrawn_invitation_is_refused);
async fn a_replaced_or_withdrawn_invitation_is_refused(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let place = found(&maya, "Acme").await;
    let path = format!("/api/v1/members?account={place}");
    let invite = json!({ "email": "noah@example.com", "role": "member" });
    maya.post(&path, invite.clone()).await;
    let first = mailed(stage, "noah@example.com", 1).await;
    maya.post(&path, invite).await;
    let open = async |token: &str| {
        let url = format!("{}/invitation?token={token}", stage.base);
        stage.http.get(url).send().await.unwrap().status().as_u16()
    };
    let (_, listed) = maya.get(&path).await;
    let invitations = listed["invitations"].as_array().unwrap();
    assert_eq!(invitations.len(), 1, "{listed}");
    assert_eq!(open(&first).await, 400, "only the latest link works");

    let id = invitations[0]["id"].as_str().unwrap();
    let path = format!("/api/v1/invitations/{id}?account={place}");
    let gone = maya.request(Method::DELETE, &path).send().await.unwrap();

    assert_eq!(gone.status(), 204);
    assert_eq!(maya.delete(&path).await, 404);
}

on_both!(the_last_owner_must_stay_and_everyone_else_can_leave);
async fn the_last_owner_must_stay_and_everyone_else_can_leave(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let place = found(&maya, "Acme").await;
    let noah = invite_and_join(stage, &maya, &place, "noah@example.com", "member").await;
    let people = members(&maya, &place).await;
    let address = |number: usize| format!("/api/v1/members/{}?account={place}", people[number].2);
    let (mine, noahs) = (address(0), address(1));

    for (method, body) in [
        (Method::DELETE, json!({})),
        (Method::PUT, json!({ "role": "member" })),
    ] {
        let (status, answer) = answer(maya.request(method, &mine).json(&body)).await;
        assert_eq!((status, code(&answer)), (409, "last_owner"));
    }
    // A member can remove no one else, and can't change roles.
    let (status, refused) = call(stage, &noah, Method::DELETE, &mine, json!({})).await;
    assert_eq!((status, code(&refused)), (403, "not_owner"));
    assert_eq!(
        call(
            stage,
            &noah,
            Method::PUT,
            &noahs,
            json!({ "role": "owner" })
        )
        .await
        .0,
        403
    );

    assert_eq!(
        call(stage, &noah, Method::DELETE, &noahs, json!({}))
            .await
            .0,
        204
    );

    let path = format!("/api/v1/members?account={place}");
    let seen = call(stage, &noah, Method::GET, &path, json!({})).await;
    assert_eq!(seen.0, 404, "whoever left sees nothing of it");
    assert_eq!(members(&maya, &place).await.len(), 1);
}

on_both!(of_two_owners_who_leave_concurrently_one_stays);
async fn of_two_owners_who_leave_concurrently_one_stays(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let place = found(&maya, "Acme").await;
    let noah = invite_and_join(stage, &maya, &place, "noah@example.com", "owner").await;
    let people = members(&maya, &place).await;
    let address = |number: usize| format!("/api/v1/members/{}?account={place}", people[number].2);
    let (mine, noahs) = (address(0), address(1));

    let (first, second) = tokio::join!(
        call(stage, &maya.cookie, Method::DELETE, &mine, json!({})),
        call(stage, &noah, Method::DELETE, &noahs, json!({})),
    );

    let mut both = [first.0, second.0];
    both.sort_unstable();
    assert_eq!(both, [204, 409]);
}

/// Routes that concern a user, not an account.
const OF_USERS: &[&str] = &[
    "/api/v1/organisations",
    "/api/v1/sessions",
    "/api/v1/sessions/{id}",
    "/dashboard/sessions/{id}/end",
    "/dashboard/sessions/end-others",
    "/dashboard/billing/success",
];
/// Actions that succeed without a body and would end the test early.
const ENDS: &[&str] = &["/api/v1/account", "/dashboard/close"];

/// Whether the response says that the role isn't sufficient.
fn is_role_refused(status: u16, body: &Value) -> bool {
    let code = body["code"].as_str().unwrap_or_default();
    status == 403 && matches!(code, "not_owner" | "not_billing_member")
}

on_both!(case_a4_every_route_is_limited_to_its_account_and_requires_its_role);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_a4_every_route_is_limited_to_its_account_and_requires_its_role(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let eve = stage.person("eve@example.com").await;
    let place = found(&maya, "Acme").await;
    let member = invite_and_join(stage, &maya, &place, "m@example.com", "member").await;
    let billing = invite_and_join(stage, &maya, &place, "b@example.com", "billing").await;
    let (mut walked, mut refused) = (0, 0);
    for (path, methods) in routes() {
        let is_public = crate::access::PUBLIC.contains(&path.as_str());
        if is_public || OF_USERS.contains(&path.as_str()) {
            continue;
        }
        for name in methods {
            let method = Method::from_bytes(name.to_uppercase().as_bytes()).unwrap();
            let plain = path.replace(['{', '}'], "x");
            let url = format!("{plain}?account={place}");
            let ask =
                async |cookie: &str| call(stage, cookie, method.clone(), &url, json!({})).await;
            let (status, body) = ask(&eve.cookie).await;
            if path.contains("/admin") {
                let code = body["code"].as_str().unwrap_or_default().to_owned();
                let is_refused = status == 403 && code == "not_an_operator";
                assert!(
                    is_refused || status == 303,
                    "{method} {path}: {status} {body}"
                );
                continue;
            }
            if status == 401 {
                continue; // requires an API key
            }
            if status == 403 && body["code"] == "not_an_operator" {
                continue; // requires a server key or an operator
            }
            walked += 1;
            assert_eq!(status, 404, "a stranger's {method} {path}: {body}");
            for (cookie, role) in [
                (&member, "member"),
                (&billing, "billing"),
                (&maya.cookie, "owner"),
            ] {
                let need = need_of(&method, &path);
                if MemberRole::from_word(role) >= Some(need) && ENDS.contains(&path.as_str()) {
                    continue;
                }
                let (status, body) = ask(cookie).await;
                if MemberRole::from_word(role) >= Some(need) {
                    assert!(
                        status < 500 || status == 503,
                        "{role} {method} {path}: {status} {body}"
                    );
                    assert_ne!(status, 401, "{role} {method} {path}");
                    // A confirmation page may require a higher role, and so does removing other
                    // members.
                    let is_own_rule = method == Method::GET
                        || path == "/api/v1/members/{id}"
                        || path.ends_with("/remove");
                    assert!(
                        is_own_rule || !is_role_refused(status, &body),
                        "{role} {method} {path}: {body}"
                    );
                } else {
                    refused += 1;
                    assert!(
                        is_role_refused(status, &body),
                        "{role} {method} {path}: {status} {body}"
                    );
                }
            }
        }
    }
    assert!(walked > 30 && refused > 20, "{walked} {refused}");
}

#[test]
fn the_table_of_roles_matches_the_guide() {
    let need = |method: Method, path: &str| need_of(&method, path);

    for path in [
        "/api/stripe/create-checkout-session",
        "/dashboard/billing/plan",
        "/api/v1/keys",
    ] {
        assert_eq!(need(Method::POST, path), MemberRole::Billing, "{path}");
    }
    for path in [
        "/api/dashboard/billing",
        "/api/v1/transactions",
        "/dashboard/usage",
    ] {
        assert_eq!(need(Method::GET, path), MemberRole::Member, "{path}");
    }
    assert_eq!(need(Method::POST, "/api/v1/members"), MemberRole::Owner);
    assert_eq!(need(Method::DELETE, "/api/v1/account"), MemberRole::Owner);
}

on_both!(members_are_managed_on_a_page_without_script);
async fn members_are_managed_on_a_page_without_script(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let form = |path: &str, fields: &[(&str, &str)]| {
        maya.request(Method::POST, path)
            .header("accept", "text/html")
            .form(fields)
    };
    let made = form(
        "/dashboard/organisations",
        &[("name", "Acme & <b>Sons</b>")],
    )
    .send()
    .await
    .unwrap();
    let there = made.headers()["location"].to_str().unwrap().to_owned();
    assert!(
        there.starts_with("/dashboard/members?account=acc_"),
        "{there}"
    );

    let wrong = form(&there, &[("email", "noah@"), ("role", "member")])
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 400);
    let html = wrong.text().await.unwrap();
    assert!(
        html.contains("Enter an email address") && html.contains("noah@"),
        "{html}"
    );
    let sent = form(
        &there,
        &[("email", "noah@example.com"), ("role", "billing")],
    )
    .send()
    .await
    .unwrap();
    assert_eq!(sent.status(), 303);

    let (status, html) = maya.page(&there).await;
    assert_eq!(status, 200);
    assert!(
        html.contains("noah@example.com") && html.contains("Acme &#38; &#60;b&#62;"),
        "{html}"
    );
    let token = mailed(stage, "noah@example.com", 1).await;
    let page = stage.get(&format!("/invitation?token={token}")).await;
    let page = page.text().await.unwrap();
    assert!(
        page.contains(&format!("/api/auth/invitation/{token}")),
        "{page}"
    );
}

on_both!(sessions_are_listed_and_ended);
async fn sessions_are_listed_and_ended(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let second = billing::people::sign_in::open_session(&stage.app, maya.user, "curl/8.5")
        .await
        .unwrap();
    let second = format!("lbx_session={second}");
    let eve = stage.person("eve@example.com").await;
    let (_, listed) = maya.get("/api/v1/sessions").await;
    let rows = listed["data"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2, "{listed}");
    let other = rows.iter().find(|row| row["current"] == false).unwrap();
    let path = format!("/api/v1/sessions/{}", other["id"].as_str().unwrap());

    assert_eq!(eve.delete(&path).await, 404);
    assert_eq!(
        call(stage, &second, Method::GET, "/api/v1/sessions", json!({}))
            .await
            .0,
        200
    );
    assert_eq!(maya.delete(&path).await, 204);

    assert_eq!(
        call(stage, &second, Method::GET, "/api/v1/sessions", json!({}))
            .await
            .0,
        401
    );
    let (status, html) = maya.page("/dashboard/sessions").await;
    assert!(status == 200 && html.contains("This device"), "{html}");
    billing::people::sign_in::open_session(&stage.app, maya.user, "x")
        .await
        .unwrap();
    let ended = maya
        .fetch(Method::POST, "/dashboard/sessions/end-others")
        .await;
    assert_eq!(ended.status(), 303);
    let (_, listed) = maya.get("/api/v1/sessions").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
}
