//! Invoice lines for periods, trials and prorations.

use serde_json::{Value, json};

use super::Core;
use super::discounts::{Applied, discount_amounts};
use super::ids::Rng;
use super::value::{get, has, ids, int, list, opt, owned, price_amount, text, unit_text};

/// A line that is not on an invoice yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) description: String,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The price, or null for a plain amount.
    pub(super) price: Value,
    /// The amount of one unit of a plain amount, if it is not a share of the amount.
    pub(super) unit: Option<String>,
    pub(super) quantity: i64,
    pub(super) proration: bool,
    /// The subscription item that it bills.
    pub(super) item: Option<String>,
    /// The subscription that it bills.
    pub(super) subscription: Option<String>,
    /// The invoice item that it comes from.
    pub(super) invoice_item: Option<String>,
    pub(super) metadata: Value,
    /// Whether discounts apply, if it was said.
    pub(super) discountable: Option<bool>,
    /// The ids of its own discounts.
    pub(super) discounts: Vec<Value>,
    /// The discounts that were applied when a proration was created. Its amount is without them if
    /// they are itemized.
    pub(super) applied: Vec<Applied>,
    pub(super) itemized: bool,
    /// The debit that a proration credits, if it is a credit.
    pub(super) credits: Option<Credit>,
    /// The ids of its own tax rates.
    pub(super) tax_rates: Vec<Value>,
    /// Whether its amount includes tax, if its price doesn't say so.
    pub(super) tax_behavior: Option<String>,
}

/// What a credit gives back.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    /// The place of the debit among those of the subscription item.
    pub(super) debit: usize,
    /// The moment from which the debit is given back.
    pub(super) from: i64,
    /// The debit as an invoice item shows it.
    pub(super) shown: Value,
}

impl Draft {
    /// Whether discounts apply to the line: by default not to prorations and negative amounts.
    fn is_discountable(&self) -> bool {
        self.discountable
            .unwrap_or(!self.proration && self.amount >= 0)
    }

    /// The line as an object on an invoice.
    pub(super) fn line(&self, rng: &mut Rng, invoice: &str) -> Value {
        let credited = self.credits.as_ref().map_or(Value::Null, |credit| {
            get(&credit.shown, "invoice_line_item_details").clone()
        });
        let parent = match (&self.item, &self.invoice_item) {
            (Some(item), made_from) => json!({"invoice_item_details": null,
                "subscription_item_details": {"invoice_item": made_from,
                    "proration": self.proration,
                    "proration_details": {"credited_items": credited},
                    "subscription": self.subscription, "subscription_item": item},
                "type": "subscription_item_details"}),
            (None, Some(made_from)) => json!({"invoice_item_details": {"invoice_item": made_from,
                    "proration": self.proration,
                    "proration_details": {"credited_items": credited},
                    "subscription": self.subscription},
                "subscription_item_details": null, "type": "invoice_item_details"}),
            (None, None) => Value::Null,
        };
        let discounted = if self.itemized {
            discount_amounts(&self.applied)
        } else {
            Vec::new()
        };
        json!({
            "id": rng.id("il"), "object": "line_item", "amount": self.amount,
            "currency": self.currency, "description": self.description,
            "discount_amounts": discounted, "discountable": self.is_discountable(),
            "discounts": self.discounts, "invoice": invoice,
            "livemode": false, "metadata": self.metadata, "parent": parent,
            "period": {"start": self.start, "end": self.end}, "pretax_credit_amounts": [],
            "pricing": self.pricing(), "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(), "subscription": self.subscription,
            "subtotal": self.amount, "taxes": [],
        })
    }

    /// The price or the amount of one unit.
    pub(super) fn pricing(&self) -> Value {
        let price = &self.price;
        if price.is_null() {
            let share = || (self.amount / self.quantity.max(1)).to_string();
            let unit = self.unit.clone().unwrap_or_else(share);
            return json!({"type": "price_details", "unit_amount_decimal": unit});
        }
        json!({"price_details": {"price": price["id"], "product": price["product"]},
               "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"]})
    }

    /// The amount after the discounts that were applied when it was created.
    pub(super) fn net_amount(&self) -> i64 {
        let off: i64 = self.applied.iter().map(|(_, amount)| amount).sum();
        self.amount - if self.itemized { off } else { 0 }
    }

    /// The invoice item that holds the line until the next invoice.
    pub(super) fn invoice_item(&self, id: &str, customer: &str, at: i64) -> Value {
        let parent = match &self.subscription {
            Some(subscription) => {
                let mut details = json!({ "subscription": subscription });
                if let Some(item) = &self.item {
                    details["subscription_item"] = item.clone().into();
                }
                json!({"subscription_details": details, "type": "subscription_details"})
            }
            None => Value::Null,
        };
        let is_discountable = self.is_discountable();
        let mut item = json!({
            "id": id, "object": "invoiceitem", "amount": self.amount, "currency": self.currency,
            "customer": customer, "customer_account": null, "date": at,
            "description": self.description, "discountable": is_discountable,
            "discounts": self.discounts, "invoice": null, "livemode": false,
            "metadata": self.metadata,
            "parent": parent,
            "period": {"start": self.start, "end": self.end},
            "pricing": self.pricing(),
            "proration": self.proration, "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(), "tax_rates": self.tax_rates,
            "test_clock": null,
        });
        if !is_discountable {
            item["net_amount"] = self.net_amount().into();
        }
        if self.proration {
            let credited = self.credits.as_ref().map(|credit| credit.shown.clone());
            item["proration_details"] = json!({"credited_items": credited,
                "discount_amounts": discount_amounts(&self.applied)});
        }
        item
    }

    /// Restores a line from a stored invoice item.
    pub(super) fn from_invoice_item(item: &Value, price: Value) -> Draft {
        let applied = list(item, "proration_details.discount_amounts");
        let shown = get(item, "proration_details.credited_items").clone();
        Draft {
            amount: int(item, "amount"),
            currency: owned(item, "currency"),
            description: owned(item, "description"),
            start: int(item, "period.start"),
            end: int(item, "period.end"),
            price,
            unit: opt(item, "pricing.unit_amount_decimal").map(str::to_owned),
            quantity: int(item, "quantity"),
            proration: get(item, "proration") == true,
            item: opt(item, "parent.subscription_details.subscription_item").map(str::to_owned),
            subscription: opt(item, "parent.subscription_details.subscription").map(str::to_owned),
            invoice_item: Some(owned(item, "id")),
            metadata: get(item, "metadata").clone(),
            discountable: get(item, "discountable").as_bool(),
            discounts: list(item, "discounts").to_vec(),
            applied: applied
                .iter()
                .map(|one| (owned(one, "discount"), int(one, "amount")))
                .collect(),
            itemized: has(item, "net_amount") && item["net_amount"] != item["amount"],
            credits: shown.is_object().then_some(Credit {
                debit: usize::MAX,
                from: 0,
                shown,
            }),
            tax_rates: ids(list(item, "tax_rates")),
            tax_behavior: None,
        }
    }
}

/// The share of an amount for the rest of a period, by the second and rounded down. Credits
/// (negative amounts) are therefore rounded away from zero, as recorded from Stripe.
pub(super) fn share(amount: i64, rest: i64, whole: i64) -> i64 {
    assert!(whole > 0 && rest >= 0, "a period has a length");
    let exact = i128::from(amount) * i128::from(rest);
    i64::try_from(exact.div_euclid(i128::from(whole))).expect("a share is smaller than the whole")
}

impl Core {
    /// The line for one period of a subscription item.
    pub(super) fn period_line(
        &self,
        subscription: &Value,
        item: &Value,
        start: i64,
        end: i64,
    ) -> Draft {
        let price = get(item, "price");
        let quantity = int(item, "quantity");
        let amount = price_amount(price, quantity);
        let name = self.product_name(price);
        let each = unit_text(price);
        Draft {
            amount,
            currency: owned(price, "currency"),
            description: format!(
                "{quantity} × {name} (at {each} / {})",
                text(price, "recurring.interval")
            ),
            start,
            end,
            price: price.clone(),
            quantity,
            proration: false,
            item: Some(owned(item, "id")),
            subscription: Some(owned(subscription, "id")),
            invoice_item: None,
            metadata: get(subscription, "metadata").clone(),
            discounts: list(item, "discounts").to_vec(),
            tax_rates: ids(list(item, "tax_rates")),
            ..Draft::default()
        }
    }

    /// The free line for a trial.
    pub(super) fn trial_line(
        &self,
        subscription: &Value,
        item: &Value,
        start: i64,
        end: i64,
    ) -> Draft {
        let quantity = int(item, "quantity");
        let name = self.product_name(get(item, "price"));
        Draft {
            amount: 0,
            description: format!("Trial period for {name}"),
            quantity,
            ..self.period_line(subscription, item, start, end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn each_proration_line_is_rounded_down_separately() {
        assert_eq!(share(-5, 1, 2), -3);
        assert_eq!(share(9, 1, 2), 4);
        assert_eq!(share(-2000, 1, 3), -667);
        assert_eq!(share(1000, 1, 3), 333);
        assert_eq!(share(-2000, 1, 3) + share(1000, 1, 3), -334);
    }
}
