//! The phases of subscription schedules, and applying them to the subscription when they begin.

use serde_json::{Value, json};

use super::Core;
use super::behavior::{PaymentBehavior, ProrationBehavior};
use super::changes::Change;
use super::errors::Answer;
use super::lists::inner;
use super::params::metadata;
use super::payments::Initiator;
use super::subscription_create::NewSubscription;
use super::subscription_items::set_item_list;
use super::subscriptions::billing_interval;
use super::value::{get, has, int, list, opt, opt_int, or_null, owned, period, text};

/// The phase that contains a moment.
pub(super) fn phase_at(row: &Value, now: i64) -> Option<&Value> {
    list(row, "phases")
        .iter()
        .find(|phase| (int(phase, "start_date")..int(phase, "end_date")).contains(&now))
}

/// The dates of the phase that contains a moment, or null.
pub(super) fn current_phase(row: &Value, now: i64) -> Value {
    phase_at(row, now).map_or(
        Value::Null,
        |phase| json!({"start_date": phase["start_date"], "end_date": phase["end_date"]}),
    )
}

/// The end of the last phase.
pub(super) fn schedule_end(row: &Value) -> i64 {
    list(row, "phases")
        .last()
        .map_or(i64::MAX, |phase| int(phase, "end_date"))
}

/// A moment in the parameters: a time or `now`.
pub(super) fn moment(sent: &Value, name: &str, now: i64) -> Option<i64> {
    match get(sent, name) {
        Value::String(word) if word == "now" => Some(now),
        at => at.as_i64(),
    }
}

/// A phase of a schedule.
pub(super) fn phase(items: Vec<Value>, currency: &Value, span: (i64, i64), sent: &Value) -> Value {
    let days = get(sent, "invoice_settings.days_until_due");
    let settings = if has(sent, "invoice_settings") {
        json!({"account_tax_ids": null, "days_until_due": days, "issuer": null})
    } else {
        Value::Null
    };
    json!({
        "add_invoice_items": [], "application_fee_percent": null,
        "billing_cycle_anchor": or_null(sent, "billing_cycle_anchor"),
        "billing_thresholds": null, "collection_method": or_null(sent, "collection_method"),
        "currency": currency, "default_payment_method": null, "default_tax_rates": [],
        "description": or_null(sent, "description"), "discounts": [], "end_date": span.1,
        "invoice_settings": settings, "items": items, "metadata": {}, "on_behalf_of": null,
        "proration_behavior": opt(sent, "proration_behavior").unwrap_or("create_prorations"),
        "start_date": span.0, "transfer_data": null, "trial_end": null,
    })
}

pub(super) fn phase_item(price: &str, quantity: i64, kept: &Value) -> Value {
    json!({"billing_thresholds": null, "discounts": [], "metadata": kept, "price": price,
           "quantity": quantity, "tax_rates": []})
}

/// A setting of a phase, or of the whole schedule if the phase has none.
fn setting<'a>(schedule: &'a Value, phase: &'a Value, path: &str) -> &'a Value {
    match get(phase, path) {
        Value::Null => get(get(schedule, "default_settings"), path),
        own => own,
    }
}

impl Core {
    /// Redeems the discounts of a phase that begins. They were checked when they were planned, so
    /// that a coupon which expired meanwhile still applies. A deleted one does not.
    fn redeem_phase(&mut self, phase: &Value, customer: &str, sub: Option<&str>) -> Vec<String> {
        let mut ids = Vec::new();
        for one in list(phase, "discounts") {
            if let Some(known) = opt(one, "discount") {
                if self
                    .check_reusable(known, customer, sub.as_slice(), "")
                    .is_ok()
                {
                    ids.push(known.to_owned());
                }
            } else if let Ok((coupon, code)) = self.coupon_in(one, "") {
                ids.push(self.new_discount(&coupon, code.as_ref(), customer));
            }
        }
        ids
    }

    /// The input for the subscription that a schedule begins with.
    pub(super) fn subscription_of_schedule(&mut self, row: &Value) -> Answer<NewSubscription> {
        let phase = phase_at(row, self.now)
            .unwrap_or(get(row, "phases.0"))
            .clone();
        let customer = owned(row, "customer");
        let mut items = Vec::new();
        for item in list(&phase, "items") {
            let price = self.need("price", text(item, "price"), "price")?;
            items.push((price, int(item, "quantity"), get(item, "metadata").clone()));
        }
        let mut one_time_lines = Vec::new();
        for extra in list(&phase, "add_invoice_items") {
            let price = self.need("price", text(extra, "price"), "price")?;
            let mut line = self.one_time_line(&price, int(extra, "quantity"));
            line.metadata = get(extra, "metadata").clone();
            one_time_lines.push(line);
        }
        let method = setting(row, &phase, "default_payment_method");
        let mut members = json!({
            "collection_method": setting(row, &phase, "collection_method"),
            "days_until_due": setting(row, &phase, "invoice_settings.days_until_due"),
            "description": setting(row, &phase, "description"),
            "billing_mode": row["billing_mode"],
        });
        members["default_tax_rates"] = list(&phase, "default_tax_rates").into();
        members["automatic_tax"] = setting(row, &phase, "automatic_tax").clone();
        if text(row, "end_behavior") == "cancel" {
            members["cancel_at"] = schedule_end(row).into();
        }
        Ok(NewSubscription {
            start: opt_int(row, "phases.0.start_date").filter(|at| *at < self.now),
            trial_end: opt_int(&phase, "trial_end").filter(|at| *at > self.now),
            metadata: metadata(&Value::Null, get(&phase, "metadata"))?,
            method: method.as_str().map(str::to_owned),
            proration: ProrationBehavior::from_params(&phase),
            discounts: self.redeem_phase(&phase, &customer, None),
            by: Initiator::Merchant,
            schedule: Some(owned(row, "id")),
            one_time_lines,
            members,
            ..NewSubscription::of(&customer, items)
        })
    }

    /// Applies the phase that has begun to a subscription, if its schedule has a new one.
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
        let before = phase_at(&row, int(&row, "current_phase.start_date")).cloned();
        self.modify_and_emit("subscription_schedule.updated", &id, |row| {
            row["current_phase"] = current;
        });
        let Some(phase) = phase_at(&row, self.now).cloned() else {
            return;
        };
        let before = before.unwrap_or_default();
        let proration = ProrationBehavior::from_params(&phase);
        self.enter_phase(&sub, &row, (&before, &phase), proration);
    }

    /// Gives a subscription the settings and items of a phase. At the boundary of a billing period
    /// the renewal bills them; within a period, the difference is prorated.
    pub(super) fn enter_phase(
        &mut self,
        sub: &Value,
        schedule: &Value,
        (before, phase): (&Value, &Value),
        proration: ProrationBehavior,
    ) {
        let (id, now) = (owned(sub, "id"), self.now);
        self.give_phase_settings(&id, schedule, (before, phase));
        let row = self.row(&id).clone();
        let items = self.items_of_phase(&row, phase);
        let old = billing_interval(get(&row, "items.data.0.price"));
        let turns = items
            .first()
            .is_some_and(|item| billing_interval(get(item, "price")) != old)
            || setting(schedule, phase, "billing_cycle_anchor") == "phase_start"
                && int(phase, "start_date") == now;
        let trial_end = opt_int(phase, "trial_end").filter(|at| *at > now);
        if int(&row, "items.data.0.current_period_end") <= now {
            self.modify(&id, |row| {
                set_item_list(row, &items);
                if turns {
                    row["billing_cycle_anchor"] = now.into();
                    row["billing_cycle_anchor_config"] = Value::Null;
                }
                if let Some(end) = trial_end {
                    row["status"] = "trialing".into();
                    row["trial_start"] = now.into();
                    row["trial_end"] = end.into();
                    row["billing_cycle_anchor"] = end.into();
                }
            });
            return;
        }
        let change = Change {
            items,
            proration,
            behavior: PaymentBehavior::AllowIncomplete,
            at: now,
            resets: turns && trial_end.is_none(),
            ends_trial: false,
            one_time_lines: Vec::new(),
            by: Initiator::Merchant,
        };
        let mut changed = self.change_items(&id, change);
        if let Some(end) = trial_end
            && row["trial_end"] != end
        {
            let row = self.row(&id).clone();
            changed = changed.and_then(|()| self.move_trial(&row, end, proration));
        }
        // A payment that fails leaves the change in place, and the events report it.
        drop(changed);
        self.emit_change("customer.subscription.updated", &id, sub);
    }

    /// Gives the current phase of a schedule the prices, quantities and taxes that its subscription
    /// was given directly, as a subscription is what the current phase describes. The next phase
    /// replaces them.
    pub(super) fn follow_items(&mut self, subscription: &str) {
        let sub = self.row(subscription).clone();
        let Some(schedule) = opt(&sub, "schedule").map(str::to_owned) else {
            return;
        };
        let row = self.row(&schedule).clone();
        let Some(phase) = phase_at(&row, self.now) else {
            return;
        };
        let known = list(phase, "items");
        let items: Vec<Value> = inner(&sub, "items")
            .iter()
            .map(|item| {
                let price = text(item, "price.id");
                let same = known.iter().find(|one| text(one, "price") == price);
                let none = phase_item(price, 1, &json!({}));
                let mut shown = same.unwrap_or(&none).clone();
                shown["quantity"] = item["quantity"].clone();
                shown
            })
            .collect();
        let place = list(&row, "phases").iter().position(|one| one == phase);
        let settings = json!({"default_settings": row["default_settings"]});
        self.modify_and_emit("subscription_schedule.updated", &schedule, |row| {
            if let Some(place) = place {
                let phase = &mut row["phases"][place];
                phase["items"] = items.into();
                phase["default_tax_rates"] = sub["default_tax_rates"].clone();
                if *setting(&settings, phase, "automatic_tax") != sub["automatic_tax"] {
                    phase["automatic_tax"] = sub["automatic_tax"].clone();
                }
            }
        });
    }

    fn give_phase_settings(
        &mut self,
        id: &str,
        schedule: &Value,
        (before, phase): (&Value, &Value),
    ) {
        let customer = owned(schedule, "customer");
        let kept = metadata(&self.row(id)["metadata"], get(phase, "metadata"));
        self.modify(id, |row| {
            if let Ok(kept) = kept {
                row["metadata"] = kept;
            }
            for name in ["collection_method", "default_payment_method", "description"] {
                let value = setting(schedule, phase, name);
                if !value.is_null() {
                    row[name] = value.clone();
                }
            }
            row["default_tax_rates"] = list(phase, "default_tax_rates").into();
            row["automatic_tax"] = setting(schedule, phase, "automatic_tax").clone();
            let days = setting(schedule, phase, "invoice_settings.days_until_due");
            if text(row, "collection_method") == "charge_automatically" {
                row["days_until_due"] = Value::Null;
            } else if !days.is_null() {
                row["days_until_due"] = days.clone();
            }
        });
        // The discounts of a phase apply during it only.
        if before["discounts"] != phase["discounts"] {
            let discounts = self.redeem_phase(phase, &customer, Some(id));
            self.start_discounts(id, &discounts);
        }
        let mut lines = Vec::new();
        for extra in list(phase, "add_invoice_items") {
            let price = self.row(text(extra, "price")).clone();
            let mut line = self.one_time_line(&price, int(extra, "quantity"));
            line.metadata = get(extra, "metadata").clone();
            line.subscription = Some(id.to_owned());
            lines.push(line);
        }
        if before["start_date"] != phase["start_date"] {
            self.store_items(&customer, lines);
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
                let kept = get(item, "metadata");
                match old.get(index) {
                    Some(known) => {
                        let mut changed = known.clone();
                        changed["price"] = price;
                        changed["quantity"] = quantity.into();
                        if kept.as_object().is_some_and(|all| !all.is_empty()) {
                            changed["metadata"] = kept.clone();
                        }
                        changed
                    }
                    None => self.new_item(text(sub, "id"), &price, quantity, kept, period),
                }
            })
            .collect()
    }
}
