//! What an attacker or a broken program sends: slow bodies, odd text, wrong methods; and the
//! feature flag, which hides and never loses.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use store::testing::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Person, Stage, answer, on_both};

/// Databases of both kinds.
async fn databases() -> Vec<TestDatabase> {
    let postgres = tokio::task::spawn_blocking(store::testing::postgres);
    vec![store::testing::sqlite(), postgres.await.unwrap()]
}

/// Sends `head`, then `piece` again and again, until the service answers or hangs up. Answers what
/// it said and how long it took; at most 20 seconds.
async fn drip(
    address: String,
    head: String,
    piece: &'static [u8],
    pause: Duration,
) -> (String, Duration) {
    let started = Instant::now();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = socket.split();
    let mut said = Vec::new();
    let sending = async {
        loop {
            if writing.write_all(piece).await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(pause).await;
        }
    };
    let mut buffer = [0; 4_096];
    let hearing = async {
        while let Ok(count) = reading.read(&mut buffer).await {
            if count == 0 {
                break;
            }
            said.extend_from_slice(&buffer[..count]);
        }
    };
    let both = async {
        tokio::select! { () = sending => {}, () = hearing => {} }
    };
    let is_over = tokio::time::timeout(Duration::from_secs(20), both).await;
    assert!(is_over.is_ok(), "the service listens for ever");
    (
        String::from_utf8_lossy(&said).into_owned(),
        started.elapsed(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_w7_slow_and_endless_bodies_are_cut_while_others_are_served() {
    for database in databases().await {
        let stage = Stage::with(database, |settings| settings.service.body_seconds_max = 2).await;
        let address = stage.base.trim_start_matches("http://").to_owned();
        let head = |path: &str, rest: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{rest}\r\n\r\n"
            )
        };
        let chunked = "Transfer-Encoding: chunked";
        let slow = drip(
            address.clone(),
            head("/api/stripe/webhook", "Content-Length: 1000"),
            b" ",
            Duration::from_millis(200),
        );
        let slow_chunks = drip(
            address.clone(),
            head("/api/auth/link", chunked),
            b"1\r\n \r\n",
            Duration::from_millis(200),
        );
        let silent = drip(
            address.clone(),
            head("/api/stripe/webhook", "Content-Length: 1000"),
            b"",
            Duration::from_millis(500),
        );
        let endless = drip(
            address.clone(), head("/api/stripe/webhook", chunked),
            b"400\r\n0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n",
            Duration::ZERO,
        );
        let others = async {
            let mut worst = Duration::ZERO;
            for _ in 0..20 {
                let started = Instant::now();
                let alive = stage
                    .http
                    .get(format!("{}/healthz", stage.base))
                    .send()
                    .await
                    .unwrap();
                assert_eq!(alive.status(), 200);
                worst = worst.max(started.elapsed());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            worst
        };

        let (slow, slow_chunks, silent, endless, worst) =
            tokio::join!(slow, slow_chunks, silent, endless, others);

        for (name, (said, took)) in [("slow", slow), ("chunks", slow_chunks), ("silent", silent)] {
            assert!(said.starts_with("HTTP/1.1 408"), "{name}: {said}");
            assert!(took < Duration::from_secs(12), "{name} took {took:?}");
        }
        assert!(endless.0.starts_with("HTTP/1.1 413"), "{}", endless.0);
        assert!(worst < Duration::from_secs(5), "others waited {worst:?}");
        stage.close().await;
    }
}

on_both!(case_a9_a_sign_in_gets_a_fresh_session_and_its_end_is_at_once);
async fn case_a9_a_sign_in_gets_a_fresh_session_and_its_end_is_at_once(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let planted = "lbx_session=0000000000000000000000000000000000000000000000000000000000000000";
    let link = |stage: &Stage| {
        let (app, token) = (
            stage.app.clone(),
            billing::secrets::new_secret(&*stage.app.chance),
        );
        async move {
            let (digest, now) = (billing::secrets::hash(&token), app.real_now());
            app.write(0, move |tx| {
                let until = now.plus_seconds(60);
                store::login_links::insert(tx, &digest, "maya@example.com", None, None, now, until)
            })
            .await
            .unwrap();
            token
        }
    };
    let token = link(stage).await;
    let url = format!("{}/api/auth/link/{token}", stage.base);

    let signed_in = stage
        .http
        .post(url)
        .header("cookie", planted)
        .send()
        .await
        .unwrap();

    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_ne!(cookie, planted, "a planted session is not taken over");
    let status = async |cookie: &str| {
        let request = stage
            .http
            .get(format!("{}/api/dashboard/billing", stage.base));
        request
            .header("cookie", cookie)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!((status(&cookie).await, status(planted).await), (200, 401));
    stage
        .http
        .post(format!("{}/api/auth/logout", stage.base))
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(status(&cookie).await, 401, "signed out");

    let idle = billing::people::sign_in::open_session(&stage.app, maya.user, "x")
        .await
        .unwrap();
    let (digest, long_ago) = (
        billing::secrets::hash(&idle),
        stage.app.real_now().plus_days(-15),
    );
    stage
        .app
        .write(0, move |tx| {
            let session = store::sessions::find(tx, &digest, long_ago)?.unwrap();
            store::sessions::touch(tx, session.id, long_ago)
        })
        .await
        .unwrap();
    assert_eq!(
        status(&format!("lbx_session={idle}")).await,
        401,
        "not used for a fortnight"
    );

    let (user, now) = (maya.user, stage.app.real_now());
    stage
        .app
        .write(0, move |tx| store::users::set_disabled(tx, user, Some(now)))
        .await
        .unwrap();
    assert_eq!(status(&maya.cookie).await, 401, "disabled");
    let url = format!("{}/api/auth/link/{}", stage.base, link(stage).await);
    assert_eq!(stage.http.post(url).send().await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_a11_an_https_origin_asks_for_https_and_binds_its_cookie() {
    for database in databases().await {
        let stage = Stage::with(database, |settings| {
            settings.service.base_url = "https://billing.example".to_owned();
        })
        .await;
        let url = format!("{}/pricing", stage.app.settings.service.base_url);
        assert!(url.starts_with("https"));
        let address = stage.base.clone();
        for path in [
            "/pricing",
            "/login",
            "/api/pricing",
            "/dashboard/members",
            "/nothing",
        ] {
            let request = stage
                .http
                .get(format!("{address}{path}"))
                .header("accept", "text/html");
            let answer = request.send().await.unwrap();
            let headers = answer.headers();
            assert!(
                headers["strict-transport-security"]
                    .to_str()
                    .unwrap()
                    .starts_with("max-age="),
                "{path}"
            );
            assert!(
                headers["content-security-policy"]
                    .to_str()
                    .unwrap()
                    .contains("default-src 'none'")
            );
            assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
            assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
        }
        let maya = billing::people::users::ensure(&stage.app, "maya@example.com", "user", true)
            .await
            .unwrap();
        let cookie = web::api::auth::new_session(&stage.app, maya.id, &http::HeaderMap::new())
            .await
            .unwrap();
        let cookie = cookie.to_str().unwrap();
        for part in [
            "__Host-lbx_session=",
            "; Secure",
            "; HttpOnly",
            "; SameSite=Lax",
            "; Path=/",
        ] {
            assert!(cookie.contains(part), "{cookie}");
        }
        stage.close().await;
    }
}

/// Text that breaks out of what it stands in, where it can.
const ODD: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=y>",
    "'; drop table account; --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "a\r\nSet-Cookie: evil=1",
    "%00",
    "\u{202e}evil",
    "' or '1'='1",
];

on_both!(case_a12_text_with_markup_is_text_wherever_it_is_shown);
async fn case_a12_text_with_markup_is_text_wherever_it_is_shown(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    for (number, text) in ODD.iter().filter(|text| !text.contains('\r')).enumerate() {
        maya.post("/api/v1/organisations", json!({ "name": text }))
            .await;
        let name = format!("{number}{text}");
        assert_eq!(
            maya.request(
                Method::POST,
                &format!("/dashboard/keys?account={}", own(&maya).await)
            )
            .form(&[("name", name.as_str())])
            .send()
            .await
            .unwrap()
            .status(),
            200
        );
    }
    for path in [
        "/dashboard/keys",
        "/dashboard/members",
        "/dashboard/billing",
    ] {
        let (status, html) = maya.page(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(
            !html.contains("<script>alert") && !html.contains("<img src=x"),
            "{path}"
        );
    }
    let (status, html) = olga.page("/admin/accounts").await;
    assert_eq!(status, 200);
    assert!(!html.contains("<script>alert") && !html.contains("<img src=x"));
}

async fn own(person: &Person<'_>) -> String {
    let account = person.account;
    let found = person
        .stage
        .app
        .read(move |tx| store::accounts::find(tx, account));
    found.await.unwrap().unwrap().public_id
}

on_both!(case_a13_odd_text_in_any_field_is_a_parameter_and_never_our_fault);
async fn case_a13_odd_text_in_any_field_is_a_parameter_and_never_our_fault(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let olga = stage.person_as("olga@example.com", "admin").await;
    let before = stage
        .app
        .read(|tx| store::accounts::list(tx, None, None, 100))
        .await
        .unwrap()
        .len();
    for text in ODD {
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for path in [
            "/api/v1/balance?account=",
            "/api/v1/transactions?after=",
            "/dashboard/usage?period=",
            "/dashboard/billing?after=",
            "/login?next=",
            "/invitation?token=",
            "/login/confirm?token=",
        ] {
            let (status, page) = maya.page(&format!("{path}{encoded}")).await;
            assert!(status < 500, "{path}{text}: {page}");
        }
        for path in [
            "/admin/accounts?q=",
            "/admin/accounts?search=",
            "/admin/transactions?account=",
            "/admin/events?type=",
        ] {
            let (status, page) = olga.page(&format!("{path}{encoded}")).await;
            assert!(status < 500, "{path}{text}: {page}");
        }
        for (method, path, body) in [
            (
                Method::POST,
                "/api/stripe/create-checkout-session",
                json!({ "type": text, "planId": text }),
            ),
            (
                Method::POST,
                "/api/auth/link",
                json!({ "email": text, "next": text }),
            ),
            (
                Method::POST,
                "/api/v1/members",
                json!({ "email": text, "role": text }),
            ),
            (Method::PUT, "/api/v1/members/x", json!({ "role": text })),
            (
                Method::POST,
                "/api/v1/keys",
                json!({ "name": text, "scope": text }),
            ),
        ] {
            let (status, answer) = answer(maya.request(method, path).json(&body)).await;
            assert!(status < 500, "{path} {text}: {answer}");
        }
        for path in [
            "/api/v1/members/",
            "/api/v1/sessions/",
            "/api/v1/keys/",
            "/api/v1/invitations/",
        ] {
            let status = maya
                .request(Method::DELETE, &format!("{path}{encoded}"))
                .send()
                .await
                .unwrap()
                .status();
            assert!(status.is_client_error(), "{path}{text}: {status}");
        }
    }
    let after = stage
        .app
        .read(|tx| store::accounts::list(tx, None, None, 100))
        .await
        .unwrap()
        .len();
    assert_eq!(after, before);
}

on_both!(case_a15_what_an_extractor_or_a_layer_refuses_is_a_problem_or_a_page_too);
async fn case_a15_what_an_extractor_or_a_layer_refuses_is_a_problem_or_a_page_too(stage: &Stage) {
    let olga = stage.person_as("olga@example.com", "admin").await;
    for path in [
        "/admin/transactions?limit=x",
        "/admin/accounts/%ff",
        "/dashboard/usage?period=%ff&period=1",
    ] {
        let (status, html) = olga.page(path).await;
        assert!(status == 400 || status == 404, "{path}: {status}");
        assert!(html.starts_with("<!doctype html>"), "{path}: {html}");
        let (status, body) = olga.get(path).await;
        assert!(
            body["code"].is_string() && body["requestId"].is_string(),
            "{path}: {status} {body}"
        );
    }
}

on_both!(case_a17_methods_and_addresses_that_are_not_ours_are_not_there);
async fn case_a17_methods_and_addresses_that_are_not_ours_are_not_there(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    for method in ["TRACE", "TRACK", "CONNECTX", "PROPFIND", "DEBUG"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for path in ["/", "/api/dashboard/billing", "/dashboard/billing"] {
            let answer = maya
                .request(method.clone(), path)
                .header("x-echo", "me")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 405, "{method} {path}");
            assert!(!answer.text().await.unwrap().contains("x-echo"));
        }
    }
    for path in [
        "/_twin",
        "/_twin/mails",
        "/v1/customers",
        "/debug",
        "/actuator",
        "/.git/config",
        "/.env",
        "/server-status",
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/api/v1/noop",
    ] {
        let status = maya
            .request(Method::GET, path)
            .send()
            .await
            .unwrap()
            .status();
        assert_eq!(status, 404, "{path}");
    }
}

/// A world where billing is off, or on for some.
async fn with_billing(
    database: TestDatabase,
    enabled: bool,
    percent: i64,
    listed: Vec<String>,
) -> Stage {
    Stage::with(database, move |settings| {
        settings.billing.enabled = enabled;
        settings.billing.cohort_percent = percent;
        settings.billing.cohort = listed;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_w34_while_billing_is_off_events_are_kept_and_applied_when_it_is_on() {
    for database in databases().await {
        let stage = Stage::with(database, |_| {}).await;
        let (account, cookie, user) = {
            let maya = stage.person("maya@example.com").await;
            (maya.account, maya.cookie.clone(), maya.user)
        };
        let session = {
            let maya = Person {
                stage: &stage,
                cookie: cookie.clone(),
                account,
                user,
            };
            maya.session(json!({ "type": "topup", "amount": 500 }))
                .await
        };
        let stage = stage
            .restarted(|settings| settings.billing.enabled = false)
            .await;
        let maya = Person {
            stage: &stage,
            cookie: cookie.clone(),
            account,
            user,
        };
        maya.pay(&session).await;
        let started = Instant::now();
        while stage.events().await.is_empty() {
            assert!(started.elapsed() < crate::stage::PATIENCE, "no event came");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        // Long enough for a worker that would work.
        tokio::time::sleep(Duration::from_millis(1_500)).await;

        assert!(
            stage
                .events()
                .await
                .iter()
                .all(|event| event.state != "done")
        );
        let (status, answer) = maya
            .checkout(json!({ "type": "topup", "amount": 500 }))
            .await;
        assert_eq!((status, &answer["code"]), (404, &json!("billing_disabled")));
        for path in [
            "/dashboard/billing",
            "/dashboard/billing/upgrade",
            "/dashboard/billing/credits",
        ] {
            assert_eq!(maya.page(path).await.0, 404, "{path}");
        }
        let (status, html) = maya.page("/dashboard/usage").await;
        assert!(
            status == 200 && !html.contains("/dashboard/billing"),
            "{html}"
        );

        let stage = stage
            .restarted(|settings| settings.billing.enabled = true)
            .await;
        let maya = Person {
            stage: &stage,
            cookie,
            account,
            user,
        };
        maya.billing_when(|body| body["credits"]["balance"] == 600)
            .await;
        stage.settled().await;
        stage.close().await;
    }
}

/// Uptime of the webhook (19.2): what arrives while nobody listens is sent again by Stripe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requirement_19_2_restarts_while_events_arrive_lose_none() {
    const BUYERS: usize = 6;
    for database in databases().await {
        let mut stage = Stage::with(database, |_| {}).await;
        let mut buyers = Vec::new();
        for number in 0..BUYERS {
            let buyer = stage.person(&format!("buyer{number}@example.com")).await;
            let session = buyer
                .session(json!({ "type": "topup", "amount": 500 }))
                .await;
            buyers.push((buyer.cookie.clone(), buyer.account, buyer.user, session));
        }
        let (twin, sessions) = (stage.twin.clone(), buyers.clone());
        let paying = tokio::spawn(async move {
            for (_, _, _, session) in sessions {
                twin.pay(&session, twin::client::PayBy::Card).await.unwrap();
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        });

        while !paying.is_finished() {
            stage = stage.restarted(|_| {}).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        paying.await.unwrap();
        // Past the first tries again; the poll that would hear of events without them is off.
        for _ in 0..3 {
            stage.twin.advance("2m").await.unwrap();
        }

        for (cookie, account, user, _) in buyers {
            let buyer = Person {
                stage: &stage,
                cookie,
                account,
                user,
            };
            buyer
                .billing_when(|body| body["credits"]["balance"] == 600)
                .await;
        }
        stage.settled().await;
        stage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cohort_sees_billing_by_name_by_mail_or_by_its_share_and_nobody_else() {
    let hash = hex::encode(billing::secrets::hash("noah@example.com"));
    for database in databases().await {
        let stage = with_billing(database, true, 0, vec![hash.clone()]).await;
        let maya = stage.person("maya@example.com").await;
        let noah = stage.person("noah@example.com").await;

        let body = json!({ "type": "topup", "amount": 500 });
        let (status, refused) = maya.checkout(body.clone()).await;

        assert_eq!(
            (status, &refused["code"]),
            (404, &json!("billing_disabled"))
        );
        assert_eq!(maya.page("/dashboard/billing").await.0, 404);
        let (status, html) = maya.page("/dashboard/usage").await;
        assert!(
            status == 200 && !html.contains("/dashboard/billing"),
            "{html}"
        );
        let home = maya
            .request(Method::GET, "/dashboard")
            .send()
            .await
            .unwrap();
        assert_eq!(home.headers()["location"], "/dashboard/usage");
        assert_eq!(noah.checkout(body).await.0, 200);
        assert_eq!(noah.page("/dashboard/billing").await.0, 200);
        stage.close().await;
    }
}

#[tokio::test]
async fn a_share_of_accounts_is_about_as_large_as_it_says_and_only_grows() {
    let mut settings = billing::config::Settings::load(None, &|_| None).unwrap();
    let account = |number: u32| store::accounts::Account {
        id: 1,
        public_id: format!("acc_{number}"),
        external_id: None,
        kind: "personal".to_owned(),
        name: String::new(),
        email: None,
        status: "active".to_owned(),
        stripe_customer_id: None,
        stripe_subscription_id: None,
        subscription_tier: "FREE".to_owned(),
        subscription_status: "NONE".to_owned(),
        subscription_expires_at: None,
        past_due_since: None,
        tier_override: None,
        tier_override_reason: None,
        tier_override_actor: None,
        tier_override_until: None,
        anchor_at: domain::time::Timestamp::from_micros(0),
        email_verified_at: None,
        created_at: domain::time::Timestamp::from_micros(0),
        updated_at: domain::time::Timestamp::from_micros(0),
    };
    let mut before: Vec<u32> = Vec::new();
    for percent in [0, 10, 50, 100] {
        settings.billing.cohort_percent = percent;

        let shown: Vec<u32> = (0..2_000)
            .filter(|n| settings.billing.is_on_for(&account(*n)))
            .collect();

        let wanted = 2_000 * usize::try_from(percent).unwrap() / 100;
        assert!(
            shown.len().abs_diff(wanted) < 150,
            "{percent}: {}",
            shown.len()
        );
        assert!(
            before.iter().all(|one| shown.contains(one)),
            "who saw it still does"
        );
        before = shown;
    }
}

/// All orders of three.
const ORDERS: [[usize; 3]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

on_both!(case_w12_every_order_doubled_and_twelve_at_once_ends_at_stripes_truth);
async fn case_w12_every_order_doubled_and_twelve_at_once_ends_at_stripes_truth(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    maya.subscribe("PRO").await;
    maya.billing_when(|body| body["subscription"]["tier"] == "PRO")
        .await;
    let old = stage.stripe_get("/v1/subscriptions").await["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/subscriptions/{old}");
    stage
        .stripe_post(&path, &[("metadata[note]", "changed")])
        .await;
    let delete = stage.http.delete(format!("{}{path}", stage.twin_url));
    delete.bearer_auth("sk_test_other").send().await.unwrap();
    maya.billing_when(|body| body["subscription"]["tier"] == "FREE")
        .await;
    maya.subscribe("PRO_PLUS").await;
    maya.billing_when(|body| body["subscription"]["tier"] == "PRO_PLUS")
        .await;
    stage.settled().await;
    stage.webhooks(false).await;
    let of_old = async |kind: &str| {
        let all = stage.stripe_events(kind).await;
        all.into_iter()
            .find(|event| event["data"]["object"]["id"] == json!(old))
            .unwrap()
    };
    let events = [
        of_old("customer.subscription.created").await,
        of_old("customer.subscription.updated").await,
        of_old("customer.subscription.deleted").await,
    ];
    let named = |number: usize, id: &str| -> Value {
        let mut event = events[number].clone();
        event["id"] = json!(id);
        event
    };
    for (round, order) in ORDERS.iter().enumerate() {
        // Each twice under its own id, one after the other.
        for number in order {
            let event = named(*number, &format!("evt_{round}_{number}"));
            for _ in 0..2 {
                assert_eq!(stage.deliver(&event).await.status(), 200);
            }
        }
        // And twelve at once: each under two ids, doubled.
        let all = order.iter().flat_map(|number| {
            let ids =
                ["a", "b"].map(|name| named(*number, &format!("evt_{round}_{number}_{name}")));
            ids.into_iter().flat_map(|event| [event.clone(), event])
        });
        let sent: Vec<Value> = all.collect();
        assert_eq!(sent.len(), 12);
        let answers =
            futures_util::future::join_all(sent.iter().map(|event| stage.deliver(event))).await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
    }
    stage.settled().await;

    let (_, body) = maya.get("/api/dashboard/billing").await;
    assert_eq!(body["subscription"]["tier"], "PRO_PLUS", "{body}");
    let events = stage.events().await;
    assert!(
        events
            .iter()
            .all(|event| event.state == "done" || event.state == "ignored"),
        "{events:?}"
    );
    let payments = stage.transactions(maya.account).await;
    let paid = payments
        .iter()
        .filter(|row| row.0 == "SUBSCRIPTION_PAYMENT")
        .count();
    assert_eq!(paid, 2, "{payments:?}");
}
