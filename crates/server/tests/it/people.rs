//! Users with several accounts: which account a request is for, what they may do in it, and how
//! they sign in.

use domain::people::MemberRole;
use domain::plan::AccountStatus;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{Person, Stage, code, column, on_both, pack};

/// Makes `person` a member of `owner`'s account and returns the account's public id.
async fn join(person: &Person<'_>, owner: &Person<'_>, role: MemberRole) -> String {
    let (user, account) = (person.user, owner.account);
    let stage = person.stage;
    let now = stage.app.now();
    stage
        .write(account, move |tx| {
            store::users::put_member(tx, user, account, role, now)?;
            Ok(store::accounts::find(tx, account)?.unwrap().public_id)
        })
        .await
}

/// All links of a page to our own URLs that belong to an account.
fn addresses(html: &str) -> Vec<String> {
    let pieces = html
        .split(['"'])
        .filter(|piece| piece.starts_with("/dashboard") || piece.starts_with("/api/stripe/"));
    pieces.map(str::to_owned).collect()
}

on_both!(a_user_with_several_accounts_must_name_the_account_of_a_write);
async fn a_user_with_several_accounts_must_name_the_account_of_a_write(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let noahs = join(&maya, &noah, MemberRole::Billing).await;
    let body = pack(500);

    let (status, answer) = maya.checkout(body.clone()).await;

    assert_eq!((status, code(&answer)), (409, "account_choice"));
    let named = column(&answer["accounts"], "id");
    assert!(
        named.contains(&&json!(noahs)) && named.len() == 2,
        "{answer}"
    );
    for (path, form) in [
        ("/dashboard/billing/plan", [("act", "cancel")]),
        ("/dashboard/billing/credits", [("amount", "500")]),
        ("/dashboard/keys", [("name", "prod")]),
    ] {
        let request = maya
            .request(Method::POST, path)
            .header("accept", "text/html");
        let answer = request.form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 409, "{path}");
        let page = answer.text().await.unwrap();
        assert!(
            page.contains(&format!("/dashboard?account={noahs}")),
            "{page}"
        );
    }
    let (status, answer) = maya.post("/api/v1/keys", json!({ "name": "x" })).await;
    assert_eq!((status, code(&answer)), (409, "account_choice"));

    let path = format!("/api/stripe/create-checkout-session?account={noahs}");
    assert_eq!(maya.post(&path, body).await.0, 200);
    let customer = stage
        .read({
            let (own, other) = (maya.account, noah.account);
            move |tx| {
                Ok((
                    store::customers::current(tx, own)?,
                    store::customers::current(tx, other)?,
                ))
            }
        })
        .await;
    let (own, other) = customer;
    assert!(
        own.is_none() && other.is_some(),
        "the named account alone was touched"
    );
}

on_both!(a_page_and_every_link_form_and_redirect_of_it_stay_with_their_account);
async fn a_page_and_every_link_form_and_redirect_of_it_stay_with_their_account(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let noahs = join(&maya, &noah, MemberRole::Owner).await;
    let query = format!("account={noahs}");
    for path in [
        "/dashboard/billing",
        "/dashboard/billing/upgrade",
        "/dashboard/billing/credits",
        "/dashboard/usage",
        "/dashboard/keys",
        "/dashboard/billing/success",
        "/dashboard/billing/cancel",
    ] {
        let (status, html) = maya.page(&format!("{path}?{query}")).await;

        assert_eq!(status, 200, "{path}");
        let all = addresses(&html);
        assert!(all.len() > 5, "{path}: {all:?}");
        let mine = format!("account={}", maya.account_id().await);
        for address in all {
            // Only the menu's link to the other account names another account.
            let is_switch = address == format!("/dashboard?{mine}");
            assert!(address.contains(&query) || is_switch, "{path}: {address}");
        }
    }

    let request = maya.request(Method::POST, &format!("/dashboard/keys?{query}"));
    let made = request.form(&[("name", "prod")]).send().await.unwrap();
    assert_eq!(made.status(), 200);
    let html = made.text().await.unwrap();
    let revoke = html
        .split('"')
        .find(|piece| piece.contains("/revoke"))
        .unwrap();
    let request = maya
        .request(Method::POST, revoke)
        .form(&[("confirm", "yes")]);
    let gone = request.send().await.unwrap();
    assert_eq!(gone.status(), 303);
    let to = gone.headers()["location"].to_str().unwrap();
    assert_eq!(to, format!("/dashboard/keys?{query}"));
}

on_both!(two_different_account_names_are_refused_and_another_users_account_is_not_found);
async fn two_different_account_names_are_refused_and_another_users_account_is_not_found(
    stage: &Stage,
) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let (mine, noahs) = (maya.account_id().await, noah.account_id().await);
    for path in [
        "/api/dashboard/billing",
        "/dashboard/keys",
        "/api/v1/balance",
    ] {
        let twice = format!("{path}?account={mine}&account={noahs}");
        assert_eq!(maya.get(&twice).await.0, 400, "{path}");
        assert_eq!(
            maya.get(&format!("{path}?account={noahs}")).await.0,
            404,
            "{path}"
        );
    }

    let (status, answer) = maya
        .post("/api/v1/keys", json!({ "name": "x", "account": noahs }))
        .await;
    assert_eq!(status, 400, "{answer}");
}

on_both!(a_suspended_account_gets_an_explanation_and_can_change_nothing);
async fn a_suspended_account_gets_an_explanation_and_can_change_nothing(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let (account, now) = (maya.account, stage.app.now());
    stage
        .write(account, move |tx| {
            store::accounts::set_status(tx, account, AccountStatus::Suspended, now)
        })
        .await;

    let (status, answer) = maya.checkout(pack(500)).await;

    assert_eq!((status, code(&answer)), (403, "account_not_active"));
    let (status, html) = maya.page("/dashboard/billing").await;
    assert_eq!(status, 200);
    assert!(html.contains("This account is suspended"), "{html}");
    assert_eq!(
        maya.post("/api/v1/keys", json!({ "name": "x" })).await.0,
        403
    );
    // Actions that stop costs remain possible; there is no customer yet.
    assert_eq!(
        maya.post("/api/stripe/customer-portal", json!({})).await.0,
        409
    );
}

on_both!(a_sign_in_comes_back_to_the_page_with_its_account);
async fn a_sign_in_comes_back_to_the_page_with_its_account(stage: &Stage) {
    let request = stage
        .http
        .get(format!("{}/dashboard/keys?account=acc_1&x=2", stage.base));

    let answer = request.header("accept", "text/html").send().await.unwrap();

    let to = answer.headers()["location"].to_str().unwrap();
    assert_eq!(
        to,
        "/login?next=%2Fdashboard%2Fkeys%3Faccount%3Dacc_1%26x%3D2"
    );
}

fn fixtures() -> Value {
    serde_json::from_str(include_str!("../../../web/tests/data/host-tokens.json")).unwrap()
}

/// An environment whose host application shares its secrets.
async fn hosted(database: store::testing::TestDatabase) -> Stage {
    let secret = fixtures()["secret"].as_str().unwrap().to_owned();
    Stage::with(database, move |settings| {
        settings.session.secret = secret.clone().into();
        settings.session.hand_over_secret = secret.into();
        settings.host.unverified = "accept".to_owned();
        settings.session.admins = vec!["maya@example.com".to_owned()];
    })
    .await
}

async fn each_hosted<F, T>(story: F)
where
    F: Fn(Stage) -> T,
    T: Future<Output = Stage>,
{
    let postgres = tokio::task::spawn_blocking(store::testing::postgres);
    for database in [store::testing::sqlite(), postgres.await.unwrap()] {
        let stage = hosted(database).await;
        story(stage).await.close().await;
    }
}

async fn status_with(stage: &Stage, header: &str, value: &str, path: &str) -> u16 {
    let request = stage
        .http
        .get(format!("{}{path}", stage.base))
        .header(header, value);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_applications_session_signs_in_and_gives_no_role_of_operators() {
    each_hosted(|stage| async move {
        let all = fixtures();
        let token = |name: &str| all[name].as_str().unwrap().to_owned();
        let billing = "/api/dashboard/billing";
        for (name, cookie) in [
            ("authjs.session-token century", "authjs.session-token"),
            ("next-auth.session-token century", "next-auth.session-token"),
        ] {
            let cookie = format!("a=b; {cookie}={}", token(name));
            assert_eq!(
                status_with(&stage, "cookie", &cookie, billing).await,
                200,
                "{name}"
            );
            // The address is an administrator's, and the host's token is not sufficient for the
            // admin pages.
            assert_eq!(
                status_with(&stage, "cookie", &cookie, "/admin/events").await,
                403
            );
        }
        let bearer = format!("Bearer {}", token("next-auth.session-token century"));
        assert_eq!(
            status_with(&stage, "authorization", &bearer, billing).await,
            200
        );
        for cookie in ["authjs.session-token", "next-auth.session-token"] {
            let large = token(&format!("{cookie} large"));
            let (first, second) = large.split_at(3_933);
            let pieces = format!("{cookie}.0={first}; {cookie}.1={second}");
            assert_eq!(
                status_with(&stage, "cookie", &pieces, billing).await,
                200,
                "{cookie}"
            );
        }
        for (name, cookie) in [
            ("authjs.session-token", "authjs.session-token"),
            ("authjs.session-token unverified", "authjs.session-token"),
            (
                "authjs.session-token century",
                "__Secure-authjs.session-token",
            ),
            ("authjs.session-token century", "next-auth.session-token"),
        ] {
            let cookie = format!("{cookie}={}", token(name));
            assert_eq!(
                status_with(&stage, "cookie", &cookie, billing).await,
                401,
                "{name}"
            );
        }
        stage
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_a9_a_hosts_token_is_invalid_after_signing_out() {
    each_hosted(|stage| async move {
        let token = fixtures()["authjs.session-token century"]
            .as_str()
            .unwrap()
            .to_owned();
        let cookie = format!("authjs.session-token={token}");
        let billing = "/api/dashboard/billing";
        assert_eq!(status_with(&stage, "cookie", &cookie, billing).await, 200);

        let leave = stage.http.post(format!("{}/api/auth/logout", stage.base));
        leave.header("cookie", &cookie).send().await.unwrap();

        assert_eq!(status_with(&stage, "cookie", &cookie, billing).await, 401);
        stage
    })
    .await;
}

/// A hand-over token for this environment, as a host application signs it.
fn hand_over(stage: &Stage, jti: &str, changes: &Value) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, KeyInit, Mac};

    let now = stage.app.real_now().seconds();
    let mut body = json!({
        "email": "noah@example.com", "aud": stage.base, "jti": jti, "iat": now, "exp": now + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": "HS256" })), encode(&body));
    let secret = fixtures()["secret"].as_str().unwrap().to_owned();
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let tag = mac.chain_update(signed.as_bytes()).finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_hand_over_opens_exactly_one_session() {
    each_hosted(|stage| async move {
        let send = async |token: String| {
            let url = format!(
                "{}/api/auth/hand-over?next=/dashboard/usage&token={token}",
                stage.base
            );
            stage.http.get(url).send().await.unwrap()
        };
        let token = hand_over(&stage, "jti-00000001", &json!({}));

        let first = send(token.clone()).await;
        let again = send(token).await;

        assert_eq!(first.status(), 303);
        assert_eq!(first.headers()["location"], "/dashboard/usage");
        let cookie = first.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        assert_eq!(
            status_with(&stage, "cookie", cookie, "/api/dashboard/billing").await,
            200
        );
        assert_eq!(again.status(), 400, "once");
        let elsewhere = hand_over(
            &stage,
            "jti-00000002",
            &json!({ "aud": "https://other.example" }),
        );
        assert_eq!(send(elsewhere).await.status(), 400);
        let long = hand_over(&stage, "jti-00000003", &json!({ "exp": 9_999_999_999_i64 }));
        assert_eq!(send(long).await.status(), 400);
        let operator = hand_over(
            &stage,
            "jti-00000004",
            &json!({ "email": "maya@example.com" }),
        );
        assert_eq!(send(operator).await.status(), 403);
        stage
    })
    .await;
}

on_both!(without_a_shared_secret_no_host_token_is_accepted);
async fn without_a_shared_secret_no_host_token_is_accepted(stage: &Stage) {
    let token = fixtures()["authjs.session-token century"]
        .as_str()
        .unwrap()
        .to_owned();
    let cookie = format!("authjs.session-token={token}");

    assert_eq!(
        status_with(stage, "cookie", &cookie, "/api/dashboard/billing").await,
        401
    );
    assert_eq!(
        status_with(stage, "x-y", "z", "/api/auth/hand-over?token=x").await,
        404
    );
}

on_both!(case_a8_sign_in_emails_are_limited_by_address_and_by_network);
async fn case_a8_sign_in_emails_are_limited_by_address_and_by_network(stage: &Stage) {
    let send = async |email: String| {
        let request = stage.http.post(format!("{}/api/auth/link", stage.base));
        request
            .json(&json!({ "email": email }))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };

    let mut one_address = Vec::new();
    for _ in 0..6 {
        one_address.push(send("maya@example.com".to_owned()).await);
    }
    let mut one_network = Vec::new();
    for number in 0..16 {
        one_network.push(send(format!("p{number}@example.com")).await);
    }

    assert_eq!(one_address, [200, 200, 200, 200, 200, 429]);
    assert_eq!(
        one_network.iter().filter(|status| **status == 200).count(),
        14,
        "{one_network:?}"
    );
    assert_eq!(one_network.last(), Some(&429));
}

on_both!(case_a8_wrong_links_are_rate_limited);
async fn case_a8_wrong_links_are_rate_limited(stage: &Stage) {
    let mut statuses = Vec::new();
    for number in 0..12 {
        let url = format!("{}/api/auth/link/{number:064}", stage.base);
        statuses.push(stage.http.post(url).send().await.unwrap().status().as_u16());
    }

    assert_eq!(statuses[..10], [400; 10]);
    assert_eq!(statuses[10..], [429; 2]);
}
