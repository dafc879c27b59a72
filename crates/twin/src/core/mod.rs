//! The heart of the twin: Stripe as one synchronous, deterministic state machine.
//!
//! [`Core`] holds everything. [`Core::api`] answers requests, [`Core::tick`] lets time pass, and
//! [`Core::take_events`] hands over what happened. Nothing in here waits, reads a clock or rolls real
//! dice: the same seed and the same calls give the same bytes.

mod balance;
mod billing;
mod cards;
mod catalog;
mod changes;
mod charges;
mod checkout;
mod checkout_create;
mod checkout_page;
mod checkout_payment;
mod credit_notes;
mod customers;
mod data;
mod discounts;
mod disputes;
mod endpoints;
mod errors;
mod events;
mod expand;
mod form;
mod ids;
mod invoice_api;
mod invoice_items;
mod invoice_page;
mod invoice_preview;
mod invoices;
mod lines;
mod lists;
mod methods;
mod params;
mod payment_intents;
mod payments;
mod pending_updates;
mod portal;
mod portal_page;
mod protocol;
mod refunds;
mod routes;
mod schedules;
mod setup;
mod store;
mod subscription_create;
mod subscription_items;
mod subscription_states;
mod subscriptions;
pub mod time;
mod trigger;
mod value;
mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use data::{API_VERSION, SDK_VERSION};
use errors::{Answer, ApiError};
pub use value::is_zero_decimal;
pub use views::*;

use ids::Rng;
use protocol::SavedAnswer;
use store::Store;

/// The whole state of one Stripe account.
#[derive(Debug, Serialize, Deserialize)]
pub struct Core {
    now: i64,
    rng: Rng,
    store: Store,
    /// Ids of events not taken yet.
    fresh: Vec<String>,
    /// Moments at which an object wants to be looked at: (when, in which order, its id).
    due: BTreeSet<(i64, u64, String)>,
    due_count: u64,
    saved_answers: BTreeMap<String, SavedAnswer>,
    /// When which answer was saved, oldest first.
    saved_order: VecDeque<(i64, String)>,
    /// Declines asked for: the customer (or anybody) and the decline code.
    declines: Vec<(Option<String>, String)>,
    account: String,
    public_url: String,
    retry_days: Vec<u32>,
    dunning_end: DunningEnd,
    /// What caused the events being made now.
    #[serde(skip)]
    cause: Cause,
}

#[derive(Clone, Debug, Default)]
struct Cause {
    request_id: Option<String>,
    idempotency_key: Option<String>,
}

/// A request that found its route: the ids in its path and its typed parameters.
struct Call {
    path: String,
    ids: Vec<String>,
    params: Value,
}

impl Call {
    /// The first id in the path.
    fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }
}

impl Core {
    /// An empty account at `now` (unix seconds).
    pub fn new(seed: u64, now: i64) -> Core {
        let mut rng = Rng::new(seed);
        let account = format!("acct_1{}", rng.text(15));
        Core {
            now,
            rng,
            store: Store::default(),
            fresh: Vec::new(),
            due: BTreeSet::new(),
            due_count: 0,
            saved_answers: BTreeMap::new(),
            saved_order: VecDeque::new(),
            declines: Vec::new(),
            account,
            public_url: "http://127.0.0.1:12111".to_owned(),
            retry_days: vec![3, 5, 7, 6],
            dunning_end: DunningEnd::Cancel,
            cause: Cause::default(),
        }
    }

    /// Where the hosted pages live, without a slash at the end: Checkout at `/c/pay/{session}`, the portal
    /// at `/p/session/{session}`, invoices at `/i/{token}` and `/i/{token}/pdf`.
    pub fn set_public_url(&mut self, url: &str) {
        self.public_url = url.trim_end_matches('/').to_owned();
    }

    /// After how many days each automatic retry of a failed invoice comes, counted from the attempt before
    /// it, and what happens after the last one.
    pub fn set_dunning(&mut self, retry_days: Vec<u32>, end: DunningEnd) {
        self.retry_days = retry_days;
        self.dunning_end = end;
    }

    /// The account's id, `acct_...`.
    pub fn account_id(&self) -> &str {
        &self.account
    }

    /// The moment of the last call.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The events made since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Value> {
        let fresh = std::mem::take(&mut self.fresh);
        fresh
            .iter()
            .filter_map(|id| self.store.get(id).cloned())
            .collect()
    }

    /// One event.
    pub fn event(&self, id: &str) -> Option<&Value> {
        self.store.get(id).filter(|row| row["object"] == "event")
    }

    /// Any object by its id; deleted ones as Stripe shows them.
    pub fn object(&self, id: &str) -> Option<&Value> {
        self.store.get(id).filter(|row| row.get("object").is_some())
    }

    /// All objects of a kind (`customer`, `checkout.session`, ...), oldest first.
    pub fn objects(&self, kind: &str) -> Vec<&Value> {
        self.store.all(kind).collect()
    }

    /// Records how many endpoints have not acknowledged an event yet.
    pub fn set_pending_webhooks(&mut self, event_id: &str, count: u32) {
        if self.event(event_id).is_some() {
            self.modify(event_id, |event| event["pending_webhooks"] = count.into());
        }
    }

    /// The object of a kind behind an id in a parameter (400 when it is missing), or behind `id`, which
    /// stands in the path (404). A deleted one is missing.
    fn need(&self, kind: &str, id: &str, param: &str) -> Answer {
        match self.store.get(id) {
            Some(row) if row["object"] == kind && row["deleted"] != true => Ok(row.clone()),
            _ => Err(self.missing(kind, id, param)),
        }
    }

    /// The object of a kind behind an id in the path, or 404.
    fn need_path(&self, kind: &str, id: &str, param: &str) -> Answer {
        self.need(kind, id, param)
            .map_err(|error| error.with_status(404).boxed())
    }

    fn missing(&self, kind: &str, id: &str, param: &str) -> Box<ApiError> {
        let error = ApiError::missing(&lists::noun(kind), id, param);
        error
            .with_status(if param == "id" { 404 } else { 400 })
            .boxed()
    }
}
