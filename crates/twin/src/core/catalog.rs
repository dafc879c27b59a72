//! The endpoints of products and prices.

use serde_json::{Value, json};

use super::decimals;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::{inside, metadata, only_one_of};
use super::value::{
    copy, copy_or_null, flag, get, has, limited, list, opt, opt_int, or_null, owned, required, text,
};
use super::{Call, Core};

/// `POST /v1/products`
pub(super) fn create_product(core: &mut Core, call: &Call) -> Answer {
    let id = core.create_product(&call.params)?;
    if has(&call.params, "default_price_data") {
        let mut data = get(&call.params, "default_price_data").clone();
        data["product"] = id.clone().into();
        let price = core.create_price(&data, "default_price_data")?;
        core.modify(&id, |product| product["default_price"] = price.into());
    }
    core.emit("product.created", &id);
    core.need("product", &id, "id")
}

/// `POST /v1/products/{id}`
pub(super) fn update_product(core: &mut Core, call: &Call) -> Answer {
    let kind = ("product", "id");
    core.update(kind, call, &["product.updated"], |core, after| {
        if let Some(price) = opt(&call.params, "default_price") {
            core.need("price", price, "default_price")?;
            after["default_price"] = price.into();
        }
        after["updated"] = core.now.into();
        fill_product(after, &call.params)
    })
}

/// `DELETE /v1/products/{id}`: a product can be deleted while it has no prices.
pub(super) fn delete_product(core: &mut Core, call: &Call) -> Answer {
    let mut product = core.need_path("product", call.id(), "id")?;
    let is_sold = core
        .store
        .by("price", "product", call.id())
        .next()
        .is_some();
    if is_sold {
        let message =
            "This product cannot be deleted because it has one or more user-created prices.";
        return Err(ApiError::invalid(message));
    }
    let gone = core.erase("product", call.id());
    product["active"] = false.into();
    core.emit_object("product.deleted", product, None);
    Ok(gone)
}

/// `POST /v1/prices`
pub(super) fn create_price(core: &mut Core, call: &Call) -> Answer {
    let id = core.create_price(&call.params, "")?;
    core.need("price", &id, "price")
}

/// `POST /v1/prices/{price}`
pub(super) fn update_price(core: &mut Core, call: &Call) -> Answer {
    let id = call.id();
    core.update(
        ("price", "price"),
        call,
        &["price.updated"],
        |core, after| {
            if let Some(key) = opt(&call.params, "lookup_key") {
                core.claim_lookup_key(key, id, flag(&call.params, "transfer_lookup_key"))?;
            }
            copy_or_null(after, &call.params, &["lookup_key", "nickname"]);
            copy(after, &call.params, &["active", "tax_behavior"]);
            Ok(())
        },
    )?;
    core.refresh_price(id);
    core.need("price", id, "price")
}

impl Core {
    /// Creates a product. The caller emits the event.
    pub(super) fn create_product(&mut self, params: &Value) -> Answer<String> {
        let name = required(params, "name")?;
        let id = match opt(params, "id") {
            Some(id) if self.store.get(id).is_some() => {
                let message = "Product already exists.";
                return refuse_param("resource_already_exists", "id", message);
            }
            Some(id) => id.to_owned(),
            None => self.rng.id("prod"),
        };
        let mut product = json!({
            "id": id, "object": "product", "active": true, "created": self.now, "default_price": null,
            "description": null, "images": [], "livemode": false, "marketing_features": [],
            "metadata": {}, "name": name, "package_dimensions": null, "shippable": null,
            "statement_descriptor": null, "tax_code": null, "type": "service", "unit_label": null,
            "updated": self.now, "url": null,
        });
        fill_product(&mut product, params)?;
        self.store.put(&id, product);
        Ok(id)
    }

    /// Creates a price and, from `product_data`, its product. `outer` names the parameter that
    /// contains it.
    pub(super) fn create_price(&mut self, params: &Value, outer: &str) -> Answer<String> {
        let named = |name: &str| {
            if outer.is_empty() {
                name.to_owned()
            } else {
                format!("{outer}[{name}]")
            }
        };
        let currency = opt(params, "currency")
            .ok_or_else(|| ApiError::required(&named("currency")))?
            .to_owned();
        if text(params, "billing_scheme") == "tiered" {
            let message = "Only `per_unit` of `billing_scheme` is served by this twin.";
            return refuse_param("", &named("billing_scheme"), message);
        }
        let amount = unit_amount(params, outer)?;
        only_one_of(params, &["product", "product_data"], outer)?;
        let product = match opt(params, "product") {
            Some(product) => {
                self.need("product", product, &named("product"))?;
                product.to_owned()
            }
            None if has(params, "product_data") => {
                let id = self.create_product(get(params, "product_data"))?;
                self.emit("product.created", &id);
                id
            }
            None => return Err(ApiError::required(&named("product"))),
        };
        let id = self.rng.id("price");
        if let Some(key) = opt(params, "lookup_key") {
            self.claim_lookup_key(key, &id, flag(params, "transfer_lookup_key"))?;
        }
        let recurring = recurring(params, &named("recurring"))?;
        let kind = if recurring.is_null() {
            "one_time"
        } else {
            "recurring"
        };
        let price = json!({
            "id": id, "object": "price", "active": get(params, "active").as_bool().unwrap_or(true),
            "billing_scheme": "per_unit", "created": self.now, "currency": currency,
            "custom_unit_amount": null, "livemode": false, "lookup_key": or_null(params, "lookup_key"),
            "metadata": metadata(&Value::Null, get(params, "metadata"))?,
            "nickname": or_null(params, "nickname"), "product": product, "recurring": recurring,
            "tax_behavior": opt(params, "tax_behavior").unwrap_or("unspecified"), "tiers_mode": null,
            "transform_quantity": get(params, "transform_quantity"), "type": kind,
            "unit_amount": decimals::whole(amount), "unit_amount_decimal": decimals::to_text(amount),
        });
        self.store.put(&id, price);
        self.emit("price.created", &id);
        Ok(id)
    }

    /// Assigns a lookup key. It belongs to one price and is transferred only on request.
    fn claim_lookup_key(&mut self, key: &str, id: &str, transfer: bool) -> Answer<()> {
        let holder = self
            .store
            .by("price", "lookup_key", key)
            .find(|price| text(price, "id") != id)
            .map(|price| text(price, "id").to_owned());
        let Some(holder) = holder else { return Ok(()) };
        if !transfer {
            let message = format!("A price (`{holder}`) already uses that lookup key.");
            return refuse_param("resource_already_exists", "lookup_key", message);
        }
        self.modify_and_emit("price.updated", &holder, |price| {
            price["lookup_key"] = Value::Null;
        });
        self.refresh_price(&holder);
        Ok(())
    }

    /// Updates the copies of a price in subscriptions.
    fn refresh_price(&mut self, id: &str) {
        let Some(price) = self.store.get(id).cloned() else {
            return;
        };
        let holders = self.store.by("subscription", "price", id);
        let holders: Vec<String> = holders.map(|row| owned(row, "id")).collect();
        for holder in holders {
            self.modify(&holder, |row| {
                for item in row["items"]["data"].as_array_mut().into_iter().flatten() {
                    if item["price"]["id"] == id {
                        item["price"] = price.clone();
                    }
                }
            });
        }
    }

    /// The name of the product of a price.
    pub(super) fn product_name(&self, price: &Value) -> String {
        text(self.row(text(price, "product")), "name").to_owned()
    }
}

/// The exact price of one unit. <https://docs.stripe.com/api/prices/create>
fn unit_amount(params: &Value, outer: &str) -> Answer<i128> {
    only_one_of(params, &["unit_amount", "unit_amount_decimal"], outer)?;
    let sent = opt_int(params, "unit_amount").map(|amount| amount.to_string());
    let (sent, name) = match (sent, opt(params, "unit_amount_decimal")) {
        (Some(sent), _) => (sent, "unit_amount"),
        (None, Some(decimal)) => (decimal.to_owned(), "unit_amount_decimal"),
        (None, None) => return Err(ApiError::required(&inside(outer, "unit_amount"))),
    };
    let name = &inside(outer, name);
    let amount = decimals::read(&sent, name)?;
    if amount < 0 {
        let message = "This value must be greater than or equal to 0.";
        return refuse_param("parameter_invalid_integer", name, message);
    }
    let rounded = decimals::times(amount, 1).unwrap_or(i64::MAX);
    limited(rounded, text(params, "currency"), name)?;
    Ok(amount)
}

fn recurring(params: &Value, name: &str) -> Answer {
    if !has(params, "recurring") {
        return Ok(Value::Null);
    }
    let interval = opt(params, "recurring.interval")
        .ok_or_else(|| ApiError::required(&format!("{name}[interval]")))?;
    let count = opt_int(params, "recurring.interval_count").unwrap_or(1);
    let most = match interval {
        "year" => 3,
        "month" => 36,
        "week" => 156,
        _ => 1095,
    };
    if !(1..=most).contains(&count) {
        let message = "You cannot create a price with an interval greater than three years.";
        return refuse_param("", &format!("{name}[interval_count]"), message);
    }
    Ok(
        json!({"interval": interval, "interval_count": count, "meter": null,
              "trial_period_days": null, "usage_type": "licensed"}),
    )
}

fn fill_product(product: &mut Value, params: &Value) -> Answer<()> {
    copy_or_null(
        product,
        params,
        &[
            "description",
            "statement_descriptor",
            "unit_label",
            "url",
            "tax_code",
        ],
    );
    if let Some(name) = opt(params, "name") {
        product["name"] = name.into();
    }
    for name in ["active", "shippable"] {
        if has(params, name) {
            product[name] = flag(params, name).into();
        }
    }
    for name in ["images", "marketing_features"] {
        if has(params, name) {
            product[name] = list(params, name).into();
        }
    }
    copy_or_null(product, params, &["package_dimensions"]);
    product["metadata"] = metadata(&product["metadata"], get(params, "metadata"))?;
    Ok(())
}
