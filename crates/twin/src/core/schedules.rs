//! Subscription schedules: planned phases of a subscription.

use serde_json::{Value, json};
use stripe::objects::ScheduleStatus;

use super::behavior::{PaymentBehavior, ProrationBehavior, ScheduleEnd};
use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::metadata;
use super::payments::Initiator;
use super::status;
use super::subscription_create::NewSubscription;
use super::time::add_interval;
use super::value::{get, has, int, list, opt, opt_int, owned, period, required, text};
use super::{Call, Core};

/// `POST /v1/subscription_schedules`: creates a schedule from a subscription, or from phases for a
/// customer.
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let id = match opt(sent, "from_subscription") {
        Some(subscription) => core.schedule_from(subscription, sent)?,
        None => core.schedule_for_customer(sent)?,
    };
    core.need("subscription_schedule", &id, "id")
}

/// `POST /v1/subscription_schedules/{schedule}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let id = call.id();
    let before = core.need("subscription_schedule", id, "id")?;
    refuse_ended(&before, "update")?;
    let sent = &call.params;
    let mut after = before.clone();
    if has(sent, "phases") {
        let start = int(&before, "phases.0.start_date");
        let phases = core.phases_from(list(sent, "phases"), start)?;
        after["phases"] = phases.into();
        let now = core.now;
        after["current_phase"] = current_phase(&after, now);
    }
    if let Some(end) = opt(sent, "end_behavior") {
        after["end_behavior"] = end.into();
    }
    after["metadata"] = metadata(&after["metadata"], get(sent, "metadata"))?;
    core.store.put(id, after);
    core.wake_for_phases(id);
    core.emit_change("subscription_schedule.updated", id, &before);
    core.need("subscription_schedule", id, "id")
}

/// `POST /v1/subscription_schedules/{schedule}/release`: the subscription continues unchanged.
pub(super) fn release(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("subscription_schedule", call.id(), "id")?;
    refuse_ended(&row, "release")?;
    core.end_schedule(call.id(), ScheduleEnd::Released);
    core.need_path("subscription_schedule", call.id(), "id")
}

/// `POST /v1/subscription_schedules/{schedule}/cancel`: the subscription is canceled too.
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("subscription_schedule", call.id(), "id")?;
    refuse_ended(&row, "cancel")?;
    match opt(&row, "subscription").map(str::to_owned) {
        Some(subscription) => core.end_subscription(&subscription, "cancellation_requested"),
        None => core.end_schedule(call.id(), ScheduleEnd::Canceled),
    }
    core.need_path("subscription_schedule", call.id(), "id")
}

fn refuse_ended(row: &Value, verb: &str) -> Answer<()> {
    if status::is_live_schedule(row) {
        return Ok(());
    }
    let status = text(row, "status");
    let message = format!(
        "You cannot {verb} a subscription schedule that is currently in the `{status}` status."
    );
    Err(ApiError::invalid(message))
}

fn current_phase(row: &Value, now: i64) -> Value {
    list(row, "phases")
        .iter()
        .find(|phase| (int(phase, "start_date")..int(phase, "end_date")).contains(&now))
        .map_or(
            Value::Null,
            |phase| json!({"start_date": phase["start_date"], "end_date": phase["end_date"]}),
        )
}

fn phase(items: Vec<Value>, currency: &Value, span: (i64, i64), sent: &Value) -> Value {
    json!({
        "add_invoice_items": [], "application_fee_percent": null, "billing_cycle_anchor": null,
        "billing_thresholds": null, "collection_method": null, "currency": currency,
        "default_payment_method": null, "default_tax_rates": [], "description": null,
        "discounts": [], "end_date": span.1, "invoice_settings": null, "items": items,
        "metadata": if has(sent, "metadata") { get(sent, "metadata").clone() } else { json!({}) },
        "on_behalf_of": null,
        "proration_behavior": opt(sent, "proration_behavior").unwrap_or("create_prorations"),
        "start_date": span.0, "transfer_data": null, "trial_end": get(sent, "trial_end"),
    })
}

fn phase_item(price: &str, quantity: i64) -> Value {
    json!({"billing_thresholds": null, "discounts": [], "metadata": {}, "price": price,
           "quantity": quantity, "tax_rates": []})
}

impl Core {
    fn new_schedule(
        &mut self,
        customer: &Value,
        phases: Vec<Value>,
        sent: &Value,
    ) -> Answer<String> {
        let id = self.rng.id("sub_sched");
        let mut schedule = json!({
            "id": id, "object": "subscription_schedule", "application": null,
            "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
            "canceled_at": null, "completed_at": null, "created": self.now, "current_phase": null,
            "customer": customer, "customer_account": null,
            "default_settings": {"application_fee_percent": null,
                "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
                "billing_cycle_anchor": "automatic", "billing_thresholds": null,
                "collection_method": "charge_automatically", "default_payment_method": null,
                "description": null,
                "invoice_settings": {"account_tax_ids": null, "days_until_due": null,
                                     "issuer": {"type": "self"}},
                "on_behalf_of": null, "transfer_data": null},
            "end_behavior": opt(sent, "end_behavior").unwrap_or("release"), "livemode": false,
            "metadata": metadata(&Value::Null, get(sent, "metadata"))?, "phases": phases,
            "released_at": null, "released_subscription": null, "status": "active",
            "subscription": null, "test_clock": null,
        });
        let now = self.now;
        schedule["current_phase"] = current_phase(&schedule, now);
        self.store.put(&id, schedule);
        Ok(id)
    }

    fn schedule_from(&mut self, subscription: &str, sent: &Value) -> Answer<String> {
        let row = self.need("subscription", subscription, "from_subscription")?;
        let with_other = ["phases", "customer", "start_date", "end_behavior"];
        if let Some(name) = with_other.iter().find(|name| has(sent, name)) {
            let message = format!("You cannot set `{name}` if `from_subscription` is set.");
            return refuse_param("", name, message);
        }
        if let Some(schedule) = opt(&row, "schedule") {
            let message = format!(
                "You cannot migrate a subscription that is already attached to a schedule: {schedule}."
            );
            return refuse_param("", "from_subscription", message);
        }
        let items: Vec<Value> = inner(&row, "items")
            .iter()
            .map(|item| phase_item(text(item, "price.id"), int(item, "quantity")))
            .collect();
        let first = get(&row, "items.data.0");
        let span = period(first);
        let phases = vec![phase(items, &row["currency"], span, &json!({}))];
        let id = self.new_schedule(&row["customer"], phases, sent)?;
        self.attach_schedule(&id, subscription);
        Ok(id)
    }

    /// Attaches a schedule to its subscription and emits the events.
    fn attach_schedule(&mut self, id: &str, subscription: &str) {
        self.modify(id, |schedule| {
            schedule["subscription"] = subscription.into();
        });
        self.emit("subscription_schedule.created", id);
        self.modify_and_emit("customer.subscription.updated", subscription, |row| {
            row["schedule"] = id.into();
        });
        self.wake_for_phases(id);
    }

    fn schedule_for_customer(&mut self, sent: &Value) -> Answer<String> {
        let customer = required(sent, "customer")?;
        let row = self.need("customer", customer, "customer")?;
        let start = opt_int(sent, "start_date").unwrap_or(self.now);
        let phases = self.phases_from(list(sent, "phases"), start)?;
        if phases.is_empty() {
            return Err(ApiError::required("phases"));
        }
        let id = self.new_schedule(&row["id"], phases, sent)?;
        if let Some(method) = opt(sent, "default_settings.default_payment_method") {
            let method = self.usable_method(method, Some(customer), "default_payment_method")?;
            self.modify(&id, |row| {
                row["default_settings"]["default_payment_method"] = method.into();
            });
        }
        if start > self.now {
            self.modify(&id, |row| row["status"] = "not_started".into());
            self.emit("subscription_schedule.created", &id);
            self.wake(start, &id);
            return Ok(id);
        }
        let subscription = self.begin_schedule(&id)?;
        self.attach_schedule(&id, &subscription);
        Ok(id)
    }

    /// Creates the subscription that the first phase of a schedule describes.
    fn begin_schedule(&mut self, id: &str) -> Answer<String> {
        let row = self.need("subscription_schedule", id, "id")?;
        let mut items = Vec::new();
        for item in list(&row, "phases.0.items") {
            let price = self.need("price", text(item, "price"), "price")?;
            items.push((price, int(item, "quantity"), json!({})));
        }
        self.create_subscription(NewSubscription {
            customer: owned(&row, "customer"),
            items,
            one_time_lines: Vec::new(),
            metadata: json!({}),
            method: opt(&row, "default_settings.default_payment_method").map(str::to_owned),
            trial_end: None,
            anchor: None,
            behavior: PaymentBehavior::DefaultIncomplete,
            by: Initiator::Merchant,
            members: json!({"collection_method": "charge_automatically"}),
            keeps_method: false,
            discounts: Vec::new(),
            item_terms: Vec::new(),
        })
    }

    /// Reads phases from parameters. Each starts where the previous one ends.
    fn phases_from(&mut self, sent: &[Value], start: i64) -> Answer<Vec<Value>> {
        let mut phases: Vec<Value> = Vec::new();
        let mut begin = start;
        for (index, one) in sent.iter().enumerate() {
            let named = format!("phases[{index}]");
            let mut items = Vec::new();
            let mut first_price = Value::Null;
            for (place, item) in list(one, "items").iter().enumerate() {
                let price = self.recurring_price(item, &format!("{named}[items][{place}]"))?;
                items.push(phase_item(
                    text(&price, "id"),
                    opt_int(item, "quantity").unwrap_or(1),
                ));
                if first_price.is_null() {
                    first_price = price;
                }
            }
            if items.is_empty() {
                return Err(ApiError::required(&format!("{named}[items]")));
            }
            begin = opt_int(one, "start_date").unwrap_or(begin);
            let before = phases.last().map_or(start, |last| int(last, "end_date"));
            if begin != before {
                let message = "Phases must be contiguous: each starts when the one before ends, and the current one keeps its start.";
                return refuse_param("", &format!("{named}[start_date]"), message);
            }
            let end = phase_end(one, &first_price, begin, index + 1 == sent.len());
            let Some(end) = end.filter(|end| *end > begin) else {
                let message = "Only the last phase can be left without an `end_date` or a `duration`, and phases must end after they start.";
                return refuse_param("", &format!("{named}[end_date]"), message);
            };
            phases.push(phase(items, &first_price["currency"], (begin, end), one));
            begin = end;
        }
        Ok(phases)
    }

    fn wake_for_phases(&mut self, id: &str) {
        let row = self.row(id).clone();
        for phase in list(&row, "phases") {
            self.wake(int(phase, "end_date"), id);
        }
    }

    /// Starts the next phase of a schedule, or ends the schedule.
    pub(super) fn schedule_due(&mut self, id: &str) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        match status::schedule(&row) {
            ScheduleStatus::NotStarted if int(&row, "phases.0.start_date") <= self.now => {
                self.modify(id, |row| row["status"] = "active".into());
                if let Ok(subscription) = self.begin_schedule(id) {
                    self.modify(id, |row| row["subscription"] = subscription.clone().into());
                    self.modify(&subscription, |sub| sub["schedule"] = id.into());
                    self.wake_for_phases(id);
                }
            }
            ScheduleStatus::Active => {
                let subscription = owned(&row, "subscription");
                // A renewal at the same moment already bills the new items.
                self.subscription_due(&subscription);
                self.apply_current_phase(&subscription);
                self.finish_schedule(id);
            }
            _ => {}
        }
    }

    /// Gives a subscription the items of the current phase. At the boundary of a billing period,
    /// nothing is prorated; within a period, the proration behavior of the phase applies.
    pub(super) fn apply_current_phase(&mut self, subscription: &str) {
        let Some(sub) = self.store.get(subscription).cloned() else {
            return;
        };
        let Some(id) = opt(&sub, "schedule").map(str::to_owned) else {
            return;
        };
        let row = self.row(&id).clone();
        let current = current_phase(&row, self.now);
        if current.is_null() || current == row["current_phase"] {
            return;
        }
        self.modify_and_emit("subscription_schedule.updated", &id, |row| {
            row["current_phase"] = current.clone();
        });
        let phase = list(&row, "phases")
            .iter()
            .find(|one| one["start_date"] == current["start_date"])
            .cloned()
            .unwrap_or_default();
        let items = self.items_of_phase(&sub, &phase);
        let at_boundary = int(&sub, "items.data.0.current_period_end") <= self.now;
        if at_boundary || ProrationBehavior::from_params(&phase) == ProrationBehavior::None {
            let before = self.modify(subscription, |row| row["items"]["data"] = items.into());
            if !at_boundary {
                self.emit_change("customer.subscription.updated", subscription, &before);
            }
            return;
        }
        let change = super::changes::Change {
            items,
            proration: ProrationBehavior::from_params(&phase),
            behavior: PaymentBehavior::AllowIncomplete,
            at: self.now,
            resets: false,
            one_time_lines: Vec::new(),
            by: Initiator::Merchant,
        };
        if self.change_items(subscription, change).is_ok() {
            self.emit_change("customer.subscription.updated", subscription, &sub);
        }
    }

    fn items_of_phase(&mut self, sub: &Value, phase: &Value) -> Vec<Value> {
        let old = inner(sub, "items").to_vec();
        let first = old.first().cloned().unwrap_or_default();
        let period = period(&first);
        let wanted = list(phase, "items");
        wanted
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let price = self.row(text(item, "price")).clone();
                let quantity = int(item, "quantity");
                match old.get(index) {
                    Some(known) => {
                        let mut changed = known.clone();
                        changed["price"] = price;
                        changed["quantity"] = quantity.into();
                        changed
                    }
                    None => self.new_item(text(sub, "id"), &price, quantity, &json!({}), period),
                }
            })
            .collect()
    }

    fn finish_schedule(&mut self, id: &str) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        let end = list(&row, "phases")
            .last()
            .map_or(i64::MAX, |phase| int(phase, "end_date"));
        if end > self.now || status::schedule(&row) != ScheduleStatus::Active {
            return;
        }
        if text(&row, "end_behavior") == "cancel" {
            let subscription = owned(&row, "subscription");
            self.end_subscription(&subscription, "cancellation_requested");
        } else {
            self.end_schedule(id, ScheduleEnd::Released);
        }
    }

    /// Ends a schedule, which is released or canceled together with its subscription.
    pub(super) fn end_schedule(&mut self, id: &str, end: ScheduleEnd) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        if !status::is_live_schedule(&row) {
            return;
        }
        let now = self.now;
        let is_release = end == ScheduleEnd::Released;
        self.modify(id, |row| {
            row["status"] = end.as_str().into();
            row["current_phase"] = Value::Null;
            row[if is_release {
                "released_at"
            } else {
                "canceled_at"
            }] = now.into();
            if is_release {
                row["released_subscription"] = row["subscription"].clone();
                row["subscription"] = Value::Null;
            }
        });
        self.emit(&format!("subscription_schedule.{}", end.as_str()), id);
        if let Some(subscription) = opt(&row, "subscription")
            && is_release
        {
            self.modify_and_emit("customer.subscription.updated", subscription, |row| {
                row["schedule"] = Value::Null;
            });
        }
    }
}

fn phase_end(sent: &Value, price: &Value, begin: i64, is_last: bool) -> Option<i64> {
    if let Some(end) = opt_int(sent, "end_date") {
        return Some(end);
    }
    if let Some(interval) = opt(sent, "duration.interval") {
        let count = opt_int(sent, "duration.interval_count").unwrap_or(1);
        return Some(add_interval(begin, interval, count));
    }
    let (interval, count) = super::subscriptions::billing_interval(price);
    let times = match opt_int(sent, "iterations") {
        Some(times) => times,
        None if is_last => 1,
        None => return None,
    };
    Some(add_interval(begin, interval, count * times))
}
