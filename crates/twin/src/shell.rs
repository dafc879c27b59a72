//! The running twin: the state that pages, API calls, deliveries and the billing clock share.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::clock::{Advance, BillingClock, Busy, MICROS_PER_SECOND, Micros, RealTime};
use crate::core::{ApiAnswer, ApiRequest, Core, Endpoint, Failure, Times};
use crate::deliveries::{Deliveries, Ended};
use crate::faults::Faults;
use crate::listeners::Listeners;
use crate::mailbox::{Envelope, Mailbox};
use crate::outgoing::Outgoing;
use crate::rate_limits::RateLimits;
use crate::requests::Requests;
use crate::stopping::stopped;

/// How long one step waits for deliveries and followers to become idle.
const SETTLE_MAX: Duration = Duration::from_secs(30);

/// How long each following step waits after one has timed out. A stuck follower must not delay each
/// of a hundred steps by the full time.
const SETTLE_AGAIN_MAX: Duration = Duration::from_secs(2);

/// How often the twin checks whether anything fell due while the clock ticks.
const TICK_EVERY: Duration = Duration::from_millis(500);

/// The core with everything around it: clock, deliveries, faults, logs and mailbox.
pub(crate) struct Twin {
    core: Mutex<Core>,
    pub clock: BillingClock,
    pub real_time: RealTime,
    pub deliveries: Deliveries,
    pub faults: Faults,
    pub rate_limits: RateLimits,
    pub requests: Requests,
    mailbox: Mutex<Mailbox>,
    webhook_secret: Option<String>,
    pub public_url: String,
    pub listeners: Listeners,
    /// The idempotency keys of calls that hang because of a fault.
    pub keys_in_use: Mutex<HashSet<String>>,
    pub product_key: Option<String>,
    pub save_file: Option<PathBuf>,
    pub smtp_address: Option<SocketAddr>,
    advance_steps_max: u32,
    /// Whether anything changed since the state was last saved.
    pub is_changed: AtomicBool,
}

/// The result of an advance.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Advanced {
    pub now: i64,
    pub steps: u32,
    /// Whether a step timed out before the deliveries and the followers were idle, or the clock
    /// still advances because there were more steps than one call takes.
    pub is_incomplete: bool,
}

/// The parts a twin starts from.
pub(crate) struct Parts {
    pub core: Core,
    pub mailbox: Mailbox,
    pub billing_now: Micros,
    /// The moment to which the clock still advances.
    pub goal: Option<Micros>,
    pub real_time: RealTime,
    pub seed: u64,
    pub public_url: String,
    pub webhook_secret: Option<String>,
    pub product_key: Option<String>,
    pub save_file: Option<PathBuf>,
    pub smtp_address: Option<SocketAddr>,
    pub advance_steps_max: u32,
}

impl Twin {
    pub fn new(parts: Parts) -> Self {
        Self {
            core: Mutex::new(parts.core),
            clock: BillingClock::starting_at(parts.billing_now, parts.goal),
            real_time: parts.real_time,
            deliveries: Deliveries::new(parts.seed),
            faults: Faults::default(),
            rate_limits: RateLimits::default(),
            requests: Requests::default(),
            mailbox: Mutex::new(parts.mailbox),
            webhook_secret: parts.webhook_secret,
            public_url: parts.public_url,
            listeners: Listeners::default(),
            keys_in_use: Mutex::default(),
            product_key: parts.product_key,
            save_file: parts.save_file,
            smtp_address: parts.smtp_address,
            advance_steps_max: parts.advance_steps_max,
            is_changed: AtomicBool::new(false),
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the core without changing it.
    pub fn read<T>(&self, ask: impl FnOnce(&Core) -> T) -> T {
        ask(&self.core())
    }

    /// Answers a call to the API, or lets it fail while it is executed.
    pub fn answer(&self, request: &ApiRequest, failure: Option<Failure>) -> ApiAnswer {
        let real = self.real_time.now_seconds();
        let answer =
            self.change(|core, billing| core.api_at(request, Times { billing, real }, failure));
        if request.method == "DELETE" {
            self.forget_deleted_endpoint(&request.path);
        }
        answer
    }

    /// Expects no more acknowledgments from a webhook endpoint that a request has just deleted.
    fn forget_deleted_endpoint(&self, path: &str) {
        let endpoint = path.trim_end_matches('/');
        let Some(endpoint) = endpoint.strip_prefix("/v1/webhook_endpoints/") else {
            return;
        };
        if self.secrets_of(endpoint).is_some() {
            return;
        }
        let left = self.deliveries.forget_endpoint(endpoint);
        let mut core = self.core();
        for (event, left) in left {
            core.set_pending_webhooks(&event, left);
        }
    }

    /// Lets `act` change the core at the current moment and sends the resulting events.
    pub fn change<T>(&self, act: impl FnOnce(&mut Core, i64) -> T) -> T {
        let mut core = self.core();
        let now = self.clock.now();
        let result = act(&mut core, now.div_euclid(MICROS_PER_SECOND));
        self.send_events(&mut core, now);
        drop(core);
        self.is_changed.store(true, Ordering::Relaxed);
        result
    }

    /// Queues the new events while the core is still locked, so that they keep their order.
    fn send_events(&self, core: &mut Core, now: Micros) {
        let events = core.take_new_events();
        if events.is_empty() || !self.deliveries.is_on() {
            return;
        }
        let endpoints = core.webhook_endpoints(self.real_time.now_seconds());
        let listeners = self.listeners.ids();
        for new in events {
            let wanting: Vec<_> = endpoints
                .iter()
                .filter(|one| one.wants(&new.kind))
                .collect();
            if wanting.is_empty() && listeners.is_empty() {
                continue;
            }
            let count = u32::try_from(wanting.len()).unwrap_or(u32::MAX);
            core.set_pending_webhooks(&new.id, count);
            let Some(event) = core.event(&new.id) else {
                continue;
            };
            if let Some(outgoing) = Outgoing::of(event) {
                for listener in &listeners {
                    self.deliveries.announce(&outgoing, *listener, now, false);
                }
                for endpoint in wanting {
                    self.deliveries.send(&outgoing, endpoint, now);
                }
            }
        }
    }

    /// Queues the events that were not delivered when the state was saved. An endpoint may receive
    /// one twice, as from Stripe.
    pub fn resume_deliveries(&self) {
        let now = self.clock.now();
        let endpoints = self.webhook_endpoints();
        self.read(|core| {
            let events = core.objects("event").into_iter();
            let waiting = events.filter(|event| event["pending_webhooks"].as_u64() > Some(0));
            for outgoing in waiting.filter_map(Outgoing::of) {
                for endpoint in endpoints
                    .iter()
                    .filter(|one| one.wants(outgoing.event_type))
                {
                    self.deliveries.send(&outgoing, endpoint, now);
                }
            }
        });
    }

    /// The answer to a request to send to an endpoint that cannot receive, if it is one.
    pub fn refusal_of_endpoint(&self, id: &str) -> Option<ApiAnswer> {
        self.read(|core| core.refusal_of_endpoint(id))
    }

    /// Sends an event again, to one endpoint or, if `only` is `None`, to all that subscribe to its
    /// type.
    pub fn send_again(&self, event: &Value, only: Option<&str>) {
        let now = self.clock.now();
        let endpoints = self.webhook_endpoints();
        let Some(outgoing) = Outgoing::of(event) else {
            return;
        };
        if only.is_none() {
            for listener in self.listeners.ids() {
                self.deliveries.announce(&outgoing, listener, now, true);
            }
        }
        for endpoint in &endpoints {
            let is_meant = match only {
                Some(id) => endpoint.id == id,
                None => endpoint.wants(outgoing.event_type),
            };
            if is_meant {
                self.deliveries.send_again(&outgoing, endpoint, now);
            }
        }
    }

    /// The secret that signs deliveries through `stripe listen`: the configured one, or else one that
    /// is derived from the account id.
    pub fn listen_secret(&self) -> String {
        let account = || self.read(|core| core.account_id().to_owned());
        self.webhook_secret.clone().unwrap_or_else(|| {
            let digest = Sha256::digest(format!("twin webhook secret of {}", account()));
            format!("whsec_{}", hex::encode(&digest[..16]))
        })
    }

    /// The secrets that sign a delivery to the endpoint now, or `None` if the endpoint was deleted.
    pub fn secrets_of(&self, endpoint: &str) -> Option<Vec<String>> {
        let endpoints = self.webhook_endpoints();
        endpoints
            .into_iter()
            .find(|one| one.id == endpoint)
            .map(|one| one.secrets)
    }

    fn webhook_endpoints(&self) -> Vec<Endpoint> {
        let real_now = self.real_time.now_seconds();
        self.read(|core| core.webhook_endpoints(real_now))
    }

    /// Records in the core how an attempt to deliver an event ended. A draft invoice waits until
    /// every endpoint has acknowledged its `invoice.created`.
    pub fn delivery_ended(&self, ended: &Ended) {
        if let Some(left) = ended.left {
            self.core().set_pending_webhooks(&ended.event, left);
        }
        let is_acknowledged = ended.left == Some(0);
        if ended.event_type == "invoice.created" && (is_acknowledged || !ended.is_delivered) {
            self.change(|core, now| {
                core.tick(now);
                core.set_created_delivery(&ended.event, is_acknowledged);
            });
        }
    }

    /// The most recent events, newest first.
    pub fn newest_events(&self, limit: usize) -> Vec<Value> {
        self.read(|core| {
            let events = core.newest("event", limit);
            events.into_iter().cloned().collect()
        })
    }

    pub fn receive_email(&self, envelope: &Envelope, raw: &[u8]) {
        let (billing, real) = (self.clock.now(), self.real_time.now());
        self.mailbox().receive(envelope, raw, billing, real);
        self.is_changed.store(true, Ordering::Relaxed);
    }

    pub fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Advances the billing clock to `target`, from one due moment to the next. After too many
    /// steps it returns, and the clock continues later.
    ///
    /// # Errors
    ///
    /// Fails while another advance runs, and while the clock still advances to a later moment.
    pub async fn advance_to(&self, target: Micros) -> Result<Advanced, Busy> {
        let finished = self.deliveries.finished_tries();
        let advance = self.clock.begin_advance(target)?;
        let mut is_incomplete = !self.settle(&advance, finished, SETTLE_MAX).await;
        let mut steps = 0;
        while steps < self.advance_steps_max {
            let now = self.clock.now();
            let due = self.next_due(now).unwrap_or(Micros::MAX);
            if now >= target && due > now {
                break;
            }
            let finished = self.deliveries.finished_tries();
            advance.step_to(due.min(target).max(now));
            self.tick();
            self.deliveries.wake();
            let timeout = if is_incomplete {
                SETTLE_AGAIN_MAX
            } else {
                SETTLE_MAX
            };
            is_incomplete |= !self.settle(&advance, finished, timeout).await;
            steps += 1;
        }
        if steps == self.advance_steps_max && self.clock.now() < target {
            tracing::info!(
                "The billing clock has made {steps} steps and continues in the background"
            );
            self.clock.aim_at(target);
            self.is_changed.store(true, Ordering::Relaxed);
            is_incomplete = true;
        }
        let now = self.clock.now_seconds();
        drop(advance);
        Ok(Advanced {
            now,
            steps,
            is_incomplete,
        })
    }

    /// The next moment at which anything falls due. It can be in the past for work of the core.
    fn next_due(&self, now: Micros) -> Option<Micros> {
        let core = self
            .read(Core::next_due)
            .map(|due| due.saturating_mul(MICROS_PER_SECOND));
        [
            core,
            self.clock.next_due_of_followers(),
            self.deliveries.next_due(now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn tick(&self) {
        self.change(Core::tick);
    }

    /// Waits until no delivery is in flight or due and the followers have no work left. Returns
    /// `false` after `timeout`. The followers were last asked when `asked_after` delivery attempts
    /// had ended. While deliveries end, the time starts again, so that a step with thousands of them is
    /// waited for.
    async fn settle(&self, advance: &Advance<'_>, mut asked_after: u64, timeout: Duration) -> bool {
        let mut deadline = tokio::time::Instant::now() + timeout;
        let mut ended = self.deliveries.finished_tries();
        let mut changes = self.clock.subscribe();
        loop {
            changes.mark_unchanged();
            if ended != self.deliveries.finished_tries() {
                ended = self.deliveries.finished_tries();
                deadline = tokio::time::Instant::now() + timeout;
            }
            if self.deliveries.are_idle(self.clock.now()) {
                let finished = self.deliveries.finished_tries();
                if finished != asked_after {
                    // The deliveries may have given the followers new work, so earlier reports are stale.
                    asked_after = finished;
                    advance.ask_again();
                    continue;
                }
                if self.clock.followers_are_idle() {
                    return true;
                }
            }
            if tokio::time::Instant::now() >= deadline {
                tracing::warn!(
                    "A step of the advance timed out before deliveries and followers were idle"
                );
                return false;
            }
            // A follower that disconnects sends no signal, so check again from time to time.
            let _ = tokio::time::timeout(Duration::from_millis(100), changes.changed()).await;
        }
    }
}

/// Performs what falls due while the clock ticks, and continues an advance that made too many steps
/// for one call, until `stop` is set.
pub(crate) async fn keep_ticking(twin: Arc<Twin>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK_EVERY) => {}
            () = stopped(&mut stop) => return,
        }
        if let Some(goal) = twin.clock.goal() {
            tokio::select! {
                _ = twin.advance_to(goal) => {}
                () = stopped(&mut stop) => return,
            }
            continue;
        }
        let view = twin.clock.view();
        let is_due = twin.read(Core::next_due).is_some_and(|due| due <= view.now);
        if is_due && !view.advancing {
            let ticking = Arc::clone(&twin);
            // It runs in its own task, so that a panic in one tick doesn't stop the clock for good.
            if tokio::spawn(async move { ticking.tick() }).await.is_err() {
                tracing::error!(
                    "A tick of the billing clock panicked, so some work that fell due was not done"
                );
            }
        }
    }
}
