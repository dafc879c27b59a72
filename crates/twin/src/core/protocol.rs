//! The path from a request to its answer: keys, versions, idempotency, parameters, expansion and
//! headers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::data::{API_VERSION, is_version, paths};
use super::errors::{Answer, ApiError};
use super::routes::{self, Route};
use super::time::DAY;
use super::{ApiAnswer, ApiRequest, Call, Cause, Core, form, params};

const KEY_LENGTH_MAX: usize = 255;

/// An answer that is saved under its idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedAnswer {
    fingerprint: String,
    status: u16,
    body: Value,
    request_id: String,
    at: i64,
}

impl Core {
    /// Answers a request. Work that fell due before `now` is performed first.
    pub fn api(&mut self, request: &ApiRequest, now: i64) -> ApiAnswer {
        self.tick(now);
        let request_id = self.rng.id("req");
        let is_post = request.method.eq_ignore_ascii_case("POST");
        let key = request.idempotency_key.clone().filter(|_| is_post);
        let fingerprint = fingerprint(request);
        match self.replay(request, key.as_deref(), &fingerprint) {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(error) => return self.refusal(request, &request_id, &error),
        }
        self.cause = Cause {
            request_id: Some(request_id.clone()),
            idempotency_key: key.clone(),
        };
        let (status, body) = match self.perform(request) {
            Ok(body) => (200, body),
            Err(error) => (error.status, error.body(&self.account, &request_id)),
        };
        self.cause = Cause::default();
        if let Some(key) = key
            && is_saved(status)
        {
            let saved = SavedAnswer {
                fingerprint,
                status,
                body: body.clone(),
                request_id: request_id.clone(),
                at: now,
            };
            self.save_answer(key, saved);
        }
        ApiAnswer {
            status,
            headers: headers(request, &request_id),
            body,
        }
    }

    /// Saves a server error under the idempotency key of the request, as Stripe does with its own
    /// 500s. A retry with the same key returns it again.
    pub fn save_failure(&mut self, request: &ApiRequest, status: u16, body: Value, now: i64) {
        let Some(key) = request.idempotency_key.clone() else {
            return;
        };
        let request_id = self.rng.id("req");
        let fingerprint = fingerprint(request);
        let saved = SavedAnswer {
            fingerprint,
            status,
            body,
            request_id,
            at: now,
        };
        self.save_answer(key, saved);
    }

    fn save_answer(&mut self, key: String, saved: SavedAnswer) {
        self.saved_order.push_back((saved.at, key.clone()));
        self.saved_answers.insert(key, saved);
    }

    fn forget_old_answers(&mut self) {
        let horizon = self.now - DAY;
        while self
            .saved_order
            .front()
            .is_some_and(|(at, _)| *at <= horizon)
        {
            let Some((at, key)) = self.saved_order.pop_front() else {
                return;
            };
            if self
                .saved_answers
                .get(&key)
                .is_some_and(|saved| saved.at == at)
            {
                self.saved_answers.remove(&key);
            }
        }
    }

    fn replay(
        &mut self,
        request: &ApiRequest,
        key: Option<&str>,
        fingerprint: &str,
    ) -> Answer<Option<ApiAnswer>> {
        check_key(request)?;
        check_version(request)?;
        let Some(key) = key else { return Ok(None) };
        if key.len() > KEY_LENGTH_MAX {
            let message = "Idempotency keys can be at most 255 characters long.";
            return Err(idempotency_error(message.to_owned()));
        }
        self.forget_old_answers();
        let Some(saved) = self.saved_answers.get(key) else {
            return Ok(None);
        };
        if saved.fingerprint != fingerprint {
            return Err(idempotency_error(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            )));
        }
        let mut headers = headers(request, &saved.request_id);
        headers.push(("Idempotent-Replayed".to_owned(), "true".to_owned()));
        Ok(Some(ApiAnswer {
            status: saved.status,
            headers,
            body: saved.body.clone(),
        }))
    }

    fn refusal(&self, request: &ApiRequest, request_id: &str, error: &ApiError) -> ApiAnswer {
        let body = error.body(&self.account, request_id);
        ApiAnswer {
            status: error.status,
            headers: headers(request, request_id),
            body,
        }
    }
    fn perform(&mut self, request: &ApiRequest) -> Answer {
        let (route, mut call) = find(request)?;
        let expand = call
            .params
            .as_object_mut()
            .and_then(|all| all.remove("expand"));
        self.undoable(|core| {
            let mut body = route.answer(core, &call)?;
            let paths = expand
                .as_ref()
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice);
            core.expand(&mut body, paths)?;
            Ok(body)
        })
    }

    /// Runs `work`. An error rolls back all its changes unless the error keeps them.
    pub(super) fn undoable<T>(&mut self, work: impl FnOnce(&mut Core) -> Answer<T>) -> Answer<T> {
        let fresh = self.fresh.len();
        self.store.begin();
        let result = work(self);
        match &result {
            Err(error) if !error.keep => {
                self.store.rollback();
                self.fresh.truncate(fresh);
            }
            _ => self.store.commit(),
        }
        result
    }
}

/// The route of a request and its typed parameters.
fn find(request: &ApiRequest) -> Answer<(Route, Call)> {
    let method = request.method.to_lowercase();
    let path = request.path.trim_end_matches('/');
    let unknown = || {
        let message = format!(
            "Unrecognized request URL ({}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
            request.method.to_uppercase()
        );
        ApiError::invalid(message).with_status(404)
    };
    let (template, ids) = routes::template_of(path).ok_or_else(unknown)?;
    let described = &paths()[template][&method];
    if described.is_null() {
        return Err(unknown());
    }
    let route = routes::route(&method, template).ok_or_else(|| {
        let message = format!(
            "`{} {template}` is not served by this twin.",
            request.method.to_uppercase()
        );
        ApiError::invalid(message).with_status(404)
    })?;
    let params = if method == "get" {
        params::query(&described["query"], form::parse(&request.query)?)?
    } else {
        let mut sent = form::parse(&request.body)?;
        // Parameters may also be in the query, as in the deletes of the CLI.
        for (key, value) in form::parse(&request.query)?
            .as_object()
            .into_iter()
            .flatten()
        {
            sent[key] = value.clone();
        }
        params::body(&described["body"], sent)?
    };
    Ok((
        route,
        Call {
            path: path.to_owned(),
            ids,
            params,
        },
    ))
}

fn check_key(request: &ApiRequest) -> Answer<()> {
    let key = request.api_key.as_deref().unwrap_or("");
    if key.is_empty() {
        let message = "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.";
        return Err(ApiError::unauthorized(message));
    }
    if key.starts_with("sk_test_") || key.starts_with("rk_test_") {
        return Ok(());
    }
    let shown: String = key.chars().take(8).collect();
    let message = if key.contains("_live_") {
        "This is a local twin of Stripe, which refuses live keys. Never send a live key to it."
            .to_owned()
    } else {
        format!("Invalid API Key provided: {shown}***")
    };
    Err(ApiError::unauthorized(message))
}

fn check_version(request: &ApiRequest) -> Answer<()> {
    let Some(version) = request.stripe_version.as_deref() else {
        return Ok(());
    };
    // Preview versions add features after a semicolon.
    let plain = version.split(';').next().unwrap_or("").trim();
    if is_version(plain) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Invalid Stripe API version: {version}"
    )))
}

fn idempotency_error(message: String) -> Box<ApiError> {
    let mut error = ApiError::invalid(message);
    error.kind = "idempotency_error";
    error
}

/// Whether an answer is saved. Validation errors, missing objects and conflicts can be retried; the
/// answer to a request that was executed is saved.
fn is_saved(status: u16) -> bool {
    status < 400 || status == 402 || status >= 500
}

fn fingerprint(request: &ApiRequest) -> String {
    let whole = format!(
        "{}\n{}\n{}\n{}",
        request.method, request.path, request.query, request.body
    );
    hex::encode(Sha256::digest(whole.as_bytes()))
}

fn headers(request: &ApiRequest, request_id: &str) -> Vec<(String, String)> {
    let version = request
        .stripe_version
        .clone()
        .unwrap_or_else(|| API_VERSION.to_owned());
    let mut headers = vec![
        ("Request-Id".to_owned(), request_id.to_owned()),
        ("Stripe-Version".to_owned(), version),
    ];
    if let Some(key) = &request.idempotency_key {
        headers.push(("Idempotency-Key".to_owned(), key.clone()));
        headers.push(("Original-Request".to_owned(), request_id.to_owned()));
    }
    headers
}
