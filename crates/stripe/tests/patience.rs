//! What the client does when Stripe is slow, busy, broken or gone: against a server that is.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod stand_in;

use stand_in::{KEY, Reply, StandIn};
use std::time::{Duration, Instant};
use stripe::{Client, ClientConfig, DEFAULT_API_VERSION, Error, Form};

const REFUND: &str =
    r#"{"id":"re_1","object":"refund","amount":5,"currency":"usd","created":1,"status":"pending"}"#;

fn refund_params() -> Form {
    Form::new()
        .push("charge", "ch_1")
        .push("amount", 5)
        .metadata("intent", "7")
}

async fn refund(client: &Client) -> stripe::Result<stripe::objects::Refund> {
    client.create_refund(&refund_params(), "intent_7").await
}

fn error_body(kind: &str, code: &str) -> String {
    format!(r#"{{"error":{{"type":"{kind}","code":"{code}","message":"No.","param":"amount"}}}}"#)
}

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
async fn a_get_carries_its_parameters_in_the_address_and_no_idempotency_key() {
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
async fn all_tries_carry_the_same_key_and_parameters() {
    let failures = [
        Reply::Cut,
        Reply::CutInBody,
        Reply::status(500, "{}"),
        Reply::status(503, "<html>"),
        Reply::status(
            409,
            &error_body("invalid_request_error", "idempotency_key_in_use"),
        ),
        Reply::status(409, &error_body("invalid_request_error", "lock_timeout")),
        Reply::status(429, &error_body("invalid_request_error", "rate_limit")),
        Reply::status(400, "{}").header("Stripe-Should-Retry", "true"),
    ];
    for failure in failures {
        let server = StandIn::replying(vec![failure, Reply::ok(REFUND)]).await;

        let refund = refund(&server.client()).await.unwrap();

        assert_eq!(refund.id, "re_1");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.headers["idempotency-key"], "intent_7");
            assert_eq!(request.body, refund_params());
        }
    }
}

#[tokio::test]
async fn tries_are_bounded_and_the_last_answer_is_told() {
    let server = StandIn::replying(vec![]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert_eq!(server.requests().len(), 3);
    assert!(
        matches!(
            error,
            Error::Unavailable {
                status: Some(500),
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(error.request_id(), Some("req_500"));
    assert!(error.is_outcome_unknown());
    assert!(error.is_temporary());
}

#[tokio::test]
async fn stripe_can_forbid_a_retry() {
    let reply = Reply::status(503, "{}").header("Stripe-Should-Retry", "false");
    let server = StandIn::replying(vec![reply, Reply::ok(REFUND)]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert_eq!(server.requests().len(), 1);
    assert!(
        matches!(
            error,
            Error::Unavailable {
                status: Some(503),
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_saved_under_the_key_is_not_asked_for_again() {
    let reply = Reply::status(500, "{}").header("Idempotent-Replayed", "true");
    let server = StandIn::replying(vec![reply, Reply::ok(REFUND)]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert_eq!(server.requests().len(), 1);
    assert!(error.is_replayed());
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn what_stripe_refuses_is_not_tried_again() {
    let body = error_body("invalid_request_error", "amount_too_small");
    let reply = Reply::status(400, &body).header("Idempotent-Replayed", "true");
    let server = StandIn::replying(vec![reply, Reply::ok(REFUND)]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        error,
        Error::Refused {
            status: 400,
            code: Some("amount_too_small".into()),
            kind: "invalid_request_error".into(),
            param: Some("amount".into()),
            message: Some("No.".into()),
            request_id: Some("req_400".into()),
            replayed: true,
        }
    );
    assert!(!error.is_outcome_unknown());
}

#[tokio::test]
async fn a_declined_card_is_told_as_one() {
    let body = r#"{"error":{"type":"card_error","code":"card_declined","message":"Declined.",
        "decline_code":"insufficient_funds","payment_intent":{"id":"pi_1","amount":1,
        "currency":"usd","created":1,"status":"requires_payment_method"}}}"#;
    let server = StandIn::replying(vec![Reply::status(402, body)]).await;

    let error = server
        .client()
        .pay_invoice("in_1", &Form::new(), "pay_1")
        .await
        .unwrap_err();

    let Error::Card {
        decline_code,
        payment_intent,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(decline_code.as_deref(), Some("insufficient_funds"));
    assert_eq!(payment_intent.as_deref(), Some("pi_1"));
}

#[tokio::test]
async fn a_missing_object_is_told_as_one() {
    let body = error_body("invalid_request_error", "resource_missing");
    let server = StandIn::replying(vec![Reply::status(404, &body)]).await;

    let error = server
        .client()
        .retrieve_customer("cus_1")
        .await
        .unwrap_err();

    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let busy = Reply::status(429, "{}").header("Retry-After", 1);
    let server = StandIn::replying(vec![busy, Reply::ok(REFUND)]).await;
    let start = Instant::now();

    refund(&server.client()).await.unwrap();

    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_gives_up_at_once_and_tells_how_long() {
    let busy = Reply::status(429, "{}").header("Retry-After", 60);
    let server = StandIn::replying(vec![busy, Reply::ok(REFUND)]).await;
    let start = Instant::now();

    let error = refund(&server.client()).await.unwrap_err();

    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert!(
        !error.is_outcome_unknown(),
        "429 is said before anything is done"
    );
}

#[tokio::test]
async fn a_hanging_call_ends_and_is_tried_again() {
    let server = StandIn::replying(vec![Reply::Hang, Reply::ok(REFUND)]).await;
    let mut config = server.config();
    config.call_timeout = Duration::from_millis(200);

    let refund = refund(&Client::new(config).unwrap()).await.unwrap();

    assert_eq!(refund.id, "re_1");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_deadline_bounds_all_tries_together() {
    let server = StandIn::new(|_| Reply::Hang).await;
    let mut config = server.config();
    config.call_timeout = Duration::from_millis(400);
    config.deadline = Duration::from_millis(600);
    config.retries_max = 100;
    let start = Instant::now();

    let error = refund(&Client::new(config).unwrap()).await.unwrap_err();

    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(
        matches!(error, Error::Unavailable { status: None, .. }),
        "{error:?}"
    );
    assert!(error.is_outcome_unknown());
}

#[tokio::test]
async fn a_cut_connection_leaves_the_outcome_of_a_change_unknown_but_not_of_a_read() {
    let server = StandIn::new(|_| Reply::Cut).await;
    let client = server.client();

    let change = refund(&client).await.unwrap_err();
    let read = client.retrieve_refund("re_1").await.unwrap_err();

    assert!(matches!(change, Error::Unreachable { .. }), "{change:?}");
    assert!(change.is_outcome_unknown());
    assert!(matches!(read, Error::Unreachable { .. }), "{read:?}");
    assert!(!read.is_outcome_unknown());
}

#[tokio::test]
async fn a_busy_answer_after_a_cut_one_leaves_the_outcome_unknown() {
    let busy = Reply::status(429, "{}").header("Stripe-Should-Retry", "false");
    let server = StandIn::replying(vec![Reply::Cut, busy]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert!(
        matches!(
            error,
            Error::Unavailable {
                status: Some(429),
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error.is_outcome_unknown(),
        "the first try may have been done"
    );
}

#[tokio::test]
async fn without_a_connection_nothing_was_done() {
    let server = StandIn::replying(vec![]).await;
    let mut config = server.config();
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    config.api_base = format!("http://{}", free.local_addr().unwrap());
    drop(free);

    let error = refund(&Client::new(config).unwrap()).await.unwrap_err();

    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(!error.is_outcome_unknown());
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_key_goes_nowhere() {
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
async fn an_endless_answer_is_cut_off() {
    let server = StandIn::new(|_| Reply::ok(&format!("\"{}\"", "a".repeat(5000)))).await;
    let mut config = server.config();
    config.answer_bytes_max = 4000;

    let error = refund(&Client::new(config).unwrap()).await.unwrap_err();

    assert!(
        matches!(error, Error::Malformed { status: 200, .. }),
        "{error:?}"
    );
    assert!(error.is_outcome_unknown());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_told_without_quoting_it() {
    for body in [
        "<html>ann@example.com</html>",
        r#"{"id":"re_1","amount":"ann@example.com","currency":"usd","created":1}"#,
        r#"{"id":"re_1","note":"ann@example.com"}"#,
    ] {
        let server = StandIn::replying(vec![Reply::ok(body)]).await;

        let error = refund(&server.client()).await.unwrap_err();

        assert!(matches!(error, Error::Malformed { .. }), "{error:?}");
        assert!(
            error.is_outcome_unknown(),
            "it was done, and we do not know what"
        );
        assert!(!format!("{error} {error:?}").contains("ann@"), "{error:?}");
    }
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
async fn calls_beyond_the_limit_wait_for_a_free_place_and_give_up_in_time() {
    let server = StandIn::new(|_| Reply::Hang).await;
    let mut config = server.config();
    config.concurrency_max = 2;
    config.retries_max = 0;
    config.deadline = Duration::from_millis(300);
    let client = Client::new(config).unwrap();

    let calls: Vec<_> = (0..5)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { refund(&client).await.unwrap_err() })
        })
        .collect();
    let mut unknown = 0;
    for call in calls {
        unknown += usize::from(call.await.unwrap().is_outcome_unknown());
    }

    assert_eq!(server.requests().len(), 2);
    assert_eq!(unknown, 2, "what found no free place was not sent");
}

#[tokio::test]
async fn a_list_is_read_page_by_page_up_to_its_bound() {
    let server = StandIn::new(|request| {
        let limit: usize = request.query.get("limit").unwrap().parse().unwrap();
        let after = request
            .query
            .get("starting_after")
            .map_or(0, |id| id[3..].parse().unwrap());
        let ids = after + 1..=(after + limit).min(250);
        let data: Vec<_> = ids
            .map(|id| format!(r#"{{"id":"re_{id}","amount":1,"currency":"usd","created":1}}"#))
            .collect();
        let has_more = after + limit < 250;
        Reply::ok(&format!(
            r#"{{"data":[{}],"has_more":{has_more}}}"#,
            data.join(",")
        ))
    })
    .await;
    let client = server.client();

    let all = client.list_refunds(&Form::new(), 1000).await.unwrap();
    let some = client.list_refunds(&Form::new(), 150).await.unwrap();

    assert_eq!((all.data.len(), all.has_more), (250, false));
    assert_eq!(all.data[249].id, "re_250");
    assert_eq!((some.data.len(), some.has_more), (150, true));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_search_goes_on_where_stripe_says() {
    let server = StandIn::new(|request| match request.query.get("page") {
        None => Reply::ok(r#"{"data":[{"id":"cus_1"}],"has_more":true,"next_page":"p2"}"#),
        Some(_) => Reply::ok(r#"{"data":[{"id":"cus_2"}],"has_more":false,"next_page":null}"#),
    })
    .await;

    let found = server
        .client()
        .search_customers_by_metadata("account", "acc_1", 10)
        .await
        .unwrap();

    let ids: Vec<_> = found
        .data
        .iter()
        .map(|customer| customer.id.as_str())
        .collect();
    assert_eq!((ids, found.has_more), (vec!["cus_1", "cus_2"], false));
    let requests = server.requests();
    assert_eq!(
        requests[0].query.get("query"),
        Some("metadata['account']:'acc_1'")
    );
    assert_eq!(requests[1].query.get("page"), Some("p2"));
}

#[tokio::test]
async fn a_list_that_promises_more_and_brings_nothing_ends() {
    let server = StandIn::new(|_| Reply::ok(r#"{"data":[],"has_more":true}"#)).await;

    let list = server
        .client()
        .list_refunds(&Form::new(), 1000)
        .await
        .unwrap();

    assert!(list.data.is_empty());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn events_after_one_are_read_oldest_first() {
    let server = StandIn::new(|request| {
        let before: usize = request.query.get("ending_before").unwrap()[4..]
            .parse()
            .unwrap();
        let newest = (before + 2).min(5);
        let data: Vec<_> = (before + 1..=newest)
            .rev()
            .map(|id| format!(r#"{{"id":"evt_{id}"}}"#))
            .collect();
        Reply::ok(&format!(
            r#"{{"data":[{}],"has_more":{}}}"#,
            data.join(","),
            newest < 5
        ))
    })
    .await;

    let events = server
        .client()
        .list_events_after("evt_1", &Form::new(), 1000)
        .await
        .unwrap();

    let ids: Vec<_> = events.data.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["evt_2", "evt_3", "evt_4", "evt_5"]);
    assert_eq!(events.data[0].raw(), r#"{"id":"evt_2"}"#);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_right_is_refused() {
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
async fn what_cannot_be_right_is_not_sent() {
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
