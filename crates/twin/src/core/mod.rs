//! The core of the twin: Stripe as one synchronous, deterministic state machine.
//!
//! [`Core`] holds the state. [`Core::api`] answers requests, [`Core::tick`] lets time pass, and
//! [`Core::take_events`] returns the events that happened. The core never waits, reads a clock or
//! uses real randomness: the same seed and the same calls give the same bytes.

mod access;
mod amounts;
mod authorizations;
mod balance;
mod behavior;
mod billing;
mod cards;
mod catalog;
mod changes;
mod charges;
mod checkout;
mod checkout_create;
mod checkout_invoice;
mod checkout_page;
mod checkout_payment;
mod checkout_settings;
mod checkout_setup;
mod checkout_totals;
mod collection;
mod countries;
mod coupons;
mod credit_note_lines;
mod credit_notes;
mod currencies;
mod customer_balance;
mod customer_subscriptions;
mod customers;
mod data;
mod decimals;
mod discounts;
mod disputes;
mod endpoints;
mod errors;
mod events;
mod expand;
mod form;
mod idempotency;
mod ids;
mod indexes;
mod invoice_api;
mod invoice_build;
mod invoice_item_amounts;
mod invoice_items;
mod invoice_lines;
mod invoice_page;
mod invoice_preview;
mod invoices;
mod lines;
mod lists;
mod method_types;
mod methods;
mod params;
mod pauses;
mod payment_intents;
mod payments;
mod pending_updates;
mod portal;
mod portal_flows;
mod portal_page;
mod portal_tasks;
mod prorations;
mod protocol;
mod redemption;
mod refunds;
mod render;
mod routes;
mod schedule_phases;
mod schedule_plans;
mod schedule_preview;
mod schedules;
mod search;
mod setup;
mod status;
mod store;
mod subscription_create;
mod subscription_items;
mod subscription_states;
mod subscription_terms;
mod subscriptions;
mod tax_ids;
mod tax_table;
mod taxes;
mod test_clocks;
pub mod time;
mod timeline;
mod trials;
mod trigger;
mod unserved;
mod urls;
mod value;
mod views;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use access::{Permission, Permissions, permission_groups};
pub use cards::is_decline_code;
pub use customers::is_email;
pub use data::{API_VERSION, SDK_VERSION};
pub use disputes::is_dispute_reason;
use errors::{Answer, ApiError};
pub use value::is_zero_decimal;
pub use views::*;

pub use events::NewEvent;
use idempotency::SavedAnswers;
use ids::Rng;
use invoice_preview::Previews;
use params::metadata;
pub use protocol::{Failure, SHOULD_RETRY, Times};
pub use render::to_text;
use store::Store;
use timeline::Timeline;

/// The whole state of one Stripe account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Core {
    now: i64,
    rng: Rng,
    store: Store,
    /// The events that have not been taken yet.
    fresh: Vec<NewEvent>,
    /// The events by the time of the account at which they were taken, oldest first. Those of a test
    /// clock are created at the time of their clock.
    #[serde(default)]
    event_times: VecDeque<(i64, String)>,
    /// When objects that are not bound to a test clock must be checked.
    due: Timeline,
    /// When objects that are bound to a test clock must be checked, by the id of the clock.
    #[serde(default)]
    clock_due: BTreeMap<String, Timeline>,
    saved_answers: SavedAnswers,
    #[serde(default)]
    previews: Previews,
    #[serde(default)]
    restricted_keys: BTreeMap<String, Permissions>,
    /// The requested declines: the customer (`None` for any) and the decline code.
    declines: Vec<(Option<String>, String)>,
    account: String,
    public_url: String,
    retry_days: Vec<u32>,
    dunning_end: DunningEnd,
    /// The request that causes the current events.
    #[serde(skip)]
    cause: Cause,
    /// The time of the account while `now` is that of a test clock.
    #[serde(skip)]
    account_now: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct Cause {
    request_id: Option<String>,
    idempotency_key: Option<String>,
}

/// A request with its route: the ids in its path and its typed parameters.
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
    /// Creates an account at `now`, in seconds since 1970. It has only the default settings of the
    /// portal.
    pub fn new(seed: u64, now: i64) -> Core {
        let mut rng = Rng::new(seed);
        let account = format!("acct_1{}", rng.text(15));
        let mut core = Core {
            now,
            rng,
            store: Store::default(),
            fresh: Vec::new(),
            event_times: VecDeque::new(),
            due: Timeline::default(),
            clock_due: BTreeMap::new(),
            saved_answers: SavedAnswers::default(),
            previews: Previews::default(),
            restricted_keys: BTreeMap::new(),
            declines: Vec::new(),
            account,
            public_url: "http://127.0.0.1:12111".to_owned(),
            retry_days: vec![3, 5, 7, 6],
            dunning_end: DunningEnd::Cancel,
            cause: Cause::default(),
            account_now: None,
        };
        core.save_portal_defaults();
        for event in std::mem::take(&mut core.fresh) {
            core.store.remove(&event.id);
        }
        core
    }

    /// Sets the origin of the hosted pages: Checkout at `/c/pay/{session}`, the portal at
    /// `/p/session/{session}`, and invoices at `/i/{token}` and `/i/{token}/pdf`.
    pub fn set_public_url(&mut self, url: &str) {
        self.public_url = url.trim_end_matches('/').to_owned();
    }

    /// Sets the days between the automatic retries of a failed invoice, and what happens after the
    /// last one.
    pub fn set_dunning(&mut self, retry_days: Vec<u32>, end: DunningEnd) {
        self.retry_days = retry_days;
        self.dunning_end = end;
    }

    /// The id of the account, `acct_...`.
    pub fn account_id(&self) -> &str {
        &self.account
    }

    /// The time of the last call.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Takes the events that happened since the last call, oldest first.
    pub fn take_events(&mut self) -> Vec<Value> {
        let fresh = self.take_new_events();
        let events = fresh.iter().filter_map(|new| self.event(&new.id).cloned());
        events.collect()
    }

    /// Takes the ids and types of the events that happened since the last call, oldest first.
    pub fn take_new_events(&mut self) -> Vec<NewEvent> {
        let fresh = std::mem::take(&mut self.fresh);
        let times = fresh.iter().map(|new| (self.now, new.id.clone()));
        self.event_times.extend(times);
        fresh
    }

    /// The event with this id.
    pub fn event(&self, id: &str) -> Option<&Value> {
        self.store.get(id).filter(|row| row["object"] == "event")
    }

    /// The object with this id. A deleted object is returned as the stub that Stripe shows.
    pub fn object(&self, id: &str) -> Option<&Value> {
        self.store.get(id).filter(|row| row.get("object").is_some())
    }

    /// The stored row with this id, or null.
    fn row(&self, id: &str) -> &Value {
        self.store.get(id).unwrap_or(&Value::Null)
    }

    /// All objects of a kind (`customer`, `checkout.session`, ...), oldest first.
    pub fn objects(&self, kind: &str) -> Vec<&Value> {
        self.store.all(kind).collect()
    }

    /// The newest objects of a kind, newest first.
    pub fn newest(&self, kind: &str, limit: usize) -> Vec<&Value> {
        self.store.all(kind).rev().take(limit).collect()
    }

    /// Records how many endpoints have not acknowledged an event yet.
    pub fn set_pending_webhooks(&mut self, event_id: &str, count: u32) {
        if self.event(event_id).is_some() {
            self.modify(event_id, |event| event["pending_webhooks"] = count.into());
        }
    }

    /// The object of a kind with an id from a parameter (or 400), or from the path if `param` is
    /// `id` (or 404). A deleted object counts as missing.
    fn need(&self, kind: &str, id: &str, param: &str) -> Answer {
        match self.store.get(id) {
            Some(row) if row["object"] == kind && row["deleted"] != true => Ok(row.clone()),
            _ => Err(self.missing(kind, id, param)),
        }
    }

    /// The object of a kind with an id from the path, or 404.
    fn need_path(&self, kind: &str, id: &str, param: &str) -> Answer {
        self.need(kind, id, param)
            .map_err(|error| error.with_status(404))
    }

    /// Changes the object in the path by the parameters, which may hold metadata, emits the events
    /// with the previous values, and returns the object.
    fn update(
        &mut self,
        (kind, param): (&str, &str),
        call: &Call,
        events: &[&str],
        change: impl FnOnce(&mut Core, &mut Value) -> Answer<()>,
    ) -> Answer {
        let before = self.need_path(kind, call.id(), param)?;
        let mut after = before.clone();
        change(self, &mut after)?;
        after["metadata"] = metadata(&after["metadata"], value::get(&call.params, "metadata"))?;
        self.store.put(call.id(), after);
        for event in events {
            self.emit_change(event, call.id(), &before);
        }
        self.need_path(kind, call.id(), param)
    }

    /// Deletes an object and leaves the stub that Stripe shows.
    fn erase(&mut self, kind: &str, id: &str) -> Value {
        let gone = json!({"id": id, "object": kind, "deleted": true});
        self.store.put(id, gone.clone());
        gone
    }

    /// The ids of the objects of a kind whose indexed field has a value and for which `keep` returns
    /// true, oldest first.
    fn ids_by(
        &self,
        kind: &str,
        (field, wanted): (&str, &str),
        keep: impl Fn(&Value) -> bool,
    ) -> Vec<String> {
        let rows = self.store.by(kind, field, wanted).filter(|row| keep(row));
        rows.map(|row| value::owned(row, "id")).collect()
    }

    /// An object that a page shows after an action.
    fn shown(&self, id: &str) -> Result<Value, PayError> {
        self.store.get(id).cloned().ok_or(PayError::NotFound)
    }

    fn missing(&self, kind: &str, id: &str, param: &str) -> Box<ApiError> {
        let error = ApiError::missing(&lists::noun(kind), id, param);
        error.with_status(if param == "id" { 404 } else { 400 })
    }
}
