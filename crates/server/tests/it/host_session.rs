//! The host application's session beside our own cookie (G12), and what a token must say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing::config::Settings;
use reqwest::Method;
use ring::{aead, hkdf};
use serde_json::{Value, json};

use crate::metering::Program;
use crate::stage::{Stage, answer, code, on_both};

/// A secret that the host application shares.
const SECRET: &str = "a secret that the host application shares";

/// Settings of a service whose host application shares its secret.
pub fn hosted(settings: &mut Settings) {
    settings.session.secret = SECRET.into();
}

fn accepting(settings: &mut Settings) {
    hosted(settings);
    settings.host.unverified = "accept".to_owned();
    settings.host.identity_claim = "uid".to_owned();
    settings.host.cookie_name = "shop.session".to_owned();
}

/// A session token of NextAuth.js with these claims, valid for a day.
pub fn signed(stage: &Stage, claims: &Value) -> String {
    let now = stage.app.real_now().seconds();
    let mut body = json!({ "iat": now - 1, "exp": now + 86_400 });
    for (name, value) in claims.as_object().unwrap() {
        body[name] = value.clone();
    }
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"");
    let info: [&[u8]; 1] = [b"NextAuth.js Generated Encryption Key"];
    let secret = salt.extract(SECRET.as_bytes());
    let key = secret.expand(&info, &aead::AES_256_GCM).unwrap();
    let key = aead::LessSafeKey::new(aead::UnboundKey::from(key));
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
    let nonce = [7; 12];
    let mut text = body.to_string().into_bytes();
    let tag = key
        .seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(head.as_bytes()),
            &mut text,
        )
        .unwrap();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{head}..{}.{}.{}",
        part(&nonce),
        part(&text),
        part(tag.as_ref())
    )
}

fn of_host(stage: &Stage, id: &str, email: &str) -> String {
    let claims = json!({ "sub": id, "email": email, "emailVerified": true });
    format!("next-auth.session-token={}", signed(stage, &claims))
}

async fn ask(stage: &Stage, cookie: &str, path: &str) -> (u16, Value) {
    let request = stage.http.get(format!("{}{path}", stage.base));
    answer(request.header("cookie", cookie)).await
}

/// The ids of the accounts that a caller with this cookie has.
async fn accounts(stage: &Stage, cookie: &str) -> Vec<Value> {
    let (status, listed) = ask(stage, cookie, "/api/v1/organisations").await;
    assert_eq!(status, 200, "{listed}");
    let rows = listed["data"].as_array().unwrap();
    rows.iter().map(|row| row["id"].clone()).collect()
}

on_both!(
    a_host_session_of_another_person_is_shown_and_ends_our_own,
    hosted
);
async fn a_host_session_of_another_person_is_shown_and_ends_our_own(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = of_host(stage, "user-2", "noah@example.com");
    let both = format!("{}; {noah}", maya.cookie);

    let seen = accounts(stage, &both).await;

    assert_eq!(seen, accounts(stage, &noah).await);
    assert_ne!(seen, [json!(maya.account_id().await)]);
    // After the host's sign-out, no one is signed in.
    assert_eq!(maya.get("/api/v1/organisations").await.0, 401);
}

on_both!(signing_out_at_the_host_ends_our_session_beside_it, hosted);
async fn signing_out_at_the_host_ends_our_session_beside_it(stage: &Stage) {
    let boss = stage.person_as("boss@example.com", "admin").await;
    let alone = stage.person_as("boss@example.com", "admin").await;
    let host = of_host(stage, "user-1", "boss@example.com");
    let both = format!("{}; {host}", boss.cookie);
    // Our own session of the same person counts: it may be an operator's.
    assert_eq!(ask(stage, &both, "/api/admin/accounts").await.0, 200);
    assert_eq!(ask(stage, &host, "/api/admin/accounts").await.0, 403);

    let after = boss.get("/api/v1/organisations").await;

    assert_eq!(after.0, 401, "the host's cookie is gone");
    assert_eq!(ask(stage, &both, "/api/admin/accounts").await.0, 403);
    let other = alone.get("/api/v1/organisations").await;
    assert_eq!(other.0, 200, "a session that was never beside one stays");
}

on_both!(ending_the_other_sessions_keeps_the_current_one, hosted);
async fn ending_the_other_sessions_keeps_the_current_one(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let other = stage.person("maya@example.com").await;
    let host = of_host(stage, "user-1", "maya@example.com");
    let both = format!("{}; {host}", maya.cookie);
    assert_eq!(ask(stage, &both, "/api/v1/sessions").await.0, 200);

    let url = format!("{}/api/v1/sessions", stage.base);
    let ended = answer(stage.http.delete(url).header("cookie", &both)).await;

    assert!(ended.0 < 300, "{}", ended.1);
    assert_eq!(ask(stage, &both, "/api/v1/sessions").await.0, 200);
    assert_eq!(maya.get("/api/v1/sessions").await.0, 401, "beside the host");
    assert_eq!(other.get("/api/v1/sessions").await.0, 401);
    assert_eq!(ask(stage, &host, "/api/v1/sessions").await.0, 401);
}

on_both!(the_host_ends_all_sessions_of_a_user_by_its_own_id, hosted);
async fn the_host_ends_all_sessions_of_a_user_by_its_own_id(stage: &Stage) {
    let secret = stage.server_key().await;
    let server = Program { stage, secret };
    let body = json!({ "name": "Maya", "email": "maya@example.com" });
    server.put("/api/v1/accounts/user-1", body).await;
    let maya = stage.person("maya@example.com").await;
    let eve = stage.person("eve@example.com").await;
    let host = of_host(stage, "user-1", "maya@example.com");
    assert_eq!(ask(stage, &host, "/api/v1/sessions").await.0, 200);
    let path = "/api/v1/users/user-1/sessions";
    let meter = maya.program().await;
    let refused = meter.call(Method::DELETE, path, None, "").await;
    assert_eq!(refused.refusal(), (403, "key_scope"));

    let ended = server.call(Method::DELETE, path, None, "").await;

    assert_eq!((ended.status, &ended.body), (200, &json!({ "ended": 1 })));
    assert_eq!(maya.get("/api/v1/sessions").await.0, 401);
    let (status, said) = ask(stage, &host, "/api/v1/sessions").await;
    assert_eq!((status, code(&said)), (401, "host_session_signed_out"));
    assert_eq!(eve.get("/api/v1/sessions").await.0, 200);
    let unknown = "/api/v1/users/nobody/sessions";
    assert_eq!(
        server.call(Method::DELETE, unknown, None, "").await.status,
        404
    );
}

on_both!(a_refused_token_says_why_in_a_code_and_in_words, hosted);
async fn a_refused_token_says_why_in_a_code_and_in_words(stage: &Stage) {
    let now = stage.app.real_now().seconds();
    let good = json!({ "sub": "u", "email": "maya@example.com", "emailVerified": true });
    let with = |changes: Value| {
        let mut claims = good.clone();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    let mut absent = good.clone();
    absent.as_object_mut().unwrap().remove("emailVerified");
    for (claims, reason) in [
        (with(json!({ "exp": now - 60 })), "host_session_expired"),
        (
            with(json!({ "emailVerified": false })),
            "host_session_unverified",
        ),
        (
            with(json!({ "emailVerified": null })),
            "host_session_unverified",
        ),
        (
            with(json!({ "email_verified": "false" })),
            "host_session_unverified",
        ),
        (absent, "host_session_unverified"),
        (with(json!({ "email": null })), "host_session_no_address"),
    ] {
        let cookie = format!("next-auth.session-token={}", signed(stage, &claims));
        let (status, said) = ask(stage, &cookie, "/api/v1/sessions").await;
        assert_eq!((status, code(&said)), (401, reason), "{claims}");
        assert!(
            said["detail"].as_str().unwrap().contains("session"),
            "{said}"
        );
    }
    let forged = format!("next-auth.session-token={}x", signed(stage, &good));
    let (status, said) = ask(stage, &forged, "/api/v1/sessions").await;
    assert_eq!((status, code(&said)), (401, "host_session_signature"));
    for yes in [
        json!(true),
        json!("2026-11-22T10:00:00.000Z"),
        json!(1_763_805_600),
    ] {
        let claims = with(json!({ "emailVerified": yes }));
        let cookie = format!("next-auth.session-token={}", signed(stage, &claims));
        assert_eq!(
            ask(stage, &cookie, "/api/v1/sessions").await.0,
            200,
            "{claims}"
        );
    }
}

on_both!(
    the_claim_the_cookie_and_what_an_absent_verification_means_are_settings,
    accepting
);
async fn the_claim_the_cookie_and_what_an_absent_verification_means_are_settings(stage: &Stage) {
    let claims = json!({ "sub": "x", "uid": 42, "email": "maya@example.com" });
    let cookie = format!("shop.session={}", signed(stage, &claims));

    assert_eq!(ask(stage, &cookie, "/api/v1/sessions").await.0, 200);

    let secret = stage.server_key().await;
    let server = Program { stage, secret };
    let named = server.get("/api/v1/balance?account=42").await;
    assert_eq!(named.body["available"], 100, "{}", named.body);
    let denied = json!({ "uid": 43, "email": "eve@example.com", "email_verified": false });
    let cookie = format!("shop.session={}", signed(stage, &denied));
    assert_eq!(ask(stage, &cookie, "/api/v1/sessions").await.0, 401);
}

on_both!(
    a_known_person_without_an_account_gets_one_with_the_hosts_session,
    hosted
);
async fn a_known_person_without_an_account_gets_one_with_the_hosts_session(stage: &Stage) {
    let host = of_host(stage, "user-1", "maya@example.com");
    let left = accounts(stage, &host).await;
    let maya = stage.person("maya@example.com").await;
    let bob = stage.person("bob@example.com").await;
    let owner = domain::people::MemberRole::Owner;
    stage.put_member(bob.user, maya.account, owner).await;
    let (user, account) = (maya.user, maya.account);
    stage
        .write(account, move |tx| {
            store::users::remove_member(tx, user, account)
        })
        .await;

    assert_eq!(ask(stage, &host, "/api/dashboard/billing").await.0, 200);

    let own = accounts(stage, &host).await;
    assert_eq!(own.len(), 1);
    assert_ne!(own, left);
}

on_both!(
    an_erased_person_is_not_let_in_again_by_a_page_that_needs_no_sign_in,
    hosted
);
async fn an_erased_person_is_not_let_in_again_by_a_page_that_needs_no_sign_in(stage: &Stage) {
    let host = of_host(stage, "user-1", "maya@example.com");
    assert_eq!(ask(stage, &host, "/api/dashboard/billing").await.0, 200);
    let url = format!("{}/api/v1/account", stage.base);
    let closed = answer(stage.http.delete(url).header("cookie", &host)).await;
    assert_eq!(closed.0, 200, "{}", closed.1);

    for path in ["/", "/pricing", "/login"] {
        let page = stage.http.get(format!("{}{path}", stage.base));
        let page = page.header("cookie", &host).send().await.unwrap();
        assert!(page.status().as_u16() < 400, "{path}");
    }

    let known = stage.read(|tx| store::users::by_email(tx, "maya@example.com"));
    assert!(known.await.is_none());
    let maya = stage.person("maya@example.com").await;
    let both = format!("{}; {host}", maya.cookie);
    let home = stage.http.get(format!("{}/", stage.base));
    let home = home.header("cookie", both).send().await.unwrap();
    assert_eq!(home.headers()["location"], "/dashboard/billing");
}
