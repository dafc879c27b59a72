//! Changing subscriptions: fields, items with proration, and trials.

use serde_json::{Value, json};
use stripe::objects::BillingReason;

use super::behavior::{PaymentBehavior, ProrationBehavior};
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::lines::{Draft, share};
use super::lists::inner;
use super::params::metadata;
use super::pauses::{collects, pause_from};
use super::payments::{Initiator, Paid};
use super::status;
use super::subscription_items::set_item_list;
use super::subscription_states::mark_cancellation;
use super::subscription_terms::Grid;
use super::subscriptions::{
    billing_interval, check_cancellation, check_collection, move_period, period_end,
    refuse_on_ended,
};
use super::value::{
    flag, get, has, list, merge, opt, opt_int, or_null, owned, period, set, text, unit_price,
};
use super::{Call, Core};

/// A change to the items of a subscription, and how it is paid.
#[derive(Clone, Debug)]
pub(super) struct Change {
    /// The items after the change.
    pub(super) items: Vec<Value>,
    /// How prorations are billed.
    pub(super) proration: ProrationBehavior,
    /// What happens if the payment does not succeed.
    pub(super) behavior: PaymentBehavior,
    /// The moment from which prorations are calculated.
    pub(super) at: i64,
    /// Whether a new billing period starts with the change.
    pub(super) resets: bool,
    /// Whether the change ends the trial. Then a new period starts too.
    pub(super) ends_trial: bool,
    /// What the next invoice bills besides, which the change alone does not create.
    pub(super) one_time_lines: Vec<Draft>,
    pub(super) by: Initiator,
}

/// What a change would bill.
pub(super) struct Bill {
    pub(super) prorations: Vec<Draft>,
    pub(super) full: Vec<Draft>,
    pub(super) period: Option<(i64, i64)>,
    pub(super) now: bool,
}

/// `POST /v1/subscriptions/{subscription}`
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    let id = call.id();
    let before = core.need("subscription", id, "id")?;
    let sent = &call.params;
    refuse_on_ended(&before, sent)?;
    refuse_unsupported_for_pending(sent)?;
    check_collection(&before, sent)?;
    check_cancellation(sent)?;
    if let Some(schedule) = opt(&before, "schedule")
        && ["cancel_at", "cancel_at_period_end"]
            .iter()
            .any(|name| has(sent, name))
    {
        let message = format!(
            "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior directly is not allowed. Please update the schedule instead."
        );
        return Err(ApiError::invalid(message));
    }
    core.change_members(id, &before, sent)?;
    if has(sent, "default_tax_rates") || has(sent, "automatic_tax") {
        core.follow_items(id);
    }
    core.change_trial(id, sent)?;
    if has(sent, "items")
        || has(sent, "add_invoice_items")
        || text(sent, "billing_cycle_anchor") == "now"
        || ends_trial(&before, sent)
    {
        let change = core.change_from(id, sent)?;
        core.change_items(id, change)?;
    }
    core.emit_change("customer.subscription.updated", id, &before);
    core.plan_ahead(id);
    core.need("subscription", id, "id")
}

/// Whether parameters end the trial of a subscription now.
pub(super) fn ends_trial(row: &Value, sent: &Value) -> bool {
    text(sent, "trial_end") == "now" && status::is_trialing(row)
}

/// Refuses parameters that cannot be combined with `pending_if_incomplete`.
fn refuse_unsupported_for_pending(sent: &Value) -> Answer<()> {
    const WAITS: [&str; 11] = [
        "items",
        "payment_behavior",
        "proration_behavior",
        "proration_date",
        "billing_cycle_anchor",
        "trial_end",
        "trial_from_plan",
        "add_invoice_items",
        "discounts",
        "off_session",
        "metadata",
    ];
    if PaymentBehavior::from_params(sent) != PaymentBehavior::PendingIfIncomplete {
        return Ok(());
    }
    let other = sent
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, _)| !WAITS.contains(&key.as_str()));
    let Some((key, _)) = other else { return Ok(()) };
    let message = format!(
        "When `payment_behavior` is set to `pending_if_incomplete`, you may only pass supported parameters. `{key}` is not supported."
    );
    refuse_param("", key, message)
}

/// Applies `cancel_at_period_end` and `cancel_at`. A word stands for the end of the period.
fn change_cancellation(row: &mut Value, sent: &Value) {
    match get(sent, "cancel_at") {
        Value::String(word) if word.is_empty() => row["cancel_at"] = Value::Null,
        Value::String(_) => row["cancel_at"] = natural_end(row).into(),
        Value::Null => row["cancel_at"] = Value::Null,
        at => row["cancel_at"] = at.clone(),
    }
    row["cancel_at_period_end"] =
        (!has(sent, "cancel_at") && flag(sent, "cancel_at_period_end")).into();
}

/// The end of the current period if no cancellation cuts it.
fn natural_end(row: &Value) -> i64 {
    match opt_int(row, "trial_end") {
        Some(end) if status::is_trialing(row) => end,
        _ => {
            let first = get(row, "items.data.0");
            Grid::of(row, get(first, "price")).next(period(first).0)
        }
    }
}

impl Core {
    fn change_members(&mut self, id: &str, before: &Value, sent: &Value) -> Answer<()> {
        let customer = owned(before, "customer");
        let method = match opt(sent, "default_payment_method") {
            Some(name) => {
                json!(self.attached_method(name, &customer, "default_payment_method")?)
            }
            None => Value::Null,
        };
        let pause = pause_from(sent, self.now)?;
        let discounts = self.discounts_from(sent, &customer, Some(id))?;
        let kept = metadata(&before["metadata"], get(sent, "metadata"))?;
        self.refuse_mixed_tax(list(sent, "items"), before)?;
        self.refuse_mixed_tax(list(sent, "items"), sent)?;
        self.refuse_mixed_tax(inner(before, "items"), sent)?;
        let now = self.now;
        let mut members = super::subscriptions::members(sent, now);
        merge(&mut members, self.tax_members(sent, &customer, before)?);
        self.modify(id, |row| {
            let cancel_at = row["cancel_at"].clone();
            for (name, value) in members.as_object().into_iter().flatten() {
                row[name.as_str()] = value.clone();
            }
            row["cancel_at"] = cancel_at;
            if has(sent, "default_payment_method") {
                row["default_payment_method"] = method;
            }
            if text(row, "collection_method") == "charge_automatically" {
                row["days_until_due"] = Value::Null;
            }
            row["metadata"] = kept;
            if has(sent, "pause_collection") {
                row["pause_collection"] = pause;
            }
            for name in ["comment", "feedback"] {
                let path = format!("cancellation_details.{name}");
                if has(sent, &path) {
                    set(row, &path, or_null(sent, &path));
                }
            }
        });
        if has(sent, "cancel_at") || has(sent, "cancel_at_period_end") {
            self.cancel_later(before, sent, ProrationBehavior::from_params(sent))?;
        }
        if has(sent, "discounts") {
            self.start_discounts(id, &discounts);
        }
        Ok(())
    }

    /// Sets or takes back the end of a subscription, which was `before`.
    pub(super) fn cancel_later(
        &mut self,
        before: &Value,
        sent: &Value,
        proration: ProrationBehavior,
    ) -> Answer<()> {
        let (id, now) = (text(before, "id"), self.now);
        if opt_int(sent, "cancel_at").is_some_and(|at| at < now) {
            let message = "cancel_at must be in the future.";
            return refuse_param("", "cancel_at", message);
        }
        self.modify(id, |row| change_cancellation(row, sent));
        self.fit_period(id, before, proration);
        self.modify(id, |row| mark_cancellation(row, now));
        Ok(())
    }

    /// Moves the end of the current period to a cancellation within it, or back to where it was, and
    /// bills the difference.
    fn fit_period(&mut self, id: &str, before: &Value, proration: ProrationBehavior) {
        let row = self.row(id).clone();
        let first = get(&row, "items.data.0");
        let (start, old_end) = period(first);
        let natural = natural_end(&row);
        let end = opt_int(&row, "cancel_at")
            .filter(|at| *at > start)
            .map_or(natural, |at| at.min(natural));
        if end == old_end || status::is_trialing(&row) {
            return;
        }
        let drafts = match proration {
            ProrationBehavior::None => Vec::new(),
            _ if end < old_end => self.unused_time(before, end),
            _ => self.added_time(&row, (old_end, end)),
        };
        self.modify(id, |row| move_period(row, start, end));
        let lines = self.store_items(text(&row, "customer"), drafts);
        if proration == ProrationBehavior::AlwaysInvoice && !lines.is_empty() {
            let reason = BillingReason::SubscriptionUpdate;
            let is_charged = text(&row, "collection_method") == "charge_automatically";
            let invoice = self.new_invoice(&NewInvoice {
                advances: !is_charged && collects(&row),
                ..NewInvoice::of(&row, reason, lines, self.now)
            });
            if !self.settle_paused(&row, &invoice) && is_charged {
                // The events report the outcome.
                let _ = self.pay_invoice(&invoice, None, Initiator::Merchant);
            }
        }
    }

    /// The lines for time that a period gains.
    fn added_time(&self, row: &Value, (from, to): (i64, i64)) -> Vec<Draft> {
        let start = period(get(row, "items.data.0")).0;
        let line = |item: &Value| {
            let whole = Grid::of(row, get(item, "price")).whole(start);
            let line = self.period_line(row, item, from, to);
            Draft {
                amount: share(line.amount, to - from, whole),
                description: self.proration_text("Remaining time", &line, from),
                proration: true,
                ..line
            }
        };
        inner(row, "items").iter().map(line).collect()
    }

    /// Reads a change from the parameters of an update.
    pub(super) fn change_from(&mut self, id: &str, sent: &Value) -> Answer<Change> {
        let row = self.need("subscription", id, "id")?;
        let items = self.items_after(&row, list(sent, "items"), "items")?;
        let old = billing_interval(get(&row, "items.data.0.price"));
        let turns = items
            .first()
            .is_some_and(|item| billing_interval(get(item, "price")) != old);
        let from_free = inner(&row, "items")
            .iter()
            .all(|item| unit_price(get(item, "price")) == 0)
            && items.iter().any(|item| unit_price(get(item, "price")) > 0);
        let ends_trial = ends_trial(&row, sent);
        let at = opt_int(sent, "proration_date").unwrap_or(self.now);
        let first = inner(&row, "items").first().cloned().unwrap_or_default();
        let (start, end) = period(&first);
        if !(start..=end).contains(&at) {
            let message = "Cannot specify `proration_date` outside of the current billing period.";
            return refuse_param("", "proration_date", message);
        }
        let in_trial = status::is_trialing(&row);
        let mut one_time_lines = self.one_time_lines_from(
            list(sent, "add_invoice_items"),
            "add_invoice_items",
            text(&row, "currency"),
            (text(&row, "customer"), Some(id)),
        )?;
        for line in &mut one_time_lines {
            line.subscription = Some(id.to_owned());
        }
        Ok(Change {
            items,
            proration: ProrationBehavior::from_params(sent),
            behavior: PaymentBehavior::from_params(sent),
            at: if ends_trial { self.now } else { at },
            resets: ends_trial
                || !in_trial && (turns || from_free || text(sent, "billing_cycle_anchor") == "now"),
            ends_trial,
            one_time_lines,
            by: Initiator::from_params(sent),
        })
    }

    /// Calculates what a change would bill.
    pub(super) fn bill_for(&self, row: &Value, change: &Change) -> Bill {
        let prorates = change.proration != ProrationBehavior::None && !status::is_trialing(row);
        if !change.resets {
            let prorations = if prorates {
                self.proration_lines(row, &change.items, change.at)
            } else {
                Vec::new()
            };
            let now =
                change.proration == ProrationBehavior::AlwaysInvoice && !prorations.is_empty();
            return Bill {
                prorations,
                full: Vec::new(),
                period: None,
                now,
            };
        }
        let credits = inner(row, "items")
            .iter()
            .filter(|item| prorates && unit_price(get(item, "price")) > 0)
            .flat_map(|item| self.credit_lines(row, item, change.at))
            .collect();
        let mut anchored = row.clone();
        anchored["billing_cycle_anchor"] = change.at.into();
        anchored["billing_cycle_anchor_config"] = Value::Null;
        if flag(row, "cancel_at_period_end") {
            anchored["cancel_at"] = Value::Null;
        }
        let end = period_end(&anchored, get(&change.items[0], "price"), change.at);
        let full = change
            .items
            .iter()
            .map(|item| self.prorated_line(&anchored, item, (change.at, end)))
            .collect();
        Bill {
            prorations: credits,
            full,
            period: Some((change.at, end)),
            now: true,
        }
    }

    /// Changes the items and bills the difference. The caller emits the event of the subscription.
    pub(super) fn change_items(&mut self, id: &str, change: Change) -> Answer<()> {
        self.drop_pending(id);
        let row = self.need("subscription", id, "id")?;
        if change.ends_trial && !self.can_collect(&row) {
            return self.end_unpayable_trial(&row, &change.items);
        }
        let bill = self.bill_for(&row, &change);
        let customer = owned(&row, "customer");
        let prorations = self.store_items(&customer, bill.prorations);
        let one_time_lines = self.store_items(&customer, change.one_time_lines.clone());
        if !bill.now {
            self.set_items(id, &change.items, bill.period);
            return Ok(());
        }
        let waits = change.behavior == PaymentBehavior::PendingIfIncomplete
            && text(&row, "collection_method") == "charge_automatically"
            && collects(&row);
        if !waits {
            self.apply_items(id, &change.items, bill.period, change.ends_trial);
        }
        let mut lines = prorations;
        lines.extend(one_time_lines);
        self.add_pending(&mut lines, &customer, id);
        lines.extend(bill.full);
        let is_charged = text(&row, "collection_method") == "charge_automatically";
        let invoice = self.new_invoice(&NewInvoice {
            advances: !is_charged && collects(&row),
            ..NewInvoice::of(&row, BillingReason::SubscriptionUpdate, lines, self.now)
        });
        if self.settle_paused(&row, &invoice) || !is_charged {
            return Ok(());
        }
        if waits {
            let period = bill
                .period
                .map_or(Value::Null, |(start, end)| json!([start, end]));
            let pending = json!({"invoice": invoice, "items": change.items, "period": period,
                                 "ends_trial": change.ends_trial});
            self.set_note(id, "pending", pending);
        }
        self.pay_for_change(id, &invoice, &change)
    }

    fn pay_for_change(&mut self, id: &str, invoice: &str, change: &Change) -> Answer<()> {
        if change.behavior == PaymentBehavior::DefaultIncomplete {
            self.finalize_invoice(invoice);
            let is_open = status::is_open(self.row(invoice));
            if is_open {
                self.modify(id, |row| row["status"] = "past_due".into());
            }
            return Ok(());
        }
        let result = self.pay_invoice(invoice, None, change.by);
        match (result, change.behavior) {
            (Ok(Paid::Now | Paid::Later), _) => Ok(()),
            (Ok(Paid::RequiresAction), PaymentBehavior::ErrorIfIncomplete) => {
                let message = "Payment for this subscription requires additional user action before it can be completed successfully.";
                let mut error =
                    ApiError::card("subscription_payment_intent_requires_action", "", message);
                error.keep = false;
                Err(error)
            }
            (Err(mut error), PaymentBehavior::ErrorIfIncomplete) => {
                error.keep = false;
                Err(error)
            }
            (Ok(Paid::RequiresAction) | Err(_), PaymentBehavior::PendingIfIncomplete) => {
                self.show_pending(id, change);
                Ok(())
            }
            (Ok(Paid::RequiresAction), _) => {
                self.subscription_unpaid(id, invoice, false);
                Ok(())
            }
            (Err(error), _) if error.keep => Ok(()),
            (Err(error), _) => Err(error),
        }
    }

    /// Sets the items and, if one started, the new period, after the end of the trial if it ends.
    pub(super) fn apply_items(
        &mut self,
        id: &str,
        items: &[Value],
        period: Option<(i64, i64)>,
        ends_trial: bool,
    ) {
        let before = self.row(id).clone();
        if ends_trial {
            self.finish_trial(id);
        }
        self.set_items(id, items, period);
        if ends_trial {
            self.follow_trial(&before);
        }
    }

    /// Sets the items and, if one started, the new period.
    pub(super) fn set_items(&mut self, id: &str, items: &[Value], period: Option<(i64, i64)>) {
        self.modify(id, |row| {
            set_item_list(row, items);
            if let Some((start, end)) = period {
                row["billing_cycle_anchor"] = start.into();
                row["billing_cycle_anchor_config"] = Value::Null;
                move_period(row, start, end);
            }
        });
        self.own_item_discounts(id);
        self.follow_items(id);
        self.plan_ahead(id);
    }
}
