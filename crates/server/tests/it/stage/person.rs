//! A user with a session, and the actions of users.

use super::*;

/// A user with a session.
pub struct Person<'a> {
    pub stage: &'a Stage,
    pub cookie: String,
    pub account: i64,
    pub user: i64,
}

/// The cookie, account and user of a [`Person`], kept while the environment is restarted.
#[derive(Clone)]
pub struct Kept(String, i64, i64);

impl Kept {
    /// The same user in the restarted environment.
    pub fn on<'a>(&self, stage: &'a Stage) -> Person<'a> {
        Person {
            stage,
            cookie: self.0.clone(),
            account: self.1,
            user: self.2,
        }
    }
}

impl Person<'_> {
    /// The parts of a user that survive a restart of the environment.
    pub fn kept(&self) -> Kept {
        Kept(self.cookie.clone(), self.account, self.user)
    }

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

    pub async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(reqwest::Method::PUT, path).json(&body)).await
    }

    /// Sends a `DELETE` request for this path and returns the status of the response.
    pub async fn delete(&self, path: &str) -> u16 {
        answer(self.request(reqwest::Method::DELETE, path)).await.0
    }

    /// Sends a request without a body.
    pub async fn fetch(&self, method: reqwest::Method, path: &str) -> reqwest::Response {
        let sent = self.request(method, path).send().await;
        sent.expect("the service answers")
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
        let session = self.session(pack(credits)).await;
        self.pay(&session).await;
        session
    }

    /// Subscribes with a valid card.
    pub async fn subscribe(&self, plan: &str) -> String {
        let session = self.session(plan_of(plan)).await;
        self.pay(&session).await;
        session
    }

    pub async fn pay(&self, session: &str) {
        self.stage.pay(session, twin::client::PayBy::Card).await;
    }

    /// The billing response that the specification defines.
    pub async fn billing(&self) -> Value {
        let (status, body) = self.get("/api/dashboard/billing").await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the billing response satisfies `wanted`.
    pub async fn billing_when(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(async || self.billing().await, wanted).await
    }

    /// Waits until this many credits are left.
    pub async fn balance_is(&self, credits: i64) -> Value {
        self.billing_when(|body| body["credits"]["balance"] == credits)
            .await
    }

    /// The account's public id.
    pub async fn account_id(&self) -> String {
        self.stage.public_id(self.account).await
    }

    /// The user's public id.
    pub async fn user_id(&self) -> String {
        let user = self.user;
        let found = self.stage.read(move |tx| store::users::find(tx, user));
        found.await.expect("the person").public_id
    }

    /// A new meter key of this user's account.
    pub async fn meter_key(&self) -> String {
        self.stage.key(Some(self.account), KeyScope::Meter).await
    }

    /// Waits until the account's transactions satisfy `wanted`.
    pub async fn rows_when(&self, wanted: impl Fn(&[Row]) -> bool) -> Vec<Row> {
        let rows = async || self.stage.transactions(self.account).await;
        eventually(rows, |rows| wanted(rows)).await
    }

    /// Asserts that the account's rows match Stripe exactly.
    pub async fn in_step(&self) {
        let report = self.stage.sync(self.account).await;
        assert!(report.changes.is_empty(), "{report:?}");
    }
}

/// The body that starts a Checkout of a pack.
pub fn pack(credits: i64) -> Value {
    json!({ "type": "topup", "amount": credits })
}

/// The body that starts a Checkout of a plan.
pub fn plan_of(plan: &str) -> Value {
    json!({ "type": "subscription", "planId": plan })
}

/// Whether a billing response shows this tier and this status.
pub fn is(tier: &str, status: &str) -> impl Fn(&Value) -> bool {
    move |body| {
        body["subscription"]["accessTier"] == *tier && body["subscription"]["status"] == *status
    }
}

/// Whether a billing response shows this plan.
pub fn is_tier(tier: &str) -> impl Fn(&Value) -> bool {
    move |body| body["subscription"]["tier"] == *tier
}

/// Whether a billing response says that the plan is set to end.
pub fn is_canceled(body: &Value) -> bool {
    body["subscription"]["cancelAt"].is_string()
}

/// The credits of a billing response.
pub fn balance(body: &Value) -> f64 {
    body["credits"]["balance"].as_f64().expect("a number")
}

/// The code of an error response.
pub fn code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

/// One field of each object of a list.
pub fn column<'a>(list: &'a Value, name: &str) -> Vec<&'a Value> {
    let rows = list.as_array().expect("a list").iter();
    rows.map(|row| &row[name]).collect()
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
