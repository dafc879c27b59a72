//! The rules by which coupons and promotion codes are refused or redeemed.

use serde_json::{Value, json};
use stripe::objects::InvoiceStatus;

use super::Core;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::{check_count, inside};
use super::status;
use super::value::{flag, get, has, int, list, opt, opt_int, owned, price_amount, text};

/// What an element of `discounts` in the parameters names.
pub(super) enum Chosen {
    /// The id of a discount that exists.
    Discount(String),
    /// A coupon to redeem, and the promotion code that names it, if one does.
    Coupon(Value, Option<Value>),
}

/// The fields of a discount that name the object which it reduces.
pub(super) const OWNERS: [&str; 5] = [
    "checkout_session",
    "subscription",
    "subscription_item",
    "invoice",
    "invoice_item",
];

/// What a coupon is redeemed for.
#[derive(Clone, Debug, Default)]
pub(super) struct Purchase {
    pub(super) customer: String,
    /// The currency, if it is known.
    pub(super) currency: Option<String>,
    /// The product and the amount of each line, if they are known.
    pub(super) lines: Option<Vec<(String, i64)>>,
}

/// The amount that a coupon takes off in a currency, if it takes off an amount at all.
pub(super) fn amount_off(coupon: &Value, currency: &str) -> Option<i64> {
    opt_int(coupon, "amount_off")?;
    if text(coupon, "currency") == currency {
        return opt_int(coupon, "amount_off");
    }
    opt_int(coupon, &format!("currency_options.{currency}.amount_off"))
}

/// Whether a coupon takes something off a product.
pub(super) fn applies_to(coupon: &Value, product: &str) -> bool {
    let products = list(coupon, "applies_to.products");
    products.is_empty() || products.iter().any(|one| one == product)
}

/// The error for a coupon that is past its time or its number of redemptions.
fn used_up(coupon: &Value, what: &str) -> Box<ApiError> {
    let message = format!(
        "Coupon {} is {what} and cannot be applied.",
        text(coupon, "id")
    );
    ApiError::bad("coupon_expired", "", message)
}

impl Core {
    /// The coupon of a discount in the parameters, and the promotion code that names it, if one
    /// does.
    pub(super) fn coupon_in(&self, one: &Value, param: &str) -> Answer<(Value, Option<Value>)> {
        let code = match opt(one, "promotion_code") {
            Some(id) => Some(self.need("promotion_code", id, &inside(param, "promotion_code"))?),
            None => None,
        };
        let coupon = match &code {
            Some(row) => text(row, "promotion.coupon"),
            None => text(one, "coupon"),
        };
        self.need("coupon", coupon, &inside(param, "coupon"))?;
        Ok((self.whole_coupon(coupon), code))
    }

    /// A coupon with the terms that its object only shows when they are expanded.
    pub(super) fn whole_coupon(&self, id: &str) -> Value {
        let mut coupon = self.row(id).clone();
        for name in ["applies_to", "currency_options"] {
            coupon[name] = self.note(id, name);
        }
        coupon
    }

    /// Reads discounts from parameters. Refuses those that name none or several of their kinds, an
    /// object that doesn't exist or belongs to something else, or one coupon twice.
    pub(super) fn chosen_discounts(
        &self,
        sent: &[Value],
        param: &str,
        customer: &str,
        holders: &[&str],
    ) -> Answer<Vec<Chosen>> {
        check_count(sent, param)?;
        let mut all = Vec::new();
        let mut coupons: Vec<String> = Vec::new();
        for (index, one) in sent.iter().enumerate() {
            let named = format!("{param}[{index}]");
            let ways = ["coupon", "discount", "promotion_code"];
            if ways.iter().filter(|name| has(one, name)).count() != 1 {
                let message =
                    "You must specify exactly one of: coupon, discount, or promotion_code.";
                return refuse_param("", &named, message);
            }
            let (coupon, chosen) = if let Some(known) = opt(one, "discount") {
                let param = format!("{named}[discount]");
                self.check_reusable(known, customer, holders, &param)?;
                let coupon = owned(&self.coupon_of(known), "id");
                (coupon, Chosen::Discount(known.to_owned()))
            } else {
                let (coupon, code) = self.coupon_in(one, &named)?;
                (owned(&coupon, "id"), Chosen::Coupon(coupon, code))
            };
            if coupons.contains(&coupon) {
                let message = format!("The coupon {coupon} cannot be applied more than once.");
                return refuse_param("", &named, message);
            }
            coupons.push(coupon);
            all.push(chosen);
        }
        Ok(all)
    }

    /// Refuses a discount that is not one "on the object (or one of its ancestors)", as Stripe
    /// describes the parameter, so that a coupon isn't redeemed more often than it is counted.
    pub(super) fn check_reusable(
        &self,
        known: &str,
        customer: &str,
        holders: &[&str],
        param: &str,
    ) -> Answer<()> {
        let row = self.need("discount", known, param)?;
        let is_foreign = opt(&row, "customer").is_some_and(|one| one != customer);
        let owners: Vec<&str> = OWNERS.iter().filter_map(|name| opt(&row, name)).collect();
        let is_held = if owners.is_empty() {
            get(self.row(customer), "discount.id") == known
        } else {
            owners.iter().all(|owner| holders.contains(owner))
        };
        if is_foreign || !is_held || self.note(known, "spent") == true {
            return Err(self.missing("discount", known, param));
        }
        Ok(())
    }

    /// Refuses a coupon, or the promotion code that names it, that cannot be redeemed for a
    /// purchase.
    pub(super) fn check_redeemable(
        &self,
        (coupon, code): (&Value, Option<&Value>),
        purchase: &Purchase,
        param: &str,
    ) -> Answer<()> {
        if opt_int(coupon, "redeem_by").is_some_and(|at| at < self.now) {
            return Err(used_up(coupon, "expired").with_param(param));
        }
        let redeemed = int(coupon, "times_redeemed");
        if opt_int(coupon, "max_redemptions").is_some_and(|most| redeemed >= most) {
            return Err(used_up(coupon, "used up").with_param(param));
        }
        if let Some(code) = code {
            self.check_code(code, purchase, &inside(param, "promotion_code"))?;
        }
        check_currency(coupon, purchase, param)?;
        let fits = |(product, _): &(String, i64)| applies_to(coupon, product);
        if purchase
            .lines
            .as_ref()
            .is_some_and(|all| !all.is_empty() && !all.iter().any(fits))
        {
            let message = "This coupon cannot be redeemed because it does not apply to anything in this order.";
            return refuse_param("coupon_applies_to_nothing", param, message);
        }
        Ok(())
    }

    fn check_code(&self, code: &Value, purchase: &Purchase, param: &str) -> Answer<()> {
        if opt_int(code, "expires_at").is_some_and(|at| at <= self.now) {
            let message = "This promotion code has expired.";
            return refuse_param("", param, message);
        }
        let redeemed = int(code, "times_redeemed");
        if opt_int(code, "max_redemptions").is_some_and(|most| redeemed >= most) {
            let message = "This promotion code cannot be redeemed because it has been used the maximum number of times.";
            return refuse_param("", param, message);
        }
        if !flag(code, "active") {
            return refuse_param("", param, "This promotion code is inactive.");
        }
        if opt(code, "customer").is_some_and(|one| one != purchase.customer) {
            let message = "This promotion code cannot be redeemed because it belongs to a different customer.";
            return refuse_param("", param, message);
        }
        // Open and unpaid invoices count too (github.com/stripe/stripe-node/issues/2349).
        if flag(code, "restrictions.first_time_transaction") && self.has_bought(&purchase.customer)
        {
            let message = "This promotion code cannot be redeemed because the associated customer has prior transactions.";
            return refuse_param("", param, message);
        }
        check_minimum(code, purchase, param)
    }

    /// Whether a customer has a successful charge or an invoice that is not a draft or void.
    fn has_bought(&self, customer: &str) -> bool {
        if customer.is_empty() {
            return false;
        }
        let mut invoices = self.store.by("invoice", "customer", customer);
        let mut charges = self.store.by("charge", "customer", customer);
        invoices.any(|row| status::is_payable(row) || status::invoice(row) == InvoiceStatus::Paid)
            || charges.any(|row| flag(row, "paid"))
    }

    /// Counts a redemption of a coupon and of the promotion code that names it. Once a limit is
    /// reached, they can no longer be redeemed.
    pub(super) fn count_redemption(&mut self, coupon: &str, code: Option<&str>) {
        let count = |row: &mut Value| {
            row["times_redeemed"] = (int(row, "times_redeemed") + 1).into();
        };
        self.modify(coupon, count);
        let before = code.map(|id| self.modify(id, count));
        self.refresh_coupon(coupon);
        // As recorded from Stripe: the coupon has no event.
        if let (Some(id), Some(before)) = (code, before) {
            self.emit_change("promotion_code.updated", id, &before);
        }
    }

    /// Updates whether a coupon and its promotion codes can still be redeemed.
    pub(super) fn refresh_coupon(&mut self, coupon: &str) {
        let now = self.now;
        let is_over = |row: &Value, until: &str| {
            opt_int(row, until).is_some_and(|at| at <= now)
                || opt_int(row, "max_redemptions")
                    .is_some_and(|most| int(row, "times_redeemed") >= most)
        };
        let row = self.row(coupon).clone();
        let is_valid =
            row["object"] == "coupon" && row["deleted"] != true && !is_over(&row, "redeem_by");
        if row["object"] == "coupon" && row["deleted"] != true {
            self.modify(coupon, |row| row["valid"] = is_valid.into());
        }
        let codes = self.store.by("promotion_code", "coupon", coupon);
        let ended: Vec<String> = codes
            .filter(|row| flag(row, "active") && (!is_valid || is_over(row, "expires_at")))
            .map(|row| owned(row, "id"))
            .collect();
        for id in ended {
            self.modify(&id, |row| row["active"] = false.into());
        }
    }

    /// The active promotion code with this code for a customer: the customer's own one, or one for
    /// every customer.
    pub(super) fn active_code(&self, word: &str, customer: &str) -> Option<Value> {
        let found = self
            .store
            .by("promotion_code", "code", word)
            .filter(|row| flag(row, "active"));
        let mut found: Vec<&Value> = found
            .filter(|row| opt(row, "customer").is_none_or(|one| one == customer))
            .collect();
        found.sort_by_key(|row| row["customer"].is_null());
        found.first().map(|row| (*row).clone())
    }

    /// What the items in the parameters of a subscription cost.
    pub(super) fn purchase_in(&self, sent: &Value, customer: &str) -> Purchase {
        let mut lines = Vec::new();
        let mut currency = opt(self.row(customer), "currency").map(str::to_owned);
        for item in list(sent, "items")
            .iter()
            .chain(list(sent, "add_invoice_items"))
        {
            let price = match opt(item, "price") {
                Some(id) => self.row(id).clone(),
                None => get(item, "price_data").clone(),
            };
            if let Some(one) = opt(&price, "currency") {
                currency = Some(one.to_owned());
            }
            let quantity = opt_int(item, "quantity").unwrap_or(1);
            lines.push((owned(&price, "product"), price_amount(&price, quantity)));
        }
        Purchase {
            customer: customer.to_owned(),
            currency,
            lines: (!lines.is_empty()).then_some(lines),
        }
    }
}

/// Refuses a coupon that takes off an amount in another currency.
fn check_currency(coupon: &Value, purchase: &Purchase, param: &str) -> Answer<()> {
    let Some(currency) = &purchase.currency else {
        return Ok(());
    };
    if coupon["amount_off"].is_null() || amount_off(coupon, currency).is_some() {
        return Ok(());
    }
    let message = format!(
        "The currency of the coupon ({}) does not match the currency of the purchase ({currency}).",
        text(coupon, "currency")
    );
    refuse_param("", param, message)
}

/// Refuses a promotion code for a purchase below its minimum amount.
fn check_minimum(code: &Value, purchase: &Purchase, param: &str) -> Answer<()> {
    if get(code, "restrictions.minimum_amount").is_null() {
        return Ok(());
    }
    let (Some(lines), Some(currency)) = (&purchase.lines, &purchase.currency) else {
        return Ok(());
    };
    let own = text(code, "restrictions.minimum_amount_currency") == currency;
    let least = if own {
        opt_int(code, "restrictions.minimum_amount")
    } else {
        let option = format!("restrictions.currency_options.{currency}.minimum_amount");
        opt_int(code, &option)
    };
    let total: i64 = lines.iter().map(|(_, amount)| amount).sum();
    if least.is_some_and(|least| total >= least) {
        return Ok(());
    }
    let message = "This promotion code cannot be redeemed because the associated purchase does not meet the minimum amount requirement.";
    refuse_param("", param, message)
}

/// The minimum amounts of a promotion code in other currencies, as its restrictions show them.
pub(super) fn restrictions(sent: &Value) -> Value {
    let mut shown = json!({
        "first_time_transaction": flag(sent, "first_time_transaction"),
        "minimum_amount": get(sent, "minimum_amount"),
        "minimum_amount_currency": get(sent, "minimum_amount_currency"),
    });
    if !get(sent, "currency_options").is_null() {
        shown["currency_options"] = get(sent, "currency_options").clone();
    }
    shown
}
