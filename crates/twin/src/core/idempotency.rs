//! The answers that are saved under idempotency keys.
//! <https://docs.stripe.com/api/idempotent_requests>

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::ApiRequest;
use super::errors::{Answer, ApiError};
use super::time::DAY;

const KEY_LENGTH_MAX: usize = 255;

/// The real time for which an answer is saved.
const LIFETIME: i64 = DAY;

/// An answer that is saved under its idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedAnswer {
    fingerprint: String,
    /// The path of the request.
    #[serde(default)]
    path: String,
    status: u16,
    body: Box<str>,
    request_id: String,
    /// When it was saved, in real time.
    at: i64,
}

impl SavedAnswer {
    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.body).expect("a saved answer is JSON")
    }
}

/// The saved answers by key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedAnswers {
    by_key: BTreeMap<String, SavedAnswer>,
    /// The times and keys of the saved answers, oldest first.
    order: VecDeque<(i64, String)>,
}

impl SavedAnswers {
    /// Saves an answer: its status, body and request id.
    pub fn save(
        &mut self,
        key: String,
        request: &ApiRequest,
        (status, body, request_id): (u16, &Value, &str),
        real_now: i64,
    ) {
        let saved = SavedAnswer {
            fingerprint: fingerprint(request),
            path: request.path.clone(),
            status,
            body: body.to_string().into(),
            request_id: request_id.to_owned(),
            at: real_now,
        };
        self.order.push_back((real_now, key.clone()));
        self.by_key.insert(key, saved);
    }

    /// The saved answer of a key. Other parameters under the same key are refused.
    pub fn find(
        &mut self,
        key: &str,
        request: &ApiRequest,
        real_now: i64,
    ) -> Answer<Option<&SavedAnswer>> {
        if key.len() > KEY_LENGTH_MAX {
            let message = "Idempotency keys can be at most 255 characters long.";
            return Err(refusal(message.to_owned()));
        }
        self.forget_old(real_now);
        match self.by_key.get(key) {
            Some(saved) if !saved.path.is_empty() && saved.path != request.path => {
                Err(refusal(format!(
                    "Keys for idempotent requests can only be used for the same endpoint they were first used for ('{}' vs '{}'). Try using a key other than '{key}' if you meant to execute a different request.",
                    request.path, saved.path
                )))
            }
            Some(saved) if saved.fingerprint != fingerprint(request) => Err(refusal(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            ))),
            found => Ok(found),
        }
    }

    fn forget_old(&mut self, real_now: i64) {
        let is_old = |at: i64| at <= real_now - LIFETIME;
        while self.order.front().is_some_and(|(at, _)| is_old(*at)) {
            let Some((at, key)) = self.order.pop_front() else {
                return;
            };
            if self.by_key.get(&key).is_some_and(|saved| saved.at == at) {
                self.by_key.remove(&key);
            }
        }
    }
}

fn refusal(message: String) -> Box<ApiError> {
    let mut error = ApiError::invalid(message);
    error.kind = "idempotency_error";
    error
}

/// What a request asks for. The order of its parameters has no meaning, but that of the elements of
/// a list has.
fn fingerprint(request: &ApiRequest) -> String {
    let query = form_urlencoded::parse(request.query.as_bytes());
    let mut sent: Vec<_> = query
        .chain(form_urlencoded::parse(request.body.as_bytes()))
        .collect();
    sent.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut digest = Sha256::new();
    digest.update(format!("{}\n{}\n", request.method, request.path));
    for (name, value) in sent {
        digest.update(format!("{}:{name}={}:{value}\n", name.len(), value.len()));
    }
    hex::encode(digest.finalize())
}
