//! A user with a session, and what users do.

use super::*;
use store::api_keys::{KeyMode, KeyScope};

/// A user with a session.
pub struct Person<'a> {
    pub stage: &'a Stage,
    pub cookie: String,
    pub account: i64,
    pub user: i64,
}

impl Person<'_> {
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.stage.base);
        self.stage
            .http
            .request(method, url)
            .header("cookie", &self.cookie)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(reqwest::Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(reqwest::Method::POST, path).json(&body)).await
    }

    /// Requests a page as a browser does.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let request = self
            .request(reqwest::Method::GET, path)
            .header("accept", "text/html");
        let answer = request.send().await.expect("the service answers");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }

    pub async fn checkout(&self, body: Value) -> (u16, Value) {
        self.post("/api/stripe/create-checkout-session", body).await
    }

    /// Starts a Checkout and returns its session's id.
    pub async fn session(&self, body: Value) -> String {
        let (status, answer) = self.checkout(body).await;
        assert_eq!(status, 200, "{answer}");
        session_id(answer["checkoutUrl"].as_str().expect("an address"))
    }

    /// Buys a pack with a valid card, and waits until all work is done.
    pub async fn buy_pack(&self, credits: i64) -> String {
        let session = self
            .session(json!({ "type": "topup", "amount": credits }))
            .await;
        self.pay(&session).await;
        session
    }

    /// Subscribes with a valid card.
    pub async fn subscribe(&self, plan: &str) -> String {
        let session = self
            .session(json!({ "type": "subscription", "planId": plan }))
            .await;
        self.pay(&session).await;
        session
    }

    pub async fn pay(&self, session: &str) {
        let by = twin::client::PayBy::Card;
        self.stage
            .twin
            .pay(session, by)
            .await
            .expect("the card is good");
    }

    /// The billing response of the specification.
    pub async fn billing(&self) -> Value {
        let (status, body) = self.get("/api/dashboard/billing").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the billing response satisfies `wanted`.
    pub async fn billing_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let body = self.billing().await;
            if wanted(&body) {
                return body;
            }
            assert!(started.elapsed() < PATIENCE, "it never came: {body}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// The user's public id.
    pub async fn user_id(&self) -> String {
        let user = self.user;
        let found = self.stage.app.read(move |tx| store::users::find(tx, user));
        let found = found.await.expect("a read").expect("the person");
        found.public_id
    }

    /// A new meter key of this user's account.
    pub async fn meter_key(&self) -> String {
        let secret = format!(
            "lbx_test_{}",
            billing::secrets::new_secret(&*self.stage.app.rng)
        );
        let (account, stored, id) = (self.account, hash(&secret), self.stage.app.new_id("key"));
        let now = self.stage.app.now();
        let made = self.stage.app.db.write(account, move |tx| {
            let new = store::api_keys::NewApiKey {
                public_id: &id,
                account_id: Some(account),
                name: "test",
                prefix: "lbx_test_",
                secret_hash: &stored,
                scope: KeyScope::Meter,
                mode: KeyMode::Test,
                created_by: "test",
            };
            store::api_keys::insert(tx, &new, now)
        });
        made.await.expect("a key");
        secret
    }
}

/// The status and JSON of a response.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("the service answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("text");
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// The session's id in the URL of its page.
pub fn session_id(url: &str) -> String {
    let start = url
        .find("cs_test_")
        .expect("a Checkout address holds its session's id");
    let rest = &url[start..];
    let end = rest.find(['?', '#', '/']).unwrap_or(rest.len());
    rest[..end].to_owned()
}
