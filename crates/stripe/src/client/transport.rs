//! One attempt of a call over HTTP. It returns an answer, or a failure that says what is known
//! about the outcome.

use super::config::ClientConfig;
use super::{Call, is_visible, retry, within};
use crate::carrier::{Carried, Carrier, Lost, Reply};
use crate::error::{Error, Result};
use crate::objects::ApiErrorBody;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Method, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: &str = "idempotent-replayed";
const REQUEST_ID: &str = "request-id";
const STRIPE_SHOULD_RETRY: &str = "stripe-should-retry";
const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const USER_AGENT: &str = concat!("localboxs-billing/", env!("CARGO_PKG_VERSION"));

/// Idle connections are kept for this long. Stripe closes them a little later.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(50);
/// An attempt is not started with less time than this: it could not finish before the deadline and
/// would only leave its outcome unknown.
const ATTEMPT_MIN: Duration = Duration::from_millis(50);

/// Values from Stripe are truncated to this length in logs.
const VALUE_CHARS_MAX: usize = 100;
/// Messages from Stripe are truncated to this length.
const MESSAGE_CHARS_MAX: usize = 500;
/// The longest wait that is accepted from `Retry-After`.
const RETRY_AFTER_SECONDS_MAX: u64 = 24 * 60 * 60;

/// The way to Stripe, with its limits.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) config: ClientConfig,
    carrier: Arc<dyn Carrier>,
    base: String,
    authorization: HeaderValue,
    version: HeaderValue,
    slots: Semaphore,
}
pub(super) struct Answer {
    status: u16,
    request_id: Option<Box<str>>,
    body: Vec<u8>,
}

/// An attempt without a result.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) may_retry: bool,
}

impl Failure {
    fn last(error: Error) -> Self {
        Self {
            error,
            may_retry: false,
        }
    }

    fn temporary(error: Error) -> Self {
        Self {
            error,
            may_retry: true,
        }
    }

    fn no_answer_in_time(outcome_unknown: bool) -> Self {
        Self::temporary(Error::Unavailable {
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            replayed: false,
            outcome_unknown,
        })
    }
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(self, call: &Call<'_>) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Malformed {
            status: self.status,
            reason: without_values(&error),
            request_id: self.request_id,
            outcome_unknown: call.changes_something,
        })
    }
}

impl Transport {
    pub(super) fn new(config: ClientConfig) -> Result<Self> {
        let http = Http {
            client: http_client(&config)?,
            answer_bytes_max: config.answer_bytes_max,
        };
        Self::over(config, Arc::new(http))
    }

    pub(super) fn over(config: ClientConfig, carrier: Arc<dyn Carrier>) -> Result<Self> {
        let base = base_of(&config)?;
        let key = config.secret_key.expose_secret();
        if key.is_empty() || !is_visible(key) {
            return Err(Error::Unsendable(
                "the secret key is empty or has characters that cannot be sent",
            ));
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| Error::Unsendable("the secret key has characters that cannot be sent"))?;
        authorization.set_sensitive(true);
        let version = HeaderValue::try_from(&config.api_version)
            .map_err(|_| Error::Unsendable("the API version has characters that cannot be sent"))?;
        if config.concurrency_max == 0 || config.concurrency_max > Semaphore::MAX_PERMITS {
            return Err(Error::Unsendable(
                "the limit of concurrent calls must be at least 1",
            ));
        }
        Ok(Self {
            carrier,
            base,
            authorization,
            version,
            slots: Semaphore::new(config.concurrency_max),
            config,
        })
    }

    /// Sends the call once and gives up at the deadline.
    pub(super) async fn send_once(
        &self,
        call: &Call<'_>,
        deadline: Instant,
    ) -> std::result::Result<Answer, Failure> {
        let request = self.request(call)?;
        let Some(slot) = within(deadline, self.slots.acquire()).await else {
            return Err(Failure::no_answer_in_time(false));
        };
        let _slot = slot.expect("the semaphore is never closed");
        if Instant::now() + ATTEMPT_MIN >= deadline {
            return Err(Failure::no_answer_in_time(false));
        }

        let deadline = deadline.min(Instant::now() + self.config.call_timeout);
        match within(deadline, self.exchange(request, call)).await {
            Some(result) => result,
            None => Err(Failure::no_answer_in_time(call.changes_something)),
        }
    }

    fn request(&self, call: &Call<'_>) -> std::result::Result<reqwest::Request, Failure> {
        let parameters = call.form.encode();
        let mut url = format!("{}{}", self.base, call.path);
        let in_url = call.method == Method::GET;
        if in_url && !parameters.is_empty() {
            url = format!("{url}?{parameters}");
        }
        let url = Url::parse(&url).map_err(|_| {
            Failure::last(Error::Unsendable("the path of the call is not a valid URL"))
        })?;
        let mut request = reqwest::Request::new(call.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(STRIPE_VERSION, self.version.clone());
        if let Some(key) = call.idempotency_key {
            let key = HeaderValue::try_from(key).map_err(|_| {
                Failure::last(Error::Unsendable(
                    "the idempotency key has characters that cannot be sent",
                ))
            })?;
            headers.insert(IDEMPOTENCY_KEY, key);
        }
        if !in_url {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(CONTENT_TYPE, form);
            *request.body_mut() = Some(parameters.into());
        }
        Ok(request)
    }

    async fn exchange(
        &self,
        request: reqwest::Request,
        call: &Call<'_>,
    ) -> std::result::Result<Answer, Failure> {
        let reply = match self.carrier.carry(request).await {
            Ok(reply) => reply,
            Err(lost) => return Err(no_answer(lost, call)),
        };
        let (status, headers) = (reply.status, &reply.headers);
        let request_id = header_text(headers, REQUEST_ID);
        tracing::debug!(
            stripe.method = %call.method, stripe.path = call.path, stripe.status = status.as_u16(),
            stripe.request_id = request_id, "Stripe answered {status}"
        );
        if status.is_success() {
            return Ok(Answer {
                status: status.as_u16(),
                request_id,
                body: reply.body,
            });
        }
        Err(self.failure(status, headers, &reply.body, call))
    }

    /// Interprets an answer that reports an error.
    fn failure(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        call: &Call<'_>,
    ) -> Failure {
        let request_id = header_text(headers, REQUEST_ID);
        let replayed = header_text(headers, IDEMPOTENT_REPLAYED).as_deref() == Some("true");
        let parsed = serde_json::from_slice::<ApiErrorBody>(body)
            .ok()
            .map(|body| body.error);
        let code = status.as_u16();

        let error = match parsed {
            parsed if matches!(code, 409 | 429 | 500..) => Error::Unavailable {
                status: Some(code),
                code: parsed
                    .and_then(|error| error.code)
                    .map(|code| cut(&code, VALUE_CHARS_MAX).into()),
                request_id,
                retry_after: retry_after(headers),
                replayed,
                // Stripe sends 429 before it executes anything.
                outcome_unknown: call.changes_something && code != 429,
            },
            Some(parsed) if status.is_client_error() => {
                Error::from_answer(code, self.tidy(parsed), request_id, replayed)
            }
            _ => Error::Malformed {
                status: code,
                reason: "it is neither a result nor one of Stripe's errors".to_owned(),
                request_id,
                // Redirects are not followed, and a server that sends one has not executed the
                // call.
                outcome_unknown: call.changes_something && !status.is_redirection(),
            },
        };
        let should_retry = header_text(headers, STRIPE_SHOULD_RETRY);
        let may_retry = retry::may_retry(code, should_retry.as_deref(), replayed);
        Failure { error, may_retry }
    }

    /// Truncates Stripe's values for logs and removes our key in case a message quotes it.
    fn tidy(&self, error: crate::objects::ApiError) -> crate::objects::ApiError {
        let key = self.config.secret_key.expose_secret();
        let short = |text: Option<String>| text.map(|text| cut(&text, VALUE_CHARS_MAX));
        let message = error
            .message
            .map(|text| cut(&text.replace(key, "(key)"), MESSAGE_CHARS_MAX));
        crate::objects::ApiError {
            kind: short(error.kind),
            code: short(error.code),
            decline_code: short(error.decline_code),
            param: short(error.param),
            charge: short(error.charge),
            message,
            ..error
        }
    }
}

/// Calls over HTTP.
#[derive(Debug)]
struct Http {
    client: reqwest::Client,
    answer_bytes_max: usize,
}

impl Carrier for Http {
    fn carry(&self, request: reqwest::Request) -> Carried<'_> {
        Box::pin(async move {
            let mut response = self.client.execute(request).await.map_err(unreachable)?;
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                if body.len() + chunk.len() > self.answer_bytes_max {
                    return Err(Lost::TooLong {
                        status: response.status(),
                        headers: response.headers().clone(),
                        bytes_max: self.answer_bytes_max,
                    });
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Reply {
                status: response.status(),
                headers: std::mem::take(response.headers_mut()),
                body,
            })
        })
    }
}

fn unreachable(error: reqwest::Error) -> Lost {
    // Without a connection, nothing was sent.
    let may_have_arrived = !error.is_connect();
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    Lost::Unreachable {
        reason,
        may_have_arrived,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client with bounds, built in one place"
)]
fn http_client(config: &ClientConfig) -> Result<reqwest::Client> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(Error::Unsendable("no TLS crypto provider is installed"));
    }
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        // A redirect would send the key elsewhere, and Stripe never sends one.
        .redirect(reqwest::redirect::Policy::none())
        // The configuration decides where calls go, not the environment.
        .no_proxy()
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(IDLE_CONNECTION_MAX)
        .pool_max_idle_per_host(config.concurrency_max)
        .tcp_nodelay(true)
        .build()
        .map_err(|_| Error::Unsendable("TLS cannot be set up; are root certificates installed?"))
}

/// Validates the origin of the API and removes a trailing slash. A live key is only sent over plain
/// HTTP to loopback.
fn base_of(config: &ClientConfig) -> Result<String> {
    let url = Url::parse(&config.api_base)
        .map_err(|_| Error::Unsendable("the base URL of Stripe's API is not a valid URL"))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !is_bare || !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Unsendable(
            "the base URL of Stripe's API must have only a scheme and a host",
        ));
    }
    let key = config.secret_key.expose_secret();
    let is_live = key.starts_with("sk_live") || key.starts_with("rk_live");
    match url.scheme() {
        "https" => {}
        "http" if !is_live || is_loopback(&url) => {}
        "http" => {
            return Err(Error::Unsendable(
                "a live key must not be sent over plain HTTP",
            ));
        }
        _ => {
            return Err(Error::Unsendable(
                "the base URL of Stripe's API must be HTTP or HTTPS",
            ));
        }
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A call without a complete answer.
fn no_answer(lost: Lost, call: &Call<'_>) -> Failure {
    let outcome_unknown = |may_have_arrived| call.changes_something && may_have_arrived;
    match lost {
        Lost::Unreachable {
            reason,
            may_have_arrived,
        } => Failure::temporary(Error::Unreachable {
            reason: cut(&reason, MESSAGE_CHARS_MAX),
            outcome_unknown: outcome_unknown(may_have_arrived),
        }),
        Lost::TooLong {
            status,
            headers,
            bytes_max,
        } => Failure::last(Error::Malformed {
            status: status.as_u16(),
            reason: format!("longer than {bytes_max} bytes"),
            request_id: header_text(&headers, REQUEST_ID),
            outcome_unknown: outcome_unknown(true),
        }),
    }
}

/// Reads `Retry-After` in seconds. Stripe doesn't use the form with a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_SECONDS_MAX)))
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<Box<str>> {
    Some(cut(headers.get(name)?.to_str().ok()?, VALUE_CHARS_MAX).into())
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars()
        .filter(|char| !char.is_control())
        .take(chars_max)
        .collect()
}

/// Describes a JSON error without quoting the JSON. Only the name of a missing field is safe to
/// show.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        return cut(&text, VALUE_CHARS_MAX);
    }
    let place = format!("line {}, column {}", error.line(), error.column());
    format!("{:?} error at {place}", error.classify())
}
