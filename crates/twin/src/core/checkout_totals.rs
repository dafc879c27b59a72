//! The totals of Checkout sessions: discounts, taxes and the redemption of coupons.

use serde_json::{Value, json};

use super::Core;
use super::countries::country_of;
use super::discounts::{Applied, Reduced, take_off};
use super::errors::{Answer, refuse_param};
use super::redemption::Purchase;
use super::taxes::{Taxed, sum_of};
use super::value::{self, flag, get, has, ids, int, list, opt, owned, text};

impl Core {
    /// Refuses tax settings that cannot be combined or that lack an address.
    pub(super) fn check_session_tax(&self, sent: &Value) -> Answer<()> {
        if !flag(sent, "automatic_tax.enabled") {
            return Ok(());
        }
        let lines = list(sent, "line_items");
        if let Some(index) = lines
            .iter()
            .position(|line| !list(line, "tax_rates").is_empty())
        {
            let message = "You cannot use `tax_rates` when `automatic_tax[enabled]=true`.";
            let param = format!("line_items[{index}][tax_rates]");
            return refuse_param("", &param, message);
        }
        let updates = ["address", "shipping"];
        let saves = updates
            .iter()
            .any(|name| get(sent, &format!("customer_update.{name}")) == "auto");
        let Some(customer) = opt(sent, "customer").filter(|_| !saves) else {
            return Ok(());
        };
        self.need_location(customer, "customer").map_err(|mut error| {
            "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address to the Customer or set either `customer_update[address]` to 'auto' or `customer_update[shipping]` to 'auto' to save the address entered in Checkout to the Customer."
                .clone_into(&mut error.message);
            error
        })
    }

    /// Refuses the coupons and promotion codes of a session that cannot be redeemed for it.
    pub(super) fn check_session_discounts(&self, id: &str) -> Answer<()> {
        let purchase = self.session_purchase(id);
        let chosen = self.note(id, "discounts");
        if chosen.as_array().is_some_and(|all| all.len() > 1) {
            let message = "You may only specify one discount for a Checkout Session.";
            return refuse_param("", "discounts", message);
        }
        for (index, one) in chosen.as_array().into_iter().flatten().enumerate() {
            let mut named = json!({});
            for name in ["coupon", "promotion_code"] {
                if has(one, name) {
                    named[name] = one[name].clone();
                }
            }
            let param = format!("discounts[{index}]");
            let (coupon, code) = self.coupon_in(&named, &param)?;
            self.check_redeemable((&coupon, code.as_ref()), &purchase, &param)?;
        }
        Ok(())
    }

    /// What a session sells now. Recurring lines cost nothing during a trial.
    pub(super) fn session_purchase(&self, id: &str) -> Purchase {
        let items = self.note(id, "items");
        let in_trial = self.note(id, "trial").is_i64();
        let lines = items.as_array().into_iter().flatten().map(|item| {
            let amount = if counts(item, in_trial) {
                int(item, "amount_subtotal")
            } else {
                0
            };
            (owned(item, "price.product"), amount)
        });
        Purchase {
            customer: owned(self.row(id), "customer"),
            currency: opt(&items, "0.currency").map(str::to_owned),
            lines: Some(lines.collect()),
        }
    }

    /// Redeems the coupons of a session for the customer, and returns the discounts.
    pub(super) fn redeem_session(&mut self, id: &str, customer: &str) -> Vec<String> {
        let chosen = self.note(id, "discounts");
        let mut discounts = Vec::new();
        for one in chosen.as_array().into_iter().flatten() {
            let coupon = self.whole_coupon(text(one, "coupon"));
            let code = self.store.get(text(one, "promotion_code")).cloned();
            discounts.push(self.new_discount(&coupon, code.as_ref(), customer));
        }
        discounts
    }

    /// Redeems the coupons of a completed session in payment mode, which no subscription keeps.
    pub(super) fn redeem_for_payment(&mut self, id: &str) {
        let customer = owned(self.row(id), "customer");
        let redeemed = self.redeem_session(id, &customer);
        for discount in &redeemed {
            self.modify(discount, |row| row["checkout_session"] = id.into());
            self.emit("customer.discount.created", discount);
        }
        self.set_note(id, "redeemed", redeemed);
    }

    /// Sets the address that the customer entered in Checkout, and calculates the tax of the
    /// session with it. The address has `country` and, if the tax depends on it, `state`.
    pub fn set_checkout_address(&mut self, session_id: &str, address: &Value) {
        let is_open = self.row(session_id)["object"] == "checkout.session"
            && text(self.row(session_id), "status") == "open";
        if is_open && opt(address, "country").is_some() {
            self.set_note(session_id, "address", value::address(address));
            self.total_session(session_id);
        }
    }

    /// Takes the place of the customer from the payment method, unless it is known.
    pub(super) fn locate_session(&mut self, id: &str, method: &str) {
        let session = self.row(id).clone();
        if !flag(&session, "automatic_tax.enabled") || self.taxed_session(&session).is_located() {
            return;
        }
        let row = self.row(method);
        let known = get(row, "billing_details.address");
        let address = if opt(known, "country").is_some() {
            value::address(known)
        } else {
            value::address(&json!({"country": opt(row, "card.country").unwrap_or("US")}))
        };
        self.set_note(id, "address", address);
        self.total_session(id);
    }

    /// Saves the address that was entered in Checkout to a new customer, or to a known one if the
    /// session says so. <https://docs.stripe.com/api/checkout/sessions/create>
    pub(super) fn save_session_address(&mut self, id: &str, customer: &str, method: &str) {
        let sent = self.note(id, "sent");
        let is_known = opt(&sent, "customer").is_some();
        if is_known && get(&sent, "customer_update.address") != "auto" {
            return;
        }
        let entered = self.note(id, "address");
        let of_method = get(self.row(method), "billing_details.address");
        let address = if has(&entered, "country") {
            entered
        } else {
            of_method.clone()
        };
        if has(&address, "country") {
            self.modify_and_emit("customer.updated", customer, |row| row["address"] = address);
        }
    }

    fn taxed_session(&self, session: &Value) -> Taxed {
        let customer = self.row(text(session, "customer"));
        let entered = self.note(text(session, "id"), "address");
        let known = ["shipping.address", "address"].map(|path| get(customer, path));
        let address = known.into_iter().find(|one| country_of(one).is_some());
        Taxed {
            automatic: flag(session, "automatic_tax.enabled"),
            exempt: opt(customer, "tax_exempt").unwrap_or("none").to_owned(),
            address: address.cloned().unwrap_or(entered),
        }
    }

    /// Updates the totals of a session after its discounts and taxes. During a trial, recurring
    /// lines don't count.
    pub(super) fn total_session(&mut self, id: &str) {
        let in_trial = self.note(id, "trial").is_i64();
        let mut items = self
            .note(id, "items")
            .as_array()
            .cloned()
            .unwrap_or_default();
        if items.is_empty() {
            return;
        }
        let currency = owned(&items[0], "currency");
        let mut amounts: Vec<Reduced> = Vec::new();
        for item in &items {
            let counts = counts(item, in_trial);
            amounts.push(Reduced {
                product: owned(item, "price.product"),
                rest: if counts {
                    int(item, "amount_subtotal")
                } else {
                    0
                },
                applied: Vec::new(),
            });
        }
        let subtotal: i64 = amounts.iter().map(|one| one.rest).sum();
        let discounts = self.note(id, "discounts");
        for one in discounts.as_array().into_iter().flatten() {
            let id = text(one, "coupon");
            take_off(&mut amounts, &self.whole_coupon(id), &currency, id);
        }
        let taxed = self.taxed_session(self.row(id));
        let mut taxes = Vec::new();
        for (item, reduced) in items.iter_mut().zip(&amounts) {
            if counts(item, in_trial) {
                taxes.extend(self.total_item(item, reduced, &taxed));
            }
        }
        let rest: i64 = amounts.iter().map(|one| one.rest).sum();
        let on_top = sum_of(&taxes, "exclusive");
        let all_tax = on_top + sum_of(&taxes, "inclusive");
        self.set_note(id, "items", items);
        self.modify(id, |row| {
            row["currency"] = currency.into();
            row["amount_subtotal"] = subtotal.into();
            row["amount_total"] = (rest + on_top).into();
            row["discounts"] = discounts;
            row["total_details"] = json!({"amount_discount": subtotal - rest,
                "amount_shipping": 0, "amount_tax": all_tax});
            if taxed.automatic {
                let is_located = taxed.is_located();
                row["automatic_tax"]["status"] = if is_located {
                    "complete"
                } else {
                    "requires_location_inputs"
                }
                .into();
                row["automatic_tax"]["provider"] = "stripe".into();
            }
        });
    }

    /// Updates the amounts of a line item and returns its taxes.
    fn total_item(&mut self, item: &mut Value, reduced: &Reduced, taxed: &Taxed) -> Vec<Value> {
        let id = owned(item, "id");
        let rates = self.note(&id, "tax_rates");
        let rates = rates.as_array().map_or(&[][..], Vec::as_slice);
        let taxes = self.taxes_on(
            reduced.rest,
            &ids(rates),
            text(item, "price.tax_behavior"),
            taxed,
        );
        let on_top = sum_of(&taxes, "exclusive");
        let off: i64 = reduced
            .applied
            .iter()
            .map(|(_, amount): &Applied| amount)
            .sum();
        item["amount_discount"] = off.into();
        item["amount_tax"] = (on_top + sum_of(&taxes, "inclusive")).into();
        item["amount_total"] = (reduced.rest + on_top).into();
        let shown: Vec<Value> = taxes
            .iter()
            .filter(|one| has(one, "tax_rate_details"))
            .map(|one| {
                json!({"amount": one["amount"], "taxable_amount": one["taxable_amount"],
                       "taxability_reason": one["taxability_reason"],
                       "rate": self.row(text(one, "tax_rate_details.tax_rate"))})
            })
            .collect();
        self.set_note(&id, "taxes", shown);
        taxes
    }
}

/// Whether a line item is paid now.
fn counts(item: &Value, in_trial: bool) -> bool {
    !in_trial || text(item, "price.type") != "recurring"
}
