//! Previews of invoices: the next invoice, or what a change would bill.
//!
//! A preview makes the change, builds the invoice, and rolls everything back. So it shows what the
//! change would bill, is refused like the change, and changes nothing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stripe::objects::BillingReason;

use super::behavior::ProrationBehavior;
use super::changes::ends_trial;
use super::errors::{Answer, ApiError, refuse_param};
use super::invoice_build::NewInvoice;
use super::invoice_items::INVOICE_ITEMS_MAX;
use super::lines::Draft;
use super::lists::inner;
use super::params::metadata;
use super::redemption::Purchase;
use super::status;
use super::subscriptions::{
    check_cancellation, check_trial_end, move_period, period_end, refuse_on_ended,
};
use super::value::{
    copy, flag, get, has, int, list, opt, opt_int, owned, period, price_amount, required, set, text,
};
use super::{Call, Core};

/// What a preview bills, in which period and why.
struct Upcoming {
    lines: Vec<Draft>,
    reason: BillingReason,
    period: (i64, i64),
}

/// `POST /v1/invoices/create_preview`: the next invoice, or what a change would bill.
pub(super) fn preview(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    refuse_combinations(sent)?;
    let now = core.now;
    let invoice = core.rolled_back(|core| match opt(sent, "schedule") {
        Some(id) => core.preview_schedule(id, sent),
        None => match opt(sent, "subscription") {
            Some(id) => core.preview_subscription(id, sent),
            None => core.preview_new(sent),
        },
    });
    core.now = now;
    let invoice = invoice?;
    core.previews.keep(&invoice);
    Ok(invoice)
}

/// The number of previews whose lines can still be read.
const KEPT_MAX: usize = 100;

/// The lines of the newest previews, oldest first. A preview shows at most ten; `lines.url` leads to
/// the rest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Previews(VecDeque<(String, Value)>);

impl Previews {
    fn keep(&mut self, invoice: &Value) {
        let id = owned(invoice, "id");
        self.0.retain(|(known, _)| *known != id);
        self.0.push_back((id, get(invoice, "lines.data").clone()));
        if self.0.len() > KEPT_MAX {
            self.0.pop_front();
        }
    }

    /// The lines of a preview, if it is one of the newest.
    pub(super) fn lines_of(&self, id: &str) -> Option<&Value> {
        let mut newest_first = self.0.iter().rev();
        newest_first
            .find(|(known, _)| known == id)
            .map(|(_, lines)| lines)
    }
}

fn refuse_combinations(sent: &Value) -> Answer<()> {
    let of_subscription = ["subscription", "subscription_details"];
    if has(sent, "schedule") && of_subscription.iter().any(|name| has(sent, name)) {
        let message = "You cannot pass `schedule` together with `subscription` parameters.";
        return refuse_param("", "schedule", message);
    }
    if text(sent, "subscription_details.billing_mode.type") == "classic" {
        let param = "subscription_details[billing_mode][type]";
        let message = "`billing_mode[type]=classic` is not served by this twin.";
        return refuse_param("", param, message);
    }
    let changes = get(sent, "subscription_details");
    let cancels = ["cancel_now", "cancel_at_period_end"]
        .iter()
        .any(|name| flag(changes, name));
    if cancels && has(changes, "items") {
        let message = "You cannot preview changed items together with a cancellation.";
        return refuse_param("", "subscription_details[items]", message);
    }
    Ok(())
}

/// Refuses what an update of the subscription refuses.
fn check_changes(row: &Value, details: &Value) -> Answer<()> {
    let mut changes = json!({});
    let names = [
        "items",
        "trial_end",
        "billing_cycle_anchor",
        "cancel_at",
        "cancel_at_period_end",
    ];
    copy(&mut changes, details, &names);
    let checked = refuse_on_ended(row, &changes).and_then(|()| check_cancellation(&changes));
    checked.map_err(|error| error.inside("subscription_details"))?;
    if opt_int(details, "billing_cycle_anchor").is_some() {
        let param = "subscription_details[billing_cycle_anchor]";
        let message = "Invalid billing_cycle_anchor: must be one of now or unchanged";
        return refuse_param("", param, message);
    }
    Ok(())
}

/// The error for a subscription that bills nothing more.
pub(super) fn nothing_upcoming(message: &str) -> Box<ApiError> {
    ApiError::bad("invoice_upcoming_none", "", message).with_status(404)
}

fn mark_preview(invoice: &mut Value) {
    let id = owned(invoice, "id").replacen("in_", "upcoming_in_", 1);
    set(invoice, "lines.url", format!("/v1/invoices/{id}/lines"));
    let lines = invoice["lines"]["data"]
        .as_array_mut()
        .into_iter()
        .flatten();
    for line in lines {
        line["invoice"] = id.clone().into();
    }
    invoice["id"] = id.into();
}

impl Core {
    /// Runs `work` and rolls back everything that it does: rows, events and random numbers.
    pub(super) fn rolled_back(&mut self, work: impl FnOnce(&mut Core) -> Answer) -> Answer {
        let (rng, savepoint) = (self.rng.clone(), self.savepoint());
        let result = work(self);
        self.roll_back(savepoint);
        self.rng = rng;
        result
    }

    pub(super) fn preview_subscription(&mut self, id: &str, sent: &Value) -> Answer {
        let row = self.need("subscription", id, "subscription")?;
        if opt(sent, "customer").is_some_and(|one| one != text(&row, "customer")) {
            let message = "The subscription does not belong to the customer.";
            return refuse_param("", "customer", message);
        }
        check_changes(&row, get(sent, "subscription_details"))?;
        if status::has_ended(&row) {
            let message = "No upcoming invoices for customer: the subscription is canceled.";
            return Err(nothing_upcoming(message));
        }
        let own = text(&row, "currency");
        if let Some(wanted) = opt(sent, "currency").filter(|wanted| *wanted != own) {
            let message = format!(
                "The subscription's currency is `{own}`. This doesn't match the expected currency: `{wanted}`."
            );
            return refuse_param("", "currency", message);
        }
        self.drop_pending(id);
        let details = get(sent, "subscription_details").clone();
        let customer = owned(&row, "customer");
        self.apply_customer(&customer, sent)?;
        self.apply_terms(id, sent, &details)?;
        self.add_invoice_items(&customer, Some(id), sent)?;
        let upcoming = if flag(&details, "cancel_now") {
            self.upcoming_end(&row, &details)
        } else if let Some(end) = self.apply_cancellation(id, &details)? {
            end
        } else {
            self.upcoming_lines(id, &details)?
        };
        let row = self.need("subscription", id, "subscription")?;
        Ok(self.upcoming_invoice(&row, upcoming, sent))
    }

    /// Gives the customer the details that the preview assumes.
    fn apply_customer(&mut self, customer: &str, sent: &Value) -> Answer<()> {
        let details = get(sent, "customer_details").clone();
        self.modify(customer, |row| {
            copy(row, &details, &["address", "shipping"]);
            if let Some(exempt) = opt(&details, "tax_exempt") {
                row["tax_exempt"] = exempt.into();
            }
        });
        self.add_tax_ids(customer, &json!({"tax_id_data": list(&details, "tax_ids")}))
    }

    /// Gives the subscription the discounts and taxes that the preview assumes.
    fn apply_terms(&mut self, id: &str, sent: &Value, details: &Value) -> Answer<()> {
        let row = self.need("subscription", id, "subscription")?;
        let customer = owned(&row, "customer");
        let mut terms = details.clone();
        copy(&mut terms, sent, &["automatic_tax"]);
        let members = self.tax_members(&terms, &customer, &row)?;
        let kept = metadata(&row["metadata"], get(details, "metadata"))?;
        let shows = opt(details, "billing_mode.flexible.proration_discounts").map(str::to_owned);
        self.modify(id, |row| {
            copy(row, &members, &["automatic_tax", "default_tax_rates"]);
            row["metadata"] = kept;
            if let Some(shows) = shows {
                set(row, "billing_mode.flexible.proration_discounts", shows);
            }
        });
        if has(sent, "discounts") {
            let mut purchase = self.purchase_in(details, &customer);
            if purchase.lines.is_none() {
                purchase = purchase_of(&row);
            }
            let discounts = self.discounts_for(sent, "discounts", &purchase, &[id])?;
            self.start_discounts(id, &discounts);
            self.modify(&customer, |row| row["discount"] = Value::Null);
        }
        Ok(())
    }

    /// Adds and changes the invoice items that the preview assumes.
    fn add_invoice_items(&mut self, customer: &str, id: Option<&str>, sent: &Value) -> Answer<()> {
        let items = list(sent, "invoice_items");
        if items.len() > INVOICE_ITEMS_MAX {
            let message = format!("You can pass at most {INVOICE_ITEMS_MAX} invoice items.");
            return refuse_param("", "invoice_items", message);
        }
        for (index, one) in items.iter().enumerate() {
            let param = format!("invoice_items[{index}]");
            if let Some(known) = opt(one, "invoiceitem") {
                self.change_invoice_item(known, one, &param)?;
                continue;
            }
            let mut whole = one.clone();
            whole["customer"] = customer.into();
            if !has(one, "currency") && has(sent, "currency") {
                whole["currency"] = sent["currency"].clone();
            }
            if let Some(id) = id {
                whole["subscription"] = id.into();
            }
            self.new_invoice_item(&whole, &param)?;
        }
        Ok(())
    }

    /// Ends the subscription as the preview assumes. Returns what is billed at its end, if that is
    /// before the next period, or refuses a preview of nothing.
    fn apply_cancellation(&mut self, id: &str, details: &Value) -> Answer<Option<Upcoming>> {
        let before = self.need("subscription", id, "subscription")?;
        let is_requested = has(details, "cancel_at") || has(details, "cancel_at_period_end");
        if is_requested {
            let proration = match ProrationBehavior::from_params(details) {
                ProrationBehavior::None => ProrationBehavior::None,
                _ => ProrationBehavior::CreateProrations,
            };
            self.cancel_later(&before, details, proration)
                .map_err(|error| error.inside("subscription_details"))?;
        }
        let row = self.need("subscription", id, "subscription")?;
        let changes = ["items", "trial_end", "billing_cycle_anchor"]
            .iter()
            .any(|name| has(details, name));
        let (start, end) = period(get(&row, "items.data.0"));
        let ends = opt_int(&row, "cancel_at").is_some_and(|at| at <= end);
        if !ends || changes && !is_requested {
            return Ok(None);
        }
        let lines = self.pending_items(text(&row, "customer"), Some(id));
        if lines.is_empty() {
            let message =
                "No upcoming invoices for customer: the subscription ends with its period.";
            return Err(nothing_upcoming(message));
        }
        Ok(Some(Upcoming {
            lines,
            reason: BillingReason::Upcoming,
            period: (start, end),
        }))
    }

    /// What a change bills now, or else the next invoice after it.
    fn upcoming_lines(&mut self, id: &str, details: &Value) -> Answer<Upcoming> {
        self.apply_trial(id, details)?;
        let row = self.need("subscription", id, "subscription")?;
        let customer = owned(&row, "customer");
        let resets = text(details, "billing_cycle_anchor") == "now";
        let mut lines = Vec::new();
        if has(details, "items") || resets || ends_trial(&row, details) {
            let change = self
                .change_from(id, details)
                .map_err(|error| error.inside("subscription_details"))?;
            let bill = self.bill_for(&row, &change);
            lines.extend(self.store_items(&customer, bill.prorations));
            self.modify(id, |row| row["items"]["data"] = change.items.clone().into());
            if bill.now {
                self.add_pending(&mut lines, &customer, id);
                lines.extend(bill.full);
                return Ok(Upcoming {
                    lines,
                    reason: BillingReason::SubscriptionUpdate,
                    period: (self.now, self.now),
                });
            }
        }
        let after = self.need("subscription", id, "subscription")?;
        let mut lines = self.pending_items(&customer, Some(id));
        let (start, end) = period(get(&after, "items.data.0"));
        let next = period_end(&after, get(&after, "items.data.0.price"), end);
        lines.extend(self.period_lines(&after, (end, next)));
        Ok(Upcoming {
            lines,
            reason: BillingReason::Upcoming,
            period: (start, end),
        })
    }

    /// Moves the end of the trial to a later moment, which also starts a trial: what was debited
    /// for the rest of the period is credited.
    fn apply_trial(&mut self, id: &str, details: &Value) -> Answer<()> {
        let Some(end) = opt_int(details, "trial_end") else {
            return Ok(());
        };
        let now = self.now;
        check_trial_end(now, Some(end)).map_err(|error| error.inside("subscription_details"))?;
        let row = self.need("subscription", id, "subscription")?;
        if ProrationBehavior::from_params(details) != ProrationBehavior::None {
            let credits: Vec<Draft> = inner(&row, "items")
                .iter()
                .flat_map(|item| self.credit_lines(&row, item, now))
                .collect();
            self.store_items(text(&row, "customer"), credits);
        }
        self.modify(id, |row| {
            row["status"] = "trialing".into();
            row["trial_end"] = end.into();
            row["billing_cycle_anchor"] = end.into();
            move_period(row, now, end);
        });
        Ok(())
    }

    /// The credit for canceling a subscription now.
    fn upcoming_end(&mut self, row: &Value, details: &Value) -> Upcoming {
        let at = opt_int(details, "proration_date").unwrap_or(self.now);
        let (customer, id) = (owned(row, "customer"), owned(row, "id"));
        let prorates = ProrationBehavior::from_params(details) != ProrationBehavior::None;
        if status::is_creditable(row) && prorates {
            let credits: Vec<Draft> = inner(row, "items")
                .iter()
                .flat_map(|item| self.credit_lines(row, item, at))
                .collect();
            self.store_items(&customer, credits);
        }
        Upcoming {
            lines: self.pending_items(&customer, Some(&id)),
            reason: BillingReason::SubscriptionUpdate,
            period: (self.now, self.now),
        }
    }

    fn upcoming_invoice(&mut self, row: &Value, mut upcoming: Upcoming, sent: &Value) -> Value {
        if text(sent, "preview_mode") == "recurring" {
            upcoming.lines.retain(|line| line.invoice_item.is_none());
        }
        let mut invoice = self.build_invoice(&NewInvoice {
            period: upcoming.period,
            ..NewInvoice::of(row, upcoming.reason, upcoming.lines, self.now)
        });
        if has(sent, "discounts") && list(sent, "discounts").is_empty() {
            invoice["discounts"] = json!([]);
            self.update_totals(&mut invoice);
        }
        mark_preview(&mut invoice);
        invoice
    }

    /// A preview of a subscription that does not exist yet, or of the pending invoice items.
    fn preview_new(&mut self, sent: &Value) -> Answer {
        let details = get(sent, "subscription_details").clone();
        let customer = self.preview_customer(sent)?;
        self.apply_customer(&customer, sent)?;
        self.add_invoice_items(&customer, None, sent)?;
        let is_recurring = text(sent, "preview_mode") == "recurring";
        let mut lines = self.pending_items(&customer, None);
        lines.retain(|_| !is_recurring);
        let mut currency = opt(sent, "currency")
            .or_else(|| opt(self.row(&customer), "currency"))
            .unwrap_or("usd")
            .to_owned();
        if let Some(first) = lines.first() {
            currency.clone_from(&first.currency);
        }
        if has(&details, "items") {
            let first = self.first_invoice_lines(&customer, sent, &details)?;
            if let Some(line) = first.first() {
                currency.clone_from(&line.currency);
            }
            lines.extend(first);
        }
        if lines.is_empty() {
            let message = "Nothing to preview: the customer has no pending invoice items.";
            return Err(nothing_upcoming(message));
        }
        let amounts = lines
            .iter()
            .map(|line| (owned(&line.price, "product"), line.amount));
        let purchase = Purchase {
            customer: customer.clone(),
            currency: Some(currency.clone()),
            lines: Some(amounts.collect()),
        };
        let mut terms = details.clone();
        copy(&mut terms, sent, &["automatic_tax"]);
        let members = self.tax_members(&terms, &customer, &Value::Null)?;
        let mut invoice = self.build_invoice(&NewInvoice {
            customer: &customer,
            subscription: None,
            reason: BillingReason::Upcoming,
            currency: &currency,
            lines,
            period: (self.now, self.now),
            advances: false,
        });
        copy(&mut invoice, &members, &["default_tax_rates"]);
        if has(&members, "automatic_tax") {
            set(
                &mut invoice,
                "automatic_tax.enabled",
                flag(&members, "automatic_tax.enabled"),
            );
        }
        if has(sent, "discounts") {
            let discounts = self.discounts_for(sent, "discounts", &purchase, &[])?;
            invoice["discounts"] = discounts.into();
        }
        self.update_totals(&mut invoice);
        mark_preview(&mut invoice);
        Ok(invoice)
    }

    /// The customer of a preview: an existing one, or one that the details describe.
    fn preview_customer(&mut self, sent: &Value) -> Answer<String> {
        if opt(sent, "customer").is_none() && has(sent, "customer_details") {
            return self.create_customer(&json!({}));
        }
        let customer = required(sent, "customer")?;
        self.need("customer", customer, "customer")?;
        Ok(customer.to_owned())
    }

    /// The lines of the first invoice of a subscription that is created as the preview says. It is
    /// refused like its creation.
    fn first_invoice_lines(
        &mut self,
        customer: &str,
        sent: &Value,
        details: &Value,
    ) -> Answer<Vec<Draft>> {
        for (index, item) in list(details, "items").iter().enumerate() {
            if let Some(id) = opt(item, "id") {
                let param = format!("subscription_details[items][{index}][id]");
                return Err(ApiError::missing("subscription item", id, &param));
            }
        }
        let mut creation = details.clone();
        creation["customer"] = customer.into();
        copy(&mut creation, sent, &["automatic_tax", "currency"]);
        let mut lines = self
            .lines_of_creation(&creation)
            .map_err(|error| error.inside("subscription_details"))?;
        for line in &mut lines {
            line.subscription = None;
        }
        Ok(lines)
    }
}

/// What a subscription costs in a period.
fn purchase_of(row: &Value) -> Purchase {
    let lines = inner(row, "items").iter().map(|item| {
        let amount = price_amount(get(item, "price"), int(item, "quantity"));
        (owned(item, "price.product"), amount)
    });
    Purchase {
        customer: owned(row, "customer"),
        currency: opt(row, "currency").map(str::to_owned),
        lines: Some(lines.collect()),
    }
}
