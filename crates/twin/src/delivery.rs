//! Webhook deliveries: signed, sent, sent again, and noted.
//!
//! Tries are due on the billing clock, which ticks with real time between advances: so an advance
//! meets a retry or a delayed copy as one more due moment and leaps over none.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::chaos::{Chance, Chaos};
use crate::clock::{MICROS_PER_SECOND, Micros, rfc3339};
use crate::core::Endpoint;
use crate::shell::{Twin, stopped};

/// A receiver that has not answered by then has failed.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Tries to one endpoint at the same time.
const IN_FLIGHT_MAX: usize = 8;

/// Deliveries that wait; further ones are noted as dropped.
const QUEUE_MAX: usize = 10_000;

/// Deliveries kept in the log.
const LOG_MAX: usize = 2_000;

/// Characters kept of a receiver's answer.
const EXCERPT_CHARS_MAX: usize = 400;

/// Seconds until the next try, after the first, the second and so on. Stripe does not publish its
/// own; it gives up after about three days.
const RETRY_AFTER_SECONDS: [i64; 7] = [2, 8, 60, 600, 3_600, 6 * 3_600, 24 * 3_600];

/// One event on its way to one endpoint.
#[derive(Debug, Clone)]
struct Job {
    delivery: u64,
    event: String,
    endpoint: String,
    url: String,
    payload: Arc<str>,
    tries: usize,
    /// Asked for by `POST /v1/events/{id}/retry`: goes out even while deliveries are off.
    is_resend: bool,
    /// Counts towards the event's `pending_webhooks`.
    counts: bool,
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// Not sent yet, or to be sent again.
    Waiting,
    /// Answered 2xx.
    Delivered,
    /// Given up.
    Failed,
    /// Lost by chaos or a full queue: never sent.
    Dropped,
}

/// One try of a delivery.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Try {
    pub at: String,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub response: String,
    pub millis: u128,
}

impl Try {
    fn without_answer(twin: &Twin, error: &str) -> Self {
        Self {
            at: rfc3339(twin.clock.now()),
            status: None,
            error: Some(error.to_owned()),
            response: String::new(),
            millis: 0,
        }
    }
}

/// One delivery in the log.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub id: u64,
    pub event: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub endpoint: String,
    pub url: String,
    pub outcome: Outcome,
    pub created_at: String,
    pub next_try_at: Option<String>,
    pub tries: Vec<Try>,
}

#[derive(Debug)]
struct State {
    is_on: bool,
    chaos: Chaos,
    chance: Chance,
    last_id: u64,
    waiting: BTreeMap<(Micros, u64), Job>,
    ready: HashMap<String, VecDeque<Job>>,
    in_flight: HashMap<String, usize>,
    log: BTreeMap<u64, Entry>,
    pending: HashMap<String, u32>,
    finished_tries: u64,
}

/// The queue of deliveries and their log.
#[derive(Debug)]
pub(crate) struct Deliveries {
    state: Mutex<State>,
    wake: Notify,
    http: reqwest::Client,
}

/// An event to deliver, in the form it is sent.
pub(crate) struct Outgoing<'a> {
    pub id: &'a str,
    pub event_type: &'a str,
    pub payload: Arc<str>,
}

impl<'a> Outgoing<'a> {
    pub fn of(event: &'a Value) -> Option<Self> {
        let payload = serde_json::to_string_pretty(event).ok()?;
        Some(Self {
            id: event["id"].as_str()?,
            event_type: event["type"].as_str()?,
            payload: payload.into(),
        })
    }
}

impl Deliveries {
    pub fn new(seed: u64) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(TRY_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .build()?;
        Ok(Self {
            state: Mutex::new(State {
                is_on: true,
                chaos: Chaos::default(),
                chance: Chance::from_seed(seed),
                last_id: 0,
                waiting: BTreeMap::new(),
                ready: HashMap::new(),
                in_flight: HashMap::new(),
                log: BTreeMap::new(),
                pending: HashMap::new(),
                finished_tries: 0,
            }),
            wake: Notify::new(),
            http,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_on(&self) -> bool {
        self.state().is_on
    }

    pub fn switch(&self, is_on: bool) {
        self.state().is_on = is_on;
        self.wake.notify_one();
    }

    pub fn chaos(&self) -> Chaos {
        self.state().chaos.clone()
    }

    pub fn set_chaos(&self, chaos: Chaos) {
        self.state().chaos = chaos;
    }

    /// Looks at the queue again, as after the clock was moved.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Queues the event for the endpoint, through the chaos that is set.
    pub fn send(&self, event: &Outgoing<'_>, endpoint: &Endpoint, now: Micros) {
        let mut state = self.state();
        let state = &mut *state;
        let delays = state.chaos.delays(&mut state.chance);
        if delays.is_empty() {
            state.log_new(event, endpoint, now, Outcome::Dropped);
            return;
        }
        *state.pending.entry(event.id.to_owned()).or_default() += 1;
        for (copy, delay) in delays.into_iter().enumerate() {
            state.enqueue(event, endpoint, now, delay, false, copy == 0);
        }
        self.wake.notify_one();
    }

    /// Notes what a listener's own receiver answered.
    pub fn note_forwarded(&self, event: &Outgoing<'_>, url: &str, status: u16, now: Micros) {
        let listener = Endpoint {
            id: "stripe listen".to_owned(),
            url: url.to_owned(),
            secrets: Vec::new(),
            enabled_events: Vec::new(),
            api_version: None,
        };
        let is_delivered = (200..300).contains(&status);
        let outcome = if is_delivered {
            Outcome::Delivered
        } else {
            Outcome::Failed
        };
        let mut state = self.state();
        let id = state.log_new(event, &listener, now, outcome);
        if let Some(entry) = state.log.get_mut(&id) {
            entry.tries.push(Try {
                at: rfc3339(now),
                status: Some(status),
                error: None,
                response: String::new(),
                millis: 0,
            });
        }
    }

    /// Queues the event once more, on request.
    pub fn send_again(&self, event: &Outgoing<'_>, endpoint: &Endpoint, now: Micros) {
        self.state().enqueue(event, endpoint, now, 0, true, false);
        self.wake.notify_one();
    }

    /// Nothing is being sent and nothing that may be sent is due.
    pub fn are_at_rest(&self, now: Micros) -> bool {
        let state = self.state();
        state.in_flight.is_empty()
            && state.ready.is_empty()
            && !state
                .waiting
                .range(..=(now, u64::MAX))
                .any(|(_, job)| state.is_on || job.is_resend)
    }

    /// The next moment after `now` at which something is to be sent.
    pub fn next_due(&self, now: Micros) -> Option<Micros> {
        let state = self.state();
        let mut later = state.waiting.range((now.saturating_add(1), 0)..);
        later
            .find(|(_, job)| state.is_on || job.is_resend)
            .map(|((due, _), _)| *due)
    }

    /// Rises with each try that ended.
    pub fn finished_tries(&self) -> u64 {
        self.state().finished_tries
    }

    pub fn newest_first(&self, limit: usize) -> Vec<Entry> {
        self.state()
            .log
            .values()
            .rev()
            .take(limit)
            .cloned()
            .collect()
    }

    /// Moves what is due to its endpoint's line and returns what may start now.
    fn take_startable(&self, now: Micros) -> Vec<Job> {
        let mut state = self.state();
        let state = &mut *state;
        let is_on = state.is_on;
        let due: Vec<(Micros, u64)> = state
            .waiting
            .range(..=(now, u64::MAX))
            .filter(|(_, job)| is_on || job.is_resend)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            if let Some(job) = state.waiting.remove(&key) {
                state
                    .ready
                    .entry(job.endpoint.clone())
                    .or_default()
                    .push_back(job);
            }
        }
        let mut startable = Vec::new();
        for (endpoint, line) in &mut state.ready {
            let in_flight = state.in_flight.entry(endpoint.clone()).or_default();
            while *in_flight < IN_FLIGHT_MAX {
                let Some(job) = line.pop_front() else { break };
                *in_flight += 1;
                startable.push(job);
            }
        }
        state.ready.retain(|_, line| !line.is_empty());
        state.in_flight.retain(|_, count| *count > 0);
        startable
    }

    /// Notes the try; returns the event's number of pending webhooks when it changed.
    fn finish(
        &self,
        mut job: Job,
        tried: Try,
        may_retry: bool,
        now: Micros,
    ) -> Option<(String, u32)> {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(count) = state.in_flight.get_mut(&job.endpoint) {
            *count -= 1;
        }
        state.in_flight.retain(|_, count| *count > 0);
        state.finished_tries += 1;

        let is_delivered = tried
            .status
            .is_some_and(|status| (200..300).contains(&status));
        let next = RETRY_AFTER_SECONDS
            .get(job.tries)
            .filter(|_| may_retry && !is_delivered);
        let next = next.map(|seconds| now.saturating_add(seconds * MICROS_PER_SECOND));
        job.tries += 1;
        if let Some(entry) = state.log.get_mut(&job.delivery) {
            entry.tries.push(tried);
            entry.next_try_at = next.map(rfc3339);
            entry.outcome = match (is_delivered, next) {
                (true, _) => Outcome::Delivered,
                (false, Some(_)) => Outcome::Waiting,
                (false, None) => Outcome::Failed,
            };
        }
        if let Some(next) = next {
            state.last_id += 1;
            state.waiting.insert((next, state.last_id), job);
            return None;
        }
        if !(is_delivered && job.counts) {
            return None;
        }
        let pending = state.pending.get_mut(&job.event)?;
        *pending = pending.saturating_sub(1);
        let left = *pending;
        if left == 0 {
            state.pending.remove(&job.event);
        }
        Some((job.event, left))
    }
}

impl State {
    fn enqueue(
        &mut self,
        event: &Outgoing<'_>,
        endpoint: &Endpoint,
        now: Micros,
        delay: Micros,
        is_resend: bool,
        counts: bool,
    ) {
        let queued = self.waiting.len() + self.ready.values().map(VecDeque::len).sum::<usize>();
        if queued >= QUEUE_MAX {
            tracing::warn!(
                event = event.id,
                "The queue of deliveries is full; dropped one"
            );
            self.log_new(event, endpoint, now, Outcome::Dropped);
            return;
        }
        let due = now.saturating_add(delay);
        let delivery = self.log_new(event, endpoint, now, Outcome::Waiting);
        if let Some(entry) = self.log.get_mut(&delivery) {
            entry.next_try_at = Some(rfc3339(due));
        }
        let job = Job {
            delivery,
            event: event.id.to_owned(),
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            payload: Arc::clone(&event.payload),
            tries: 0,
            is_resend,
            counts,
        };
        self.waiting.insert((due, delivery), job);
    }

    fn log_new(
        &mut self,
        event: &Outgoing<'_>,
        endpoint: &Endpoint,
        now: Micros,
        outcome: Outcome,
    ) -> u64 {
        self.last_id += 1;
        let entry = Entry {
            id: self.last_id,
            event: event.id.to_owned(),
            event_type: event.event_type.to_owned(),
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            outcome,
            created_at: rfc3339(now),
            next_try_at: None,
            tries: Vec::new(),
        };
        self.log.insert(self.last_id, entry);
        if self.log.len() > LOG_MAX {
            self.log.pop_first();
        }
        self.last_id
    }
}

/// Sends what falls due until `stop` says so.
pub(crate) async fn run(twin: Arc<Twin>, mut stop: watch::Receiver<bool>) {
    loop {
        let now = twin.clock.now();
        for job in twin.deliveries.take_startable(now) {
            let twin = Arc::clone(&twin);
            tokio::spawn(async move {
                let secrets = twin.secrets_of(&job.endpoint);
                let tried = match &secrets {
                    Some(secrets) => attempt(&twin, &job, secrets).await,
                    None => Try::without_answer(&twin, "the endpoint is deleted or disabled"),
                };
                let now = twin.clock.now();
                let left = twin.deliveries.finish(job, tried, secrets.is_some(), now);
                if let Some((event, left)) = left {
                    twin.set_pending_webhooks(&event, left);
                }
                twin.deliveries.wake();
                twin.clock.beat();
            });
        }
        let pause = twin
            .deliveries
            .next_due(now)
            .map_or(MICROS_PER_SECOND, |due| {
                (due - now).clamp(1_000, MICROS_PER_SECOND)
            });
        let pause = Duration::from_micros(u64::try_from(pause).unwrap_or(1_000_000));
        tokio::select! {
            () = twin.deliveries.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stopped(&mut stop) => return,
        }
    }
}

/// One try, signed anew with the secrets the endpoint has now.
async fn attempt(twin: &Twin, job: &Job, secrets: &[String]) -> Try {
    let began = Instant::now();
    let mut tried = Try::without_answer(twin, "");
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    let signed_at = twin.real_time.now_seconds();
    let signature = stripe::signature::sign_with_all(job.payload.as_bytes(), &secrets, signed_at);
    let request = twin
        .deliveries
        .http
        .post(&job.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("cache-control", "no-cache")
        .header("accept", "*/*; q=0.5, application/xml")
        .header("stripe-signature", signature)
        .body(job.payload.as_bytes().to_vec());
    tried.error = match request.send().await {
        Ok(mut response) => {
            tried.status = Some(response.status().as_u16());
            tried.response = excerpt(&mut response).await;
            None
        }
        Err(error) if error.is_timeout() => Some(format!("no answer in {TRY_TIMEOUT:?}")),
        Err(error) if error.is_connect() => Some("cannot connect".to_owned()),
        Err(error) => Some(error.without_url().to_string()),
    };
    tried.millis = began.elapsed().as_millis();
    tried
}

/// The beginning of what the receiver said.
async fn excerpt(response: &mut reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT_CHARS_MAX * 4 {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes)
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .collect()
}
