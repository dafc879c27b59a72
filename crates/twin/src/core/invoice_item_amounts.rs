//! What an invoice item costs: an amount, or a price or a unit amount times a quantity.

use serde_json::Value;

use super::Core;
use super::currencies::check_currency;
use super::decimals;
use super::errors::{Answer, ApiError, refuse_param};
use super::params::{inside, only_one_of, quantity_in};
use super::value::{flag, get, has, int, limited, opt, opt_int, price_amount, text};

/// What an invoice item costs.
pub(super) struct Cost {
    /// The price, or null for a plain amount.
    pub(super) price: Value,
    pub(super) quantity: i64,
    pub(super) amount: i64,
    /// The amount of one unit, if the item has no price.
    pub(super) unit: Option<String>,
}

/// Refuses parameters that state the cost more than once.
fn check_cost(sent: &Value, outer: &str) -> Answer<()> {
    const UNITS: [&str; 4] = ["price", "price_data", "unit_amount", "unit_amount_decimal"];
    const PRICES: [&str; 3] = ["price_data", "price", "pricing"];
    only_one_of(sent, &["amount", "quantity"], outer)?;
    only_one_of(sent, &PRICES, outer)?;
    for name in ["amount", "pricing"] {
        for other in UNITS {
            only_one_of(sent, &[name, other], outer)?;
        }
    }
    only_one_of(sent, &["amount", "pricing"], outer)?;
    only_one_of(sent, &UNITS, outer)
}

/// The amount of one unit in the parameters, and the name of the parameter that says it.
fn unit_in(sent: &Value) -> Option<(String, &'static str)> {
    if let Some(unit) = opt(sent, "unit_amount_decimal") {
        return Some((unit.to_owned(), "unit_amount_decimal"));
    }
    opt_int(sent, "unit_amount").map(|unit| (unit.to_string(), "unit_amount"))
}

impl Core {
    /// What the parameters of an invoice item say that it costs, if they do. A quantity alone counts
    /// what the item cost before.
    pub(super) fn cost_of_item(
        &mut self,
        sent: &Value,
        before: &Value,
        currency: Option<&str>,
        outer: &str,
    ) -> Answer<Option<Cost>> {
        check_cost(sent, outer)?;
        let own = self
            .row(text(before, "pricing.price_details.price"))
            .clone();
        if let Some(amount) = opt_int(sent, "amount") {
            let quantity = if own.is_null() {
                1
            } else {
                int(before, "quantity")
            };
            return Ok(Some(Cost {
                price: own,
                quantity,
                amount,
                unit: Some(amount.to_string()),
            }));
        }
        let counted = opt_int(before, "quantity").unwrap_or(1);
        let is_counted = has(sent, "quantity");
        let unit = unit_in(sent);
        let price = match self.item_price(sent, currency, outer)? {
            Value::Null if unit.is_none() && is_counted => own,
            price => price,
        };
        if !price.is_null() {
            let quantity = quantity_in(sent, &price, counted, outer)?;
            let amount = price_amount(&price, quantity);
            return Ok(Some(Cost {
                price,
                quantity,
                amount,
                unit: None,
            }));
        }
        let known = opt(before, "pricing.unit_amount_decimal").filter(|_| is_counted);
        let Some((unit, name)) = unit.or(known.map(|unit| (unit.to_owned(), "quantity"))) else {
            return Ok(None);
        };
        let param = inside(outer, name);
        let quantity = opt_int(sent, "quantity").unwrap_or(counted);
        let exact = decimals::read(&unit, &param)?;
        let amount = decimals::times(exact, quantity).unwrap_or(i64::MAX);
        let amount = limited(amount, currency.unwrap_or("usd"), &param)?;
        Ok(Some(Cost {
            price: Value::Null,
            quantity,
            amount,
            unit: Some(unit),
        }))
    }

    /// The price that the parameters of an invoice item name or describe, or null.
    fn item_price(&mut self, sent: &Value, currency: Option<&str>, outer: &str) -> Answer {
        let named = if has(sent, "pricing") {
            format!("{}[price]", inside(outer, "pricing"))
        } else {
            inside(outer, "price")
        };
        let id = match opt(sent, "pricing.price").or_else(|| opt(sent, "price")) {
            Some(id) => id.to_owned(),
            None if has(sent, "price_data") => {
                self.create_price(get(sent, "price_data"), &inside(outer, "price_data"))?
            }
            None => return Ok(Value::Null),
        };
        let price = self.need("price", &id, &named)?;
        if text(&price, "type") == "recurring" {
            let message = format!(
                "The price specified is set to `type=recurring` but this field only accepts prices with `type=one_time`. (`{id}`)"
            );
            return refuse_param("", &named, message);
        }
        if !flag(&price, "active") {
            let message = "The price specified is inactive. This field only accepts active prices.";
            return refuse_param("", &named, message);
        }
        if let Some(wanted) = currency {
            check_currency(&price, wanted, sent, outer)?;
        }
        Ok(price)
    }

    /// The active one-time price of an item that is billed beside a subscription in a currency.
    pub(super) fn one_time_price(&mut self, item: &Value, currency: &str, param: &str) -> Answer {
        only_one_of(item, &["price", "price_data"], param)?;
        let price = self.item_price(item, Some(currency), param)?;
        if price.is_null() {
            return Err(ApiError::required(&inside(param, "price")));
        }
        Ok(price)
    }
}
