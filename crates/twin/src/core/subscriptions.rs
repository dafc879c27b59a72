//! Subscriptions: their endpoints and the rules that creating and changing them share.

use serde_json::{Value, json};
use stripe::objects::SubscriptionStatus;

use super::currencies::check_currency;
use super::errors::{Answer, ApiError, refuse_param};
use super::lines::Draft;
use super::lists::{agrees, inner};
use super::params::{check_count, metadata, only_one_of, quantity_in, refuse_rivals};
use super::redemption::Purchase;
use super::status;
use super::subscription_terms::Grid;
use super::time::{DAY, add_interval};
use super::value::{
    copy, copy_or_null, flag, get, has, int, opt, opt_int, or_null, owned, price_amount, set, text,
};
use super::{Call, Core};

const TRIAL_SECONDS_MAX: i64 = 730 * DAY;

/// `GET /v1/subscriptions`: canceled subscriptions are only returned on request.
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let wanted = text(&call.params, "status");
    let price = opt(&call.params, "price");
    let dates = ["current_period_start", "current_period_end"];
    let own = ["status", "price", dates[0], dates[1]];
    core.page(call, "subscription", &own, |row| {
        let items = inner(row, "items");
        let fits = match wanted {
            "all" => true,
            "" => !status::has_ended(row),
            "ended" => status::has_ended(row),
            wanted => wanted == text(row, "status"),
        };
        fits && price.is_none_or(|id| items.iter().any(|one| get(one, "price.id") == id))
            && dates.iter().all(|name| {
                !has(&call.params, name) || agrees(get(&call.params, name), get(&items[0], name))
            })
    })
}

/// `POST /v1/subscriptions/{subscription}/migrate`: the twin only has subscriptions with flexible
/// billing, which cannot be migrated.
pub(super) fn migrate(core: &mut Core, call: &Call) -> Answer {
    core.need_path("subscription", call.id(), "id")?;
    let message = "The subscription already has `billing_mode[type]=flexible`.";
    refuse_param("", "billing_mode[type]", message)
}

/// `DELETE /v1/subscriptions/{subscription}`: cancels immediately.
pub(super) fn cancel(core: &mut Core, call: &Call) -> Answer {
    let subscription = core.need_path("subscription", call.id(), "id")?;
    if status::has_ended(&subscription) {
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

/// Refuses parameters that an ended or an incomplete subscription does not take.
pub(super) fn refuse_on_ended(before: &Value, sent: &Value) -> Answer<()> {
    let other_than = |harmless: &[&str]| {
        let mut names = sent.as_object().into_iter().flatten().map(|(name, _)| name);
        names
            .find(|name| !harmless.contains(&name.as_str()))
            .cloned()
    };
    if status::has_ended(before) && other_than(&["metadata", "cancellation_details"]).is_some() {
        let message =
            "A canceled subscription can only update its cancellation_details and metadata.";
        return refuse_param("invalid_canceled_subscription_fields", "", message);
    }
    // Stripe's description of `status`: only these can be updated until the first payment.
    let harmless = [
        "metadata",
        "description",
        "default_payment_method",
        "payment_settings",
        "cancellation_details",
    ];
    if status::subscription(before) == SubscriptionStatus::Incomplete
        && let Some(name) = other_than(&harmless)
    {
        let message = format!(
            "Cannot update {name} on an incomplete subscription. Only metadata, description, default_source and default_payment_method can be updated."
        );
        return refuse_param("status_transition_invalid", &name, message);
    }
    Ok(())
}

/// The fields of a subscription that are copied from the parameters.
pub(super) fn members(sent: &Value, now: i64) -> Value {
    let mut members = json!({});
    copy_or_null(
        &mut members,
        sent,
        &["description", "cancel_at", "days_until_due"],
    );
    copy(
        &mut members,
        sent,
        &[
            "cancel_at_period_end",
            "collection_method",
            "trial_settings",
        ],
    );
    if let Some(word) = opt(sent, "billing_mode.flexible.proration_discounts") {
        members["billing_mode"] =
            json!({"flexible": {"proration_discounts": word}, "type": "flexible"});
    }
    if has(sent, "payment_settings") {
        members["payment_settings"] = json!({"payment_method_options": null,
            "payment_method_types": or_null(sent, "payment_settings.payment_method_types"),
            "save_default_payment_method":
                opt(sent, "payment_settings.save_default_payment_method").unwrap_or("off")});
    }
    if has(sent, "pending_invoice_item_interval") {
        let interval = opt(sent, "pending_invoice_item_interval.interval");
        let count = opt_int(sent, "pending_invoice_item_interval.interval_count").unwrap_or(1);
        members["pending_invoice_item_interval"] = interval.map_or(
            Value::Null,
            |interval| json!({"interval": interval, "interval_count": count}),
        );
        members["next_pending_invoice_item_invoice"] =
            json!(interval.map(|interval| add_interval(now, interval, count)));
    }
    if has(sent, "invoice_settings") {
        let mut settings = json!({"account_tax_ids": null, "issuer": {"type": "self"}});
        let names = ["account_tax_ids", "custom_fields", "description", "footer"];
        copy_or_null(&mut settings, get(sent, "invoice_settings"), &names);
        members["invoice_settings"] = settings;
    }
    members
}

/// Refuses classic billing, whose prorations the twin doesn't calculate.
pub(super) fn refuse_classic(sent: &Value) -> Answer<()> {
    if text(sent, "billing_mode.type") == "classic" {
        let message = "`billing_mode[type]=classic` is not served by this twin.";
        return refuse_param("", "billing_mode[type]", message);
    }
    Ok(())
}

/// Refuses a due date for a subscription that is charged automatically, and `send_invoice` without
/// one. `row` is the subscription before the parameters are applied.
pub(super) fn check_collection(row: &Value, sent: &Value) -> Answer<()> {
    let known = opt(row, "collection_method").unwrap_or("charge_automatically");
    let is_sent = opt(sent, "collection_method").unwrap_or(known) == "send_invoice";
    if has(sent, "days_until_due") && !is_sent {
        let message =
            "You can only specify 'days_until_due' if invoice collection method is 'send_invoice'.";
        return Err(ApiError::invalid(message));
    }
    if is_sent && !has(sent, "days_until_due") && !has(row, "days_until_due") {
        let message =
            "If invoice collection method is 'send_invoice', you must specify 'days_until_due'.";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

/// The end of the trial that the parameters request.
pub(super) fn trial_end(now: i64, sent: &Value) -> Answer<Option<i64>> {
    only_one_of(sent, &["trial_end", "trial_period_days"], "")?;
    let by_days = opt_int(sent, "trial_period_days").map(|days| now + days * DAY);
    let end = opt_int(sent, "trial_end").or(by_days);
    check_trial_end(now, end)?;
    Ok(end)
}

/// Refuses the end of a trial that is in the past or more than two years ahead.
pub(super) fn check_trial_end(now: i64, end: Option<i64>) -> Answer<()> {
    match end {
        Some(end) if end <= now => {
            let message = format!(
                "The parameter `trial_end` expects a unix timestamp representing a date and time in the future. You specified the value `{end}` which is in the past."
            );
            refuse_param("", "trial_end", message)
        }
        Some(end) if end > now + TRIAL_SECONDS_MAX => {
            let message = "The trial period can be at most 730 days long.";
            refuse_param("", "trial_end", message)
        }
        _ => Ok(()),
    }
}

/// Refuses the two ways to set a cancellation beside each other.
pub(super) fn check_cancellation(sent: &Value) -> Answer<()> {
    let has_date = has(sent, "cancel_at") && get(sent, "cancel_at") != "";
    if has_date && flag(sent, "cancel_at_period_end") {
        return refuse_rivals("cancel_at", "cancel_at_period_end", "");
    }
    Ok(())
}

/// Refuses prices with different intervals or currencies.
pub(super) fn check_same_interval<'a>(prices: impl Iterator<Item = &'a Value>) -> Answer<()> {
    let all: Vec<&Value> = prices.collect();
    let Some(first) = all.first() else {
        return Ok(());
    };
    for (index, price) in all.iter().enumerate() {
        let (one, other) = (text(price, "currency"), text(first, "currency"));
        if one != other {
            let message = format!(
                "This `price` has `currency={one}`, but other items use `currency={other}`. All items must have pricing in the same currency. When using multi-currency prices, you can specify `currency` at the top level, to be used by all items."
            );
            return refuse_param("", &format!("items[{index}][price]"), message);
        }
        if billing_interval(price) != billing_interval(first) {
            // Flexible billing allows it: https://docs.stripe.com/billing/subscriptions/mixed-interval
            let message =
                "A subscription with prices of several intervals is not served by this twin.";
            return refuse_param("", "items", message);
        }
    }
    Ok(())
}

/// The billing interval of a price and its count.
pub(super) fn billing_interval(price: &Value) -> (&str, i64) {
    (
        text(price, "recurring.interval"),
        int(price, "recurring.interval_count").max(1),
    )
}

/// The end of the billing period that starts at `start`: the next moment of the grid, or a
/// cancellation before it.
pub(super) fn period_end(subscription: &Value, price: &Value, start: i64) -> i64 {
    let natural = Grid::of(subscription, price).next(start);
    opt_int(subscription, "cancel_at")
        .filter(|at| *at > start)
        .map_or(natural, |at| at.min(natural))
}

/// Sets the current period of every item.
pub(super) fn move_period(row: &mut Value, start: i64, end: i64) {
    let Some(items) = row["items"]["data"].as_array_mut() else {
        return;
    };
    for item in items {
        item["current_period_start"] = start.into();
        item["current_period_end"] = end.into();
    }
    if flag(row, "cancel_at_period_end") {
        row["cancel_at"] = json!(end);
    }
}

impl Core {
    /// The price of an item in the parameters: an existing one, or a new one from `price_data`.
    pub(super) fn price_in(&mut self, item: &Value, param: &str) -> Answer {
        let named = format!("{param}[price]");
        only_one_of(item, &["price", "price_data"], param)?;
        let id = match opt(item, "price") {
            Some(id) => id.to_owned(),
            None if has(item, "price_data") => {
                self.create_price(get(item, "price_data"), &format!("{param}[price_data]"))?
            }
            None => return Err(ApiError::required(&named)),
        };
        self.need("price", &id, &named)
    }

    /// The active recurring price of an item in the parameters.
    pub(super) fn recurring_price(&mut self, item: &Value, param: &str) -> Answer {
        let named = format!("{param}[price]");
        let price = self.price_in(item, param)?;
        let id = text(&price, "id");
        if text(&price, "type") != "recurring" {
            let message = format!(
                "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`. (`{id}`)"
            );
            return refuse_param("", &named, message);
        }
        if !flag(&price, "active") {
            let message = format!(
                "The price specified is inactive. This field only accepts active prices. (`{id}`)"
            );
            return refuse_param("", &named, message);
        }
        let product = text(&price, "product");
        if !flag(self.row(product), "active") {
            // The words are Stripe's (github.com/stripe/stripe-go/issues/1031).
            let message = format!(
                "The product {product} is marked as inactive, and thus no new subscriptions can be create to any plans of this product."
            );
            if has(item, "price_data") {
                return refuse_param("", &format!("{param}[price_data][product]"), message);
            }
            let message = format!("{message} You provided the plan {id}.");
            return refuse_param("", &named, message);
        }
        Ok(price)
    }

    /// The active recurring price of an item of a subscription, which has a currency.
    pub(super) fn price_of_item(&mut self, item: &Value, currency: &str, param: &str) -> Answer {
        let price = self.recurring_price(item, param)?;
        check_currency(&price, currency, item, param)?;
        Ok(price)
    }

    /// Reads one-time lines in a currency from parameters.
    pub(super) fn one_time_lines_from(
        &mut self,
        sent: &[Value],
        param: &str,
        currency: &str,
        (customer, subscription): (&str, Option<&str>),
    ) -> Answer<Vec<Draft>> {
        check_count(sent, param)?;
        let mut drafts = Vec::new();
        for (index, item) in sent.iter().enumerate() {
            let named = format!("{param}[{index}]");
            let price = self.one_time_price(item, currency, &named)?;
            let line = self.one_time_line(&price, quantity_in(item, &price, 1, &named)?);
            let purchase = Purchase {
                customer: customer.to_owned(),
                currency: Some(line.currency.clone()),
                lines: Some(vec![(owned(&price, "product"), line.amount)]),
            };
            let discounts = self.discounts_for(
                item,
                &format!("{named}[discounts]"),
                &purchase,
                subscription.as_slice(),
            )?;
            let rates = self.tax_rates_in(item, "tax_rates", &format!("{named}[tax_rates]"))?;
            drafts.push(Draft {
                metadata: metadata(&Value::Null, get(item, "metadata"))?,
                discountable: get(item, "discountable").as_bool(),
                discounts: discounts.into_iter().map(Value::from).collect(),
                tax_rates: rates,
                ..line
            });
        }
        Ok(drafts)
    }

    /// A line for a one-time price.
    pub(super) fn one_time_line(&self, price: &Value, quantity: i64) -> Draft {
        Draft {
            amount: price_amount(price, quantity),
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
            ..Draft::default()
        }
    }
}
