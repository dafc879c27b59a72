//! Tests of the client against a server that is slow, busy, broken or unreachable.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod calls;
mod lists;
mod paths;
mod retries;
mod stand_in;

use stripe::{Client, Form};

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
