//! Access control: signed-out requests, other users' data, cross-site requests and headers.

use serde_json::json;
use store::events::EventState;

use crate::stage::{Stage, code, on_both, pack};

/// Routes that are public by design.
pub const PUBLIC: &[&str] = &[
    "/api/stripe/webhook",
    "/api/pricing",
    "/api/auth/link",
    "/api/auth/link/{token}",
    "/api/auth/hand-over",
    "/api/auth/oidc",
    "/api/auth/oidc/callback",
    "/api/auth/invitation/{token}",
    "/api/auth/logout",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/assets/{file}",
    "/",
    "/pricing",
    "/login",
    "/login/confirm",
    "/invitation",
    "/api/v1/noop",
];

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// Every route of the service with its methods: the endpoints of the OpenAPI description, and the
/// other routes in the router's source.
pub fn routes() -> Vec<(String, Vec<&'static str>)> {
    let mut all = endpoints();
    all.extend(others());
    all
}

fn endpoints() -> Vec<(String, Vec<&'static str>)> {
    let paths = web::router::document().json["paths"].as_object().unwrap();
    let methods = |item: &serde_json::Value| {
        let known = METHODS.into_iter();
        known.filter(|method| item.get(*method).is_some()).collect()
    };
    let all = paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)));
    all.collect()
}

fn others() -> Vec<(String, Vec<&'static str>)> {
    let source = include_str!("../../../web/src/router.rs");
    let source = source.split("#[cfg(test)]").next().unwrap();
    let pieces = source.split(".route(").skip(1);
    pieces
        .map(|piece| {
            let start = piece.find('"').unwrap() + 1;
            let end = start + piece[start..].find('"').unwrap();
            let rest = &piece[end..];
            let methods = METHODS
                .into_iter()
                .filter(|method| rest.contains(&format!("{method}(")));
            (piece[start..end].to_owned(), methods.collect())
        })
        .collect()
}

on_both!(case_a1_every_guarded_url_requires_authentication);
async fn case_a1_every_guarded_url_requires_authentication(stage: &Stage) {
    let mut guarded = 0;
    for (path, methods) in routes() {
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        guarded += 1;
        let url = format!("{}{}", stage.base, path.replace(['{', '}'], "x"));
        for method in methods {
            let method = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = stage.http.request(method.clone(), &url);
            let request = request
                .header("content-type", "application/json")
                .body("{}");
            let status = request.send().await.unwrap().status().as_u16();
            assert!(matches!(status, 401 | 303), "{method} {path}: {status}");
        }
    }
    assert!(guarded > 3);
}

on_both!(case_a1_a_page_redirects_to_sign_in_without_a_session);
async fn case_a1_a_page_redirects_to_sign_in_without_a_session(stage: &Stage) {
    let request = stage.http.get(format!("{}/dashboard/billing", stage.base));

    let answer = request.header("accept", "text/html").send().await.unwrap();

    assert_eq!(answer.status(), 303);
    let to = answer.headers()["location"].to_str().unwrap();
    assert!(to.starts_with("/login?next="), "{to}");
}

on_both!(case_a2_a_made_up_session_or_key_is_not_authenticated);
async fn case_a2_a_made_up_session_or_key_is_not_authenticated(stage: &Stage) {
    for (name, value) in [
        ("cookie", "lbx_session=00000000"),
        ("cookie", "lbx_session="),
        ("authorization", "Bearer lbx_test_made_up"),
        ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
    ] {
        let request = stage
            .http
            .get(format!("{}/api/dashboard/billing", stage.base));
        let status = request.header(name, value).send().await.unwrap().status();
        assert_eq!(status, 401, "{value}");
    }
}

on_both!(case_a3_headers_that_claim_a_user_are_ignored);
async fn case_a3_headers_that_claim_a_user_are_ignored(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for name in [
        "x-user-id",
        "x-forwarded-user",
        "x-middleware-subrequest",
        "x-real-user",
    ] {
        let request = stage
            .http
            .get(format!("{}/api/dashboard/billing", stage.base));
        let status = request
            .header(name, maya.user.to_string())
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(status, 401, "{name}");
    }
}

on_both!(case_a4_another_users_account_is_not_found);
async fn case_a4_another_users_account_is_not_found(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let noah = stage.person("noah@example.com").await;
    let account = noah.account;
    let row = stage.account(account).await;

    let (status, body) = maya
        .get(&format!("/api/dashboard/billing?account={}", row.public_id))
        .await;

    assert_eq!((status, code(&body)), (404, "not_found"));
}

on_both!(case_a6_a_write_from_another_site_is_refused);
async fn case_a6_a_write_from_another_site_is_refused(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let body = pack(500).to_string();
    for (name, value, kind) in [
        ("sec-fetch-site", "cross-site", "application/json"),
        ("sec-fetch-site", "same-site", "application/json"),
        ("origin", "https://evil.example", "application/json"),
        ("origin", "null", "text/plain"),
        (
            "origin",
            "https://evil.example",
            "application/x-www-form-urlencoded",
        ),
    ] {
        let request = maya.request(reqwest::Method::POST, "/api/stripe/create-checkout-session");
        let request = request
            .header(name, value)
            .header("content-type", kind)
            .body(body.clone());
        assert_eq!(
            request.send().await.unwrap().status(),
            403,
            "{name}: {value}"
        );
    }

    let request = maya.request(reqwest::Method::POST, "/api/stripe/create-checkout-session");
    let request = request.header("content-type", "text/plain").body(body);
    assert_eq!(request.send().await.unwrap().status(), 415);
}

on_both!(case_a7_the_session_cookie_is_out_of_reach_of_scripts);
async fn case_a7_the_session_cookie_is_out_of_reach_of_scripts(stage: &Stage) {
    let email = "maya@example.com";
    stage
        .http
        .post(format!("{}/api/auth/link", stage.base))
        .json(&json!({ "email": email }))
        .send()
        .await
        .unwrap();
    stage.settled().await;
    let mails = stage.twin.get("/_twin/mails").await.unwrap();
    let text = mails["data"][0]["text"].as_str().unwrap();
    let token = text
        .split("token=")
        .nth(1)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap();

    let link = format!("{}/api/auth/link/{token}", stage.base);
    let first = stage.http.post(&link).send().await.unwrap();
    let again = stage.http.post(&link).send().await.unwrap();

    assert_eq!(first.status(), 303);
    let cookie = first.headers()["set-cookie"].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(again.status(), 400, "a link works once");
}

on_both!(case_a11_every_answer_carries_the_security_headers);
async fn case_a11_every_answer_carries_the_security_headers(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for path in ["/healthz", "/api/dashboard/billing", "/nothing/here"] {
        let answer = maya.fetch(reqwest::Method::GET, path).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        assert!(header("x-request-id").starts_with("req_"));
        assert_eq!(header("referrer-policy"), "same-origin");
    }
}

on_both!(case_a15_an_error_names_its_request_and_no_internals);
async fn case_a15_an_error_names_its_request_and_no_internals(stage: &Stage) {
    let answer = stage.get("/nothing/here").await;
    let id = answer.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();

    let body: serde_json::Value = answer.json().await.unwrap();

    assert_eq!(body["requestId"], json!(id));
    assert_eq!(body["code"], "not_found");
    assert_eq!(body["error"], body["detail"], "the seed's field");
}

on_both!(case_a5_operators_pages_are_closed_to_users);
async fn case_a5_operators_pages_are_closed_to_users(stage: &Stage) {
    let maya = stage.buyer("maya@example.com", 500).await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let event = stage.events().await.remove(0).event_id;
    let paths = [
        "/admin/transactions".to_owned(),
        "/admin/transactions.csv".to_owned(),
        "/admin/accounts".to_owned(),
        "/admin/events".to_owned(),
        format!("/admin/events/{event}"),
    ];

    for path in &paths {
        assert_eq!(maya.page(path).await.0, 403, "{path}");
        let (status, body) = olga.page(path).await;
        assert_eq!(status, 200, "{path}: {body}");
    }

    let (_, list) = olga.page("/admin/transactions").await;
    assert!(
        list.contains("500 credits") && list.contains("$0.50"),
        "{list}"
    );
    let (_, events) = olga.page("/admin/events").await;
    assert!(events.contains("checkout.session.completed"));
    let (_, none) = olga.page("/admin/transactions?status=FAILED").await;
    assert!(!none.contains("500 credits"));
}

on_both!(an_operators_replay_syncs_the_account_again_and_changes_nothing_that_agrees);
async fn an_operators_replay_syncs_the_account_again_and_changes_nothing_that_agrees(
    stage: &Stage,
) {
    let maya = stage.buyer("maya@example.com", 500).await;
    stage.settled().await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let event = stage.events().await.remove(0).event_id;

    let path = format!("/admin/events/{event}/replay");
    let mine = maya.fetch(reqwest::Method::POST, &path).await;
    let replayed = olga.fetch(reqwest::Method::POST, &path).await;

    assert_eq!(
        (mine.status().as_u16(), replayed.status().as_u16()),
        (403, 303)
    );
    stage.settled().await;
    assert_eq!(maya.billing().await["credits"]["balance"], 600);
    let again = stage
        .events()
        .await
        .into_iter()
        .find(|known| known.event_id == event)
        .unwrap();
    assert_eq!(again.state, EventState::Done);
}

/// The token in the newest sign-in email.
async fn mailed(stage: &Stage, email: &str) -> String {
    let asked = stage.http.post(format!("{}/api/auth/link", stage.base));
    asked.json(&json!({ "email": email })).send().await.unwrap();
    stage.settled().await;
    let mails = stage.twin.get("/_twin/mails").await.unwrap();
    let text = mails["data"][0]["text"].as_str().unwrap().to_owned();
    let (_, token) = text.split_once("token=").unwrap();
    token.split_whitespace().next().unwrap().to_owned()
}

on_both!(a_mailed_link_is_used_by_the_button_of_its_page_only_and_a_printed_one_by_opening_it);
async fn a_mailed_link_is_used_by_the_button_of_its_page_only_and_a_printed_one_by_opening_it(
    stage: &Stage,
) {
    let token = mailed(stage, "maya@example.com").await;
    let link = format!("{}/api/auth/link/{token}", stage.base);
    // A scanner, another site's page, and a browser that loads ahead.
    let opened = [
        stage.http.get(&link),
        stage.http.head(&link),
        stage.http.get(&link).header("sec-fetch-site", "cross-site"),
        stage.http.get(&link).header("sec-purpose", "prefetch"),
    ];
    for request in opened {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let page = format!("/login/confirm?token={token}");
        assert_eq!(answer.headers()["location"], page.as_str());
        assert!(
            !answer.headers().contains_key("set-cookie"),
            "no one is signed in"
        );
    }
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let sent = stage.http.post(&link).header(name, value).send().await;
        let answer = sent.unwrap();
        assert_eq!(answer.status(), 403, "{name}: {value}");
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let page = stage.get(&format!("/login/confirm?token={token}")).await;
    let page = page.text().await.unwrap();
    assert!(
        page.contains("maya@example.com") && page.contains("method=\"post\""),
        "{page}"
    );
    let own = stage
        .http
        .post(&link)
        .header("sec-fetch-site", "same-origin");
    let entered = own.send().await.unwrap();
    assert_eq!(entered.status(), 303);
    assert!(entered.headers().contains_key("set-cookie"));
    let again = stage.http.get(&link).send().await.unwrap();
    assert_eq!(again.status(), 303, "its page says that it was used");

    let app = &stage.app;
    let printed = server::cli::access::login_link(app, "boss@example.com", 15)
        .await
        .unwrap();
    for looked in [
        stage.http.head(&printed),
        stage.http.get(&printed).header("purpose", "prefetch"),
    ] {
        let answer = looked.send().await.unwrap();
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let entered = stage.http.get(&printed).send().await.unwrap();
    assert_eq!(entered.headers()["location"], "/dashboard/billing");
    assert!(entered.headers().contains_key("set-cookie"));
    let again = stage.http.get(&printed).send().await.unwrap();
    assert_eq!(again.status(), 400, "once");
}
