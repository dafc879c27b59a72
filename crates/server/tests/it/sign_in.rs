//! Signing in with the host application's published keys and with an OpenID Connect provider.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use store::testing::TestDatabase;

use crate::stage::{Stage, fresh_key};

async fn databases() -> Vec<TestDatabase> {
    let postgres = tokio::task::spawn_blocking(store::testing::postgres);
    vec![store::testing::sqlite(), postgres.await.unwrap()]
}

/// The key pair with this number.
fn pair(number: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap()
}

fn jwk(number: u8) -> Value {
    let x = URL_SAFE_NO_PAD.encode(pair(number).public_key());
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": number.to_string(), "use": "sig", "x": x })
}

/// A JWT signed with the key pair of this number.
fn signed(number: u8, body: &Value) -> String {
    let head = json!({ "alg": "EdDSA", "kid": number.to_string() });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(&head), part(body));
    let signature = URL_SAFE_NO_PAD.encode(pair(number).sign(text.as_bytes()));
    format!("{text}.{signature}")
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The host application's published keys, and how often they were fetched.
#[derive(Clone, Default)]
struct Host(Arc<Mutex<(Vec<Value>, usize)>>);

impl Host {
    fn publish(&self, keys: Vec<Value>) {
        self.0.lock().unwrap().0 = keys;
    }

    fn fetch_count(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

async fn published(State(host): State<Host>) -> Json<Value> {
    let mut inner = host.0.lock().unwrap();
    inner.1 += 1;
    Json(json!({ "keys": inner.0 }))
}

async fn hand_over(stage: &Stage, token: &str) -> u16 {
    let url = format!("{}/api/auth/hand-over?token={token}", stage.base);
    let answer = stage.http.get(url).send().await.unwrap();
    answer.status().as_u16()
}

fn handed(stage: &Stage, email: &str) -> Value {
    let now = stage.app.real_now().seconds();
    let jti = format!("token-{}", fresh_key());
    json!({ "email": email, "aud": stage.base, "jti": jti, "iat": now, "exp": now + 60 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hosts_published_keys_sign_hand_overs_and_can_be_rotated() {
    for database in databases().await {
        let host = Host::default();
        let router = Router::new().route("/keys", get(published));
        let url = format!("{}/keys", serve(router.with_state(host.clone())).await);
        let stage = Stage::with(database, |settings| settings.session.hand_over_jwks = url).await;
        host.publish(vec![jwk(1)]);

        let token = signed(1, &handed(&stage, "maya@example.com"));
        assert_eq!(hand_over(&stage, &token).await, 303);
        assert_eq!(hand_over(&stage, &token).await, 400, "it works once");
        let other = signed(1, &handed(&stage, "noah@example.com"));
        assert_eq!(hand_over(&stage, &other).await, 303);
        assert_eq!(host.fetch_count(), 1, "the keys are kept");

        // Tokens signed with an unpublished key: under a new key id, which is fetched at most once,
        // and under a known one.
        let mut forged = signed(2, &handed(&stage, "eve@example.com"));
        assert_eq!(hand_over(&stage, &forged).await, 400);
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "EdDSA", "kid": "1" }).to_string());
        forged = format!("{head}.{}", forged.split_once('.').unwrap().1);
        assert_eq!(hand_over(&stage, &forged).await, 400);
        let mut elsewhere = handed(&stage, "eve@example.com");
        elsewhere["aud"] = json!("https://other.example");
        assert_eq!(hand_over(&stage, &signed(1, &elsewhere)).await, 400);

        host.publish(vec![jwk(3)]);
        tokio::time::sleep(Duration::from_secs(6)).await;
        let rolled = signed(3, &handed(&stage, "maya@example.com"));
        assert_eq!(
            hand_over(&stage, &rolled).await,
            303,
            "a new key is asked for"
        );
        let gone = signed(1, &handed(&stage, "maya@example.com"));
        assert_eq!(
            hand_over(&stage, &gone).await,
            400,
            "a removed key is refused"
        );
        assert_eq!(host.fetch_count(), 2);
        stage.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_or_a_provider_their_urls_are_not_found() {
    let stage = Stage::with(store::testing::sqlite(), |_| {}).await;
    for path in [
        "/api/auth/hand-over?token=x",
        "/api/auth/oidc",
        "/api/auth/oidc/callback?code=x&state=x",
    ] {
        let url = format!("{}{path}", stage.base);
        assert_eq!(
            stage.http.get(url).send().await.unwrap().status(),
            404,
            "{path}"
        );
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_key_sets_are_logged_and_no_token_is_accepted() {
    let stage = Stage::with(store::testing::sqlite(), |settings| {
        settings.session.hand_over_jwks = "http://127.0.0.1:9/keys".to_owned();
    })
    .await;
    let token = signed(1, &handed(&stage, "maya@example.com"));
    assert_eq!(hand_over(&stage, &token).await, 503);
    stage.close().await;
}

#[cfg(feature = "oidc")]
mod oidc {
    use std::collections::HashMap;

    use axum::extract::Form;
    use axum::http::StatusCode;
    use axum::routing::post;
    use reqwest::header;
    use sha2::{Digest, Sha256};

    use super::*;

    /// A function that makes a valid response invalid.
    type Spoil = fn(&mut Said);

    /// The provider's next response.
    #[derive(Clone)]
    struct Said {
        base: String,
        email: &'static str,
        verified: Value,
        nonce: String,
        challenge: String,
        signer: u8,
        audience: &'static str,
    }

    #[derive(Clone)]
    struct Provider(Arc<Mutex<Said>>);

    impl Provider {
        async fn start() -> Provider {
            let said = Said {
                base: String::new(),
                email: "maya@example.com",
                verified: json!(true),
                nonce: String::new(),
                challenge: String::new(),
                signer: 1,
                audience: "billing",
            };
            let provider = Provider(Arc::new(Mutex::new(said)));
            let router = Router::new()
                .route("/.well-known/openid-configuration", get(describe))
                .route("/keys", get(|| async { Json(json!({ "keys": [jwk(1)] })) }))
                .route("/token", post(token));
            let base = serve(router.with_state(provider.clone())).await;
            provider.says(|said| said.base = base);
            provider
        }

        fn says<T>(&self, change: impl FnOnce(&mut Said) -> T) -> T {
            change(&mut self.0.lock().unwrap())
        }
    }

    async fn describe(State(provider): State<Provider>) -> Json<Value> {
        let base = provider.says(|said| said.base.clone());
        Json(json!({
            "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/keys"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        }))
    }

    async fn token(
        State(provider): State<Provider>,
        Form(form): Form<HashMap<String, String>>,
    ) -> (StatusCode, Json<Value>) {
        let said = provider.says(|said| said.clone());
        let verifier = form.get("code_verifier").map_or("", String::as_str);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        if form["code"] != "code-1" || challenge != said.challenge {
            return (
                StatusCode::BAD_REQUEST,
                Json(json!({ "error": "invalid_grant" })),
            );
        }
        let now = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": said.base, "aud": said.audience, "sub": "42", "iat": now, "exp": now + 300,
            "nonce": said.nonce, "email": said.email, "email_verified": said.verified,
        });
        let body = json!({
            "access_token": "x", "token_type": "Bearer", "id_token": signed(said.signer, &claims),
        });
        (StatusCode::OK, Json(body))
    }

    async fn stage(database: TestDatabase, provider: &Provider) -> Stage {
        let issuer = provider.says(|said| said.base.clone());
        Stage::with(database, |settings| {
            settings.oidc.issuer = issuer;
            settings.oidc.client_id = "billing".to_owned();
            settings.oidc.client_secret = "a-client-secret".to_owned().into();
        })
        .await
    }

    /// Starts a sign-in with the provider, and returns the browser's cookie and the `state`
    /// parameter.
    async fn go(stage: &Stage, provider: &Provider) -> (String, String) {
        let url = format!("{}/api/auth/oidc?next=/dashboard/usage", stage.base);
        let answer = stage.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        let to = reqwest::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let asked: HashMap<String, String> = to.query_pairs().into_owned().collect();
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert!(asked["scope"].contains("openid") && asked["scope"].contains("email"));
        assert_eq!(
            asked["redirect_uri"],
            format!("{}/api/auth/oidc/callback", stage.base)
        );
        provider.says(|said| {
            said.nonce.clone_from(&asked["nonce"]);
            said.challenge.clone_from(&asked["code_challenge"]);
        });
        let cookie = cookie.split(';').next().unwrap().to_owned();
        (cookie, asked["state"].clone())
    }

    async fn back(stage: &Stage, cookie: &str, state: &str) -> reqwest::Response {
        let url = format!(
            "{}/api/auth/oidc/callback?code=code-1&state={state}",
            stage.base
        );
        let request = stage.http.get(url).header("cookie", cookie);
        request.send().await.unwrap()
    }

    async fn code(answer: reqwest::Response) -> String {
        let body: Value = answer.json().await.unwrap();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_provider_signs_people_in_with_the_address_it_verified() {
        for database in databases().await {
            let provider = Provider::start().await;
            let stage = stage(database, &provider).await;
            let login = stage.http.get(format!("{}/login", stage.base));
            let login = login.header("accept", "text/html").send().await.unwrap();
            assert!(
                login
                    .text()
                    .await
                    .unwrap()
                    .contains("href=\"/api/auth/oidc\"")
            );

            let (cookie, state) = go(&stage, &provider).await;
            let answer = back(&stage, &cookie, &state).await;

            assert_eq!(answer.status(), 303);
            assert_eq!(answer.headers()["location"], "/dashboard/usage");
            let mut cookies = answer.headers().get_all(header::SET_COOKIE).iter();
            let session = cookies.next().unwrap().to_str().unwrap();
            let session = session.split(';').next().unwrap();
            let seen = stage
                .http
                .get(format!("{}/api/v1/organisations", stage.base));
            let seen = seen.header("cookie", session).send().await.unwrap();
            assert_eq!(seen.status(), 200);
            let over = cookies.next().unwrap().to_str().unwrap();
            assert!(
                over.starts_with("lbx_oidc=;") && over.contains("Max-Age=0"),
                "{over}"
            );
            stage.close().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_sign_in_started_in_another_browser_or_unverified_is_refused() {
        let provider = Provider::start().await;
        let stage = stage(store::testing::sqlite(), &provider).await;
        let failed = "sign_in_failed";

        let (cookie, state) = go(&stage, &provider).await;
        assert_eq!(
            code(back(&stage, "", &state).await).await,
            failed,
            "another browser"
        );
        assert_eq!(
            code(back(&stage, &cookie, "other").await).await,
            failed,
            "another state"
        );
        let (_, newer) = go(&stage, &provider).await;
        assert_eq!(code(back(&stage, &cookie, &newer).await).await, failed);
        assert_eq!(
            code(back(&stage, &cookie, &state).await).await,
            failed,
            "another verifier"
        );

        let spoil: [(&str, Spoil); 4] = [
            ("nonce", |said| said.nonce = "x".to_owned()),
            ("signer", |said| said.signer = 2),
            ("audience", |said| said.audience = "other"),
            ("issuer", |said| {
                said.base = "https://other.example".to_owned();
            }),
        ];
        for (what, spoil) in spoil {
            let kept = provider.says(|said| said.clone());
            let (cookie, state) = go(&stage, &provider).await;
            provider.says(spoil);
            let answer = back(&stage, &cookie, &state).await;
            assert_eq!(answer.status(), 400, "{what}");
            provider.says(|said| *said = kept);
        }

        for verified in [json!(false), json!(null)] {
            let (cookie, state) = go(&stage, &provider).await;
            provider.says(|said| said.verified = verified);
            let answer = back(&stage, &cookie, &state).await;
            assert_eq!(code(answer).await, "email_not_verified");
        }
        provider.says(|said| said.verified = json!(true));
        stage.person_as("maya@example.com", "admin").await;
        let (cookie, state) = go(&stage, &provider).await;
        assert_eq!(
            code(back(&stage, &cookie, &state).await).await,
            "operator_by_link"
        );
        stage.close().await;
    }
}
