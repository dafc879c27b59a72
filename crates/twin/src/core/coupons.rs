//! The endpoints of coupons and promotion codes.

use serde_json::{Value, json};

use super::amounts::{WHOLE, percent};
use super::errors::{Answer, ApiError, refuse_param};
use super::params::{metadata, only_one_of, refuse_rivals};
use super::redemption::restrictions;
use super::time::DAY;
use super::value::{copy, copy_or_null, get, has, int, opt, opt_int, or_null, owned, text};
use super::{Call, Core};

const FIVE_YEARS: i64 = 5 * 366 * DAY;

/// `POST /v1/coupons`
pub(super) fn create_coupon(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    check_coupon(core, sent)?;
    let id = match opt(sent, "id") {
        Some(id) if core.store.get(id).is_some_and(is_taken) => {
            let message = "Coupon already exists.";
            return refuse_param("resource_already_exists", "", message);
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
    // A deleted coupon with this id may have left others.
    for name in ["applies_to", "currency_options"] {
        core.set_note(&id, name, get(sent, name).clone());
    }
    if let Some(at) = opt_int(sent, "redeem_by") {
        core.wake(at, &id);
    }
    core.emit("coupon.created", &id);
    core.need("coupon", &id, "coupon")
}

/// Whether an id cannot become a coupon's. That of a deleted coupon can.
fn is_taken(row: &Value) -> bool {
    row["object"] != "coupon" || row["deleted"] != true
}

/// Refuses the parameters of a coupon that takes off nothing, or that never ends.
fn check_coupon(core: &Core, sent: &Value) -> Answer<()> {
    let (by_percent, by_amount) = (has(sent, "percent_off"), has(sent, "amount_off"));
    if !by_percent && !by_amount {
        let message = "Must provide percent_off or amount_off.";
        return refuse_param("parameter_missing", "", message);
    }
    if by_percent && by_amount {
        let message =
            "Received both percent_off and amount_off parameters. Please pass in only one.";
        return Err(ApiError::invalid(message));
    }
    let off = percent(get(sent, "percent_off"));
    if by_percent && !(100..=WHOLE).contains(&off) {
        let (word, bound) = if off > WHOLE {
            ("less", "100")
        } else {
            ("greater", "0.01")
        };
        let message = format!("This value must be {word} than or equal to {bound}.");
        return refuse_param("", "percent_off", message);
    }
    if by_amount && int(sent, "amount_off") < 1 {
        let message = "This value must be greater than or equal to 1.";
        return refuse_param("parameter_invalid_integer", "amount_off", message);
    }
    if by_amount && !has(sent, "currency") {
        let message = "You must pass currency when passing amount_off";
        return refuse_param("", "currency", message);
    }
    only_one_of(sent, &["currency_options", "percent_off"], "")?;
    let repeats = opt(sent, "duration") == Some("repeating");
    if repeats != has(sent, "duration_in_months") {
        let message = if repeats {
            "The duration_in_months param must be set when creating a coupon with a repeating duration"
        } else {
            "The duration_in_months param can only be set when creating a coupon with a repeating duration"
        };
        return refuse_param("", "duration", message);
    }
    if opt_int(sent, "max_redemptions").is_some_and(|most| most < 1) {
        let message = "This value must be greater than or equal to 1.";
        return refuse_param("parameter_invalid_integer", "max_redemptions", message);
    }
    for (index, product) in get(sent, "applies_to.products")
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let param = format!("applies_to[products][{index}]");
        core.need("product", product.as_str().unwrap_or(""), &param)?;
    }
    check_moment(core.now, sent, "redeem_by")
}

/// Refuses a moment in the past or more than five years ahead.
fn check_moment(now: i64, sent: &Value, name: &str) -> Answer<()> {
    let Some(at) = opt_int(sent, name) else {
        return Ok(());
    };
    if at <= now {
        let message = format!(
            "The parameter `{name}` expects a unix timestamp representing a date and time in the future. You specified the value `{at}` which is in the past."
        );
        return refuse_param("", name, message);
    }
    if at > now + FIVE_YEARS {
        let message = "Invalid timestamp: can be no more than five years in the future.";
        return refuse_param("", name, message);
    }
    Ok(())
}

/// `POST /v1/coupons/{coupon}`
pub(super) fn update_coupon(core: &mut Core, call: &Call) -> Answer {
    core.update(
        ("coupon", "coupon"),
        call,
        &["coupon.updated"],
        |core, after| {
            copy_or_null(after, &call.params, &["name"]);
            let options = get(&call.params, "currency_options");
            if options.is_object() && after["amount_off"].is_null() {
                return refuse_rivals("currency_options", "percent_off", "");
            }
            let mut known = core.note(call.id(), "currency_options");
            for (currency, option) in options.as_object().into_iter().flatten() {
                known[currency] = option.clone();
            }
            core.set_note(call.id(), "currency_options", known);
            Ok(())
        },
    )
}

/// `DELETE /v1/coupons/{coupon}`: customers who have it keep it, and no one can redeem it again.
pub(super) fn delete_coupon(core: &mut Core, call: &Call) -> Answer {
    let mut coupon = core.need_path("coupon", call.id(), "coupon")?;
    let gone = core.erase("coupon", call.id());
    core.refresh_coupon(call.id());
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
    let coupon = core.promoted_coupon(sent)?;
    if let Some(customer) = opt(sent, "customer") {
        core.need("customer", customer, "customer")?;
    }
    let word = opt(sent, "code").map_or_else(|| core.rng.capitals(8), str::to_owned);
    if !word
        .chars()
        .all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
    {
        let message = format!(
            "This value must match the regex pattern. (/\\A[a-zA-Z0-9\\-_]+\\z/ does not match for the value {word})."
        );
        return refuse_param("", "code", message);
    }
    core.refuse_taken_code(&word, &or_null(sent, "customer"), "")?;
    check_code(core, sent, &coupon)?;
    let id = core.rng.id("promo");
    let row = json!({
        "id": id, "object": "promotion_code",
        "active": get(sent, "active").as_bool().unwrap_or(true), "code": word,
        "created": core.now, "customer": or_null(sent, "customer"), "customer_account": null,
        "expires_at": get(sent, "expires_at"), "livemode": false,
        "max_redemptions": get(sent, "max_redemptions"),
        "metadata": metadata(&Value::Null, get(sent, "metadata"))?,
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": restrictions(get(sent, "restrictions")),
        "times_redeemed": 0,
    });
    core.store.put(&id, row);
    if let Some(at) = opt_int(sent, "expires_at") {
        core.wake(at, &id);
    }
    core.emit("promotion_code.created", &id);
    core.need("promotion_code", &id, "promotion_code")
}

/// Refuses the limits of a promotion code that its coupon does not allow.
fn check_code(core: &Core, sent: &Value, coupon: &Value) -> Answer<()> {
    check_moment(core.now, sent, "expires_at")?;
    if let (Some(at), Some(last)) = (opt_int(sent, "expires_at"), opt_int(coupon, "redeem_by"))
        && at > last
    {
        let message = "The promotion code cannot expire after the coupon's `redeem_by`.";
        return refuse_param("", "expires_at", message);
    }
    let most = opt_int(sent, "max_redemptions");
    if most.is_some_and(|most| most < 1) {
        let message = "This value must be greater than or equal to 1.";
        return refuse_param("parameter_invalid_integer", "max_redemptions", message);
    }
    if let (Some(most), Some(all)) = (most, opt_int(coupon, "max_redemptions"))
        && most > all
    {
        let message = "The promotion code's `max_redemptions` cannot be greater than the coupon's `max_redemptions`.";
        return refuse_param("", "max_redemptions", message);
    }
    let names = ["minimum_amount", "minimum_amount_currency"];
    let given = names.map(|name| has(sent, &format!("restrictions.{name}")));
    if let Some(index) = given.iter().position(|one| !one)
        && given.contains(&true)
    {
        let message = "`minimum_amount` and `minimum_amount_currency` must be passed together.";
        return refuse_param("", &format!("restrictions[{}]", names[index]), message);
    }
    Ok(())
}

/// `POST /v1/promotion_codes/{promotion_code}`
pub(super) fn update_code(core: &mut Core, call: &Call) -> Answer {
    let kind = ("promotion_code", "promotion_code");
    core.update(kind, call, &["promotion_code.updated"], |core, after| {
        if get(&call.params, "active") == true && after["active"] == false {
            core.refuse_taken_code(text(after, "code"), &after["customer"], call.id())?;
            core.refuse_spent_code(after)?;
        }
        copy(after, &call.params, &["active"]);
        let options = get(&call.params, "restrictions.currency_options");
        for (currency, option) in options.as_object().into_iter().flatten() {
            after["restrictions"]["currency_options"][currency] = option.clone();
        }
        Ok(())
    })
}

impl Core {
    /// The coupon of a new promotion code. The CLI names it directly, as older versions did.
    fn promoted_coupon(&self, sent: &Value) -> Answer {
        if let Some(coupon) = opt(sent, "coupon") {
            return self.need("coupon", coupon, "coupon");
        }
        if !has(sent, "promotion") {
            return Err(ApiError::required("promotion"));
        }
        let Some(coupon) = opt(sent, "promotion.coupon") else {
            let message = "You must pass promotion.coupon when passing promotion";
            return refuse_param("", "promotion.coupon", message);
        };
        self.need("coupon", coupon, "promotion[coupon]")
    }

    /// Refuses a code that another active promotion code for the same customers has.
    fn refuse_taken_code(&self, word: &str, customer: &Value, but: &str) -> Answer<()> {
        let mut others = self.store.by("promotion_code", "code", word);
        let is_taken = others.any(|row| {
            text(row, "id") != but && row["active"] == true && row["customer"] == *customer
        });
        if !is_taken {
            return Ok(());
        }
        let message = format!("An active promotion code with `code: {word}` already exists.");
        Err(ApiError::invalid(message))
    }

    /// Refuses to reactivate a promotion code that can no longer be redeemed.
    fn refuse_spent_code(&self, code: &Value) -> Answer<()> {
        let coupon = self.row(text(code, "promotion.coupon"));
        let is_spent = opt_int(code, "expires_at").is_some_and(|at| at <= self.now)
            || opt_int(code, "max_redemptions")
                .is_some_and(|most| int(code, "times_redeemed") >= most);
        if is_spent || coupon["valid"] != true {
            let message =
                "This promotion code cannot be activated because it can no longer be redeemed.";
            return refuse_param("", "active", message);
        }
        Ok(())
    }

    /// Deactivates a coupon or a promotion code that has expired.
    pub(super) fn code_due(&mut self, id: &str) {
        let row = self.row(id).clone();
        let coupon = match opt(&row, "promotion.coupon") {
            Some(coupon) => coupon.to_owned(),
            None => owned(&row, "id"),
        };
        self.refresh_coupon(&coupon);
    }
}
