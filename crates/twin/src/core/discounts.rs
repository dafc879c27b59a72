//! Coupons, promotion codes and discounts.

use serde_json::{Value, json};

use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::metadata;
use super::time::add_months;
use super::value::{
    copy, copy_or_null, flag, get, has, int, list, opt, opt_int, or_null, owned, text,
};
use super::{Call, Core};

/// `POST /v1/coupons`
pub(super) fn create_coupon(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    if has(sent, "percent_off") == has(sent, "amount_off") {
        let message = "You must pass exactly one of these parameters: percent_off, amount_off.";
        return Err(ApiError::invalid(message));
    }
    let percent = basis_points(get(sent, "percent_off"));
    let is_off = has(sent, "percent_off") && !(1..=10_000).contains(&percent);
    if is_off || int(sent, "amount_off") < 0 {
        let message = "A coupon takes off more than nothing and not more than all.";
        return refuse_param("", "percent_off", message);
    }
    if has(sent, "amount_off") && !has(sent, "currency") {
        return Err(ApiError::required("currency"));
    }
    let id = match opt(sent, "id") {
        Some(id) if core.store.get(id).is_some() => {
            let message = "Coupon already exists.";
            return refuse_param("resource_already_exists", "id", message);
        }
        Some(id) => id.to_owned(),
        None => core.rng.capitals(8),
    };
    let coupon = json!({
        "id": id, "object": "coupon", "amount_off": get(sent, "amount_off"), "created": core.now,
        "currency": or_null(sent, "currency"), "duration": opt(sent, "duration").unwrap_or("once"),
        "duration_in_months": get(sent, "duration_in_months"), "livemode": false,
        "max_redemptions": get(sent, "max_redemptions"),
        "metadata": metadata(&Value::Null, get(sent, "metadata"))?, "name": or_null(sent, "name"),
        "percent_off": get(sent, "percent_off"), "redeem_by": get(sent, "redeem_by"),
        "times_redeemed": 0, "valid": true,
    });
    core.store.put(&id, coupon);
    core.emit("coupon.created", &id);
    core.need("coupon", &id, "coupon")
}

/// `POST /v1/coupons/{coupon}`
pub(super) fn update_coupon(core: &mut Core, call: &Call) -> Answer {
    core.update(
        ("coupon", "coupon"),
        call,
        &["coupon.updated"],
        |_, after| {
            copy_or_null(after, &call.params, &["name"]);
            Ok(())
        },
    )
}

/// `DELETE /v1/coupons/{coupon}`
pub(super) fn delete_coupon(core: &mut Core, call: &Call) -> Answer {
    let mut coupon = core.need_path("coupon", call.id(), "coupon")?;
    let gone = core.erase("coupon", call.id());
    coupon["valid"] = false.into();
    core.emit_object("coupon.deleted", coupon, None);
    Ok(gone)
}

/// `GET /v1/promotion_codes`
pub(super) fn codes(core: &mut Core, call: &Call) -> Answer {
    let (coupon, code) = (opt(&call.params, "coupon"), opt(&call.params, "code"));
    core.page(call, "promotion_code", &["coupon", "code"], |row| {
        code.is_none_or(|code| text(row, "code").eq_ignore_ascii_case(code))
            && coupon.is_none_or(|id| get(row, "promotion.coupon") == id)
    })
}

/// `POST /v1/promotion_codes`
pub(super) fn create_code(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    let coupon = opt(sent, "promotion.coupon").or_else(|| opt(sent, "coupon"));
    let coupon = coupon.ok_or_else(|| ApiError::required("promotion[coupon]"))?;
    core.need("coupon", coupon, "promotion[coupon]")?;
    let word = opt(sent, "code").map_or_else(|| core.rng.capitals(8), str::to_owned);
    if core.active_code(&word).is_some() {
        let message = "An active promotion code with the same code already exists.";
        return refuse_param("resource_already_exists", "code", message);
    }
    let id = core.rng.id("promo");
    let row = json!({
        "id": id, "object": "promotion_code",
        "active": get(sent, "active").as_bool().unwrap_or(true), "code": word,
        "created": core.now, "customer": or_null(sent, "customer"), "customer_account": null,
        "expires_at": get(sent, "expires_at"), "livemode": false,
        "max_redemptions": get(sent, "max_redemptions"),
        "metadata": metadata(&Value::Null, get(sent, "metadata"))?,
        "promotion": {"coupon": coupon, "type": "coupon"},
        "restrictions": {"first_time_transaction": flag(sent, "restrictions.first_time_transaction"),
            "minimum_amount": get(sent, "restrictions.minimum_amount"),
            "minimum_amount_currency": get(sent, "restrictions.minimum_amount_currency")},
        "times_redeemed": 0,
    });
    core.store.put(&id, row);
    core.emit("promotion_code.created", &id);
    core.need("promotion_code", &id, "promotion_code")
}

/// `POST /v1/promotion_codes/{promotion_code}`
pub(super) fn update_code(core: &mut Core, call: &Call) -> Answer {
    let kind = ("promotion_code", "promotion_code");
    core.update(kind, call, &["promotion_code.updated"], |_, after| {
        copy(after, &call.params, &["active"]);
        Ok(())
    })
}

/// The discount of a coupon on an amount. Percentages are calculated in basis points and rounded
/// half up.
pub(super) fn reduction(coupon: &Value, amount: i64) -> i64 {
    if let Some(off) = opt_int(coupon, "amount_off") {
        off.min(amount)
    } else {
        let exact = i128::from(amount) * i128::from(basis_points(get(coupon, "percent_off")));
        i64::try_from((exact + 5_000) / 10_000)
            .unwrap_or(amount)
            .min(amount)
    }
}

/// Reads a percentage as basis points from its digits: `25.5` becomes 2550.
fn basis_points(percent: &Value) -> i64 {
    let digits = percent.to_string();
    let (whole, rest) = digits.split_once('.').unwrap_or((&digits, ""));
    let rest: String = format!("{rest}00").chars().take(2).collect();
    whole.parse::<i64>().unwrap_or(0) * 100 + rest.parse::<i64>().unwrap_or(0)
}

impl Core {
    /// The active promotion code with this code.
    pub(super) fn active_code(&self, word: &str) -> Option<Value> {
        let now = self.now;
        self.store
            .all("promotion_code")
            .find(|row| {
                flag(row, "active")
                    && text(row, "code").eq_ignore_ascii_case(word)
                    && opt_int(row, "expires_at").is_none_or(|at| at > now)
                    && opt_int(row, "max_redemptions")
                        .is_none_or(|most| int(row, "times_redeemed") < most)
            })
            .cloned()
    }

    /// The coupon of a discount in the parameters, and the promotion code that names it, if one
    /// does.
    pub(super) fn coupon_in(&self, one: &Value, param: &str) -> Answer<(Value, Option<Value>)> {
        let code = match opt(one, "promotion_code") {
            Some(id) => {
                Some(self.need("promotion_code", id, &format!("{param}[promotion_code]"))?)
            }
            None => None,
        };
        let coupon = match &code {
            Some(row) => text(row, "promotion.coupon"),
            None => text(one, "coupon"),
        };
        Ok((
            self.need("coupon", coupon, &format!("{param}[coupon]"))?,
            code,
        ))
    }

    /// Creates discounts for the coupons and promotion codes in `discounts`.
    pub(super) fn discounts_from(&mut self, sent: &Value, customer: &str) -> Answer<Vec<String>> {
        let mut ids = Vec::new();
        for (index, one) in list(sent, "discounts").iter().enumerate() {
            if let Some(known) = opt(one, "discount") {
                self.need("discount", known, &format!("discounts[{index}][discount]"))?;
                ids.push(known.to_owned());
                continue;
            }
            let (coupon, code) = self.coupon_in(one, &format!("discounts[{index}]"))?;
            if code.as_ref().is_some_and(|row| !flag(row, "active")) {
                let message = "This promotion code is not active.";
                return refuse_param("", "discounts", message);
            }
            ids.push(self.new_discount(&coupon, code.as_ref(), customer));
        }
        Ok(ids)
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
        let redeemed: Vec<String> = [Some(coupon), code]
            .into_iter()
            .flatten()
            .map(|row| owned(row, "id"))
            .collect();
        for one in redeemed {
            self.modify(&one, |row| {
                row["times_redeemed"] = (int(row, "times_redeemed") + 1).into();
            });
        }
        id
    }

    /// Applies discounts to a subscription.
    pub(super) fn start_discounts(&mut self, subscription: &str, discounts: &[String]) {
        for id in discounts {
            self.modify(id, |row| row["subscription"] = subscription.into());
        }
        self.modify(subscription, |row| row["discounts"] = discounts.into());
    }

    /// Applies the discounts of a subscription to a draft. A discount that applies once then ends.
    pub(super) fn discount_lines(
        &mut self,
        invoice: &mut Value,
        subscription: Option<&str>,
        customer: &Value,
    ) {
        debug_assert!(
            customer.is_object() || customer.is_null(),
            "a customer is an object"
        );
        let Some(row) = subscription.and_then(|id| self.store.get(id)).cloned() else {
            return;
        };
        let mut rest: i64 = inner(invoice, "lines")
            .iter()
            .filter(|line| flag(line, "discountable"))
            .map(|line| int(line, "amount").max(0))
            .sum();
        let mut amounts = Vec::new();
        let mut used = Vec::new();
        for id in list(&row, "discounts").iter().filter_map(Value::as_str) {
            let Some(discount) = self.store.get(id) else {
                continue;
            };
            if opt_int(discount, "end").is_some_and(|end| end <= self.now) || rest == 0 {
                continue;
            }
            let Some(coupon) = self.store.get(text(discount, "source.coupon")).cloned() else {
                continue;
            };
            let off = reduction(&coupon, rest);
            rest -= off;
            amounts.push(json!({"amount": off, "discount": id}));
            if text(&coupon, "duration") == "once" {
                used.push(id.to_owned());
            }
        }
        invoice["discounts"] = amounts
            .iter()
            .map(|one| one["discount"].clone())
            .collect::<Vec<Value>>()
            .into();
        invoice["total_discount_amounts"] = amounts.into();
        if !used.is_empty()
            && let Some(id) = subscription
        {
            self.modify(id, |row| {
                let kept: Vec<Value> = list(row, "discounts")
                    .iter()
                    .filter(|one| !used.iter().any(|id| *one == id))
                    .cloned()
                    .collect();
                row["discounts"] = kept.into();
            });
        }
    }
}
