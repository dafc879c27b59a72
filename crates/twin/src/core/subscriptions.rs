//! Subscriptions: made, shown, ended. Changes are in `changes`, the passing of time in `billing`.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError};
use super::invoices::NewInvoice;
use super::lines::{Draft, share};
use super::lists::{inner, matches};
use super::params::metadata;
use super::payments::{By, Paid};
use super::time::{DAY, HOUR, add_interval, next_on_grid};
use super::value::{flag, get, has, int, list, merge, opt, opt_int, or_null, owned, set, text};
use super::{Call, Core};

/// How long an unpaid first invoice, or a pending update, waits.
pub(super) const INCOMPLETE_SECONDS: i64 = 23 * HOUR;
const TRIAL_NOTICE_SECONDS: i64 = 3 * DAY;
const TRIAL_SECONDS_MAX: i64 = 730 * DAY;

/// A subscription to be made.
pub(super) struct NewSubscription {
    pub(super) customer: String,
    /// Price, quantity, metadata.
    pub(super) items: Vec<(Value, i64, Value)>,
    /// One-time lines of the first invoice.
    pub(super) extras: Vec<Draft>,
    pub(super) metadata: Value,
    pub(super) method: Option<String>,
    pub(super) trial_end: Option<i64>,
    pub(super) anchor: Option<i64>,
    pub(super) behavior: String,
    pub(super) by: By,
    /// Further members to write over the defaults.
    pub(super) members: Value,
    /// Whether the payment method of the first payment becomes the default.
    pub(super) keeps_method: bool,
    pub(super) discounts: Vec<String>,
}

/// `GET /v1/subscriptions`; cancelled ones only when asked for.
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let status = opt(&call.params, "status").unwrap_or("");
    let price = opt(&call.params, "price");
    core.page(call, "subscription", |row| {
        let is = text(row, "status");
        let fits = match status {
            "all" => true,
            "" => is != "canceled" && is != "incomplete_expired",
            "ended" => is == "canceled" || is == "incomplete_expired",
            wanted => wanted == is,
        };
        fits && matches(&call.params, row, &["customer", "collection_method"])
            && price.is_none_or(|id| {
                inner(row, "items")
                    .iter()
                    .any(|one| get(one, "price.id") == id)
            })
    })
}

/// `GET /v1/subscriptions/search`
pub(super) fn search(core: &mut Core, call: &Call) -> Answer {
    core.search(call, "subscription")
}

/// `GET /v1/customers/{customer}/subscriptions`
pub(super) fn of_customer(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    core.page(call, "subscription", |row| {
        text(row, "customer") == call.id()
            && !matches!(text(row, "status"), "canceled" | "incomplete_expired")
    })
}

/// `GET /v1/subscriptions/{subscription}`
pub(super) fn show(core: &mut Core, call: &Call) -> Answer {
    core.need_path("subscription", call.id(), "id")
}

/// `POST /v1/subscriptions`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let new = from_params(core, &call.params)?;
    let id = core.create_subscription(new)?;
    core.need("subscription", &id, "id")
}

/// `DELETE /v1/subscriptions/{subscription}`: at once.
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let subscription = core.need_path("subscription", call.id(), "id")?;
    if matches!(
        text(&subscription, "status"),
        "canceled" | "incomplete_expired"
    ) {
        return Err(core.missing("subscription", call.id(), "id"));
    }
    let details = get(&call.params, "cancellation_details").clone();
    core.modify(call.id(), |row| {
        for name in ["comment", "feedback"] {
            if has(&details, name) {
                set(
                    row,
                    &format!("cancellation_details.{name}"),
                    or_null(&details, name),
                );
            }
        }
    });
    core.cancel_with_credit(
        &subscription,
        flag(&call.params, "prorate"),
        flag(&call.params, "invoice_now"),
    );
    core.need_path("subscription", call.id(), "id")
}

/// `POST /v1/subscriptions/{subscription}/resume`: from `paused`.
pub(super) fn resume(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("subscription", call.id(), "id")?;
    if text(&before, "status") != "paused" {
        let message = "Only paused subscriptions can be resumed.";
        return Err(ApiError::invalid(message).boxed());
    }
    core.start_period(call.id(), core.now, By::Merchant)?;
    core.emit("customer.subscription.resumed", call.id());
    core.emit_change("customer.subscription.updated", call.id(), &before);
    core.need_path("subscription", call.id(), "id")
}

fn from_params(core: &mut Core, sent: &Value) -> Answer<NewSubscription> {
    let customer = opt(sent, "customer").ok_or_else(|| ApiError::required("customer").boxed())?;
    core.need("customer", customer, "customer[id]")?;
    let customer = customer.to_owned();
    if list(sent, "items").is_empty() {
        return Err(ApiError::required("items").boxed());
    }
    let mut items = Vec::new();
    for (index, item) in list(sent, "items").iter().enumerate() {
        let price = core.recurring_price(item, &format!("items[{index}]"))?;
        let kept = metadata(&Value::Null, get(item, "metadata"))?;
        items.push((price, opt_int(item, "quantity").unwrap_or(1), kept));
    }
    one_rhythm(items.iter().map(|(price, ..)| price))?;
    let method = match opt(sent, "default_payment_method") {
        Some(name) => Some(core.usable_method(name, Some(&customer), "default_payment_method")?),
        None => None,
    };
    let extras = core.extra_lines(list(sent, "add_invoice_items"), "add_invoice_items")?;
    let (interval, count) = rhythm(&items[0].0);
    let natural = add_interval(core.now, interval, count);
    if opt_int(sent, "billing_cycle_anchor").is_some_and(|at| at < core.now || at > natural) {
        let message = "billing_cycle_anchor must be in the future and cannot be later than the next natural billing date.";
        return Err(ApiError::bad("", "billing_cycle_anchor", message).boxed());
    }
    Ok(NewSubscription {
        trial_end: trial_end(core.now, sent)?,
        anchor: opt_int(sent, "billing_cycle_anchor"),
        metadata: metadata(&Value::Null, get(sent, "metadata"))?,
        behavior: opt(sent, "payment_behavior")
            .unwrap_or("allow_incomplete")
            .to_owned(),
        by: if flag(sent, "off_session") {
            By::Merchant
        } else {
            By::Customer
        },
        members: members(sent),
        keeps_method: text(sent, "payment_settings.save_default_payment_method")
            == "on_subscription",
        discounts: core.discounts_from(sent, &customer)?,
        customer,
        items,
        extras,
        method,
    })
}

/// The members of a subscription that are taken over as they were sent.
pub(super) fn members(sent: &Value) -> Value {
    let mut members = json!({});
    for name in ["description", "cancel_at", "days_until_due"] {
        if has(sent, name) {
            members[name] = or_null(sent, name);
        }
    }
    for name in [
        "cancel_at_period_end",
        "collection_method",
        "trial_settings",
    ] {
        if has(sent, name) {
            members[name] = get(sent, name).clone();
        }
    }
    if has(sent, "payment_settings") {
        members["payment_settings"] = json!({"payment_method_options": null,
            "payment_method_types": or_null(sent, "payment_settings.payment_method_types"),
            "save_default_payment_method":
                opt(sent, "payment_settings.save_default_payment_method").unwrap_or("off")});
    }
    members
}

/// The end of the trial that parameters ask for.
pub(super) fn trial_end(now: i64, sent: &Value) -> Answer<Option<i64>> {
    let by_days = opt_int(sent, "trial_period_days").map(|days| now + days * DAY);
    let end = opt_int(sent, "trial_end")
        .or(by_days)
        .filter(|end| *end != now);
    match end {
        Some(end) if end < now => {
            let message = "trial_end must be in the future.";
            Err(ApiError::bad("", "trial_end", message).boxed())
        }
        Some(end) if end > now + TRIAL_SECONDS_MAX => {
            let message = "The trial period can be at most 730 days long.";
            Err(ApiError::bad("", "trial_end", message).boxed())
        }
        end => Ok(end),
    }
}

/// All prices of a subscription are billed in the same rhythm and currency here.
pub(super) fn one_rhythm<'a>(prices: impl Iterator<Item = &'a Value>) -> Answer<()> {
    let rhythm = |price: &Value| {
        (
            owned(price, "currency"),
            owned(price, "recurring.interval"),
            int(price, "recurring.interval_count"),
        )
    };
    let all: Vec<_> = prices.map(rhythm).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    let message = "Currency and interval fields must match across all plans on this subscription.";
    Err(ApiError::bad("", "items", message).boxed())
}

impl Core {
    /// The active recurring price of an item in parameters.
    pub(super) fn recurring_price(&mut self, item: &Value, param: &str) -> Answer {
        let named = format!("{param}[price]");
        let id = match opt(item, "price") {
            Some(id) => id.to_owned(),
            None if has(item, "price_data") => {
                self.create_price(get(item, "price_data"), &format!("{param}[price_data]"))?
            }
            None => return Err(ApiError::required(&named).boxed()),
        };
        let price = self.need("price", &id, &named)?;
        if text(&price, "type") != "recurring" {
            let message = format!(
                "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`. (`{id}`)"
            );
            return Err(ApiError::bad("", &named, message).boxed());
        }
        if !flag(&price, "active") {
            let message = format!(
                "The price specified is inactive. This field only accepts active prices. (`{id}`)"
            );
            return Err(ApiError::bad("", &named, message).boxed());
        }
        Ok(price)
    }

    /// One-time lines from parameters.
    pub(super) fn extra_lines(&mut self, sent: &[Value], param: &str) -> Answer<Vec<Draft>> {
        let mut drafts = Vec::new();
        for (index, item) in sent.iter().enumerate() {
            let named = format!("{param}[{index}]");
            let id = match opt(item, "price") {
                Some(id) => id.to_owned(),
                None => {
                    self.create_price(get(item, "price_data"), &format!("{named}[price_data]"))?
                }
            };
            let price = self.need("price", &id, &format!("{named}[price]"))?;
            drafts.push(self.one_time_line(&price, opt_int(item, "quantity").unwrap_or(1)));
        }
        Ok(drafts)
    }

    /// A line for a one-time price.
    pub(super) fn one_time_line(&self, price: &Value, quantity: i64) -> Draft {
        Draft {
            amount: int(price, "unit_amount") * quantity,
            currency: owned(price, "currency"),
            description: self.product_name(price),
            start: self.now,
            end: self.now,
            price: price.clone(),
            quantity,
            proration: false,
            item: None,
            subscription: None,
            invoice_item: None,
            metadata: json!({}),
        }
    }

    /// Makes a subscription with its first invoice, and tells.
    pub(super) fn create_subscription(&mut self, new: NewSubscription) -> Answer<String> {
        let (id, period) = self.build_subscription(&new);
        let subscription = self.store.get(&id).cloned().unwrap_or_default();
        let mut lines = self.first_lines(&new, &subscription, period);
        lines.extend(self.store_items(&new.customer, new.extras));
        let waiting = self.pending_items(&new.customer, Some(&id));
        let waiting: Vec<Draft> = waiting
            .into_iter()
            .filter(|one| !is_listed(one, &lines))
            .collect();
        lines.extend(waiting);
        let invoice = self.new_invoice(NewInvoice {
            customer: &new.customer,
            subscription: Some(&id),
            reason: "subscription_create",
            currency: text(&subscription, "currency"),
            lines,
            period: (self.now, self.now),
            advances: false,
        });
        let by_invoice = text(&subscription, "collection_method") == "send_invoice";
        self.finalize_invoice(&invoice);
        let is_open = self
            .store
            .get(&invoice)
            .is_some_and(|row| text(row, "status") == "open");
        if is_open && !by_invoice && new.behavior != "default_incomplete" {
            self.first_payment(&id, &invoice, &new.behavior, new.by)?;
        }
        self.set_note(&id, "announced", true);
        self.emit("customer.subscription.created", &id);
        self.plan_ahead(&id);
        Ok(id)
    }

    /// The subscription itself, stored but not told, with its first period.
    fn build_subscription(&mut self, new: &NewSubscription) -> (String, (i64, i64)) {
        let id = self.rng.id("sub");
        let price = &new.items[0].0;
        let (interval, count) = rhythm(price);
        let now = self.now;
        let natural = add_interval(now, interval, count);
        let end = new
            .trial_end
            .or(new.anchor.filter(|at| *at > now && *at < natural))
            .unwrap_or(natural);
        let soon = new.anchor.filter(|at| *at > now && *at <= natural);
        let anchor = new.trial_end.or(soon).unwrap_or(now);
        let items: Vec<Value> = new
            .items
            .iter()
            .map(|(price, quantity, kept)| self.new_item(&id, price, *quantity, kept, (now, end)))
            .collect();
        let status = match (new.trial_end, text(&new.members, "collection_method")) {
            (Some(_), _) => "trialing",
            (None, "send_invoice") => "active",
            _ => "incomplete",
        };
        let trial_start = new.trial_end.map(|_| now);
        let mut subscription = json!({
            "id": id, "object": "subscription", "application": null,
            "application_fee_percent": null,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
            "billing_cycle_anchor": anchor, "billing_cycle_anchor_config": null,
            "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
            "billing_schedules": [], "billing_thresholds": null, "cancel_at": null,
            "cancel_at_period_end": false, "canceled_at": null,
            "cancellation_details": {"comment": null, "feedback": null, "reason": null},
            "collection_method": "charge_automatically", "created": now,
            "currency": price["currency"], "customer": new.customer, "customer_account": null,
            "days_until_due": null, "default_payment_method": new.method, "default_source": null,
            "default_tax_rates": [], "description": null, "discounts": [], "ended_at": null,
        });
        let rest = json!({
            "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
            "items": {"object": "list", "data": items, "has_more": false,
                      "url": format!("/v1/subscription_items?subscription={id}")},
            "latest_invoice": null, "livemode": false, "metadata": new.metadata,
            "next_pending_invoice_item_invoice": null, "on_behalf_of": null,
            "pause_collection": null,
            "payment_settings": {"payment_method_options": null, "payment_method_types": null,
                                 "save_default_payment_method": "off"},
            "pending_invoice_item_interval": null, "pending_setup_intent": null,
            "pending_update": null, "schedule": null, "start_date": now, "status": status,
            "test_clock": null, "transfer_data": null, "trial_end": new.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
            "trial_start": trial_start,
        });
        merge(&mut subscription, rest);
        for (name, value) in new.members.as_object().into_iter().flatten() {
            subscription[name] = value.clone();
        }
        note_cancellation(&mut subscription, now);
        self.store.put(&id, subscription);
        if new.keeps_method {
            self.set_note(&id, "keeps_method", true);
        }
        self.start_discounts(&id, &new.discounts);
        (id, (now, end))
    }

    /// A subscription item.
    pub(super) fn new_item(
        &mut self,
        subscription: &str,
        price: &Value,
        quantity: i64,
        kept: &Value,
        period: (i64, i64),
    ) -> Value {
        json!({
            "id": self.rng.id("si"), "object": "subscription_item", "billing_thresholds": null,
            "created": self.now, "current_period_end": period.1,
            "current_period_start": period.0, "discounts": [], "metadata": kept, "price": price,
            "quantity": quantity, "subscription": subscription, "tax_rates": [],
        })
    }

    /// The first invoice's lines: a trial is free, a short first period is charged by its share.
    fn first_lines(
        &self,
        new: &NewSubscription,
        subscription: &Value,
        period: (i64, i64),
    ) -> Vec<Draft> {
        let (start, end) = period;
        inner(subscription, "items")
            .iter()
            .map(|item| {
                if new.trial_end.is_some() {
                    return self.trial_line(subscription, item, start, end);
                }
                let mut line = self.period_line(subscription, item, start, end);
                let (interval, count) = rhythm(get(item, "price"));
                let natural = add_interval(start, interval, count);
                if end < natural {
                    line.amount = share(line.amount, end - start, natural - start);
                }
                line
            })
            .collect()
    }

    /// Pays the first invoice. Only `error_if_incomplete` lets a refusal through.
    fn first_payment(&mut self, id: &str, invoice: &str, behavior: &str, by: By) -> Answer<()> {
        let row = self.store.get(invoice).cloned().unwrap_or_default();
        if self.method_for_invoice(&row).is_none() {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://docs.stripe.com/billing/subscriptions/payment-methods-setting#payment-method-priority.";
            return Err(ApiError::bad("resource_missing", "", message).boxed());
        }
        match self.pay_invoice(invoice, None, by) {
            Ok(Paid::NeedsCustomer) if behavior == "error_if_incomplete" => {
                let message = "Payment for this subscription requires additional user action before it can be completed successfully.";
                let mut error =
                    ApiError::card("subscription_payment_intent_requires_action", "", message);
                error.keep = false;
                Err(error.boxed())
            }
            Err(mut error) if behavior == "error_if_incomplete" => {
                error.keep = false;
                Err(error)
            }
            // A debit under way counts as paid until it fails.
            Ok(Paid::Later) => {
                self.modify(id, |row| row["status"] = "active".into());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Asks to be woken at everything a subscription has before it.
    pub(super) fn plan_ahead(&mut self, id: &str) {
        let Some(row) = self.store.get(id).cloned() else {
            return;
        };
        if let Some(end) = inner(&row, "items")
            .first()
            .and_then(|item| opt_int(item, "current_period_end"))
        {
            self.wake(end, id);
        }
        if let Some(at) = opt_int(&row, "cancel_at") {
            self.wake(at, id);
        }
        if text(&row, "status") == "incomplete" {
            self.wake(int(&row, "created") + INCOMPLETE_SECONDS, id);
        }
        if let Some(at) = opt_int(&row, "pending_update.expires_at") {
            self.wake(at, id);
        }
        if text(&row, "status") == "trialing" {
            let notice = int(&row, "trial_end") - TRIAL_NOTICE_SECONDS;
            if notice <= self.now {
                self.tell_trial_will_end(id);
            } else {
                self.wake(notice, id);
            }
        }
    }

    /// Once for each end of a trial.
    pub(super) fn tell_trial_will_end(&mut self, id: &str) {
        let end = self
            .store
            .get(id)
            .map_or(Value::Null, |row| row["trial_end"].clone());
        if self.note(id, "trial_told") != end {
            self.set_note(id, "trial_told", end);
            self.emit("customer.subscription.trial_will_end", id);
        }
    }

    /// An invoice of a subscription was paid.
    pub(super) fn subscription_paid(&mut self, id: &str, invoice: &str) {
        let before = self.store.get(id).cloned().unwrap_or_default();
        if self.note(id, "pending")["invoice"] == invoice {
            self.apply_pending(id);
            return;
        }
        let is_latest = text(&before, "latest_invoice") == invoice;
        let others_open = self.store.all("invoice").any(|row| {
            text(row, "status") == "open"
                && get(row, "parent.subscription_details.subscription") == id
        });
        let status = text(&before, "status");
        let revives = status == "incomplete"
            || matches!(status, "past_due" | "unpaid") && (is_latest || !others_open);
        let method = self
            .invoice_intent(invoice)
            .and_then(|intent| {
                self.store
                    .get(&intent)
                    .map(|row| owned(row, "payment_method"))
            })
            .filter(|method| !method.is_empty() && self.note(id, "keeps_method") == true);
        let now = self.now;
        self.modify(id, |row| {
            if revives {
                let in_trial = opt_int(row, "trial_end").is_some_and(|end| end > now);
                row["status"] = if in_trial { "trialing" } else { "active" }.into();
            }
            if let Some(method) = method {
                row["default_payment_method"] = method.into();
            }
        });
        self.modify(text(&before, "customer"), |row| {
            row["delinquent"] = false.into()
        });
        if self.note(id, "announced") == true {
            self.emit_change("customer.subscription.updated", id, &before);
        }
    }

    /// An attempt to pay an invoice of a subscription failed.
    pub(super) fn subscription_unpaid(&mut self, id: &str, invoice: &str, is_last: bool) {
        let before = self.store.get(id).cloned().unwrap_or_default();
        if self.note(id, "pending")["invoice"] == invoice {
            return;
        }
        if matches!(text(&before, "status"), "active" | "trialing") {
            self.modify(text(&before, "customer"), |row| {
                row["delinquent"] = true.into()
            });
            self.modify_and_tell("customer.subscription.updated", id, |row| {
                row["status"] = "past_due".into();
            });
        }
        if is_last {
            self.end_dunning(id);
        }
    }

    /// Whether failed payments of that invoice are retried.
    pub(super) fn is_dunned(&self, subscription: &Value, invoice: &str) -> bool {
        let is_live = matches!(
            text(subscription, "status"),
            "active" | "past_due" | "trialing" | "unpaid"
        );
        is_live
            && self.note(text(subscription, "id"), "pending")["invoice"] != invoice
            && text(subscription, "collection_method") == "charge_automatically"
    }

    /// Ends a subscription at once, with a credit for the rest of the period when asked for.
    fn cancel_with_credit(&mut self, subscription: &Value, prorate: bool, invoice_now: bool) {
        let id = owned(subscription, "id");
        let customer = owned(subscription, "customer");
        let is_live = matches!(text(subscription, "status"), "active" | "past_due");
        if prorate && is_live {
            let credits: Vec<Draft> = inner(subscription, "items")
                .iter()
                .map(|item| self.rest_of_period(subscription, item, self.now, true))
                .collect();
            self.store_items(&customer, credits);
        }
        let waiting = self.pending_items(&customer, Some(&id));
        if invoice_now && !waiting.is_empty() {
            let invoice = self.new_invoice(NewInvoice {
                customer: &customer,
                subscription: Some(&id),
                reason: "manual",
                currency: text(subscription, "currency"),
                lines: waiting,
                period: (self.now, self.now),
                advances: false,
            });
            let _ = self.pay_invoice(&invoice, None, By::Merchant);
        }
        self.end_subscription(&id, "cancellation_requested");
    }

    /// The end of a subscription, told.
    pub(super) fn end_subscription(&mut self, id: &str, reason: &str) {
        let Some(before) = self.store.get(id).cloned() else {
            return;
        };
        let now = self.now;
        if text(&before, "status") == "incomplete"
            && let Some(invoice) = opt(&before, "latest_invoice")
        {
            self.void_invoice(invoice);
        }
        if let Some(schedule) = opt(&before, "schedule") {
            self.end_schedule(schedule, "canceled");
        }
        self.drop_pending(id);
        self.stop_collecting(id);
        self.modify(id, |row| {
            row["status"] = "canceled".into();
            row["ended_at"] = now.into();
            if row["canceled_at"].is_null() {
                row["canceled_at"] = now.into();
            }
            if get(row, "cancellation_details.reason").is_null() {
                set(row, "cancellation_details.reason", reason);
            }
        });
        self.emit("customer.subscription.deleted", id);
    }

    /// Open invoices of an ended subscription are not tried again.
    fn stop_collecting(&mut self, id: &str) {
        let open: Vec<String> = self
            .store
            .all("invoice")
            .filter(|row| get(row, "parent.subscription_details.subscription") == id)
            .filter(|row| {
                matches!(text(row, "status"), "open" | "draft") && flag(row, "auto_advance")
            })
            .map(|row| owned(row, "id"))
            .collect();
        for invoice in open {
            self.modify(&invoice, |row| {
                row["auto_advance"] = false.into();
                row["next_payment_attempt"] = Value::Null;
            });
        }
    }

    /// Ends every subscription of a customer that is being deleted.
    pub(super) fn end_all_of(&mut self, customer: &str) {
        let live: Vec<String> = self
            .store
            .all("subscription")
            .filter(|row| text(row, "customer") == customer)
            .filter(|row| !matches!(text(row, "status"), "canceled" | "incomplete_expired"))
            .map(|row| owned(row, "id"))
            .collect();
        for id in live {
            self.end_subscription(&id, "cancellation_requested");
        }
    }
}

fn is_listed(pending: &Draft, lines: &[Draft]) -> bool {
    lines
        .iter()
        .any(|one| one.invoice_item == pending.invoice_item)
}

/// Interval and count of a price.
pub(super) fn rhythm(price: &Value) -> (&str, i64) {
    (
        text(price, "recurring.interval"),
        int(price, "recurring.interval_count").max(1),
    )
}

/// The end of the period that begins at `start` on a subscription's grid.
pub(super) fn period_end(subscription: &Value, price: &Value, start: i64) -> i64 {
    let (interval, count) = rhythm(price);
    next_on_grid(
        int(subscription, "billing_cycle_anchor"),
        interval,
        count,
        start,
    )
}

/// The members that follow from a wish to cancel.
pub(super) fn note_cancellation(row: &mut Value, now: i64) {
    let end = inner(row, "items")
        .first()
        .and_then(|item| opt_int(item, "current_period_end"));
    let wishes = flag(row, "cancel_at_period_end");
    if wishes {
        row["cancel_at"] = json!(end);
    }
    if wishes || has(row, "cancel_at") {
        if row["canceled_at"].is_null() {
            row["canceled_at"] = now.into();
        }
        set(row, "cancellation_details.reason", "cancellation_requested");
    } else {
        row["canceled_at"] = Value::Null;
        set(row, "cancellation_details.reason", Value::Null);
    }
}
