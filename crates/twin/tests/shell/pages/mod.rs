mod board;
mod checkout;
mod invoice;
mod portal;

use serde_json::{Value, json};

use crate::harness::*;

pub const GOOD: &str = "4242 4242 4242 4242";
pub const DECLINED: &str = "4000 0000 0000 0002";
pub const ASKS_FIRST: &str = "4000 0027 6000 3184";
pub fn card(number: &str) -> Vec<(&str, &str)> {
    vec![
        ("email", "ada@example.com"),
        ("method", "card"),
        ("number", number),
        ("exp", "12 / 34"),
        ("cvc", "123"),
        ("name", "Ada Lovelace"),
    ]
}

/// Creates a session for one payment of $19.00. Returns its id and its path.
pub async fn payment_session(twin: &Running) -> (String, String) {
    let form = [
        ("mode", "payment"),
        ("line_items[0][price_data][currency]", "usd"),
        ("line_items[0][price_data][unit_amount]", "1900"),
        (
            "line_items[0][price_data][product_data][name]",
            "500 credits",
        ),
        ("line_items[0][quantity]", "1"),
        (
            "success_url",
            "http://127.0.0.1:9/ok?session={CHECKOUT_SESSION_ID}",
        ),
        ("cancel_url", "http://127.0.0.1:9/back"),
    ];
    session(twin, &form).await
}

pub async fn session(twin: &Running, form: &[(&str, &str)]) -> (String, String) {
    let session = twin.api("/v1/checkout/sessions", form).await;
    let id = session["id"].as_str().unwrap().to_owned();
    let url = session["url"].as_str().unwrap();
    let path = url.strip_prefix(&twin.handle.url()).unwrap().to_owned();
    assert!(path.contains(&id), "the address names the session");
    (id, path)
}

pub async fn monthly_price(twin: &Running, product: &str, amount: &str) -> String {
    let form = [
        ("product", product),
        ("currency", "usd"),
        ("unit_amount", amount),
        ("recurring[interval]", "month"),
    ];
    let price = twin.api("/v1/prices", &form).await;
    price["id"].as_str().unwrap().to_owned()
}

/// Creates a portal configuration with all features, including switching between the prices of the
/// product.
pub async fn portal_configuration(twin: &Running, product: &str, prices: [&str; 2]) -> String {
    let form = [
        ("features[customer_update][enabled]", "false"),
        ("features[invoice_history][enabled]", "true"),
        ("features[payment_method_update][enabled]", "true"),
        ("features[subscription_cancel][enabled]", "true"),
        ("features[subscription_cancel][mode]", "at_period_end"),
        ("features[subscription_update][enabled]", "true"),
        (
            "features[subscription_update][default_allowed_updates][]",
            "price",
        ),
        (
            "features[subscription_update][products][0][product]",
            product,
        ),
        (
            "features[subscription_update][products][0][prices][]",
            prices[0],
        ),
        (
            "features[subscription_update][products][0][prices][]",
            prices[1],
        ),
    ];
    let made = twin.api("/v1/billing_portal/configurations", &form).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Creates a customer who buys a subscription for $10.00 a month on the page. Returns the customer
/// and the path of its portal.
pub async fn subscriber(twin: &Running) -> (String, String) {
    let customer = twin.customer("ada@example.com").await;
    let product = twin.api("/v1/products", &[("name", "Pro plan")]).await;
    let product = product["id"].as_str().unwrap();
    let price = monthly_price(twin, product, "1000").await;
    let dearer = monthly_price(twin, product, "3000").await;
    let form = [
        ("mode", "subscription"),
        ("customer", &customer),
        ("line_items[0][price]", &price),
        ("line_items[0][quantity]", "1"),
        ("success_url", "http://127.0.0.1:9/ok"),
    ];
    let (_, path) = session(twin, &form).await;
    let paid = twin.post_form(&path, &card(GOOD)).await;
    assert_eq!(paid.status(), 303, "{}", paid.text().await.unwrap());
    let configuration = portal_configuration(twin, product, [&price, &dearer]).await;
    let form = [
        ("customer", customer.as_str()),
        ("configuration", &configuration),
        ("return_url", "http://127.0.0.1:9/home"),
    ];
    let portal = twin.api("/v1/billing_portal/sessions", &form).await;
    let url = portal["url"].as_str().unwrap();
    let path = url.strip_prefix(&twin.handle.url()).unwrap().to_owned();
    (customer, path)
}

pub async fn subscription_of(twin: &Running, customer: &str) -> Value {
    let list = twin
        .api_get(&format!("/v1/subscriptions?customer={customer}"))
        .await;
    list["data"][0].clone()
}

pub fn location(response: &reqwest::Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

#[tokio::test]
async fn the_control_interface_opens_and_closes_a_dispute() {
    let twin = start().await;
    let (id, _) = payment_session(&twin).await;
    let control = twin::client::Control::new(&twin.handle.url()).unwrap();
    control.pay(&id, twin::client::PayBy::Card).await.unwrap();
    let charge = twin.api_get("/v1/charges").await["data"][0]["id"].clone();

    let dispute = control
        .dispute(charge.as_str().unwrap(), None)
        .await
        .unwrap();
    let closed = control
        .close_dispute(dispute["id"].as_str().unwrap(), true)
        .await
        .unwrap();

    assert_eq!(
        (&dispute["charge"], &closed["status"]),
        (&charge, &json!("won"))
    );
    assert!(control.dispute("ch_unknown", None).await.is_err());
}

#[tokio::test]
async fn a_form_sent_by_another_site_is_refused() {
    let twin = start().await;
    let (id, path) = payment_session(&twin).await;
    for site in ["cross-site", "same-site"] {
        let request = twin
            .http
            .post(twin.url(&path))
            .header("Sec-Fetch-Site", site);
        let answer = request.form(&card(GOOD)).send().await.unwrap();
        assert_eq!(answer.status(), 403);
    }
    let session = twin.api_get(&format!("/v1/checkout/sessions/{id}")).await;
    assert_eq!(session["status"], "open");

    let request = twin
        .http
        .post(twin.url(&path))
        .header("Sec-Fetch-Site", "same-origin");
    assert_eq!(
        request.form(&card(GOOD)).send().await.unwrap().status(),
        303
    );
}

#[tokio::test]
async fn no_page_has_script_or_inline_style() {
    let twin = start().await;
    let (_, portal) = subscriber(&twin).await;
    let (_, open) = payment_session(&twin).await;
    let paths = [
        "/_twin".to_owned(),
        "/_twin/mailbox".to_owned(),
        "/nothing".to_owned(),
        open,
        format!("{portal}/cancel"),
        format!("{portal}/card"),
        format!("{portal}/plan"),
        portal,
    ];
    for path in paths {
        let response = twin.http.get(twin.url(&path)).send().await.unwrap();
        if path != "/nothing" {
            let policy = response.headers()["content-security-policy"]
                .to_str()
                .unwrap();
            assert!(policy.contains("default-src 'none'"), "{path}");
        }
        let page = response.text().await.unwrap();
        assert!(page.contains("<html lang=\"en\">"), "{path}");
        for word in ["<script", "<style", " style=", " onclick"] {
            assert!(!page.contains(word), "{path} has {word}");
        }
    }
}

#[tokio::test]
async fn the_control_page_advances_the_clock_and_shows_recent_activity() {
    let twin = start().await;
    let (id, _) = payment_session(&twin).await;

    let moved = twin
        .post_form("/_twin/board/clock", &[("advance", "1h")])
        .await;
    let wrong = twin
        .post_form("/_twin/board/clock", &[("advance", "soon")])
        .await;
    twin.post_form("/_twin/board/webhooks", &[("enabled", "false")])
        .await;
    let fault = [
        ("mode", "status"),
        ("status", "503"),
        ("count", "2"),
        ("seconds", ""),
    ];
    twin.post_form("/_twin/board/faults", &fault).await;

    assert_eq!(
        (moved.status().as_u16(), wrong.status().as_u16()),
        (303, 400)
    );
    let (_, page) = twin.page("/_twin").await;
    for words in [
        id.as_str(),
        "Turn webhooks on",
        "Fault for the next 2 calls: status.",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert_eq!(twin.page("/").await.0, 303);
}
