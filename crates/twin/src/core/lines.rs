//! Invoice lines for periods, trials and prorations.

use serde_json::{Value, json};

use super::Core;
use super::ids::Rng;
use super::status;
use super::time::day_text;
use super::value::{get, int, money_text, owned, period, price_amount, text};

/// A line that is not on an invoice yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) description: String,
    pub(super) start: i64,
    pub(super) end: i64,
    /// The price, or null for a plain amount.
    pub(super) price: Value,
    pub(super) quantity: i64,
    pub(super) proration: bool,
    /// The subscription item that it bills.
    pub(super) item: Option<String>,
    /// The subscription that it bills.
    pub(super) subscription: Option<String>,
    /// The invoice item that it comes from.
    pub(super) invoice_item: Option<String>,
    pub(super) metadata: Value,
}

impl Draft {
    /// The line as an object on an invoice.
    pub(super) fn line(&self, rng: &mut Rng, invoice: &str) -> Value {
        let parent = match (&self.item, &self.invoice_item) {
            (Some(item), made_from) => json!({"invoice_item_details": null,
                "subscription_item_details": {"invoice_item": made_from,
                    "proration": self.proration,
                    "proration_details": {"credited_items": null},
                    "subscription": self.subscription, "subscription_item": item},
                "type": "subscription_item_details"}),
            (None, Some(made_from)) => json!({"invoice_item_details": {"invoice_item": made_from,
                    "proration": self.proration,
                    "proration_details": {"credited_items": null},
                    "subscription": self.subscription},
                "subscription_item_details": null, "type": "invoice_item_details"}),
            (None, None) => Value::Null,
        };
        json!({
            "id": rng.id("il"), "object": "line_item", "amount": self.amount,
            "currency": self.currency, "description": self.description, "discount_amounts": [],
            "discountable": !self.proration, "discounts": [], "invoice": invoice,
            "livemode": false, "metadata": self.metadata, "parent": parent,
            "period": {"start": self.start, "end": self.end}, "pretax_credit_amounts": [],
            "pricing": pricing(&self.price, self.amount, self.quantity), "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(), "subscription": self.subscription,
            "subtotal": self.amount, "taxes": [],
        })
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
        json!({
            "id": id, "object": "invoiceitem", "amount": self.amount, "currency": self.currency,
            "customer": customer, "customer_account": null, "date": at,
            "description": self.description, "discountable": !self.proration, "discounts": [],
            "invoice": null, "livemode": false, "metadata": self.metadata,
            "net_amount": self.amount, "parent": parent,
            "period": {"start": self.start, "end": self.end},
            "pricing": pricing(&self.price, self.amount, self.quantity),
            "proration": self.proration, "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(), "tax_rates": [], "test_clock": null,
        })
    }

    /// Restores a line from a stored invoice item.
    pub(super) fn from_invoice_item(item: &Value, price: Value) -> Draft {
        Draft {
            amount: int(item, "amount"),
            currency: owned(item, "currency"),
            description: owned(item, "description"),
            start: int(item, "period.start"),
            end: int(item, "period.end"),
            price,
            quantity: int(item, "quantity"),
            proration: get(item, "proration") == true,
            item: get(item, "parent.subscription_details.subscription_item")
                .as_str()
                .map(str::to_owned),
            subscription: get(item, "parent.subscription_details.subscription")
                .as_str()
                .map(str::to_owned),
            invoice_item: Some(owned(item, "id")),
            metadata: get(item, "metadata").clone(),
        }
    }
}

fn pricing(price: &Value, amount: i64, quantity: i64) -> Value {
    if price.is_null() {
        let each = if quantity > 0 {
            amount / quantity
        } else {
            amount
        };
        return json!({"type": "price_details", "unit_amount_decimal": each.to_string()});
    }
    json!({"price_details": {"price": price["id"], "product": price["product"]},
           "type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"]})
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
        let each = money_text(int(price, "unit_amount"), text(price, "currency"));
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

    /// The prorations of changing items at `at` for the rest of the period: a credit line for each
    /// item that changes or is removed, and a debit line for each that changes or is added.
    pub(super) fn proration_lines(
        &self,
        subscription: &Value,
        after: &[Value],
        at: i64,
    ) -> Vec<Draft> {
        let before = super::lists::inner(subscription, "items");
        let mut drafts = Vec::new();
        for item in before {
            let stays = after.iter().find(|one| one["id"] == item["id"]);
            if stays.is_none_or(|one| differs(one, item)) {
                drafts.push(self.rest_of_period(subscription, item, at, true));
            }
        }
        for item in after {
            let was = before.iter().find(|one| one["id"] == item["id"]);
            if was.is_none_or(|one| differs(one, item)) {
                let mut timed = item.clone();
                let first = before.first().unwrap_or(&Value::Null);
                for name in ["current_period_start", "current_period_end"] {
                    timed[name] = first[name].clone();
                }
                drafts.push(self.rest_of_period(subscription, &timed, at, false));
            }
        }
        drafts
    }

    /// The line for the rest of the period of one item, as a credit or as a debit.
    pub(super) fn rest_of_period(
        &self,
        subscription: &Value,
        item: &Value,
        at: i64,
        is_credit: bool,
    ) -> Draft {
        let (start, end) = period(item);
        let at = at.clamp(start, end);
        let price = get(item, "price");
        let quantity = int(item, "quantity");
        let whole = price_amount(price, quantity);
        let is_free = status::is_trialing(subscription);
        let signed = match (is_free, is_credit) {
            (true, _) => 0,
            (_, true) => -whole,
            _ => whole,
        };
        let amount = share(signed, end - at, (end - start).max(1));
        let times = if quantity == 1 {
            String::new()
        } else {
            format!("{quantity} × ")
        };
        let kind = if is_credit {
            "Unused time"
        } else {
            "Remaining time"
        };
        let name = self.product_name(price);
        let day = day_text(at);
        Draft {
            amount,
            description: format!("{kind} on {times}{name} after {day}"),
            proration: true,
            ..self.period_line(subscription, item, at, end)
        }
    }
}

fn differs(one: &Value, other: &Value) -> bool {
    get(one, "price.id") != get(other, "price.id") || one["quantity"] != other["quantity"]
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
