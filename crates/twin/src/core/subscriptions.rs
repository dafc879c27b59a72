//! Subscriptions: their endpoints and the rules that creating and changing them share.

use serde_json::{Value, json};
use stripe::objects::SubscriptionStatus;

use super::errors::{Answer, ApiError, refuse_param};
use super::lines::Draft;
use super::lists::inner;
use super::payments::Initiator;
use super::status;
use super::time::{DAY, next_on_grid};
use super::value::{
    copy, copy_or_null, flag, get, has, int, opt, opt_int, or_null, owned, set, text,
};
use super::{Call, Core};

const TRIAL_SECONDS_MAX: i64 = 730 * DAY;

/// `GET /v1/subscriptions`: canceled subscriptions are only returned on request.
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let wanted = text(&call.params, "status");
    let price = opt(&call.params, "price");
    core.page(call, "subscription", &["status", "price"], |row| {
        let fits = match wanted {
            "all" => true,
            "" => !status::has_ended(row),
            "ended" => status::has_ended(row),
            wanted => wanted == text(row, "status"),
        };
        fits && price.is_none_or(|id| {
            inner(row, "items")
                .iter()
                .any(|one| get(one, "price.id") == id)
        })
    })
}

/// `GET /v1/customers/{customer}/subscriptions`
pub(super) fn of_customer(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    core.page_in(call, "subscription", ("customer", call.id()), |row| {
        !status::has_ended(row)
    })
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

/// `POST /v1/subscriptions/{subscription}/resume`: resumes a paused subscription.
pub(super) fn resume(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("subscription", call.id(), "id")?;
    if status::subscription(&before) != SubscriptionStatus::Paused {
        let message = "Only paused subscriptions can be resumed.";
        return Err(ApiError::invalid(message));
    }
    core.start_period(call.id(), core.now, Initiator::Merchant)?;
    core.emit("customer.subscription.resumed", call.id());
    core.emit_change("customer.subscription.updated", call.id(), &before);
    core.need_path("subscription", call.id(), "id")
}

/// The fields of a subscription that are copied from the parameters.
pub(super) fn members(sent: &Value) -> Value {
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
    if has(sent, "payment_settings") {
        members["payment_settings"] = json!({"payment_method_options": null,
            "payment_method_types": or_null(sent, "payment_settings.payment_method_types"),
            "save_default_payment_method":
                opt(sent, "payment_settings.save_default_payment_method").unwrap_or("off")});
    }
    members
}

/// The end of the trial that the parameters request.
pub(super) fn trial_end(now: i64, sent: &Value) -> Answer<Option<i64>> {
    let by_days = opt_int(sent, "trial_period_days").map(|days| now + days * DAY);
    let end = opt_int(sent, "trial_end")
        .or(by_days)
        .filter(|end| *end != now);
    match end {
        Some(end) if end < now => {
            let message = "trial_end must be in the future.";
            refuse_param("", "trial_end", message)
        }
        Some(end) if end > now + TRIAL_SECONDS_MAX => {
            let message = "The trial period can be at most 730 days long.";
            refuse_param("", "trial_end", message)
        }
        end => Ok(end),
    }
}

/// Refuses prices with different intervals or currencies.
pub(super) fn check_same_interval<'a>(prices: impl Iterator<Item = &'a Value>) -> Answer<()> {
    let billing_interval = |price: &Value| {
        (
            owned(price, "currency"),
            owned(price, "recurring.interval"),
            int(price, "recurring.interval_count"),
        )
    };
    let all: Vec<_> = prices.map(billing_interval).collect();
    if all.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    let message = "Currency and interval fields must match across all plans on this subscription.";
    refuse_param("", "items", message)
}

/// The billing interval of a price and its count.
pub(super) fn billing_interval(price: &Value) -> (&str, i64) {
    (
        text(price, "recurring.interval"),
        int(price, "recurring.interval_count").max(1),
    )
}

/// The end of the billing period that starts at `start`.
pub(super) fn period_end(subscription: &Value, price: &Value, start: i64) -> i64 {
    let (interval, count) = billing_interval(price);
    next_on_grid(
        int(subscription, "billing_cycle_anchor"),
        interval,
        count,
        start,
    )
}

impl Core {
    /// The price of an item in the parameters: an existing one, or a new one from `price_data`.
    pub(super) fn price_in(&mut self, item: &Value, param: &str) -> Answer {
        let named = format!("{param}[price]");
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
        Ok(price)
    }

    /// Reads one-time lines from parameters.
    pub(super) fn one_time_lines_from(
        &mut self,
        sent: &[Value],
        param: &str,
    ) -> Answer<Vec<Draft>> {
        let mut drafts = Vec::new();
        for (index, item) in sent.iter().enumerate() {
            let named = format!("{param}[{index}]");
            let price = self.price_in(item, &named)?;
            let line = self.one_time_line(&price, opt_int(item, "quantity").unwrap_or(1));
            drafts.push(self.line_with_terms(line, item, &named)?);
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
            ..Draft::default()
        }
    }
}
