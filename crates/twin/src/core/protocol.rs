//! The path from a request to its answer: keys, versions, idempotency, parameters, expansion and
//! headers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::data::{API_VERSION, body_in, is_version, paths};
use super::errors::{Answer, ApiError};
use super::routes::{self, Route};
use super::store::Transaction;
use super::{ApiAnswer, ApiRequest, Call, Cause, Core, form, params, render};

/// The header that tells a client whether to send a request again.
pub const SHOULD_RETRY: &str = "Stripe-Should-Retry";

/// The two clocks of a request, in seconds since 1970. <https://docs.stripe.com/api/idempotent_requests>
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The billing clock, by which all objects live.
    pub billing: i64,
    /// Real time, by which idempotency keys age.
    pub real: i64,
}

/// How a request fails after it was accepted. The error is saved under its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The status of the answer, from 500.
    pub status: u16,
    /// Whether the work was done before the failure.
    pub keeps_work: bool,
}

impl Core {
    /// Answers a request while the billing clock shows real time. Work that fell due before `now` is
    /// performed first.
    pub fn api(&mut self, request: &ApiRequest, now: i64) -> ApiAnswer {
        let times = Times {
            billing: now,
            real: now,
        };
        self.api_at(request, times, None)
    }

    /// Answers a request, or fails while it executes it.
    pub fn api_at(
        &mut self,
        request: &ApiRequest,
        times: Times,
        failure: Option<Failure>,
    ) -> ApiAnswer {
        self.tick(times.billing);
        let request_id = self.rng.id("req");
        let is_post = request.method.eq_ignore_ascii_case("POST");
        let key = request.idempotency_key.clone().filter(|_| is_post);
        match self.replay(request, key.as_deref(), times.real) {
            Ok(Some(answer)) => return answer,
            Ok(None) => {}
            Err(error) => return self.refusal(request, &request_id, &error),
        }
        self.cause = Cause {
            request_id: Some(request_id.clone()),
            idempotency_key: key.clone(),
        };
        let result = match failure {
            None => self.perform(request),
            Some(failure) => self.perform_and_fail(request, failure),
        };
        let (status, body) = match result {
            Ok(body) => (200, body),
            Err(error) => (error.status, error.body(&self.account, &request_id)),
        };
        self.cause = Cause::default();
        if let Some(key) = key
            && is_saved(status)
        {
            self.saved_answers
                .save(key, request, (status, &body, &request_id), times.real);
        }
        let mut headers = headers(request, &request_id);
        headers.extend(retry_advice(status));
        ApiAnswer {
            status,
            headers,
            body,
        }
    }

    /// Executes a request whose answer is an error of the server. Refusals come before it.
    fn perform_and_fail(&mut self, request: &ApiRequest, failure: Failure) -> Answer {
        if failure.keeps_work {
            self.perform(request)?;
        } else {
            find(request)?;
        }
        Err(ApiError::server(failure.status))
    }

    fn replay(
        &mut self,
        request: &ApiRequest,
        key: Option<&str>,
        real_now: i64,
    ) -> Answer<Option<ApiAnswer>> {
        self.check_access(request)?;
        check_version(request)?;
        check_content(request)?;
        let Some(key) = key else { return Ok(None) };
        let Some(saved) = self.saved_answers.find(key, request, real_now)? else {
            return Ok(None);
        };
        let mut headers = headers(request, saved.request_id());
        headers.push(("Idempotent-Replayed".to_owned(), "true".to_owned()));
        headers.extend(retry_advice(saved.status()));
        Ok(Some(ApiAnswer {
            status: saved.status(),
            headers,
            body: saved.body(),
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
        let clock = self.clock_of_call(&call);
        if !request.method.eq_ignore_ascii_case("GET") {
            self.check_clock(clock.as_deref())?;
        }
        self.at_clock(clock.as_deref(), |core| {
            core.undoable(|core| {
                let mut body = route.answer(core, &call)?;
                let paths = expand
                    .as_ref()
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                core.expand(&mut body, paths)?;
                render::shorten(&mut body);
                Ok(body)
            })
        })
    }

    /// Runs `work`. An error rolls back all its changes unless the error keeps them.
    pub(super) fn undoable<T>(&mut self, work: impl FnOnce(&mut Core) -> Answer<T>) -> Answer<T> {
        let savepoint = self.savepoint();
        let result = work(self);
        match &result {
            Err(error) if !error.keep => self.roll_back(savepoint),
            _ => self.store.commit(savepoint.transaction),
        }
        result
    }

    /// Marks the state to which [`Core::roll_back`] returns.
    pub(super) fn savepoint(&mut self) -> Savepoint {
        let clocks = self.clock_due.iter();
        Savepoint {
            transaction: self.store.begin(),
            fresh: self.fresh.len(),
            due: self.due.mark(),
            clock_due: clocks.map(|(id, due)| (id.clone(), due.mark())).collect(),
        }
    }

    /// Reverts all changes to rows, events and due work since a savepoint.
    pub(super) fn roll_back(&mut self, savepoint: Savepoint) {
        self.store.rollback(savepoint.transaction);
        self.fresh.truncate(savepoint.fresh);
        self.due.forget_since(savepoint.due);
        for (id, due) in &mut self.clock_due {
            due.forget_since(savepoint.clock_due.get(id).copied().unwrap_or(0));
        }
    }
}

/// A state to which the core can return.
pub(super) struct Savepoint {
    transaction: Transaction,
    /// The number of events.
    fresh: usize,
    /// The marks of the timelines: that of the account, and those of the test clocks by their id.
    due: u64,
    clock_due: BTreeMap<String, u64>,
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
        let version = request.stripe_version.as_deref().unwrap_or(API_VERSION);
        if method == "post" {
            params::body(&body_in(version, template), sent)?
        } else {
            params::body(&described["body"], sent)?
        }
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

fn check_content(request: &ApiRequest) -> Answer<()> {
    let kind = request.content_type.as_deref().unwrap_or_default();
    let plain = kind.split(';').next().unwrap_or_default().trim();
    let is_form = plain.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if request.body.is_empty() || plain.is_empty() || is_form {
        return Ok(());
    }
    let message = "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.";
    Err(ApiError::invalid(message))
}

/// Whether an answer is saved. Validation errors, missing objects and conflicts can be retried; the
/// answer to a request that was executed is saved.
fn is_saved(status: u16) -> bool {
    status < 400 || status == 402 || status >= 500
}

/// The header that advises against a retry. A request that failed while it was executed would only
/// be replayed.
/// <https://github.com/stripe/stripe-node/blob/master/src/RequestSender.ts> (`_shouldRetry`)
fn retry_advice(status: u16) -> Option<(String, String)> {
    (status >= 500).then(|| (SHOULD_RETRY.to_owned(), "false".to_owned()))
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
