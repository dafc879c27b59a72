//! Subscription schedules: planned phases of a subscription.

use serde_json::{Value, json};
use stripe::objects::ScheduleStatus;

use super::behavior::{ProrationBehavior, ScheduleEnd};
use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::metadata;
use super::schedule_phases::{current_phase, moment, phase, phase_at, phase_item, schedule_end};
use super::schedule_plans::Plan;
use super::status;
use super::subscription_states::mark_cancellation;
use super::time::DAY;
use super::value::{
    copy, copy_or_null, flag, get, has, int, list, merge, opt, owned, period, required, text,
};
use super::{Call, Core};

/// The time before the end of a schedule at which `subscription_schedule.expiring` is sent.
const EXPIRING_SECONDS: i64 = 7 * DAY;

/// `GET /v1/subscription_schedules`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let scheduled = get(&call.params, "scheduled").as_bool();
    core.page(call, "subscription_schedule", &["scheduled"], |row| {
        let waits = status::schedule(row) == ScheduleStatus::NotStarted;
        scheduled.is_none_or(|wanted| wanted == waits)
    })
}

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
    let now = core.now;
    let mut after = before.clone();
    core.fill_settings(&mut after, sent)?;
    if has(sent, "phases") {
        after["phases"] = core.phases_after(&after, list(sent, "phases"))?.into();
        after["current_phase"] = match status::schedule(&before) {
            ScheduleStatus::Active => current_phase(&after, now),
            _ => Value::Null,
        };
    }
    if let Some(end) = opt(sent, "end_behavior") {
        after["end_behavior"] = end.into();
    }
    check_collection(&after)?;
    after["metadata"] = metadata(&after["metadata"], get(sent, "metadata"))?;
    core.store.put(id, after.clone());
    core.apply_edit(&before, &after, ProrationBehavior::from_params(sent));
    core.plan_phases(id);
    core.emit_change("subscription_schedule.updated", id, &before);
    core.need("subscription_schedule", id, "id")
}

/// `POST /v1/subscription_schedules/{schedule}/release`: the subscription continues unchanged.
pub(super) fn release(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("subscription_schedule", call.id(), "id")?;
    refuse_ended(&row, "release")?;
    if let Some(subscription) = opt(&row, "subscription")
        && !flag(&call.params, "preserve_cancel_date")
    {
        core.plan_cancellation(subscription, None);
    }
    core.end_schedule(call.id(), ScheduleEnd::Released);
    core.need_path("subscription_schedule", call.id(), "id")
}

/// `POST /v1/subscription_schedules/{schedule}/cancel`: the subscription is canceled too. The rest
/// of its period is credited and invoiced unless asked otherwise.
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let row = core.need_path("subscription_schedule", call.id(), "id")?;
    refuse_ended(&row, "cancel")?;
    match opt(&row, "subscription") {
        Some(subscription) => {
            let subscription = core.need("subscription", subscription, "subscription")?;
            let wants = |name: &str| get(&call.params, name) != false;
            core.cancel_with_credit(&subscription, wants("prorate"), wants("invoice_now"));
        }
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

/// Refuses phases that ended in the past, apart from those that the schedule has had.
fn refuse_past(phases: &[Value], known: &[Value], now: i64) -> Answer<()> {
    let dates = |phase: &Value| (int(phase, "start_date"), int(phase, "end_date"));
    let place = phases.iter().position(|phase| {
        int(phase, "end_date") <= now && !known.iter().any(|one| dates(one) == dates(phase))
    });
    let Some(place) = place else { return Ok(()) };
    let message = "The phase has ended already. A new phase must end in the future.";
    refuse_param("", &format!("phases[{place}][end_date]"), message)
}

/// Refuses phases that are sent as invoices without a due date.
fn check_collection(row: &Value) -> Answer<()> {
    let known = text(row, "default_settings.collection_method");
    for (index, phase) in list(row, "phases").iter().enumerate() {
        let is_sent = opt(phase, "collection_method").unwrap_or(known) == "send_invoice";
        let is_due = has(phase, "invoice_settings.days_until_due")
            || has(row, "default_settings.invoice_settings.days_until_due");
        if is_sent && !is_due {
            let message = "If invoice collection method is 'send_invoice', you must specify 'days_until_due'.";
            let param = format!("phases[{index}][invoice_settings][days_until_due]");
            return refuse_param("", &param, message);
        }
    }
    Ok(())
}

impl Core {
    /// Builds a schedule that has not started.
    fn new_schedule(
        &mut self,
        customer: &Value,
        phases: Vec<Value>,
        sent: &Value,
    ) -> Answer<Value> {
        super::subscriptions::refuse_classic(sent)?;
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
            "released_at": null, "released_subscription": null, "status": "not_started",
            "subscription": null, "test_clock": null,
        });
        if let Some(word) = opt(sent, "billing_mode.flexible.proration_discounts") {
            schedule["billing_mode"]["flexible"]["proration_discounts"] = word.into();
        }
        self.fill_settings(&mut schedule, sent)?;
        Ok(schedule)
    }

    /// Applies `default_settings`.
    fn fill_settings(&mut self, schedule: &mut Value, sent: &Value) -> Answer<()> {
        let customer = owned(schedule, "customer");
        let settings = get(sent, "default_settings");
        let known = &mut schedule["default_settings"];
        copy(
            known,
            settings,
            &["billing_cycle_anchor", "collection_method"],
        );
        copy_or_null(known, settings, &["description"]);
        let wanted = json!({"automatic_tax": settings["automatic_tax"]});
        let taxes = self.tax_members(&wanted, &customer, known);
        merge(
            known,
            taxes.map_err(|error| error.inside("default_settings"))?,
        );
        copy_or_null(
            &mut known["invoice_settings"],
            get(settings, "invoice_settings"),
            &["days_until_due"],
        );
        if let Some(method) = opt(settings, "default_payment_method") {
            let param = "default_settings[default_payment_method]";
            known["default_payment_method"] =
                self.attached_method(method, &customer, param)?.into();
        }
        Ok(())
    }

    fn schedule_from(&mut self, subscription: &str, sent: &Value) -> Answer<String> {
        let row = self.need("subscription", subscription, "from_subscription")?;
        let with_other = [
            "phases",
            "customer",
            "start_date",
            "end_behavior",
            "default_settings",
        ];
        if let Some(name) = with_other.iter().find(|name| has(sent, name)) {
            let message = format!("You cannot set `{name}` if `from_subscription` is set.");
            return refuse_param("", name, message);
        }
        if status::has_ended(&row) {
            let message = format!(
                "The subscription `{subscription}` cannot be scheduled because it has already ended."
            );
            return refuse_param("", "from_subscription", message);
        }
        if let Some(schedule) = opt(&row, "schedule") {
            let message = format!(
                "You cannot migrate a subscription that is already attached to a schedule: {schedule}."
            );
            return refuse_param("", "from_subscription", message);
        }
        let items: Vec<Value> = inner(&row, "items")
            .iter()
            .map(|item| {
                let price = text(item, "price.id");
                phase_item(price, int(item, "quantity"), get(item, "metadata"))
            })
            .collect();
        let span = period(get(&row, "items.data.0"));
        let mut first = phase(items, &row["currency"], span, &json!({}));
        if status::is_trialing(&row) {
            first["trial_end"] = row["trial_end"].clone();
        }
        first["default_tax_rates"] = row["default_tax_rates"].clone();
        first["discounts"] = list(&row, "discounts")
            .iter()
            .map(|id| json!({"coupon": null, "discount": id, "promotion_code": null}))
            .collect();
        let mut schedule = self.new_schedule(&row["customer"], vec![first], sent)?;
        let settings = &mut schedule["default_settings"];
        let names = [
            "automatic_tax",
            "collection_method",
            "default_payment_method",
            "description",
        ];
        copy(settings, &row, &names);
        settings["invoice_settings"]["days_until_due"] = row["days_until_due"].clone();
        schedule["status"] = "active".into();
        schedule["subscription"] = subscription.into();
        schedule["current_phase"] = current_phase(&schedule, self.now);
        let id = owned(&schedule, "id");
        self.store.put(&id, schedule);
        self.emit("subscription_schedule.created", &id);
        self.modify_and_emit("customer.subscription.updated", subscription, |row| {
            row["schedule"] = id.clone().into();
        });
        self.plan_phases(&id);
        Ok(id)
    }

    fn schedule_for_customer(&mut self, sent: &Value) -> Answer<String> {
        let customer = required(sent, "customer")?;
        let row = self.need("customer", customer, "customer")?;
        let start = moment(sent, "start_date", self.now).unwrap_or(self.now);
        if list(sent, "phases").is_empty() {
            return Err(ApiError::required("phases"));
        }
        let mut schedule = self.new_schedule(&row["id"], Vec::new(), sent)?;
        let plan = Plan {
            customer: customer.to_owned(),
            subscription: None,
            known: Vec::new(),
            settings: schedule["default_settings"].clone(),
        };
        let phases = self.phases_from(list(sent, "phases"), start, &plan)?;
        refuse_past(&phases, &[], self.now)?;
        schedule["phases"] = phases.into();
        check_collection(&schedule)?;
        let id = owned(&schedule, "id");
        self.store.put(&id, schedule);
        if start <= self.now {
            self.begin_schedule(&id)?;
        }
        self.emit("subscription_schedule.created", &id);
        self.plan_phases(&id);
        Ok(id)
    }

    /// Creates the subscription that the first phase of a schedule describes. Its first invoice is
    /// a draft.
    fn begin_schedule(&mut self, id: &str) -> Answer<()> {
        let row = self.need("subscription_schedule", id, "id")?;
        let new = self.subscription_of_schedule(&row)?;
        let subscription = self.create_subscription(new)?;
        if text(&row, "end_behavior") == "cancel" {
            self.set_note(&subscription, "ends_by_schedule", true);
        }
        let now = self.now;
        self.modify(id, |row| {
            row["status"] = "active".into();
            row["subscription"] = subscription.into();
            row["current_phase"] = current_phase(row, now);
        });
        Ok(())
    }

    /// The phases after an update. Past phases may be omitted; the current one keeps its start.
    fn phases_after(&mut self, before: &Value, sent: &[Value]) -> Answer<Vec<Value>> {
        let now = self.now;
        if !sent.iter().any(|phase| has(phase, "start_date")) {
            let message = "The subscription schedule update is missing at least one phase with a `start_date` to anchor end dates to.";
            return refuse_param("", "phases", message);
        }
        let first = sent.first().map_or(&Value::Null, |phase| phase);
        let known = list(before, "phases");
        let has_not_begun = status::schedule(before) == ScheduleStatus::NotStarted;
        let start = match moment(first, "start_date", now) {
            Some(at) if has_not_begun => at,
            Some(at) if known.iter().any(|phase| int(phase, "start_date") == at) => at,
            None if !has_not_begun && has(before, "current_phase") => {
                int(before, "current_phase.start_date")
            }
            _ => int(before, "phases.0.start_date"),
        };
        let mut phases: Vec<Value> = known
            .iter()
            .filter(|phase| int(phase, "end_date") <= start)
            .cloned()
            .collect();
        let plan = Plan {
            customer: owned(before, "customer"),
            subscription: opt(before, "subscription").map(str::to_owned),
            known: known.to_vec(),
            settings: before["default_settings"].clone(),
        };
        phases.extend(self.phases_from(sent, start, &plan)?);
        refuse_past(&phases, known, now)?;
        Ok(phases)
    }

    /// Applies an update of the current phase, and of how the schedule ends, to the subscription.
    fn apply_edit(&mut self, before: &Value, after: &Value, proration: ProrationBehavior) {
        let Some(subscription) = opt(after, "subscription") else {
            return;
        };
        let sub = self.row(subscription).clone();
        let phase = phase_at(after, self.now).cloned().unwrap_or_default();
        let known = phase_at(before, self.now).cloned().unwrap_or_default();
        let names = [
            "items",
            "discounts",
            "metadata",
            "default_tax_rates",
            "automatic_tax",
            "trial_end",
            "default_payment_method",
        ];
        let differs = names
            .iter()
            .any(|name| get(&phase, name) != get(&known, name));
        let taxes = "default_settings.automatic_tax";
        if (differs || get(before, taxes) != get(after, taxes)) && !phase.is_null() {
            self.enter_phase(&sub, after, (&known, &phase), proration);
        }
        let cancels = text(after, "end_behavior") == "cancel";
        self.plan_cancellation(subscription, cancels.then(|| schedule_end(after)));
    }

    /// Sets the end of a subscription to that of its schedule, or takes back what a schedule set.
    fn plan_cancellation(&mut self, subscription: &str, end: Option<i64>) {
        let row = self.row(subscription).clone();
        let was_set = self.note(subscription, "ends_by_schedule") == true;
        if status::has_ended(&row) || end.is_none() && !was_set {
            return;
        }
        self.set_note(subscription, "ends_by_schedule", end.is_some());
        let now = self.now;
        self.modify_and_emit("customer.subscription.updated", subscription, |row| {
            row["cancel_at"] = json!(end);
            mark_cancellation(row, now);
        });
        self.plan_ahead(subscription);
    }

    /// Schedules the checks of a schedule.
    pub(super) fn plan_phases(&mut self, id: &str) {
        let row = self.row(id).clone();
        for phase in list(&row, "phases") {
            for name in ["start_date", "end_date"] {
                self.wake(int(phase, name).max(self.now), id);
            }
        }
        let notice = schedule_end(&row) - EXPIRING_SECONDS;
        if notice > self.now {
            self.wake(notice, id);
        }
    }

    /// Starts a schedule or its next phase, announces its end, or ends it.
    pub(super) fn schedule_due(&mut self, id: &str) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        match status::schedule(&row) {
            ScheduleStatus::NotStarted if int(&row, "phases.0.start_date") <= self.now => {
                if self.undoable(|core| core.begin_schedule(id)).is_err() {
                    self.end_schedule(id, ScheduleEnd::Canceled);
                    return;
                }
                self.emit_change("subscription_schedule.updated", id, &row);
            }
            ScheduleStatus::Active => {
                let subscription = owned(&row, "subscription");
                // A renewal at the same moment already bills the new items.
                self.subscription_due(&subscription);
                self.apply_current_phase(&subscription);
                self.announce_end(id);
                self.finish_schedule(id);
            }
            _ => {}
        }
    }

    /// Emits `subscription_schedule.expiring` once.
    fn announce_end(&mut self, id: &str) {
        let end = schedule_end(self.row(id));
        let is_near = (end - EXPIRING_SECONDS..end).contains(&self.now);
        if is_near && self.note(id, "expiring") != end {
            self.set_note(id, "expiring", end);
            self.emit("subscription_schedule.expiring", id);
        }
    }

    fn finish_schedule(&mut self, id: &str) {
        let row = self.row(id).clone();
        if schedule_end(&row) > self.now || status::schedule(&row) != ScheduleStatus::Active {
            return;
        }
        if text(&row, "end_behavior") == "cancel" {
            self.end_at_date(&owned(&row, "subscription"));
        } else {
            self.end_schedule(id, ScheduleEnd::Released);
        }
    }

    /// How a schedule ends with its subscription.
    pub(super) fn schedule_end_with(&self, id: &str, reason: &str) -> ScheduleEnd {
        if reason == "payment_failed" {
            ScheduleEnd::Aborted
        } else if schedule_end(self.row(id)) <= self.now {
            ScheduleEnd::Completed
        } else {
            ScheduleEnd::Canceled
        }
    }

    /// Ends a schedule. One that is released after its last phase is also completed.
    pub(super) fn end_schedule(&mut self, id: &str, end: ScheduleEnd) {
        let row = self.row(id).clone();
        if !status::is_live_schedule(&row) {
            return;
        }
        let now = self.now;
        let is_release = end == ScheduleEnd::Released;
        let is_over = schedule_end(&row) <= now && status::schedule(&row) == ScheduleStatus::Active;
        self.modify(id, |row| {
            row["status"] = end.status().into();
            row["current_phase"] = Value::Null;
            if is_over {
                row["completed_at"] = now.into();
            }
            if is_release {
                row["released_at"] = now.into();
                row["released_subscription"] = row["subscription"].clone();
                row["subscription"] = Value::Null;
            } else if end != ScheduleEnd::Completed {
                row["canceled_at"] = now.into();
            }
        });
        if is_release && is_over {
            self.emit("subscription_schedule.completed", id);
        }
        self.emit(&format!("subscription_schedule.{}", end.event()), id);
        if let Some(subscription) = opt(&row, "subscription")
            && is_release
        {
            self.modify_and_emit("customer.subscription.updated", subscription, |row| {
                row["schedule"] = Value::Null;
            });
        }
    }
}
