//! Discounts: coupons that were redeemed for a customer, a subscription, an invoice or an item.

use serde_json::{Value, json};

use super::amounts::{WHOLE, fraction, percent, spread};
use super::errors::{Answer, refuse_param};
use super::lists::inner;
use super::redemption::{Chosen, OWNERS, Purchase, amount_off, applies_to};
use super::time::add_months;
use super::value::{flag, get, has, int, list, opt, opt_int, owned, text};
use super::{Call, Core};

/// A discount and the amount that it takes off.
pub(super) type Applied = (String, i64);

/// `GET /v1/customers/{customer}/discount`
pub(super) fn of_customer(core: &mut Core, call: &Call) -> Answer {
    let customer = core.need_path("customer", call.id(), "customer")?;
    if !has(&customer, "discount") {
        return no_discount(&format!("customer: {}", call.id()));
    }
    Ok(customer["discount"].clone())
}

/// `DELETE /v1/customers/{customer}/discount`
pub(super) fn delete_of_customer(core: &mut Core, call: &Call) -> Answer {
    let before = core.need_path("customer", call.id(), "customer")?;
    let Some(id) = opt(&before, "discount.id").map(str::to_owned) else {
        return no_discount(&format!("customer: {}", call.id()));
    };
    core.detach_discount(&id);
    core.emit_change("customer.updated", call.id(), &before);
    Ok(core.deleted_discount(&id))
}

/// `GET /v1/customers/{customer}/subscriptions/{subscription}/discount`
pub(super) fn of_subscription(core: &mut Core, call: &Call) -> Answer {
    let id = core.discounted_subscription(call)?;
    let row = core.need_path("subscription", &id, "subscription")?;
    match get(&row, "discounts.0").as_str() {
        Some(discount) => core.need("discount", discount, "id"),
        None => no_discount(&format!("subscription: {id}")),
    }
}

/// `DELETE /v1/subscriptions/{subscription}/discount`, also under its customer
pub(super) fn delete_of_subscription(core: &mut Core, call: &Call) -> Answer {
    let id = core.discounted_subscription(call)?;
    let before = core.need_path("subscription", &id, "subscription")?;
    let all: Vec<String> = list(&before, "discounts")
        .iter()
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect();
    let Some(last) = all.last() else {
        return no_discount(&format!("subscription: {id}"));
    };
    for discount in &all {
        core.drop_discount(&id, discount);
    }
    core.emit_change("customer.subscription.updated", &id, &before);
    Ok(core.deleted_discount(last))
}

fn no_discount(of: &str) -> Answer {
    let message = format!("No active discount for {of}");
    refuse_param("resource_missing", "", message).map_err(|error| error.with_status(404))
}

/// What a coupon takes off an amount in a currency.
fn reduction(coupon: &Value, amount: i64, currency: &str) -> i64 {
    let off = if coupon["percent_off"].is_null() {
        amount_off(coupon, currency).unwrap_or(0)
    } else {
        fraction(amount, percent(get(coupon, "percent_off")), WHOLE)
    };
    off.min(amount)
}

/// The amounts as objects, without those that are zero.
pub(super) fn discount_amounts(applied: &[Applied]) -> Vec<Value> {
    applied
        .iter()
        .filter(|(_, amount)| *amount != 0)
        .map(|(discount, amount)| json!({"amount": amount, "discount": discount}))
        .collect()
}

/// An amount that discounts reduce one after the other.
pub(super) struct Reduced {
    pub(super) product: String,
    pub(super) rest: i64,
    pub(super) applied: Vec<Applied>,
}

/// Takes a coupon off several amounts together, in proportion, and notes it as `discount`.
pub(super) fn take_off(amounts: &mut [Reduced], coupon: &Value, currency: &str, discount: &str) {
    let all: Vec<usize> = (0..amounts.len()).collect();
    take_off_some(amounts, &all, coupon, currency, discount);
}

/// Takes a coupon off the amounts at some places together.
fn take_off_some(
    amounts: &mut [Reduced],
    places: &[usize],
    coupon: &Value,
    currency: &str,
    discount: &str,
) {
    let base = |(index, one): (usize, &Reduced)| {
        if places.contains(&index) && applies_to(coupon, &one.product) {
            one.rest
        } else {
            0
        }
    };
    let bases: Vec<i64> = amounts.iter().enumerate().map(base).collect();
    let off = reduction(coupon, bases.iter().sum(), currency);
    for (one, part) in amounts.iter_mut().zip(spread(off, &bases)) {
        one.rest -= part;
        one.applied.push((discount.to_owned(), part));
    }
}

impl Core {
    /// Creates discounts for the coupons and promotion codes in `discounts` of a subscription, which
    /// may exist already.
    pub(super) fn discounts_from(
        &mut self,
        sent: &Value,
        customer: &str,
        subscription: Option<&str>,
    ) -> Answer<Vec<String>> {
        let purchase = self.purchase_in(sent, customer);
        self.discounts_for(sent, "discounts", &purchase, subscription.as_slice())
    }

    /// Creates discounts for the coupons and promotion codes in `discounts`, which `param` names.
    /// `holders` are the ids of the discounted object and of the objects that it belongs to: their
    /// discounts can be reused.
    pub(super) fn discounts_for(
        &mut self,
        sent: &Value,
        param: &str,
        purchase: &Purchase,
        holders: &[&str],
    ) -> Answer<Vec<String>> {
        let sent = list(sent, "discounts");
        let chosen = self.chosen_discounts(sent, param, &purchase.customer, holders)?;
        let mut ids = Vec::new();
        for (index, one) in chosen.into_iter().enumerate() {
            ids.push(match one {
                Chosen::Discount(known) => known,
                Chosen::Coupon(coupon, code) => {
                    let named = format!("{param}[{index}]");
                    self.check_redeemable((&coupon, code.as_ref()), purchase, &named)?;
                    self.new_discount(&coupon, code.as_ref(), &purchase.customer)
                }
            });
        }
        Ok(ids)
    }

    /// The discounts and tax rates that the parameters give to a subscription item. `holders` are
    /// the ids of the item and of its subscription, as far as they exist.
    pub(super) fn item_terms(
        &mut self,
        sent: &Value,
        customer: &str,
        holders: &[&str],
        param: &str,
    ) -> Answer {
        let mut terms = json!({});
        if has(sent, "discounts") {
            let purchase = self.purchase_in(&json!({ "items": [sent] }), customer);
            let named = format!("{param}[discounts]");
            terms["discounts"] = self.discounts_for(sent, &named, &purchase, holders)?.into();
        }
        if has(sent, "tax_rates") {
            let named = format!("{param}[tax_rates]");
            terms["tax_rates"] = self.tax_rates_in(sent, "tax_rates", &named)?.into();
        }
        Ok(terms)
    }

    /// Creates a discount and counts a redemption.
    pub(super) fn new_discount(
        &mut self,
        coupon: &Value,
        code: Option<&Value>,
        customer: &str,
    ) -> String {
        let id = self.rng.id("di");
        let end = match text(coupon, "duration") {
            "repeating" => json!(add_months(self.now, int(coupon, "duration_in_months"))),
            _ => Value::Null,
        };
        let row = json!({
            "id": id, "object": "discount", "checkout_session": null,
            "customer": if customer.is_empty() { Value::Null } else { customer.into() },
            "customer_account": null, "end": end, "invoice": null, "invoice_item": null,
            "promotion_code": code.map(|row| row["id"].clone()),
            "source": {"coupon": coupon["id"], "type": "coupon"}, "start": self.now,
            "subscription": null, "subscription_item": null,
        });
        self.store.put(&id, row);
        // The terms stay when the coupon is deleted.
        self.set_note(&id, "coupon", coupon.clone());
        let code = code.map(|row| owned(row, "id"));
        self.count_redemption(text(coupon, "id"), code.as_deref());
        id
    }

    /// The coupon of a discount as it was redeemed.
    pub(super) fn coupon_of(&self, discount: &str) -> Value {
        self.note(discount, "coupon")
    }

    /// Makes discounts those of a subscription, instead of those that it has.
    pub(super) fn start_discounts(&mut self, subscription: &str, discounts: &[String]) {
        let before = list(self.row(subscription), "discounts").to_vec();
        let gone = before
            .iter()
            .filter_map(Value::as_str)
            .filter(|id| !discounts.iter().any(|one| one == id));
        for id in gone {
            self.drop_discount(subscription, id);
        }
        self.modify(subscription, |row| row["discounts"] = discounts.into());
        for id in discounts.iter().filter(|id| !before.contains(&json!(id))) {
            if self.own_discount(id, &[("subscription", subscription)]) {
                self.emit("customer.discount.created", id);
            }
        }
    }

    /// Takes a discount away from a subscription. One that belongs to the whole customer stays
    /// there.
    fn drop_discount(&mut self, subscription: &str, id: &str) {
        if text(self.row(id), "subscription") == subscription {
            self.detach_discount(id);
        } else {
            self.modify(subscription, |row| without_discount(row, id));
        }
    }

    /// Makes the new discounts of the items of a subscription theirs.
    pub(super) fn own_item_discounts(&mut self, subscription: &str) {
        let row = self.row(subscription).clone();
        for item in inner(&row, "items") {
            for id in list(item, "discounts").iter().filter_map(Value::as_str) {
                let item = text(item, "id");
                let owner = [("subscription", subscription), ("subscription_item", item)];
                self.own_discount(id, &owner);
            }
        }
    }

    /// Makes a new discount that of an object, and returns whether it was new. One that already
    /// belongs to something, or to the whole customer, stays there.
    pub(super) fn own_discount(&mut self, id: &str, owner: &[(&str, &str)]) -> bool {
        let row = self.row(id);
        let customer = self.row(text(row, "customer"));
        let is_held = OWNERS.iter().any(|name| has(row, name));
        if is_held || get(customer, "discount.id") == id {
            return false;
        }
        self.modify(id, |row| {
            for (name, value) in owner {
                row[*name] = (*value).into();
            }
        });
        true
    }

    /// Gives a customer the discount of a coupon, as older versions of the API do, or takes it
    /// away.
    pub(super) fn discount_customer(&mut self, customer: &str, sent: &Value) -> Answer<()> {
        let name = ["coupon", "promotion_code"]
            .into_iter()
            .find(|name| has(sent, name));
        let Some(name) = name else { return Ok(()) };
        let before = opt(self.row(customer), "discount.id").map(str::to_owned);
        if opt(sent, name).is_none() {
            if let Some(id) = before {
                self.detach_discount(&id);
            }
            return Ok(());
        }
        let (coupon, code) = self.coupon_in(sent, "")?;
        let purchase = Purchase {
            customer: customer.to_owned(),
            ..Purchase::default()
        };
        self.check_redeemable((&coupon, code.as_ref()), &purchase, "")?;
        let id = self.new_discount(&coupon, code.as_ref(), customer);
        let discount = self.row(&id).clone();
        self.modify(customer, |row| row["discount"] = discount.clone());
        if let Some(old) = &before {
            self.set_note(old, "spent", true);
        }
        match before.map(|id| self.row(&id).clone()) {
            Some(old) => {
                let mut previous = json!({});
                for name in ["id", "source", "start", "end", "promotion_code"] {
                    if old[name] != discount[name] {
                        previous[name] = old[name].clone();
                    }
                }
                self.emit_object("customer.discount.updated", discount, Some(previous));
            }
            None => self.emit("customer.discount.created", &id),
        }
        Ok(())
    }

    /// Takes a discount away from whatever has it. Invoices that it reduced keep it.
    pub(super) fn detach_discount(&mut self, id: &str) {
        let row = self.row(id).clone();
        let customer = text(&row, "customer");
        let mut is_detached = get(self.row(customer), "discount.id") == id;
        if is_detached {
            self.modify(customer, |customer| customer["discount"] = Value::Null);
        }
        // That of a customer can be on several subscriptions.
        let all = self.store.by("subscription", "customer", customer);
        let all: Vec<String> = all.map(|row| owned(row, "id")).collect();
        for subscription in &all {
            let before = self.modify(subscription, |row| without_discount(row, id));
            is_detached |= before != *self.row(subscription);
        }
        if is_detached {
            self.set_note(id, "spent", true);
            self.emit("customer.discount.deleted", id);
        }
    }

    fn deleted_discount(&self, id: &str) -> Value {
        let mut gone = self.row(id).clone();
        gone["deleted"] = true.into();
        if let Some(all) = gone.as_object_mut() {
            all.remove("end");
        }
        gone
    }

    /// The subscription in a path, which may begin with its customer.
    fn discounted_subscription(&self, call: &Call) -> Answer<String> {
        let id = call.ids.last().map_or("", String::as_str);
        let row = self.need_path("subscription", id, "subscription")?;
        if call.ids.len() > 1 && text(&row, "customer") != call.id() {
            return Err(self
                .missing("subscription", id, "subscription")
                .with_status(404));
        }
        Ok(id.to_owned())
    }

    /// The discounts that an invoice of a moment inherits: those of its subscription, or else that of
    /// the customer.
    pub(super) fn inherited_discounts(
        &self,
        subscription: Option<&str>,
        customer: &Value,
        at: i64,
    ) -> Vec<Value> {
        let own = subscription.map_or(&[][..], |id| list(self.row(id), "discounts"));
        let mut found: Vec<Value> = own.to_vec();
        if found.is_empty() && has(customer, "discount.id") {
            found.push(get(customer, "discount.id").clone());
        }
        found.retain(|id| {
            let end = opt_int(self.row(id.as_str().unwrap_or("")), "end");
            end.is_none_or(|end| end > at)
        });
        found
    }

    /// Applies discounts to several amounts together. Each is spread over the amounts that its
    /// coupon applies to, in proportion.
    pub(super) fn reduce(&self, amounts: &mut [Reduced], discounts: &[Value], currency: &str) {
        for id in discounts.iter().filter_map(Value::as_str) {
            take_off(amounts, &self.coupon_of(id), currency, id);
        }
    }

    /// Applies the discounts of an invoice and of its lines, those of the lines first. One that
    /// several lines have, or also the invoice, is redeemed once: each line is reduced once, and an
    /// amount is shared out.
    pub(super) fn discount_lines(&self, invoice: &mut Value) {
        let currency = owned(invoice, "currency");
        let lines = inner(invoice, "lines").to_vec();
        let amount_of = |line: &Value| Reduced {
            product: owned(line, "pricing.price_details.product"),
            rest: if flag(line, "discountable") {
                int(line, "amount").max(0)
            } else {
                0
            },
            applied: Vec::new(),
        };
        let mut amounts: Vec<Reduced> = lines.iter().map(amount_of).collect();
        let mut of_lines: Vec<&Value> = Vec::new();
        for id in lines.iter().flat_map(|line| list(line, "discounts")) {
            if !of_lines.contains(&id) {
                of_lines.push(id);
            }
        }
        let of_invoice = list(invoice, "discounts").to_vec();
        let (first, then) = (of_lines.into_iter(), of_invoice.iter());
        let all = first.map(|id| (id, true)).chain(then.map(|id| (id, false)));
        for (discount, is_own) in all {
            let id = discount.as_str().unwrap_or("");
            let coupon = self.coupon_of(id);
            let mut taken = amounts.iter().flat_map(|one| &one.applied);
            let is_spent = taken.any(|(one, off)| one == id && *off > 0);
            if is_spent && has(&coupon, "amount_off") {
                continue;
            }
            let places: Vec<usize> = (0..lines.len())
                .filter(|index| list(&lines[*index], "discounts").contains(discount) == is_own)
                .collect();
            take_off_some(&mut amounts, &places, &coupon, &currency, id);
        }
        let mut totals: Vec<Applied> = Vec::new();
        for (index, (line, reduced)) in lines.iter().zip(&amounts).enumerate() {
            // The discounts of prorations were decided when those were created.
            if flag(line, "discountable") {
                let shown = discount_amounts(&reduced.applied);
                invoice["lines"]["data"][index]["discount_amounts"] = shown.into();
            }
            for one in list(&invoice["lines"]["data"][index], "discount_amounts") {
                add_discount(&mut totals, text(one, "discount"), int(one, "amount"));
            }
        }
        invoice["total_discount_amounts"] = discount_amounts(&totals).into();
    }

    /// Ends the discounts that an invoice has used up: those that apply once, and those whose time
    /// has ended.
    pub(super) fn spend_discounts(&mut self, invoice: &str) {
        let row = self.row(invoice).clone();
        let mut used: Vec<String> = list(&row, "total_discount_amounts")
            .iter()
            .map(|one| owned(one, "discount"))
            .collect();
        for line in inner(&row, "lines") {
            let parent = get(line, "parent");
            let item = opt(parent, "subscription_item_details.invoice_item")
                .or_else(|| opt(parent, "invoice_item_details.invoice_item"));
            let item = self.row(item.unwrap_or(""));
            let applied = list(item, "proration_details.discount_amounts");
            used.extend(applied.iter().map(|one| owned(one, "discount")));
        }
        used.retain(|id| text(&self.coupon_of(id), "duration") == "once");
        if let Some(subscription) = opt(&row, "parent.subscription_details.subscription") {
            let held = list(self.row(subscription), "discounts");
            let ended = held
                .iter()
                .filter_map(Value::as_str)
                .filter(|id| opt_int(self.row(id), "end").is_some_and(|end| end <= self.now));
            used.extend(ended.map(str::to_owned));
        }
        for id in used {
            self.detach_discount(&id);
            self.set_note(&id, "spent", true);
        }
    }
}

/// Removes a discount from the lists of a subscription and its items.
fn without_discount(row: &mut Value, id: &str) {
    let remove = |held: &mut Value| {
        if let Some(all) = held.as_array_mut() {
            all.retain(|one| one != id);
        }
    };
    remove(&mut row["discounts"]);
    let items = row["items"]["data"].as_array_mut();
    for item in items.into_iter().flatten() {
        remove(&mut item["discounts"]);
    }
}

/// Adds what a discount takes off to the totals by discount.
pub(super) fn add_discount(totals: &mut Vec<Applied>, discount: &str, amount: i64) {
    match totals.iter_mut().find(|(id, _)| id == discount) {
        Some((_, total)) => *total += amount,
        None => totals.push((discount.to_owned(), amount)),
    }
}
