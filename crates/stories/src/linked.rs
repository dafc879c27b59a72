//! The twin's core as Stripe, linked into the program: calls travel without HTTP, and each can meet
//! a fault.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, StatusCode};
use serde_json::Value;
use stripe::{Carried, Carrier, Lost, Reply};
use twin::core::{ApiRequest, Core, Failure, Times};

use crate::chance::Chance;

/// Maximum number of times that other tasks go first before a call is answered.
const PAUSES_MAX: u64 = 4;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Stripe answers 500 before it begins; the error isn't saved under the key.
    Fails,
    /// Stripe answers 500 without doing the work, and saves the error under the key.
    FailsSaved,
    /// Stripe does the work, answers 500 and saves the error under the key.
    FailsAfterwards,
    /// The request never arrives.
    Unsent,
    /// The work is done, and the answer is lost.
    Unanswered,
    /// Too many requests.
    Limited,
    /// Stripe knows no such object, as with the key of another account.
    Missing,
    /// The process ends before the request is sent.
    EndsBefore,
    /// The process ends after Stripe did the work.
    EndsAfter,
}

/// All fates.
pub const FATES: [Fate; 9] = [
    Fate::Fails,
    Fate::FailsSaved,
    Fate::FailsAfterwards,
    Fate::Unsent,
    Fate::Unanswered,
    Fate::Limited,
    Fate::Missing,
    Fate::EndsBefore,
    Fate::EndsAfter,
];

/// A fault that waits for its call.
#[derive(Clone, Copy, Debug)]
struct Planned {
    /// The calls that pass before it.
    after: u32,
    /// How many calls in a row meet it.
    times: u32,
    fate: Fate,
    /// Whether it waits for a call that changes something.
    changes_only: bool,
}

#[derive(Debug)]
struct State {
    core: Core,
    chance: Chance,
    now: i64,
    planned: VecDeque<Planned>,
    has_ended: bool,
    met: Vec<Fate>,
    refused: Vec<String>,
    /// Ids of objects that belong to another product.
    foreign: BTreeSet<String>,
    /// Calls of the application that change such an object.
    trespasses: Vec<String>,
}

/// Stripe, shared by the application's client and the people who act at Stripe directly.
#[derive(Clone, Debug)]
pub struct Linked(Arc<Mutex<State>>);

impl Linked {
    /// Stripe with this state; chance decides how long its answers take.
    pub fn new(core: Core, seed: u64) -> Linked {
        let now = core.now();
        Linked(Arc::new(Mutex::new(State {
            core,
            chance: Chance::new(seed ^ 0x11AC),
            now,
            planned: VecDeque::new(),
            has_ended: false,
            met: Vec::new(),
            refused: Vec::new(),
            foreign: BTreeSet::new(),
            trespasses: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from Stripe's state.
    pub fn read<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.state().core)
    }

    /// Lets somebody act at Stripe directly, at the current moment in Unix seconds.
    pub fn act<T>(&self, act: impl FnOnce(&mut Core, i64) -> T) -> T {
        let mut state = self.state();
        let now = state.now;
        act(&mut state.core, now)
    }

    /// Posts a form to the API as Stripe's dashboard does, without faults.
    ///
    /// # Errors
    ///
    /// Returns Stripe's message if it refuses.
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Value, String> {
        self.ask("POST", path, form)
    }

    /// Deletes an object as Stripe's dashboard does.
    ///
    /// # Errors
    ///
    /// Returns Stripe's message if it refuses.
    pub fn delete(&self, path: &str) -> Result<Value, String> {
        self.ask("DELETE", path, &[])
    }

    fn ask(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Result<Value, String> {
        let body = form
            .iter()
            .fold(stripe::Form::new(), |form, (name, value)| {
                form.push(*name, *value)
            });
        let request = ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            body: body.encode(),
            api_key: Some("sk_test_dashboard".to_owned()),
            idempotency_key: None,
            stripe_version: Some(stripe::DEFAULT_API_VERSION.to_owned()),
            account: None,
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
        };
        let answer = self.act(|core, now| core.api(&request, now));
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let message = answer.body["error"]["message"].as_str();
        Err(message.unwrap_or("no message").to_owned())
    }

    /// Sets the time, in Unix seconds, and does what is due by then.
    pub fn set_now(&self, now: i64) {
        let mut state = self.state();
        state.now = now;
        state.core.tick(now);
    }

    /// Plans a fault for a later call.
    pub fn plan(&self, fate: Fate, after: u32, times: u32, changes_only: bool) {
        self.state().planned.push_back(Planned {
            after,
            times: times.max(1),
            fate,
            changes_only,
        });
    }

    /// Forgets the planned faults.
    pub fn calm(&self) {
        self.state().planned.clear();
    }

    /// Whether a fault has ended the process since the last question.
    pub fn take_end(&self) -> bool {
        std::mem::take(&mut self.state().has_ended)
    }

    /// Whether a fault has ended the process.
    pub fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// The faults that calls have met since the last question.
    pub fn take_met(&self) -> Vec<Fate> {
        std::mem::take(&mut self.state().met)
    }

    /// Remembers that an object belongs to another product.
    pub fn belongs_to_others(&self, id: &str) {
        self.state().foreign.insert(id.to_owned());
    }

    /// Whether an object belongs to another product.
    pub fn is_of_others(&self, id: &str) -> bool {
        self.state().foreign.contains(id)
    }

    /// The ids of what belongs to other products.
    pub fn others(&self) -> BTreeSet<String> {
        self.state().foreign.clone()
    }

    /// The calls by which the application changed what belongs to another product, since the last
    /// question.
    pub fn take_trespasses(&self) -> Vec<String> {
        std::mem::take(&mut self.state().trespasses)
    }

    /// The calls of the application that Stripe refused since the last question, for the trace.
    pub fn take_refused(&self) -> Vec<String> {
        std::mem::take(&mut self.state().refused)
    }
}

impl State {
    fn fate_of(&mut self, request: &Request) -> Option<Fate> {
        let changes = request.method() != Method::GET;
        let mut met = None;
        for planned in &mut self.planned {
            let never = planned.fate == Fate::Missing && changes;
            if never || (planned.changes_only && !changes && planned.fate != Fate::Missing) {
                continue;
            }
            if planned.after > 0 {
                planned.after -= 1;
            } else if met.is_none() {
                planned.times -= 1;
                met = Some(planned.fate);
            }
        }
        self.planned.retain(|planned| planned.times > 0);
        self.met.extend(met);
        met
    }

    fn answer(&mut self, request: &Request, failure: Option<Failure>) -> Reply {
        let now = self.now;
        let header = |name: &str| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let body = request.body().and_then(reqwest::Body::as_bytes);
        let ask = ApiRequest {
            method: request.method().to_string(),
            path: request.url().path().to_owned(),
            query: request.url().query().unwrap_or_default().to_owned(),
            body: String::from_utf8_lossy(body.unwrap_or_default()).into_owned(),
            api_key: header("authorization")
                .and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned)),
            idempotency_key: header("idempotency-key"),
            stripe_version: header("stripe-version"),
            account: None,
            content_type: header("content-type"),
        };
        let times = Times {
            billing: now,
            real: now,
        };
        let names = |id: &String| ask.path.contains(id.as_str()) || ask.body.contains(id.as_str());
        let is_preview = ask.path.ends_with("/create_preview");
        if ask.method != "GET" && !is_preview && self.foreign.iter().any(names) {
            let line = format!("{} {} {}", ask.method, ask.path, ask.body);
            self.trespasses.push(line);
        }
        let answer = self.core.api_at(&ask, times, failure);
        if answer.status != 200 {
            self.refused.push(format!(
                "{} {} {} {}",
                ask.method, ask.path, answer.status, answer.body["error"]["message"]
            ));
        }
        reply(answer.status, answer.headers, &answer.body)
    }
}

fn reply(status: u16, headers: Vec<(String, String)>, body: &Value) -> Reply {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(name).expect("a header of the twin");
        map.insert(name, HeaderValue::try_from(value).expect("plain text"));
    }
    Reply {
        status: StatusCode::from_u16(status).expect("a status"),
        headers: map,
        body: body.to_string().into_bytes(),
    }
}

/// Lets other tasks go first, once.
async fn give_way() {
    let mut has_waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

impl Carrier for Linked {
    fn carry(&self, request: Request) -> Carried<'_> {
        Box::pin(async move {
            let pauses = self.state().chance.below(PAUSES_MAX);
            for _ in 0..=pauses {
                give_way().await;
            }
            let lost = |may_have_arrived| Lost::Unreachable {
                reason: "the connection ended".to_owned(),
                may_have_arrived,
            };
            let fate = self.state().fate_of(&request);
            let server_error = |keeps_work| {
                Some(Failure {
                    status: 500,
                    keeps_work,
                })
            };
            match fate {
                None => Ok(self.state().answer(&request, None)),
                Some(Fate::FailsSaved) => Ok(self.state().answer(&request, server_error(false))),
                Some(Fate::FailsAfterwards) => {
                    Ok(self.state().answer(&request, server_error(true)))
                }
                Some(Fate::Fails) => Ok(refusal(500, "api_error")),
                Some(Fate::Missing) => Ok(missing()),
                Some(Fate::Limited) => Ok(refusal(429, "invalid_request_error")),
                Some(Fate::Unsent) => Err(lost(true)),
                Some(Fate::Unanswered) => {
                    let _ = self.state().answer(&request, None);
                    Err(lost(true))
                }
                Some(end @ (Fate::EndsBefore | Fate::EndsAfter)) => {
                    if end == Fate::EndsAfter {
                        let _ = self.state().answer(&request, None);
                    }
                    self.state().has_ended = true;
                    std::future::pending().await
                }
            }
        })
    }
}

fn missing() -> Reply {
    let body = serde_json::json!({"error": {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "param": "id",
        "message": "No such object.",
    }});
    reply(404, Vec::new(), &body)
}

fn refusal(status: u16, kind: &str) -> Reply {
    let body = serde_json::json!({"error": {"type": kind, "message": "An injected fault."}});
    reply(status, Vec::new(), &body)
}

/// A field of one of Stripe's objects as text; empty if it has none.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}
