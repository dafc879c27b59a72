//! Creating subscriptions, with their first invoice and its payment.

use serde_json::{Value, json};
use stripe::objects::{BillingReason, SubscriptionStatus};

use super::behavior::{PaymentBehavior, ProrationBehavior};
use super::currencies::check_currency;
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::lines::Draft;
use super::lists::inner;
use super::params::{check_count, metadata, only_one_of, quantity_in};
use super::payments::{Initiator, Paid};
use super::status;
use super::subscription_states::mark_cancellation;
use super::subscription_terms::{Grid, Terms, Wishes, configured_anchor};
use super::subscriptions::{
    billing_interval, check_cancellation, check_collection, check_same_interval, members,
    refuse_classic, trial_end,
};
use super::time::add_interval;
use super::value::{get, has, list, merge, opt, opt_int, required, text};
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
    /// The start, if it is in the past.
    pub(super) start: Option<i64>,
    pub(super) trial_end: Option<i64>,
    pub(super) anchor: Option<i64>,
    /// Whether the periods before the first full one are charged.
    pub(super) proration: ProrationBehavior,
    pub(super) behavior: PaymentBehavior,
    pub(super) by: Initiator,
    /// Fields that override the defaults.
    pub(super) members: Value,
    /// Whether the payment method of the first payment becomes the default.
    pub(super) keeps_method: bool,
    pub(super) discounts: Vec<String>,
    /// The discounts and tax rates of each item.
    pub(super) item_terms: Vec<Value>,
    /// The schedule that creates it. The first invoice is then a draft.
    pub(super) schedule: Option<String>,
}

impl NewSubscription {
    /// A subscription that starts now and whose first invoice is charged.
    pub(super) fn of(customer: &str, items: Vec<(Value, i64, Value)>) -> NewSubscription {
        NewSubscription {
            customer: customer.to_owned(),
            items,
            one_time_lines: Vec::new(),
            metadata: json!({}),
            method: None,
            start: None,
            trial_end: None,
            anchor: None,
            proration: ProrationBehavior::CreateProrations,
            behavior: PaymentBehavior::AllowIncomplete,
            by: Initiator::Customer,
            members: json!({}),
            keeps_method: false,
            discounts: Vec::new(),
            item_terms: Vec::new(),
            schedule: None,
        }
    }

    /// The first price, which determines the interval and the currency.
    fn price(&self) -> &Value {
        &self.items[0].0
    }
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
    let items = items_from(core, sent)?;
    check_collection(&json!({}), sent)?;
    check_cancellation(sent)?;
    refuse_classic(sent)?;
    if PaymentBehavior::from_params(sent) == PaymentBehavior::PendingIfIncomplete {
        // docs.rs/async-stripe-billing, from Stripe's description of `payment_behavior`: it "is only
        // used with updates and cannot be passed when creating a Subscription".
        let message = "`pending_if_incomplete` is only used with updates and cannot be passed when creating a subscription.";
        return refuse_param("", "payment_behavior", message);
    }
    let method = match opt(sent, "default_payment_method") {
        Some(name) => Some(core.attached_method(name, customer, "default_payment_method")?),
        None => None,
    };
    core.refuse_other_currency(customer, text(&items[0].0, "currency"))?;
    let one_time_lines = core.one_time_lines_from(
        list(sent, "add_invoice_items"),
        "add_invoice_items",
        text(&items[0].0, "currency"),
        (customer, None),
    )?;
    let start = opt_int(sent, "backdate_start_date");
    if start.is_some_and(|at| at > core.now) {
        let message = "backdate_start_date must be in the past.";
        return refuse_param("", "backdate_start_date", message);
    }
    core.refuse_mixed_tax(list(sent, "items"), sent)?;
    if opt_int(sent, "cancel_at").is_some_and(|at| at < core.now) {
        let message = "cancel_at must be in the future.";
        return refuse_param("", "cancel_at", message);
    }
    let trial_end = trial_end(core.now, sent)?;
    let mut item_terms = Vec::new();
    for (index, item) in list(sent, "items").iter().enumerate() {
        item_terms.push(core.item_terms(item, customer, &[], &format!("items[{index}]"))?);
    }
    let mut members = members(sent, core.now);
    merge(
        &mut members,
        core.tax_members(sent, customer, &Value::Null)?,
    );
    if has(sent, "billing_cycle_anchor_config") {
        members["billing_cycle_anchor_config"] = anchor_config(sent);
    }
    Ok(NewSubscription {
        start,
        trial_end,
        anchor: anchor_from(sent, &items[0].0, trial_end, core.now)?,
        proration: ProrationBehavior::from_params(sent),
        metadata: metadata(&Value::Null, get(sent, "metadata"))?,
        behavior: PaymentBehavior::from_params(sent),
        by: Initiator::from_params(sent),
        members,
        item_terms,
        keeps_method: text(sent, "payment_settings.save_default_payment_method")
            == "on_subscription",
        discounts: core.discounts_from(sent, customer, None)?,
        one_time_lines,
        method,
        ..NewSubscription::of(customer, items)
    })
}

fn items_from(core: &mut Core, sent: &Value) -> Answer<Vec<(Value, i64, Value)>> {
    if list(sent, "items").is_empty() {
        return Err(ApiError::required("items"));
    }
    check_count(list(sent, "items"), "items")?;
    let mut items: Vec<(Value, i64, Value)> = Vec::new();
    for (index, item) in list(sent, "items").iter().enumerate() {
        let named = format!("items[{index}]");
        let price = core.recurring_price(item, &named)?;
        if items.iter().any(|(known, ..)| known["id"] == price["id"]) {
            let message = format!(
                "Cannot create a Subscription with multiple Subscription Items with the same Price: {}",
                text(&price, "id")
            );
            return refuse_param("", "plan", message);
        }
        let kept = metadata(&Value::Null, get(item, "metadata"))?;
        let quantity = quantity_in(item, &price, 1, &named)?;
        items.push((price, quantity, kept));
    }
    check_same_interval(items.iter().map(|(price, ..)| price))?;
    if let Some(wanted) = opt(sent, "currency") {
        check_currency(&items[0].0, wanted, get(sent, "items.0"), "items[0]")?;
    }
    Ok(items)
}

/// The billing cycle anchor that the parameters request.
fn anchor_from(
    sent: &Value,
    price: &Value,
    trial_end: Option<i64>,
    now: i64,
) -> Answer<Option<i64>> {
    let base = trial_end.unwrap_or(now);
    let (interval, count) = billing_interval(price);
    let config = get(sent, "billing_cycle_anchor_config");
    let named = "billing_cycle_anchor";
    if !config.is_null() {
        only_one_of(sent, &[named, "billing_cycle_anchor_config"], "")?;
        check_anchor_config(config, interval)?;
        return Ok(Some(configured_anchor(config, interval, base)));
    }
    let Some(anchor) = opt_int(sent, named) else {
        return Ok(None);
    };
    let natural = add_interval(base, interval, count);
    if anchor < now || trial_end.is_some_and(|end| anchor < end) {
        let message =
            "billing_cycle_anchor must be in the future and cannot be before the end of the trial.";
        return refuse_param("", named, message);
    }
    if anchor > natural {
        let message = format!(
            "billing_cycle_anchor cannot be later than next natural billing date ({natural}) for plan"
        );
        return refuse_param("", named, message);
    }
    Ok(Some(anchor))
}

fn check_anchor_config(config: &Value, interval: &str) -> Answer<()> {
    let param = "billing_cycle_anchor_config";
    if !matches!(interval, "month" | "year") {
        let message =
            "`billing_cycle_anchor_config` can only be used with monthly and yearly prices.";
        return refuse_param("", param, message);
    }
    let limits = [
        ("day_of_month", 1, 31),
        ("month", 1, 12),
        ("hour", 0, 23),
        ("minute", 0, 59),
        ("second", 0, 59),
    ];
    for (name, least, most) in limits {
        if opt_int(config, name).is_some_and(|value| !(least..=most).contains(&value)) {
            let message = format!("This value must be between {least} and {most}.");
            return refuse_param(
                "parameter_invalid_integer",
                &format!("{param}[{name}]"),
                message,
            );
        }
    }
    Ok(())
}

fn anchor_config(sent: &Value) -> Value {
    let mut config = json!({});
    for name in ["day_of_month", "hour", "minute", "month", "second"] {
        config[name] = get(sent, &format!("billing_cycle_anchor_config.{name}")).clone();
    }
    config
}

fn wishes(new: &NewSubscription) -> Wishes {
    Wishes {
        start: new.start,
        anchor: new.anchor,
        trial_end: new.trial_end,
        cancel_at: opt_int(&new.members, "cancel_at"),
    }
}

impl Core {
    /// The lines of the first invoice of the subscription that parameters would create.
    pub(super) fn lines_of_creation(&mut self, sent: &Value) -> Answer<Vec<Draft>> {
        let new = from_params(self, sent)?;
        Ok(self.begin_subscription(&new)?.1)
    }

    /// Stores a subscription without an event. Returns its id and the lines of its first invoice.
    fn begin_subscription(&mut self, new: &NewSubscription) -> Answer<(String, Vec<Draft>)> {
        let Some(terms) = Terms::new(new.price(), wishes(new), self.now) else {
            let message = "The subscription cannot be backdated this far, because its first invoice would have more than 250 line items.";
            return refuse_param("", "backdate_start_date", message);
        };
        let id = self.build_subscription(new, &terms);
        let row = self.row(&id).clone();
        let lines = self.first_lines(new, &row, &terms);
        Ok((id, lines))
    }

    /// Creates a subscription with its first invoice and emits the events.
    pub(super) fn create_subscription(&mut self, new: NewSubscription) -> Answer<String> {
        let (id, mut lines) = self.begin_subscription(&new)?;
        let subscription = self.row(&id).clone();
        lines.extend(self.store_items(&new.customer, new.one_time_lines));
        self.add_pending(&mut lines, &new.customer, &id);
        let is_charged = text(&subscription, "collection_method") == "charge_automatically";
        // A trial has nothing to send, and a schedule always begins with a draft.
        let is_draft = new.schedule.is_some() || !is_charged && new.trial_end.is_none();
        let invoice = self.new_invoice(&NewInvoice {
            advances: is_draft,
            ..NewInvoice::of(
                &subscription,
                BillingReason::SubscriptionCreate,
                lines,
                self.now,
            )
        });
        if !is_draft {
            self.finalize_invoice(&invoice);
        }
        let is_open = status::is_open(self.row(&invoice));
        if is_open && is_charged && new.behavior != PaymentBehavior::DefaultIncomplete {
            self.first_payment(&id, &invoice, new.behavior, new.by)?;
        }
        self.ask_for_method(&id)?;
        self.set_note(&id, "announced", true);
        self.emit("customer.subscription.created", &id);
        self.plan_ahead(&id);
        Ok(id)
    }

    /// Stores a subscription without an event and returns its id.
    fn build_subscription(&mut self, new: &NewSubscription, terms: &Terms) -> String {
        let id = self.rng.id("sub");
        let price = new.price();
        let now = self.now;
        let items: Vec<Value> = new
            .items
            .iter()
            .enumerate()
            .map(|(index, (price, quantity, kept))| {
                let mut item = self.new_item(&id, price, *quantity, kept, terms.period);
                if let Some(terms) = new.item_terms.get(index) {
                    merge(&mut item, terms.clone());
                }
                item
            })
            .collect();
        let waits = new.schedule.is_none()
            && opt(&new.members, "collection_method") != Some("send_invoice");
        let status = match new.trial_end {
            Some(_) => SubscriptionStatus::Trialing,
            None if waits => SubscriptionStatus::Incomplete,
            None => SubscriptionStatus::Active,
        };
        let trial_start = new.trial_end.map(|_| now);
        let mut subscription = json!({
            "id": id, "object": "subscription", "application": null,
            "application_fee_percent": null,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
            "billing_cycle_anchor": terms.anchor, "billing_cycle_anchor_config": null,
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
                      "total_count": items.len(),
                      "url": format!("/v1/subscription_items?subscription={id}")},
            "latest_invoice": null, "livemode": false, "metadata": new.metadata,
            "next_pending_invoice_item_invoice": null, "on_behalf_of": null,
            "pause_collection": null,
            "payment_settings": {"payment_method_options": null, "payment_method_types": null,
                                 "save_default_payment_method": "off"},
            "pending_invoice_item_interval": null, "pending_setup_intent": null,
            "pending_update": null, "schedule": new.schedule, "start_date": terms.start,
            "status": status.as_str(), "test_clock": null, "transfer_data": null,
            "trial_end": new.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
            "trial_start": trial_start,
        });
        merge(&mut subscription, rest);
        merge(&mut subscription, new.members.clone());
        if subscription["cancel_at"].is_string() {
            subscription["cancel_at"] = terms.period.1.into();
        }
        mark_cancellation(&mut subscription, now);
        self.store.put(&id, subscription);
        if new.keeps_method {
            self.set_note(&id, "keeps_method", true);
        }
        if new.proration == ProrationBehavior::None {
            self.set_note(&id, "starts_free", true);
        }
        self.start_discounts(&id, &new.discounts);
        self.own_item_discounts(&id);
        id
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

    /// The lines of the first invoice: one for each period since a start in the past, and one for
    /// the current period. A trial is free. Without prorations, so is the time before the anchor.
    fn first_lines(&self, new: &NewSubscription, row: &Value, terms: &Terms) -> Vec<Draft> {
        let (start, end) = terms.period;
        let grid = Grid::of(row, new.price());
        let is_prorated = new.proration != ProrationBehavior::None;
        let mut lines = Vec::new();
        for (from, to) in terms.past.iter().filter(|_| is_prorated) {
            lines.extend(self.period_lines(row, (*from, *to)));
        }
        for item in inner(row, "items") {
            lines.push(if new.trial_end.is_some() {
                self.trial_line(row, item, start, end)
            } else if is_prorated || !grid.contains(start) {
                self.prorated_line(row, item, (start, end))
            } else {
                self.period_line(row, item, start, end)
            });
        }
        lines
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
