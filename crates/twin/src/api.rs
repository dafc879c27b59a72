//! `/v1`: passes calls from HTTP to the core and applies the configured faults.

use std::sync::PoisonError;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::json;

use crate::app::App;
use crate::clock::rfc3339;
use crate::core::{API_VERSION, ApiAnswer, ApiRequest, Failure, SHOULD_RETRY, to_text};
use crate::faults::Fault;
use crate::http::cut;
use crate::rate_limits::Reason;
use crate::requests::{Request, names_of};
use crate::shell::Twin;

const RATE_LIMITED: &str = "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.";
const RATE_LIMITED_REASON: &str = "Stripe-Rate-Limited-Reason";

/// Answers every call to `/v1`, and refuses those to `/v2`, which the twin does not serve.
pub(crate) async fn call(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request = match body
        .map_err(|_| (413, "The request body is too large."))
        .and_then(|body| read(&method, &uri, &headers, &body))
    {
        Ok(request) => request,
        Err((status, message)) => return into_response(refusal(status, message)),
    };
    let twin = &app.twin;
    if let Err(reason) = twin
        .rate_limits
        .admit(&endpoint_of(&request), twin.real_time.now_seconds())
    {
        let answer = rate_limited(reason);
        record(twin, &request, Some(answer.status), None);
        return into_response(answer);
    }
    let fault = twin
        .faults
        .take(request.api_key.as_deref(), twin.product_key.as_deref());
    let answer = match fault {
        Some(Fault::Cut) => None,
        Some(Fault::Status(status)) => Some(fault_answer(status)),
        Some(Fault::Fails(failure)) => Some(answer(twin, &request, Some(failure))),
        Some(Fault::CutAfter) => {
            answer(twin, &request, None);
            None
        }
        Some(Fault::Hang(time)) => {
            // The idempotency key stays in use while the call hangs.
            let _held = HeldKey::take(twin, &request);
            tokio::time::sleep(time).await;
            Some(answer(twin, &request, None))
        }
        None if is_key_in_use(twin, &request) => Some(in_use(&request)),
        None => Some(answer(twin, &request, None)),
    };
    record(
        twin,
        &request,
        answer.as_ref().map(|answer| answer.status),
        fault,
    );
    answer.map_or_else(cut, into_response)
}

/// Reads a call, or returns the status and the message of a refusal.
fn read(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<ApiRequest, (u16, &'static str)> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let body = std::str::from_utf8(body)
        .map_err(|_| (400, "Invalid request: the body must be encoded as UTF-8."))?;
    Ok(ApiRequest {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body: body.to_owned(),
        api_key: text("authorization").and_then(|value| key_in(&value)),
        idempotency_key: text("idempotency-key"),
        stripe_version: text("stripe-version"),
        account: text("stripe-account"),
        content_type: text("content-type"),
    })
}

/// The name under which calls are counted: the method and the path without the ids in it.
fn endpoint_of(request: &ApiRequest) -> String {
    let parts = request.path.split('/');
    let plain = parts.map(|part| {
        let is_id = part.bytes().any(|byte| byte.is_ascii_digit()) && part.len() > 3;
        if is_id { "{}" } else { part }
    });
    format!("{} {}", request.method, plain.collect::<Vec<_>>().join("/"))
}

/// A refusal that needs no look at the account.
fn refusal(status: u16, message: &str) -> ApiAnswer {
    let mut answer = fault_answer(status);
    answer.body = json!({ "error": { "type": "invalid_request_error", "message": message } });
    answer
}

/// <https://docs.stripe.com/rate-limits>
fn rate_limited(reason: Reason) -> ApiAnswer {
    let mut answer = fault_answer(429);
    answer
        .headers
        .retain(|(name, _)| name != RATE_LIMITED_REASON);
    let reason = reason.as_str().to_owned();
    answer
        .headers
        .push((RATE_LIMITED_REASON.to_owned(), reason));
    answer
}

/// The API key: the bearer token, or the user name of basic authentication.
fn key_in(authorization: &str) -> Option<String> {
    let (scheme, value) = authorization.trim().split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.trim().to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value.trim())
        .ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    Some(pair.split(':').next()?.to_owned())
}

/// Answers a call, or lets it fail while it is executed.
fn answer(twin: &Twin, request: &ApiRequest, failure: Option<Failure>) -> ApiAnswer {
    let is_post = request.method == "POST";
    let path = request.path.trim_end_matches('/');
    if is_post && path == "/v1/stripecli/sessions" {
        return cli_session(twin, request, failure);
    }
    let retried = path
        .strip_prefix("/v1/events/")
        .and_then(|rest| rest.strip_suffix("/retry"))
        .filter(|_| is_post);
    match retried {
        Some(event) => retry(twin, request, event, failure),
        None => twin.answer(request, failure),
    }
}

/// `POST /v1/events/{id}/retry` sends the event again, to one endpoint if the form names it.
fn retry(twin: &Twin, request: &ApiRequest, event: &str, failure: Option<Failure>) -> ApiAnswer {
    let lookup = ApiRequest {
        method: "GET".to_owned(),
        path: format!("/v1/events/{event}"),
        query: String::new(),
        body: String::new(),
        idempotency_key: None,
        ..request.clone()
    };
    let found = twin.answer(&lookup, None);
    if found.status != 200 {
        return found;
    }
    let parameters = form_urlencoded::parse(request.body.as_bytes());
    let only = parameters
        .filter(|(name, _)| name == "webhook_endpoint")
        .map(|(_, value)| value.into_owned())
        .last();
    if let Some(id) = &only
        && let Some(error) = twin.refusal_of_endpoint(id)
    {
        return error;
    }
    if failure.is_none_or(|failure| failure.keeps_work) {
        twin.send_again(&found.body, only.as_deref());
    }
    failure.map_or(found, |failure| fault_answer(failure.status))
}

/// The call with which `stripe listen` starts. The demo reads its webhook secret from the answer.
fn cli_session(twin: &Twin, request: &ApiRequest, failure: Option<Failure>) -> ApiAnswer {
    let probe = ApiRequest {
        method: "GET".to_owned(),
        path: "/v1/events".to_owned(),
        query: "limit=1".to_owned(),
        body: String::new(),
        idempotency_key: None,
        ..request.clone()
    };
    let mut answer = twin.answer(&probe, failure);
    if answer.status != 200 {
        return answer;
    }
    let account = twin.read(|core| core.account_id().to_owned());
    let socket = twin.public_url.replacen("http", "ws", 1);
    let id = format!("cliws_{}", account.trim_start_matches("acct_"));
    answer.body = json!({
        "object": "stripecli_session",
        "websocket_url": format!("{socket}/v1/stripecli/listen"),
        "websocket_id": id,
        "websocket_authorized_feature": "webhooks",
        "display_connect_filter_warning": false,
        "reconnect_delay": 60,
        "secret": twin.listen_secret(),
        "default_version": API_VERSION,
        "latest_version": API_VERSION,
    });
    answer
}

/// The response that a fault returns instead of the real one.
fn fault_answer(status: u16) -> ApiAnswer {
    let mut headers = vec![("Request-Id".to_owned(), "req_fault".to_owned())];
    let error = if status == 429 {
        let reason = Reason::Global.as_str().to_owned();
        headers.push((RATE_LIMITED_REASON.to_owned(), reason));
        json!({ "type": "invalid_request_error", "code": "rate_limit", "message": RATE_LIMITED })
    } else {
        let message = "An unknown error occurred, as requested on the control interface.";
        json!({ "type": "api_error", "message": message })
    };
    ApiAnswer {
        status,
        headers,
        body: json!({ "error": error }),
    }
}

/// The idempotency key of a call that hangs. It is in use until the value is dropped.
struct HeldKey<'a> {
    twin: &'a Twin,
    key: Option<String>,
}

impl<'a> HeldKey<'a> {
    fn take(twin: &'a Twin, request: &ApiRequest) -> Self {
        let key = request.idempotency_key.clone();
        if let Some(key) = &key {
            let mut keys = twin
                .keys_in_use
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            keys.insert(key.clone());
        }
        Self { twin, key }
    }
}

impl Drop for HeldKey<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            let mut keys = self
                .twin
                .keys_in_use
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            keys.remove(key);
        }
    }
}

fn is_key_in_use(twin: &Twin, request: &ApiRequest) -> bool {
    let keys = twin
        .keys_in_use
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    request
        .idempotency_key
        .as_ref()
        .is_some_and(|key| keys.contains(key))
}

fn in_use(request: &ApiRequest) -> ApiAnswer {
    let key = request.idempotency_key.as_deref().unwrap_or_default();
    let message = format!(
        "There is currently another in-progress request using this Idempotent Key (that probably \
         means you submitted twice, and the other request is still going through): {key}"
    );
    let mut answer = fault_answer(409);
    let retry = (SHOULD_RETRY.to_owned(), "true".to_owned());
    answer.headers.push(retry);
    answer.body = json!({ "error": {
        "type": "idempotency_error",
        "code": "idempotency_key_in_use",
        "message": message,
    } });
    answer
}

fn record(twin: &Twin, request: &ApiRequest, status: Option<u16>, fault: Option<Fault>) {
    twin.requests.record(Request {
        id: 0,
        at: rfc3339(twin.clock.now()),
        method: request.method.clone(),
        path: request.path.clone(),
        params: names_of(&request.query, request.body.as_bytes()),
        idempotency_key: request.idempotency_key.clone(),
        stripe_version: request.stripe_version.clone(),
        status,
        fault: fault.map(Fault::name),
    });
}

fn into_response(answer: ApiAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, to_text(&answer.body)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    for (name, value) in answer.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
        else {
            continue;
        };
        headers.insert(name, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_from_bearer_and_from_basic_authentication() {
        let basic = base64::engine::general_purpose::STANDARD.encode("sk_test_1:");

        assert_eq!(key_in("Bearer sk_test_1").as_deref(), Some("sk_test_1"));
        assert_eq!(
            key_in(&format!("Basic {basic}")).as_deref(),
            Some("sk_test_1")
        );
        assert_eq!(key_in("Digest x"), None);
        assert_eq!(key_in("sk_test_1"), None);
    }
}
