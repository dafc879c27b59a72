//! Changing subscriptions: fields, items with proration, and trials.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::behavior::{PaymentBehavior, ProrationBehavior};
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::params::metadata;
use super::payments::{Initiator, Paid};
use super::status;
use super::subscription_states::mark_cancellation;
use super::subscriptions::{billing_interval, period_end};
use super::value::{get, has, int, list, merge, opt, opt_int, or_null, owned, period, set, text};
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
    core.change_trial(id, sent)?;
    if has(sent, "items")
        || has(sent, "add_invoice_items")
        || text(sent, "billing_cycle_anchor") == "now"
    {
        let change = core.change_from(id, sent)?;
        core.change_items(id, change)?;
    }
    core.emit_change("customer.subscription.updated", id, &before);
    core.plan_ahead(id);
    core.need("subscription", id, "id")
}

fn refuse_on_ended(before: &Value, sent: &Value) -> Answer<()> {
    let has_ended = status::has_ended(before);
    let harmless = ["metadata", "cancellation_details"];
    let others = sent
        .as_object()
        .into_iter()
        .flatten()
        .any(|(key, _)| !harmless.contains(&key.as_str()));
    if has_ended && others {
        let message =
            "A canceled subscription can only update its cancellation_details and metadata.";
        return Err(ApiError::invalid(message));
    }
    if status::subscription(before) == SubscriptionStatus::Incomplete && has(sent, "items") {
        let message = "Subscription is incomplete: the first invoice must be paid before its items can change.";
        return Err(ApiError::invalid(message));
    }
    Ok(())
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

/// Applies `cancel_at_period_end` and `cancel_at` with the fields that follow from them.
fn change_cancellation(row: &mut Value, sent: &Value, now: i64) {
    if !has(sent, "cancel_at_period_end") && !has(sent, "cancel_at") {
        return;
    }
    let end = get(row, "items.data.0.current_period_end").clone();
    if let Some(word) = opt(sent, "cancel_at") {
        debug_assert!(
            word.ends_with("period_end") || word.ends_with("until"),
            "the schema allows these"
        );
        row["cancel_at"] = end;
    } else if !has(sent, "cancel_at") {
        row["cancel_at"] = Value::Null;
    }
    if has(sent, "cancel_at") {
        row["cancel_at_period_end"] = false.into();
    }
    mark_cancellation(row, now);
}

impl Core {
    fn change_members(&mut self, id: &str, before: &Value, sent: &Value) -> Answer<()> {
        let customer = owned(before, "customer");
        let method = match opt(sent, "default_payment_method") {
            Some(name) => {
                Some(self.usable_method(name, Some(&customer), "default_payment_method")?)
            }
            None => None,
        };
        let discounts = self.discounts_from(sent, &customer)?;
        let kept = metadata(&before["metadata"], get(sent, "metadata"))?;
        self.refuse_mixed_tax(list(sent, "items"), before)?;
        self.refuse_mixed_tax(list(sent, "items"), sent)?;
        self.refuse_mixed_tax(inner(before, "items"), sent)?;
        let mut members = super::subscriptions::members(sent);
        merge(&mut members, self.tax_members(sent, &customer, before)?);
        let now = self.now;
        if opt_int(sent, "cancel_at").is_some_and(|at| at < now) {
            let message = "cancel_at must be in the future.";
            return refuse_param("", "cancel_at", message);
        }
        self.modify(id, |row| {
            for (name, value) in members.as_object().into_iter().flatten() {
                row[name.as_str()] = value.clone();
            }
            if let Some(method) = method {
                row["default_payment_method"] = method.into();
            }
            row["metadata"] = kept;
            if has(sent, "pause_collection") {
                let behavior = opt(sent, "pause_collection.behavior");
                row["pause_collection"] = behavior.map_or(Value::Null, |behavior| {
                    json!({"behavior": behavior, "resumes_at": get(sent, "pause_collection.resumes_at")})
                });
            }
            for name in ["comment", "feedback"] {
                let path = format!("cancellation_details.{name}");
                if has(sent, &path) {
                    set(row, &path, or_null(sent, &path));
                }
            }
            change_cancellation(row, sent, now);
        });
        if has(sent, "discounts") {
            self.start_discounts(id, &discounts);
        }
        Ok(())
    }

    /// Applies `trial_end`: `now` ends the trial and charges immediately, and a later moment moves
    /// the end.
    fn change_trial(&mut self, id: &str, sent: &Value) -> Answer<()> {
        let row = self.need("subscription", id, "id")?;
        let now = self.now;
        let in_trial = status::is_trialing(&row);
        match get(sent, "trial_end") {
            Value::String(word) if word == "now" && in_trial => self.end_trial(id, &row),
            Value::Number(at) => {
                let end = at.as_i64().unwrap_or(0);
                if end <= now {
                    let message = "trial_end must be in the future.";
                    return refuse_param("", "trial_end", message);
                }
                self.modify(id, |row| {
                    row["trial_end"] = end.into();
                    if row["trial_start"].is_null() {
                        row["trial_start"] = now.into();
                    }
                    row["status"] = "trialing".into();
                    row["billing_cycle_anchor"] = end.into();
                    let start = if in_trial {
                        int(row, "trial_start")
                    } else {
                        now
                    };
                    super::billing::move_period(row, start, end);
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn end_trial(&mut self, id: &str, row: &Value) -> Answer<()> {
        let now = self.now;
        let pays = self.default_method(row, text(row, "customer")).is_some();
        let missing = text(row, "trial_settings.end_behavior.missing_payment_method");
        if !pays && missing == "create_invoice" {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method.";
            return refuse_param("resource_missing", "", message);
        }
        self.modify(id, |row| row["trial_end"] = now.into());
        self.emit_trial_will_end(id);
        match (pays, missing) {
            (true, _) => self.start_period(id, now, Initiator::Merchant)?,
            (_, "pause") => self.pause(id),
            _ => self.end_subscription(id, "cancellation_requested"),
        }
        Ok(())
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
            .all(|item| int(item, "price.unit_amount") == 0)
            && items.iter().any(|item| int(item, "price.unit_amount") > 0);
        let at = opt_int(sent, "proration_date").unwrap_or(self.now);
        let first = inner(&row, "items").first().cloned().unwrap_or_default();
        let (start, end) = period(&first);
        if !(start..=end).contains(&at) {
            let message = "Cannot specify `proration_date` outside of the current billing period.";
            return refuse_param("", "proration_date", message);
        }
        let in_trial = status::is_trialing(&row);
        Ok(Change {
            items,
            proration: ProrationBehavior::from_params(sent),
            behavior: PaymentBehavior::from_params(sent),
            at,
            resets: !in_trial
                && (turns || from_free || text(sent, "billing_cycle_anchor") == "now"),
            one_time_lines: self
                .one_time_lines_from(list(sent, "add_invoice_items"), "add_invoice_items")?,
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
            let now = change.proration == ProrationBehavior::AlwaysInvoice
                && !prorations.is_empty()
                || !change.one_time_lines.is_empty();
            return Bill {
                prorations,
                full: Vec::new(),
                period: None,
                now,
            };
        }
        let credits = inner(row, "items")
            .iter()
            .filter(|item| prorates && int(item, "price.unit_amount") > 0)
            .flat_map(|item| self.credit_lines(row, item, change.at))
            .collect();
        let mut anchored = row.clone();
        anchored["billing_cycle_anchor"] = change.at.into();
        let end = period_end(&anchored, get(&change.items[0], "price"), change.at);
        let full = change
            .items
            .iter()
            .map(|item| self.period_line(row, item, change.at, end))
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
        let bill = self.bill_for(&row, &change);
        let customer = owned(&row, "customer");
        let prorations = self.store_items(&customer, bill.prorations);
        let one_time_lines = self.store_items(&customer, change.one_time_lines.clone());
        if !bill.now {
            self.set_items(id, &change.items, bill.period);
            return Ok(());
        }
        let waits = change.behavior == PaymentBehavior::PendingIfIncomplete;
        if !waits {
            self.set_items(id, &change.items, bill.period);
        }
        let mut lines = prorations;
        lines.extend(one_time_lines);
        let known: Vec<Option<String>> = lines.iter().map(|one| one.invoice_item.clone()).collect();
        let waiting = self.pending_items(&customer, Some(id));
        lines.extend(
            waiting
                .into_iter()
                .filter(|one| !known.contains(&one.invoice_item)),
        );
        lines.extend(bill.full);
        let invoice = self.new_invoice(NewInvoice::of(
            &row,
            BillingReason::SubscriptionUpdate,
            lines,
            self.now,
        ));
        if waits {
            let period = bill
                .period
                .map_or(Value::Null, |(start, end)| json!([start, end]));
            let pending = json!({"invoice": invoice, "items": change.items, "period": period});
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

    /// Sets the items and, if one started, the new period.
    pub(super) fn set_items(&mut self, id: &str, items: &[Value], period: Option<(i64, i64)>) {
        self.modify(id, |row| {
            row["items"]["data"] = items.into();
            if let Some((start, end)) = period {
                row["billing_cycle_anchor"] = start.into();
                super::billing::move_period(row, start, end);
            }
        });
        self.plan_ahead(id);
    }
}
