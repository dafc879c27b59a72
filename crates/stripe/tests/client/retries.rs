//! Retries, deadlines and the resulting errors.

use crate::stand_in::{Reply, StandIn};
use crate::{REFUND, error_body, refund, refund_params};
use std::time::{Duration, Instant};
use stripe::{Client, Error, Form};

#[tokio::test]
async fn all_attempts_carry_the_same_key_and_parameters() {
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
async fn attempts_are_limited_and_the_last_answer_is_reported() {
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
async fn an_answer_saved_under_the_key_is_not_retried() {
    let reply = Reply::status(500, "{}").header("Idempotent-Replayed", "true");
    let server = StandIn::replying(vec![reply, Reply::ok(REFUND)]).await;

    let error = refund(&server.client()).await.unwrap_err();

    assert_eq!(server.requests().len(), 1);
    assert!(error.is_replayed());
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn a_call_that_stripe_refuses_is_not_retried() {
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
async fn a_declined_card_is_reported_as_such() {
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
async fn a_missing_object_is_reported_as_such() {
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
async fn the_client_waits_for_retry_after() {
    let busy = Reply::status(429, "{}").header("Retry-After", 1);
    let server = StandIn::replying(vec![busy, Reply::ok(REFUND)]).await;
    let start = Instant::now();

    refund(&server.client()).await.unwrap();

    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_retry_after_beyond_the_deadline_fails_immediately_and_reports_the_time() {
    let busy = Reply::status(429, "{}").header("Retry-After", 60);
    let server = StandIn::replying(vec![busy, Reply::ok(REFUND)]).await;
    let start = Instant::now();

    let error = refund(&server.client()).await.unwrap_err();

    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_mins(1)));
    assert!(
        !error.is_outcome_unknown(),
        "429 is said before anything is done"
    );
}

#[tokio::test]
async fn a_hanging_call_times_out_and_is_retried() {
    let server = StandIn::replying(vec![Reply::Hang, Reply::ok(REFUND)]).await;
    let mut config = server.config();
    config.call_timeout = Duration::from_millis(200);

    let refund = refund(&Client::new(config).unwrap()).await.unwrap();

    assert_eq!(refund.id, "re_1");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_deadline_applies_to_all_attempts_together() {
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
async fn a_broken_connection_leaves_the_outcome_of_a_change_unknown_but_not_of_a_read() {
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
async fn a_busy_answer_after_a_broken_connection_leaves_the_outcome_unknown() {
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
async fn an_answer_above_the_size_limit_is_refused() {
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
async fn an_unreadable_answer_is_reported_without_quoting_it() {
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
            "the call was executed, but its result is unknown"
        );
        assert!(!format!("{error} {error:?}").contains("ann@"), "{error:?}");
    }
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_for_a_free_slot_and_give_up_at_the_deadline() {
    let server = StandIn::new(|_| Reply::Hang).await;
    let mut config = server.config();
    config.concurrency_max = 2;
    config.retries_max = 0;
    config.deadline = Duration::from_secs(1);
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
    assert_eq!(unknown, 2, "a call without a free slot is not sent");
}
