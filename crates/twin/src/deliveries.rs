//! The queue of webhook deliveries and their log.
//!
//! Attempts are due on the billing clock, which ticks with real time between advances. An advance
//! therefore stops at a retry or a delayed copy as at any other due moment and skips none.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::acknowledgments::Acknowledgments;
use crate::chaos::{Chaos, Rng};
use crate::clock::{MICROS_PER_SECOND, Micros, rfc3339};
use crate::core::Endpoint;
use crate::delivery_log::{Entry, Log, Outcome, Try};
use crate::outgoing::{Announced, Outgoing};

/// The largest number of concurrent attempts at one endpoint.
const IN_FLIGHT_MAX: usize = 8;

/// The largest number of queued deliveries, far above what one moment of a busy account makes.
/// Further ones are logged as dropped.
const QUEUE_MAX: usize = 500_000;

/// The name of the clients of `stripe listen` among the endpoints.
const LISTENER: &str = "stripe listen";

/// Seconds to wait after the first failed attempt, the second and so on. Stripe does not publish its
/// schedule, but it gives up after about three days.
const RETRY_AFTER_SECONDS: [i64; 7] = [2, 8, 60, 600, 3_600, 6 * 3_600, 24 * 3_600];

/// What the end of an attempt means for its event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub event: String,
    pub event_type: String,
    pub is_delivered: bool,
    /// The event's new number of pending webhooks, if it changed.
    pub left: Option<u32>,
}

/// The endpoint of a delivery, and which of the clients of `stripe listen` it is for.
type Receiver = (String, Option<u64>);

/// One event on its way to one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    delivery: u64,
    event: String,
    event_type: String,
    pub endpoint: String,
    listener: Option<u64>,
    pub url: String,
    pub payload: Arc<str>,
    tries: usize,
    /// Whether `POST /v1/events/{id}/retry` requested it. It is then sent even while deliveries are
    /// off.
    is_resend: bool,
}

impl Job {
    /// The client of `stripe listen` that the delivery is for, if it is for one.
    pub fn listener(&self) -> Option<u64> {
        self.listener
    }

    /// The event as a listener receives it.
    pub fn announced(&self) -> Announced {
        Announced {
            id: self.event.clone(),
            kind: self.event_type.clone(),
            payload: Arc::clone(&self.payload),
        }
    }

    fn receiver(&self) -> Receiver {
        (self.endpoint.clone(), self.listener)
    }

    /// The largest number of concurrent attempts. A listener receives its events in order.
    fn in_flight_max(&self) -> usize {
        self.listener.map_or(IN_FLIGHT_MAX, |_| 1)
    }
}

#[derive(Debug)]
struct State {
    is_on: bool,
    chaos: Chaos,
    rng: Rng,
    last_id: u64,
    waiting: BTreeMap<(Micros, u64), Job>,
    ready: BTreeMap<Receiver, VecDeque<Job>>,
    in_flight: BTreeMap<Receiver, usize>,
    log: Log,
    acknowledgments: Acknowledgments,
    finished_tries: u64,
}

/// The queue of deliveries and their log.
#[derive(Debug)]
pub(crate) struct Deliveries {
    state: Mutex<State>,
    wake: Notify,
}

impl Deliveries {
    pub fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new(State {
                is_on: true,
                chaos: Chaos::default(),
                rng: Rng::from_seed(seed),
                last_id: 0,
                waiting: BTreeMap::new(),
                ready: BTreeMap::new(),
                in_flight: BTreeMap::new(),
                log: Log::default(),
                acknowledgments: Acknowledgments::default(),
                finished_tries: 0,
            }),
            wake: Notify::new(),
        }
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

    /// Makes the sender check the queue again, for example after the clock was moved.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until the queue may hold something new to send.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Queues the event for the endpoint, subject to the configured chaos.
    pub fn send(&self, event: &Outgoing<'_>, endpoint: &Endpoint, now: Micros) {
        let mut state = self.state();
        state.acknowledgments.expect(event.id, &endpoint.id, now);
        state.enqueue_with_chaos(event, (endpoint, None), now, false);
        drop(state);
        self.wake.notify_one();
    }

    /// Queues the event again on request, even while deliveries are off.
    pub fn send_again(&self, event: &Outgoing<'_>, endpoint: &Endpoint, now: Micros) {
        let receiver = (endpoint, None);
        self.state().enqueue_with_chaos(event, receiver, now, true);
        self.wake.notify_one();
    }

    /// Queues the event for a client of `stripe listen`, like any other delivery.
    pub fn announce(&self, event: &Outgoing<'_>, listener: u64, now: Micros, is_resend: bool) {
        let receiver = (&listener_at(""), Some(listener));
        let mut state = self.state();
        state.enqueue_with_chaos(event, receiver, now, is_resend);
        drop(state);
        self.wake.notify_one();
    }

    /// Removes the deliveries of a listener that has disconnected.
    pub fn forget_listener(&self, listener: u64) {
        let mut state = self.state();
        let is_other = |job: &Job| job.listener != Some(listener);
        state.waiting.retain(|_, job| is_other(job));
        state.ready.retain(|(_, other), _| *other != Some(listener));
        drop(state);
        self.wake.notify_one();
    }

    /// Expects no more acknowledgments from a deleted endpoint. Returns the events that it had not
    /// acknowledged, each with its new number of pending webhooks.
    pub fn forget_endpoint(&self, endpoint: &str) -> Vec<(String, u32)> {
        self.state().acknowledgments.forget_endpoint(endpoint)
    }

    /// Logs the response of the receiver that `stripe listen` forwards to.
    pub fn log_forwarded(&self, event: &Outgoing<'_>, url: &str, status: u16, now: Micros) {
        let listener = listener_at(url);
        let is_delivered = (200..300).contains(&status);
        let outcome = if is_delivered {
            Outcome::Delivered
        } else {
            Outcome::Failed
        };
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        state.log.add(id, event, &listener, now, outcome);
        if let Some(entry) = state.log.get_mut(id) {
            entry.tries.push(Try {
                at: rfc3339(now),
                status: Some(status),
                error: None,
                response: String::new(),
                millis: 0,
            });
        }
    }

    /// Whether nothing is being sent and nothing that may be sent is due.
    pub fn are_idle(&self, now: Micros) -> bool {
        let state = self.state();
        state.in_flight.is_empty()
            && state.ready.is_empty()
            && !state
                .waiting
                .range(..=(now, u64::MAX))
                .any(|(_, job)| state.is_on || job.is_resend)
    }

    /// The next moment after `now` at which something will be sent.
    pub fn next_due(&self, now: Micros) -> Option<Micros> {
        let state = self.state();
        let mut later = state.waiting.range((now.saturating_add(1), 0)..);
        later
            .find(|(_, job)| state.is_on || job.is_resend)
            .map(|((due, _), _)| *due)
    }

    /// The number of attempts that have ended since the start.
    pub fn finished_tries(&self) -> u64 {
        self.state().finished_tries
    }

    pub fn newest_first(&self, limit: usize) -> Vec<Entry> {
        self.state().log.newest(limit)
    }

    /// Moves what is due to its endpoint's queue and returns what may start now.
    pub fn take_startable(&self, now: Micros) -> Vec<Job> {
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
                    .entry(job.receiver())
                    .or_default()
                    .push_back(job);
            }
        }
        let mut startable = Vec::new();
        for (receiver, queue) in &mut state.ready {
            let in_flight = state.in_flight.entry(receiver.clone()).or_default();
            while let Some(job) = queue.pop_front_if(|job| *in_flight < job.in_flight_max()) {
                *in_flight += 1;
                startable.push(job);
            }
        }
        state.ready.retain(|_, queue| !queue.is_empty());
        state.in_flight.retain(|_, count| *count > 0);
        startable
    }

    /// Logs the attempt and plans the next one if it failed.
    pub fn finish(&self, mut job: Job, tried: Try, may_retry: bool, now: Micros) -> Ended {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(count) = state.in_flight.get_mut(&job.receiver()) {
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
        if let Some(entry) = state.log.get_mut(job.delivery) {
            entry.tries.push(tried);
            entry.next_try_at = next.map(rfc3339);
            entry.outcome = match (is_delivered, next) {
                (true, _) => Outcome::Delivered,
                (false, Some(_)) => Outcome::Waiting,
                (false, None) => Outcome::Failed,
            };
        }
        let ended = Ended {
            event: job.event.clone(),
            event_type: job.event_type.clone(),
            is_delivered,
            left: is_delivered
                .then(|| state.acknowledgments.acknowledge(&job.event, &job.endpoint))
                .flatten(),
        };
        if let Some(next) = next {
            state.last_id += 1;
            state.waiting.insert((next, state.last_id), job);
        }
        ended
    }
}

impl State {
    /// Queues the copies of a delivery that chaos leaves of it.
    fn enqueue_with_chaos(
        &mut self,
        event: &Outgoing<'_>,
        (endpoint, listener): (&Endpoint, Option<u64>),
        now: Micros,
        is_resend: bool,
    ) {
        let delays = self.chaos.delays(&mut self.rng);
        if delays.is_empty() {
            self.last_id += 1;
            self.log
                .add(self.last_id, event, endpoint, now, Outcome::Dropped);
        }
        for delay in delays {
            let job = self.job(event, (endpoint, listener), is_resend);
            self.enqueue(event, endpoint, job, (now, delay));
        }
    }

    fn job(
        &mut self,
        event: &Outgoing<'_>,
        (endpoint, listener): (&Endpoint, Option<u64>),
        is_resend: bool,
    ) -> Job {
        self.last_id += 1;
        Job {
            delivery: self.last_id,
            event: event.id.to_owned(),
            event_type: event.event_type.to_owned(),
            endpoint: endpoint.id.clone(),
            listener,
            url: endpoint.url.clone(),
            payload: Arc::clone(&event.payload),
            tries: 0,
            is_resend,
        }
    }

    fn enqueue(
        &mut self,
        event: &Outgoing<'_>,
        endpoint: &Endpoint,
        job: Job,
        (now, delay): (Micros, Micros),
    ) {
        let id = job.delivery;
        let queued = self.waiting.len() + self.ready.values().map(VecDeque::len).sum::<usize>();
        if queued >= QUEUE_MAX {
            tracing::warn!(
                event = event.id,
                "The queue of webhook deliveries is full, so a delivery was dropped"
            );
            self.log.add(id, event, endpoint, now, Outcome::Dropped);
            return;
        }
        let due = now.saturating_add(delay);
        // What a listener's receiver answers is logged when it has answered.
        if job.listener.is_none() {
            self.log.add(id, event, endpoint, now, Outcome::Waiting);
        }
        if let Some(entry) = self.log.get_mut(id) {
            entry.next_try_at = Some(rfc3339(due));
        }
        self.waiting.insert((due, id), job);
    }
}

/// The clients of `stripe listen`, which forward events to a URL.
fn listener_at(url: &str) -> Endpoint {
    Endpoint {
        id: LISTENER.to_owned(),
        url: url.to_owned(),
        secrets: Vec::new(),
        enabled_events: Vec::new(),
        api_version: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoint(id: &str) -> Endpoint {
        Endpoint {
            id: id.to_owned(),
            ..listener_at("http://127.0.0.1:1/")
        }
    }

    fn answered(status: u16) -> Try {
        Try {
            status: Some(status),
            ..Try::without_answer(0, "")
        }
    }

    #[test]
    fn endpoints_are_served_in_the_same_order_every_time() {
        let deliveries = Deliveries::new(1);
        let event = json!({"id": "evt_1", "type": "invoice.paid"});
        let ids = ["we_d", "we_a", "we_f", "we_c", "we_b", "we_e"];
        for id in ids {
            deliveries.send(&Outgoing::of(&event).unwrap(), &endpoint(id), 0);
        }

        let jobs = deliveries.take_startable(0);

        let served: Vec<&str> = jobs.iter().map(|job| job.endpoint.as_str()).collect();
        assert_eq!(served, ["we_a", "we_b", "we_c", "we_d", "we_e", "we_f"]);
    }

    #[test]
    fn an_event_is_delivered_once_every_endpoint_has_acknowledged_it() {
        let deliveries = Deliveries::new(1);
        let event = json!({"id": "evt_1", "type": "invoice.paid"});
        let outgoing = Outgoing::of(&event).unwrap();
        deliveries.send(&outgoing, &endpoint("we_1"), 0);
        deliveries.set_chaos(Chaos::read(&json!({"drop": 1})).unwrap());
        deliveries.send(&outgoing, &endpoint("we_2"), 0);
        deliveries.set_chaos(Chaos::read(&json!({"duplicate": 2})).unwrap());

        let left = |again: Option<&str>| {
            if let Some(id) = again {
                deliveries.send_again(&outgoing, &endpoint(id), 0);
            }
            let jobs = deliveries.take_startable(0).into_iter();
            let ended = jobs.map(|job| deliveries.finish(job, answered(200), true, 0).left);
            ended.collect::<Vec<_>>()
        };

        assert_eq!(left(None), [Some(1)], "the other delivery was lost");
        assert_eq!(left(Some("we_1")), [None, None]);
        assert_eq!(left(Some("we_2")), [Some(0), None]);
    }

    #[test]
    fn no_event_of_a_busy_moment_is_dropped() {
        let deliveries = Deliveries::new(1);
        let endpoint = endpoint("we_1");
        let count = 20_000;
        for n in 0..count {
            let event = json!({"id": format!("evt_{n}"), "type": "invoice.paid"});
            deliveries.send(&Outgoing::of(&event).unwrap(), &endpoint, 0);
        }

        let mut sent = 0;
        loop {
            let jobs = deliveries.take_startable(0);
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                sent += 1;
                deliveries.finish(job, answered(200), true, 0);
            }
        }

        assert_eq!(sent, count);
        assert!(deliveries.are_idle(0));
    }
}
