//! What the client sends, and what it refuses to send.

use crate::stand_in::{KEY, Reply, StandIn};
use crate::{REFUND, refund, refund_params};
use stripe::{Client, ClientConfig, DEFAULT_API_VERSION, Error, Form};

#[tokio::test]
async fn every_call_carries_key_version_form_and_idempotency_key() {
    let server = StandIn::replying(vec![Reply::ok(REFUND)]).await;

    let refund = refund(&server.client()).await.unwrap();

    assert_eq!((refund.id.as_str(), refund.amount), ("re_1", 5));
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1/refunds")
    );
    assert_eq!(request.body, refund_params());
    assert_eq!(request.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(request.headers["stripe-version"], DEFAULT_API_VERSION);
    assert_eq!(request.headers["idempotency-key"], "intent_7");
    assert_eq!(
        request.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(request.headers["user-agent"].starts_with("localboxs-billing/"));
}

#[tokio::test]
async fn a_get_carries_its_parameters_in_the_query_and_no_idempotency_key() {
    let server = StandIn::replying(vec![Reply::ok(r#"{"data":[],"has_more":false}"#)]).await;

    let filter = Form::new()
        .push("customer", "cus_1")
        .push("created[gte]", 5);
    server.client().list_charges(&filter, 10).await.unwrap();

    let request = &server.requests()[0];
    assert_eq!(request.query.get("customer"), Some("cus_1"));
    assert_eq!(request.query.get("created[gte]"), Some("5"));
    assert_eq!(request.query.get("expand[]"), Some("data.refunds"));
    assert_eq!(request.query.get("limit"), Some("10"));
    assert!(request.body.is_empty());
    assert!(!request.headers.contains_key("idempotency-key"));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_is_not_sent_elsewhere() {
    let elsewhere = StandIn::replying(vec![Reply::ok(REFUND)]).await;
    let location = format!("{}/v1/refunds", elsewhere.base);
    let reply = Reply::status(307, "").header("Location", location);
    let server = StandIn::replying(vec![reply]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert!(
        matches!(error, Error::Malformed { status: 307, .. }),
        "{error:?}"
    );
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn neither_errors_nor_the_client_show_the_key() {
    let body = format!(
        r#"{{"error":{{"type":"invalid_request_error","message":"Invalid API Key: {KEY}"}}}}"#
    );
    let server = StandIn::replying(vec![Reply::status(401, &body)]).await;
    let client = server.client();

    let error = client.retrieve_account().await.unwrap_err();

    assert_eq!(error.message(), Some("Invalid API Key: (key)"));
    let shown = format!("{error} {error:?} {client:?} {:?}", server.config());
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = StandIn::new(|_| Reply::ok(REFUND)).await;
    let client = server.client();

    for _ in 0..3 {
        client.retrieve_refund("re_1").await.unwrap();
    }

    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.connection == 0)
    );
}

#[tokio::test]
async fn an_invalid_configuration_is_refused() {
    let server = StandIn::replying(vec![]).await;
    let _installs_the_provider = server.config();
    for (base, key) in [
        ("", "sk_test_1"),
        ("api.stripe.com", "sk_test_1"),
        ("ftp://api.stripe.com", "sk_test_1"),
        ("https://api.stripe.com/v1", "sk_test_1"),
        ("https://ann:pw@api.stripe.com", "sk_test_1"),
        ("https://api.stripe.com", ""),
        ("https://api.stripe.com", "sk_test_1\r\nX-Y: 1"),
        ("http://api.stripe.com", "sk_live_1"),
        ("http://127.0.0.1.example.com", "rk_live_1"),
    ] {
        let client = Client::new(ClientConfig::new(base, key));
        assert!(matches!(client, Err(Error::Unsendable(_))), "{base} {key}");
    }
    for (base, key) in [
        ("https://api.stripe.com", "sk_live_1"),
        ("https://api.stripe.com/", "rk_live_1"),
        ("http://127.0.0.1:12111", "sk_live_1"),
        ("http://[::1]:12111", "sk_live_1"),
        ("http://twin:12111", "sk_test_1"),
    ] {
        assert!(
            Client::new(ClientConfig::new(base, key)).is_ok(),
            "{base} {key}"
        );
    }
}

#[tokio::test]
async fn a_call_with_an_invalid_argument_is_not_sent() {
    let server = StandIn::replying(vec![]).await;
    let client = server.client();

    for key in ["", "a b", &"a".repeat(256)] {
        let error = client
            .create_refund(&refund_params(), key)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Unsendable(_)), "{error:?}");
    }
    for id in ["", "../customers", "cus_1/sources"] {
        let error = client.retrieve_customer(id).await.unwrap_err();
        assert!(matches!(error, Error::Unsendable(_)), "{error:?}");
    }
    assert!(server.requests().is_empty());
}
