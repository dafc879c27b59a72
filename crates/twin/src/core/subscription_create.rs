//! Creating subscriptions, with their first invoice and its payment.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::behavior::PaymentBehavior;
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::lines::{Draft, share};
use super::lists::inner;
use super::params::metadata;
use super::payments::{Initiator, Paid};
use super::status;
use super::subscription_states::mark_cancellation;
use super::subscriptions::{billing_interval, check_same_interval, members, trial_end};
use super::time::add_interval;
use super::value::{get, list, merge, opt, opt_int, required, text};
use super::{Call, Core};

/// The input for creating a subscription.
pub(super) struct NewSubscription {
    pub(super) customer: String,
    /// The price, quantity and metadata of each item.
    pub(super) items: Vec<(Value, i64, Value)>,
    /// The one-time lines on the first invoice.
    pub(super) one_time_lines: Vec<Draft>,
    pub(super) metadata: Value,
    pub(super) method: Option<String>,
    pub(super) trial_end: Option<i64>,
    pub(super) anchor: Option<i64>,
    pub(super) behavior: PaymentBehavior,
    pub(super) by: Initiator,
    /// Fields that override the defaults.
    pub(super) members: Value,
    /// Whether the payment method of the first payment becomes the default.
    pub(super) keeps_method: bool,
    pub(super) discounts: Vec<String>,
    /// The discounts and tax rates of each item.
    pub(super) item_terms: Vec<Value>,
}

/// `POST /v1/subscriptions`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let new = from_params(core, &call.params)?;
    let id = core.create_subscription(new)?;
    core.need("subscription", &id, "id")
}

fn from_params(core: &mut Core, sent: &Value) -> Answer<NewSubscription> {
    let customer = required(sent, "customer")?;
    core.need("customer", customer, "customer[id]")?;
    let customer = customer.to_owned();
    if list(sent, "items").is_empty() {
        return Err(ApiError::required("items"));
    }
    let mut items = Vec::new();
    let mut item_terms = Vec::new();
    for (index, item) in list(sent, "items").iter().enumerate() {
        item_terms.push(core.item_terms(item, &customer, &format!("items[{index}]"))?);
        let price = core.recurring_price(item, &format!("items[{index}]"))?;
        let kept = metadata(&Value::Null, get(item, "metadata"))?;
        items.push((price, opt_int(item, "quantity").unwrap_or(1), kept));
    }
    check_same_interval(items.iter().map(|(price, ..)| price))?;
    let method = match opt(sent, "default_payment_method") {
        Some(name) => Some(core.usable_method(name, Some(&customer), "default_payment_method")?),
        None => None,
    };
    let one_time_lines =
        core.one_time_lines_from(list(sent, "add_invoice_items"), "add_invoice_items")?;
    let (interval, count) = billing_interval(&items[0].0);
    let natural = add_interval(core.now, interval, count);
    if opt_int(sent, "billing_cycle_anchor").is_some_and(|at| at < core.now || at > natural) {
        let message = "billing_cycle_anchor must be in the future and cannot be later than the next natural billing date.";
        return refuse_param("", "billing_cycle_anchor", message);
    }
    core.refuse_mixed_tax(list(sent, "items"), sent)?;
    let mut members = members(sent);
    merge(
        &mut members,
        core.tax_members(sent, &customer, &Value::Null)?,
    );
    Ok(NewSubscription {
        trial_end: trial_end(core.now, sent)?,
        anchor: opt_int(sent, "billing_cycle_anchor"),
        metadata: metadata(&Value::Null, get(sent, "metadata"))?,
        behavior: PaymentBehavior::from_params(sent),
        by: Initiator::from_params(sent),
        members,
        item_terms,
        keeps_method: text(sent, "payment_settings.save_default_payment_method")
            == "on_subscription",
        discounts: core.discounts_from(sent, &customer)?,
        customer,
        items,
        one_time_lines,
        method,
    })
}

fn is_listed(pending: &Draft, lines: &[Draft]) -> bool {
    lines
        .iter()
        .any(|one| one.invoice_item == pending.invoice_item)
}

impl Core {
    /// Creates a subscription with its first invoice and emits the events.
    pub(super) fn create_subscription(&mut self, new: NewSubscription) -> Answer<String> {
        let (id, period) = self.build_subscription(&new);
        let subscription = self.row(&id).clone();
        let mut lines = self.first_lines(&new, &subscription, period);
        lines.extend(self.store_items(&new.customer, new.one_time_lines));
        let waiting = self.pending_items(&new.customer, Some(&id));
        let waiting: Vec<Draft> = waiting
            .into_iter()
            .filter(|one| !is_listed(one, &lines))
            .collect();
        lines.extend(waiting);
        let invoice = self.new_invoice(NewInvoice::of(
            &subscription,
            BillingReason::SubscriptionCreate,
            lines,
            self.now,
        ));
        let by_invoice = text(&subscription, "collection_method") == "send_invoice";
        self.finalize_invoice(&invoice);
        let is_open = status::is_open(self.row(&invoice));
        if is_open && !by_invoice && new.behavior != PaymentBehavior::DefaultIncomplete {
            self.first_payment(&id, &invoice, new.behavior, new.by)?;
        }
        self.set_note(&id, "announced", true);
        self.emit("customer.subscription.created", &id);
        self.plan_ahead(&id);
        Ok(id)
    }

    /// Stores a subscription without an event and returns its id and first period.
    fn build_subscription(&mut self, new: &NewSubscription) -> (String, (i64, i64)) {
        let id = self.rng.id("sub");
        let price = &new.items[0].0;
        let (interval, count) = billing_interval(price);
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
            .enumerate()
            .map(|(index, (price, quantity, kept))| {
                let mut item = self.new_item(&id, price, *quantity, kept, (now, end));
                if let Some(terms) = new.item_terms.get(index) {
                    merge(&mut item, terms.clone());
                }
                item
            })
            .collect();
        let status = match (new.trial_end, text(&new.members, "collection_method")) {
            (Some(_), _) => SubscriptionStatus::Trialing,
            (None, "send_invoice") => SubscriptionStatus::Active,
            _ => SubscriptionStatus::Incomplete,
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
            "pending_update": null, "schedule": null, "start_date": now, "status": status.as_str(),
            "test_clock": null, "transfer_data": null, "trial_end": new.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
            "trial_start": trial_start,
        });
        merge(&mut subscription, rest);
        for (name, value) in new.members.as_object().into_iter().flatten() {
            subscription[name] = value.clone();
        }
        mark_cancellation(&mut subscription, now);
        self.store.put(&id, subscription);
        if new.keeps_method {
            self.set_note(&id, "keeps_method", true);
        }
        self.start_discounts(&id, &new.discounts);
        (id, (now, end))
    }

    /// Builds a subscription item.
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

    /// The lines of the first invoice. A trial is free, and a short first period is prorated.
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
                let (interval, count) = billing_interval(get(item, "price"));
                let natural = add_interval(start, interval, count);
                if end < natural {
                    line.amount = share(line.amount, end - start, natural - start);
                }
                line
            })
            .collect()
    }

    /// Pays the first invoice. A failed payment is only an error with `error_if_incomplete`.
    fn first_payment(
        &mut self,
        id: &str,
        invoice: &str,
        behavior: PaymentBehavior,
        by: Initiator,
    ) -> Answer<()> {
        let row = self.row(invoice).clone();
        if self.method_for_invoice(&row).is_none() {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://docs.stripe.com/billing/subscriptions/payment-methods-setting#payment-method-priority.";
            return refuse_param("resource_missing", "", message);
        }
        match self.pay_invoice(invoice, None, by) {
            Ok(Paid::RequiresAction) if behavior == PaymentBehavior::ErrorIfIncomplete => {
                let message = "Payment for this subscription requires additional user action before it can be completed successfully.";
                let mut error =
                    ApiError::card("subscription_payment_intent_requires_action", "", message);
                error.keep = false;
                Err(error)
            }
            Err(mut error) if behavior == PaymentBehavior::ErrorIfIncomplete => {
                error.keep = false;
                Err(error)
            }
            // A bank debit counts as paid until it fails.
            Ok(Paid::Later) => {
                self.modify(id, |row| row["status"] = "active".into());
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
