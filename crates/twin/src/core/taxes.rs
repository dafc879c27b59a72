//! Tax: the rates of lines, what they come to, and the table behind automatic tax.
//!
//! Every amount is taxed after its discounts and rounded separately, so that the sum over the lines
//! is the tax of the whole (docs.stripe.com/tax/tax-rates).

use serde_json::{Value, json};

use super::Core;
use super::amounts::{WHOLE, fraction, percent, spread};
use super::countries::country_of;
use super::errors::{Answer, ApiError, refuse_param};
use super::lines::Draft;
use super::lists::inner;
use super::value::{flag, get, has, ids, int, list, opt, or_null, owned, text};

/// A rate that applies to an amount.
#[derive(Clone, Debug)]
struct Rate {
    /// The id of the tax rate, or null if no tax is collected.
    id: Value,
    percent: i64,
    inclusive: bool,
    reason: &'static str,
}

/// What is taxed: who buys, where, and with which settings.
pub(super) struct Taxed {
    pub(super) automatic: bool,
    /// `none`, `exempt` or `reverse`.
    pub(super) exempt: String,
    /// The address of the customer, or null.
    pub(super) address: Value,
}

impl Taxed {
    /// The settings of an invoice.
    fn of_invoice(invoice: &Value) -> Taxed {
        let shipping = get(invoice, "customer_shipping.address");
        let address = if country_of(shipping).is_some() {
            shipping
        } else {
            get(invoice, "customer_address")
        };
        Taxed {
            automatic: flag(invoice, "automatic_tax.enabled"),
            exempt: owned(invoice, "customer_tax_exempt"),
            address: address.clone(),
        }
    }

    /// Whether the place of the customer is known.
    pub(super) fn is_located(&self) -> bool {
        country_of(&self.address).is_some()
    }
}

/// The taxes of an amount, as objects. The part of inclusive rates is inside the amount.
fn taxes_of(net: i64, rates: &[Rate], exempt: &str) -> Vec<Value> {
    let reason = match exempt {
        "exempt" => Some("customer_exempt"),
        "reverse" => Some("reverse_charge"),
        _ => None,
    };
    let counted = |rate: &Rate| if reason.is_some() { 0 } else { rate.percent };
    let inside: Vec<i64> = rates
        .iter()
        .map(|rate| if rate.inclusive { counted(rate) } else { 0 })
        .collect();
    let all_inside: i64 = inside.iter().sum();
    let contained = fraction(net, all_inside, WHOLE + all_inside);
    let base = net - contained;
    rates
        .iter()
        .zip(spread(contained, &inside))
        .map(|(rate, part)| {
            let amount = if rate.inclusive {
                part
            } else {
                fraction(base, counted(rate), WHOLE)
            };
            let details = if rate.id.is_null() {
                Value::Null
            } else {
                json!({"tax_rate": rate.id})
            };
            let is_taxed = reason.is_none() && !rate.id.is_null();
            json!({
                "amount": amount,
                "tax_behavior": if rate.inclusive { "inclusive" } else { "exclusive" },
                "tax_rate_details": details, "taxability_reason": reason.unwrap_or(rate.reason),
                "taxable_amount": if is_taxed { base } else { 0 }, "type": "tax_rate_details",
            })
        })
        .collect()
}

/// The sum of the taxes with a behavior.
pub(super) fn sum_of(taxes: &[Value], behavior: &str) -> i64 {
    let own = taxes
        .iter()
        .filter(|one| text(one, "tax_behavior") == behavior);
    own.map(|one| int(one, "amount")).sum()
}

/// The taxes of several amounts, added up by rate.
pub(super) fn add_up(all: &[Value]) -> Vec<Value> {
    let mut totals: Vec<Value> = Vec::new();
    for one in all {
        let same = |other: &&mut Value| {
            ["tax_behavior", "tax_rate_details", "taxability_reason"]
                .iter()
                .all(|name| other[*name] == one[*name])
        };
        match totals.iter_mut().find(same) {
            Some(total) => {
                for name in ["amount", "taxable_amount"] {
                    total[name] = (int(total, name) + int(one, name)).into();
                }
            }
            None => totals.push(one.clone()),
        }
    }
    totals
}

impl Core {
    /// The taxes of an amount: by the table if tax is automatic, else by the given rates.
    pub(super) fn taxes_on(
        &self,
        net: i64,
        rates: &[Value],
        behavior: &str,
        taxed: &Taxed,
    ) -> Vec<Value> {
        let rates: Vec<Rate> = if taxed.automatic {
            self.automatic_rate(&taxed.address, behavior)
                .into_iter()
                .collect()
        } else {
            let rows = rates
                .iter()
                .filter_map(Value::as_str)
                .map(|id| self.row(id));
            rows.map(|row| Rate {
                id: row["id"].clone(),
                percent: percent(&row["percentage"]),
                inclusive: flag(row, "inclusive"),
                reason: "standard_rated",
            })
            .collect()
        };
        taxes_of(net, &rates, &taxed.exempt)
    }

    /// The rate of the table for an address. Its own behavior counts if the price has none.
    fn automatic_rate(&self, address: &Value, behavior: &str) -> Option<Rate> {
        let country = country_of(address)?;
        let Some(entry) = self.tax_entry(country, opt(address, "state")) else {
            return Some(Rate {
                id: Value::Null,
                percent: 0,
                inclusive: behavior == "inclusive",
                reason: "not_collecting",
            });
        };
        let inclusive = match behavior {
            "inclusive" => true,
            "exclusive" => false,
            _ => flag(&entry, "inclusive"),
        };
        let name = if inclusive {
            "inclusive_rate"
        } else {
            "exclusive_rate"
        };
        Some(Rate {
            id: entry[name].clone(),
            percent: percent(&entry["percentage"]),
            inclusive,
            reason: "standard_rated",
        })
    }

    /// Remembers the tax settings of lines, which lines don't show.
    pub(super) fn remember_tax(&mut self, invoice: &str, lines: &[(String, &Draft)]) {
        for (line, draft) in lines {
            if draft.tax_rates.is_empty() && draft.tax_behavior.is_none() {
                continue;
            }
            let settings = json!({"rates": ids(&draft.tax_rates), "behavior": draft.tax_behavior});
            self.set_note(invoice, &format!("tax of {line}"), settings);
        }
    }

    /// The ids of the tax rates of a line: its own, or else those of the invoice.
    pub(super) fn rates_of_line(&self, invoice: &str, line: &str) -> Vec<Value> {
        list(&self.note(invoice, &format!("tax of {line}")), "rates").to_vec()
    }

    /// Calculates the taxes of the lines of an invoice and their totals.
    pub(super) fn tax_lines(&self, invoice: &mut Value) {
        let taxed = Taxed::of_invoice(invoice);
        let defaults = ids(list(invoice, "default_tax_rates"));
        let id = owned(invoice, "id");
        let mut all = Vec::new();
        for index in 0..inner(invoice, "lines").len() {
            let line = &invoice["lines"]["data"][index];
            let settings = self.note(&id, &format!("tax of {}", text(line, "id")));
            let own = list(&settings, "rates");
            let rates = if own.is_empty() { &defaults } else { own };
            let price = self.row(text(line, "pricing.price_details.price"));
            let behavior = opt(&settings, "behavior").unwrap_or(text(price, "tax_behavior"));
            let taxes = self.taxes_on(net_of(line), rates, behavior, &taxed);
            all.extend(taxes.iter().cloned());
            invoice["lines"]["data"][index]["taxes"] = taxes.into();
        }
        invoice["total_taxes"] = add_up(&all).into();
        if taxed.automatic {
            let status = if taxed.is_located() {
                "complete"
            } else {
                "requires_location_inputs"
            };
            invoice["automatic_tax"]["status"] = status.into();
            invoice["automatic_tax"]["provider"] = "stripe".into();
        }
    }

    /// Checks tax rates in the parameters, which must exist and be active, and returns them.
    pub(super) fn tax_rates_in(&self, sent: &Value, name: &str, param: &str) -> Answer<Vec<Value>> {
        const RATES_MAX: usize = 5;
        let named = list(sent, name);
        if named.len() > RATES_MAX {
            let message = format!("You can pass at most {RATES_MAX} tax rates.");
            return refuse_param("", param, message);
        }
        let mut rates = Vec::new();
        for (index, id) in named.iter().enumerate() {
            let param = format!("{param}[{index}]");
            let row = self.need("tax_rate", id.as_str().unwrap_or(""), &param)?;
            if !flag(&row, "active") {
                let message = format!(
                    "The tax rate `{}` is inactive. This field only accepts active tax rates.",
                    text(&row, "id")
                );
                return refuse_param("", &param, message);
            }
            rates.push(row);
        }
        Ok(rates)
    }

    /// The fields of a subscription or an invoice that follow from its tax parameters.
    pub(super) fn tax_members(&self, sent: &Value, customer: &str, before: &Value) -> Answer {
        let mut members = json!({});
        if has(sent, "default_tax_rates") {
            members["default_tax_rates"] = self
                .tax_rates_in(sent, "default_tax_rates", "default_tax_rates")?
                .into();
        }
        let enabled = get(sent, "automatic_tax.enabled")
            .as_bool()
            .unwrap_or(flag(before, "automatic_tax.enabled"));
        let rates = if has(&members, "default_tax_rates") {
            &members
        } else {
            before
        };
        if enabled && !list(rates, "default_tax_rates").is_empty() {
            let message = "You cannot use `default_tax_rates` when `automatic_tax[enabled]=true`.";
            return refuse_param("", "default_tax_rates", message);
        }
        if has(sent, "automatic_tax") {
            if enabled && text(before, "object") != "invoice" {
                self.need_location(customer, "automatic_tax")?;
            }
            let mut shown = get(before, "automatic_tax").clone();
            shown["enabled"] = enabled.into();
            shown["disabled_reason"] = Value::Null;
            shown["liability"] = if enabled {
                json!({"type": "self"})
            } else {
                Value::Null
            };
            members["automatic_tax"] = shown;
        }
        Ok(members)
    }

    /// Refuses tax rates of items whose tax is automatic.
    pub(super) fn refuse_mixed_tax(&self, items: &[Value], sent: &Value) -> Answer<()> {
        let Some(index) = items
            .iter()
            .position(|one| !list(one, "tax_rates").is_empty())
        else {
            return Ok(());
        };
        if flag(sent, "automatic_tax.enabled") {
            let message = "You cannot use `tax_rates` when `automatic_tax[enabled]=true`.";
            return refuse_param("", &format!("items[{index}][tax_rates]"), message);
        }
        Ok(())
    }

    /// Refuses automatic tax for a customer whose place is not known.
    pub(super) fn need_location(&self, customer: &str, param: &str) -> Answer<()> {
        let row = self.row(customer);
        let known = ["shipping.address", "address"];
        if known
            .iter()
            .any(|path| country_of(get(row, path)).is_some())
        {
            return Ok(());
        }
        Err(location_error().with_param(param))
    }

    /// Keeps the IP address of a customer and, if asked, checks that the place is known.
    pub(super) fn set_customer_tax(&mut self, id: &str, sent: &Value) -> Answer<()> {
        if has(sent, "tax.ip_address") {
            self.set_note(id, "ip_address", or_null(sent, "tax.ip_address"));
        }
        match text(sent, "tax.validate_location") {
            "immediately" => self.need_location(id, ""),
            _ => Ok(()),
        }
    }

    /// Whether automatic tax can be calculated for a customer, as expanded customers show it.
    pub(super) fn customer_tax(&self, customer: &Value) -> Value {
        let known = ["shipping.address", "address"].map(|path| get(customer, path));
        let address = known.into_iter().find(|one| country_of(one).is_some());
        let entry = address.and_then(|one| self.tax_entry(text(one, "country"), opt(one, "state")));
        let state = match (address, entry) {
            (None, _) => "unrecognized_location",
            (Some(_), None) => "not_collecting",
            (Some(_), Some(_)) => "supported",
        };
        let location = address.map(|one| {
            json!({"country": one["country"], "source": "billing_address", "state": one["state"]})
        });
        json!({"automatic_tax": state, "ip_address": self.note(text(customer, "id"), "ip_address"),
               "location": location, "provider": "stripe"})
    }

    /// Refuses to finalize an invoice whose automatic tax needs an address.
    pub(super) fn need_tax_location(&self, invoice: &Value) -> Answer<()> {
        let mut current = invoice.clone();
        self.copy_customer(&mut current);
        let taxed = Taxed::of_invoice(&current);
        if taxed.automatic && !taxed.is_located() {
            return Err(location_error());
        }
        Ok(())
    }

    /// Turns automatic tax off on an invoice that is finalized without an address, as Stripe does
    /// for subscriptions (docs.stripe.com/tax/subscriptions).
    pub(super) fn give_up_tax(&mut self, invoice: &mut Value) {
        if self.need_tax_location(invoice).is_ok() {
            return;
        }
        disable_tax(invoice, "finalization_requires_location_inputs");
        self.tax_lines(invoice);
        if let Some(subscription) = opt(invoice, "parent.subscription_details.subscription") {
            self.modify_and_emit("customer.subscription.updated", subscription, |row| {
                disable_tax(row, "requires_location_inputs");
            });
        }
    }
}

fn disable_tax(row: &mut Value, reason: &str) {
    row["automatic_tax"]["enabled"] = false.into();
    row["automatic_tax"]["disabled_reason"] = reason.into();
}

/// The amount of a line after its discounts.
pub(super) fn net_of(line: &Value) -> i64 {
    let discounts = list(line, "discount_amounts").iter();
    int(line, "amount") - discounts.map(|one| int(one, "amount")).sum::<i64>()
}

fn location_error() -> Box<ApiError> {
    let message = "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.";
    ApiError::bad("customer_tax_location_invalid", "", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Rate, int, sum_of, taxes_of};

    fn rate(percent: i64, inclusive: bool) -> Rate {
        Rate {
            id: json!("txr_1"),
            percent,
            inclusive,
            reason: "standard_rated",
        }
    }

    #[test]
    fn an_exclusive_rate_comes_on_top_and_an_inclusive_rate_is_inside() {
        let on_top = taxes_of(1999, &[rate(88_750, false)], "none");
        let inside = taxes_of(1190, &[rate(190_000, true)], "none");

        assert_eq!(sum_of(&on_top, "exclusive"), 177);
        assert_eq!(sum_of(&inside, "inclusive"), 190);
        assert_eq!(int(&inside[0], "taxable_amount"), 1000);
    }

    #[test]
    fn credits_are_taxed_like_the_debits_that_they_give_back() {
        let taxes = taxes_of(-1190, &[rate(190_000, true)], "none");

        assert_eq!(sum_of(&taxes, "inclusive"), -190);
    }

    #[test]
    fn an_exempt_customer_pays_no_tax() {
        let taxes = taxes_of(1000, &[rate(190_000, false)], "exempt");

        assert_eq!(sum_of(&taxes, "exclusive"), 0);
        assert_eq!(taxes[0]["taxability_reason"], "customer_exempt");
    }
}
