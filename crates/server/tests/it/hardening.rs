//! Requests from an attacker or a faulty program: slow bodies, unusual text and wrong methods. Also
//! the feature flag, which hides billing without losing events.

mod orders;
mod switches;
mod text;

use domain::people::UserRole;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use store::testing::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Person, Stage, answer, code, eventually, is_tier, on_both, pack};

/// A database of each kind.
async fn databases() -> Vec<TestDatabase> {
    let postgres = tokio::task::spawn_blocking(store::testing::postgres);
    vec![store::testing::sqlite(), postgres.await.unwrap()]
}

/// Sends `head`, then `piece` repeatedly, until the service responds or closes the connection, for
/// at most 20 seconds. Returns the response and how long it took.
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
async fn case_w7_slow_and_endless_bodies_are_cut_off_while_others_are_served() {
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
                let alive = stage.get("/healthz").await;
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

on_both!(case_a9_a_sign_in_opens_a_new_session_which_ends_immediately_on_sign_out);
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn case_a9_a_sign_in_opens_a_new_session_which_ends_immediately_on_sign_out(stage: &Stage) {
    let maya = stage.person("maya@example.com").await;
    let planted = "lbx_session=0000000000000000000000000000000000000000000000000000000000000000";
    let link = |stage: &Stage| {
        let (app, token) = (
            stage.app.clone(),
            billing::secrets::new_secret(&*stage.app.rng),
        );
        async move {
            let (digest, now) = (billing::secrets::hash(&token), app.real_now());
            app.db
                .write(0, move |tx| {
                    let until = now.plus_seconds(60);
                    store::login_links::insert(
                        tx,
                        (store::login_links::LinkKind::Printed, &digest),
                        "maya@example.com",
                        None,
                        None,
                        now,
                        until,
                    )
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
    assert_ne!(cookie, planted, "a planted session is not adopted");
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
        .write(0, move |tx| {
            let session = store::sessions::find(tx, &digest, long_ago)?.unwrap();
            store::sessions::touch(tx, session.id, long_ago)
        })
        .await;
    assert_eq!(
        status(&format!("lbx_session={idle}")).await,
        401,
        "not used for a fortnight"
    );

    let (user, now) = (maya.user, stage.app.real_now());
    stage
        .write(0, move |tx| store::users::set_disabled(tx, user, Some(now)))
        .await;
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
        let maya =
            billing::people::users::ensure(&stage.app, "maya@example.com", UserRole::User, true)
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
