//! Planning the phases of subscription schedules: reading them from parameters and refusing those that
//! cannot be.

use serde_json::{Value, json};

use super::Core;
use super::currencies::check_currency;
use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::{check_count, metadata, only_one_of, quantity_in, refuse_rivals};
use super::redemption::Chosen;
use super::schedule_phases::{moment, phase, phase_item};
use super::subscriptions::{billing_interval, check_same_interval};
use super::time::add_interval;
use super::value::{flag, get, has, int, list, merge, opt, opt_int, or_null, text};

/// What the phases of a schedule are planned for.
pub(super) struct Plan {
    pub(super) customer: String,
    /// The subscription that the schedule may have already.
    pub(super) subscription: Option<String>,
    /// The phases before an update.
    pub(super) known: Vec<Value>,
    /// The default settings of the schedule.
    pub(super) settings: Value,
}

impl Plan {
    /// Whether a phase had a discount before the update.
    fn has_discount(&self, sent: &Value) -> bool {
        let same = |one: &Value| {
            ["coupon", "promotion_code"]
                .iter()
                .all(|name| opt(one, name) == opt(sent, name))
        };
        let mut all = self.known.iter().flat_map(|one| list(one, "discounts"));
        all.any(same)
    }
}

impl Core {
    /// Reads phases from parameters. Each starts where the previous one ends.
    pub(super) fn phases_from(
        &mut self,
        sent: &[Value],
        start: i64,
        plan: &Plan,
    ) -> Answer<Vec<Value>> {
        const PHASES_MAX: usize = 10;
        if sent.len() > PHASES_MAX {
            let message = format!("A subscription schedule can have at most {PHASES_MAX} phases.");
            return refuse_param("", "phases", message);
        }
        let mut phases: Vec<Value> = Vec::new();
        let mut begin = start;
        for (index, one) in sent.iter().enumerate() {
            let named = format!("phases[{index}]");
            begin = moment(one, "start_date", self.now).unwrap_or(begin);
            let before = phases.last().map_or(start, |last| int(last, "end_date"));
            if begin != before {
                let message = "Phases must be contiguous: each starts when the one before ends, and the current one keeps its start.";
                return refuse_param("", &format!("{named}[start_date]"), message);
            }
            let is_last = index + 1 == sent.len();
            let phase = self.phase_from(one, &named, (begin, is_last), plan)?;
            let first = phases.first().unwrap_or(&phase);
            let price = json!({"currency": phase["currency"]});
            let item = get(one, "items.0");
            let param = format!("{named}[items][0]");
            check_currency(&price, text(first, "currency"), item, &param)?;
            begin = int(&phase, "end_date");
            phases.push(phase);
        }
        Ok(phases)
    }

    fn phase_from(
        &mut self,
        sent: &Value,
        named: &str,
        (begin, is_last): (i64, bool),
        plan: &Plan,
    ) -> Answer {
        let customer = plan.customer.as_str();
        only_one_of(sent, &["duration", "end_date", "iterations"], named)?;
        let (items, price) = self.phase_items(sent, plan, named)?;
        let end = phase_end(sent, &price, begin, is_last, self.now).filter(|end| *end > begin);
        let Some(end) = end else {
            let message = "Only the last phase can be left without an `end_date` or a `duration`, and phases must end after they start.";
            return refuse_param("", &format!("{named}[end_date]"), message);
        };
        let currency = text(&price, "currency");
        if opt(sent, "currency").is_some_and(|wanted| wanted != currency) {
            let message = format!("The prices of this phase only support `{currency}`.");
            return refuse_param("", &format!("{named}[currency]"), message);
        }
        self.refuse_other_currency(customer, currency)?;
        let mut phase = phase(items, &price["currency"], (begin, end), sent);
        phase["trial_end"] = json!(trial_of(sent, named, (begin, end), self.now)?);
        // An empty value stays, as it removes the key from the subscription.
        metadata(&Value::Null, get(sent, "metadata"))?;
        if has(sent, "metadata") {
            phase["metadata"] = get(sent, "metadata").clone();
        }
        if let Some(method) = opt(sent, "default_payment_method") {
            let param = format!("{named}[default_payment_method]");
            phase["default_payment_method"] =
                self.attached_method(method, customer, &param)?.into();
        }
        let taxes = self.tax_members(sent, customer, &plan.settings);
        merge(&mut phase, taxes.map_err(|error| error.inside(named))?);
        self.check_phase_discounts(sent, plan, &format!("{named}[discounts]"))?;
        phase["discounts"] = list(sent, "discounts")
            .iter()
            .map(|one| {
                json!({"coupon": or_null(one, "coupon"), "discount": or_null(one, "discount"),
                       "promotion_code": or_null(one, "promotion_code")})
            })
            .collect();
        phase["add_invoice_items"] = self.phase_extras(sent, currency, named)?.into();
        Ok(phase)
    }

    /// Refuses the discounts of a phase that cannot be redeemed when they are planned.
    fn check_phase_discounts(&self, sent: &Value, plan: &Plan, param: &str) -> Answer<()> {
        let all = list(sent, "discounts");
        let holders: Vec<&str> = plan.subscription.as_deref().into_iter().collect();
        let chosen = self.chosen_discounts(all, param, &plan.customer, &holders)?;
        let purchase = self.purchase_in(sent, &plan.customer);
        for (index, (one, chosen)) in all.iter().zip(&chosen).enumerate() {
            if let Chosen::Coupon(coupon, code) = chosen
                && !plan.has_discount(one)
            {
                let named = format!("{param}[{index}]");
                self.check_redeemable((coupon, code.as_ref()), &purchase, &named)?;
            }
        }
        Ok(())
    }

    /// The items of a phase, and the first of their prices.
    fn phase_items(
        &mut self,
        sent: &Value,
        plan: &Plan,
        named: &str,
    ) -> Answer<(Vec<Value>, Value)> {
        check_count(list(sent, "items"), &format!("{named}[items]"))?;
        let sub = self.row(plan.subscription.as_deref().unwrap_or(""));
        let had = inner(sub, "items").iter().map(|item| get(item, "price.id"));
        let planned = plan.known.iter().flat_map(|phase| list(phase, "items"));
        let had: Vec<Value> = had
            .chain(planned.map(|item| &item["price"]))
            .cloned()
            .collect();
        let mut items = Vec::new();
        let mut prices: Vec<Value> = Vec::new();
        for (place, item) in list(sent, "items").iter().enumerate() {
            let param = format!("{named}[items][{place}]");
            // What is bought already can be kept although it can no longer be bought.
            let price = if !has(item, "price_data") && had.contains(get(item, "price")) {
                self.price_in(item, &param)?
            } else {
                self.recurring_price(item, &param)?
            };
            let kept = metadata(&Value::Null, get(item, "metadata"))?;
            let quantity = quantity_in(item, &price, 1, &param)?;
            items.push(phase_item(text(&price, "id"), quantity, &kept));
            prices.push(price);
        }
        let Some(first) = prices.first().cloned() else {
            return Err(ApiError::required(&format!("{named}[items]")));
        };
        check_same_interval(prices.iter())?;
        Ok((items, first))
    }

    /// The one-time items of a phase.
    fn phase_extras(&mut self, sent: &Value, currency: &str, named: &str) -> Answer<Vec<Value>> {
        let param = format!("{named}[add_invoice_items]");
        check_count(list(sent, "add_invoice_items"), &param)?;
        let mut extras = Vec::new();
        for (index, item) in list(sent, "add_invoice_items").iter().enumerate() {
            let param = format!("{named}[add_invoice_items][{index}]");
            let price = self.one_time_price(item, currency, &param)?;
            extras.push(json!({"discounts": [],
                "metadata": metadata(&Value::Null, get(item, "metadata"))?,
                "period": {"start": {"type": "phase_start"}, "end": {"type": "phase_end"}},
                "price": price["id"], "quantity": quantity_in(item, &price, 1, &param)?,
                "tax_rates": []}));
        }
        Ok(extras)
    }
}

/// The end of the trial of a phase: its own `trial_end`, or the end of the phase if all of it is a
/// trial.
fn trial_of(sent: &Value, named: &str, span: (i64, i64), now: i64) -> Answer<Option<i64>> {
    if flag(sent, "trial") {
        if has(sent, "trial_end") {
            refuse_rivals("trial", "trial_end", named)?;
        }
        return Ok(Some(span.1));
    }
    let end = moment(sent, "trial_end", now);
    if end.is_some_and(|at| at < span.0 || at > span.1) {
        let message = "The `trial_end` of a phase must be within the phase.";
        return refuse_param("", &format!("{named}[trial_end]"), message);
    }
    Ok(end)
}

fn phase_end(sent: &Value, price: &Value, begin: i64, is_last: bool, now: i64) -> Option<i64> {
    if let Some(end) = moment(sent, "end_date", now) {
        return Some(end);
    }
    if let Some(interval) = opt(sent, "duration.interval") {
        let count = opt_int(sent, "duration.interval_count").unwrap_or(1);
        return Some(add_interval(begin, interval, count));
    }
    let (interval, count) = billing_interval(price);
    let times = match opt_int(sent, "iterations") {
        Some(times) => times,
        None if is_last => 1,
        None => return None,
    };
    Some(add_interval(begin, interval, count * times))
}
