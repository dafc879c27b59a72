//! A page makes at most two database reads: one to identify the caller, one for everything it
//! shows.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::access::routes;
use crate::stage::{Person, Stage, answer, fresh_key, on_both};

/// The database reads that a request may make: the session with its account, and the page.
const READS_MAX: u64 = 2;

/// URLs with a `GET` that are not counted, with the reason.
const NOT_COUNTED: &[(&str, &str)] = &[
    (
        "/admin/accounts/{id}/journal.csv",
        "a file is read page by page",
    ),
    ("/admin/export/{file}", "a file is read page by page"),
    ("/admin/log.csv", "a file is read page by page"),
    ("/admin/transactions.csv", "a file is read page by page"),
    ("/api/v1/account/export", "a file is read page by page"),
    ("/api/stripe/customer-portal", "opens a session at Stripe"),
    ("/assets/{file}", "a file of the program"),
    ("/api/auth/hand-over", "signs in"),
    ("/api/auth/link/{token}", "leads to a page"),
    ("/api/auth/oidc", "leads to the provider"),
    ("/api/auth/oidc/callback", "signs in"),
];

/// URLs that have nothing to show here and refuse the request after their reads.
const REFUSED: &[(&str, u16)] = &[
    // A payment that needs no decision.
    ("/admin/payments/{payment}", 409),
    ("/admin/accounts/{id}/forgive", 409),
    // There is no dispute to decide.
    ("/admin/accounts/{id}/dispute", 404),
    ("/invitation", 400),
    ("/login/confirm", 400),
];

/// The values that fill the routes' placeholders and queries.
struct Names {
    account: String,
    call: i64,
    endpoint: String,
    entry: i64,
    event: String,
    grant: String,
    hold: String,
    key: String,
    member: String,
    payment: String,
    secret: String,
    session: String,
}

impl Names {
    /// Creates an account that has everything a page can show.
    async fn of(stage: &Stage, olga: &Person<'_>) -> Names {
        let session = olga.buy_pack(500).await;
        olga.subscribe("PRO").await;
        olga.billing_when(|body| body["subscription"]["tier"] == "PRO")
            .await;
        stage.settled().await;
        let (_, members) = olga.get("/api/v1/members").await;
        let (_, places) = olga.get("/api/v1/organisations").await;
        let account = text(&places["data"][0]["id"]);
        let (_, made) = olga.post("/api/v1/keys", json!({ "name": "first" })).await;
        let secret = text(&made["secret"]);
        let call = |path: &str| {
            let request = stage.http.post(format!("{}{path}", stage.base));
            let request = request.bearer_auth(&secret);
            answer(
                request
                    .header("idempotency-key", fresh_key())
                    .json(&json!({ "credits": 1 })),
            )
        };
        let (_, debit) = call("/api/v1/debits").await;
        let (_, hold) = call("/api/v1/holds").await;
        let path = format!("/api/v1/accounts/{account}/credits/adjustments");
        let request = olga.request(reqwest::Method::POST, &path);
        let request = request.header("idempotency-key", fresh_key());
        let body = json!({ "credits": 5, "reason": "goodwill" });
        let (_, adjustment) = answer(request.json(&body)).await;
        let endpoint = json!({ "url": "https://example.com/hook" });
        let (_, endpoint) = olga.post("/api/v1/webhook-endpoints", endpoint).await;
        let (_, payments) = olga.get("/api/v1/transactions?type=CREDIT_TOPUP").await;
        let (_, grants) = olga.get("/api/v1/grants").await;
        stage.settled().await;
        Names {
            call: number(&debit["id"]),
            endpoint: text(&endpoint["id"]),
            entry: number(&adjustment["id"]),
            event: stage.events().await.remove(0).event_id,
            grant: text(&grants["data"][0]["id"]).replace("grant_", ""),
            hold: text(&hold["id"]),
            key: text(&made["id"]),
            member: text(&members["data"][0]["id"]),
            payment: text(&payments["data"][0]["id"]),
            account,
            secret,
            session,
        }
    }

    /// The URL of a route, with the id and query that it needs to show something.
    fn address(&self, route: &str) -> String {
        let id = match route.split('/').collect::<Vec<_>>().as_slice() {
            ["", "admin", "events", ..] | ["", "api", "admin", "events", ..] => &self.event,
            ["", "admin", "webhooks", ..] | ["", "api", "v1", "webhook-endpoints", ..] => {
                &self.endpoint
            }
            ["", "api", "v1", "holds", ..] => &self.hold,
            ["", "dashboard", "keys", ..] => &self.key,
            ["", "dashboard", "members", ..] => &self.member,
            _ => &self.account,
        };
        let query = match route {
            "/admin/accounts/{id}/void" => format!("?grant={}", self.grant),
            "/admin/accounts/{id}/undo" => format!("?entry={}", self.entry),
            "/dashboard/billing/plan" => "?act=cancel".to_owned(),
            "/dashboard/billing/success" => format!("?session_id={}", self.session),
            _ => String::new(),
        };
        let address = route
            .replace("{id}", id)
            .replace("{payment}", &self.payment)
            .replace("{seq}", &self.call.to_string());
        format!("{address}{query}")
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The number of the journal entry in an id such as `deb_7_0a1b`.
fn number(id: &Value) -> i64 {
    let number = text(id).split('_').nth(1).map(str::parse);
    number.expect("a number").expect("a number")
}

on_both!(every_page_and_every_read_endpoint_reads_the_database_once);
async fn every_page_and_every_read_endpoint_reads_the_database_once(stage: &Stage) {
    let olga = stage.person_as("olga@example.com", "admin").await;
    let names = Names::of(stage, &olga).await;

    let mut problems = Vec::new();
    for (route, methods) in routes() {
        let is_counted = NOT_COUNTED.iter().all(|(known, _)| *known != route);
        if !methods.contains(&"get") || !is_counted {
            continue;
        }
        let address = names.address(&route);
        let mut fewest = u64::MAX;
        // Background jobs also read, and the first request settles what is due, so the lowest count
        // is the page's own.
        for _ in 0..4 {
            let request = olga.request(reqwest::Method::GET, &address);
            let request = match route.as_str() {
                "/api/v1/check" | "/api/v1/holds/{id}" => stage
                    .http
                    .get(format!("{}{address}", stage.base))
                    .header("x-request-id", crate::stage::fresh_key())
                    .bearer_auth(&names.secret),
                _ => request.header("accept", "text/html"),
            };
            let before = stage.app.reads.load(Ordering::Relaxed);
            let status = request.send().await.unwrap().status().as_u16();
            fewest = fewest.min(stage.app.reads.load(Ordering::Relaxed) - before);
            let is_expected =
                |(known, expected): &(&str, u16)| *known == route && *expected == status;
            if !matches!(status, 200 | 204 | 303) && !REFUSED.iter().any(is_expected) {
                problems.push(format!("{address}: {status}"));
            }
        }
        if fewest > READS_MAX {
            problems.push(format!("{address}: {fewest} reads"));
        }
    }

    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
