//! The lines of credit notes: what they credit, with the discounts and taxes of what was billed.

use serde_json::{Value, json};

use super::Core;
use super::amounts::{fraction, spread};
use super::decimals;
use super::discounts::{Applied, add_discount, discount_amounts};
use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::{metadata, only_one_of};
use super::taxes::{Taxed, sum_of};
use super::value::{get, has, ids, int, limited, list, money_text, opt, opt_int, owned, text};

/// The lines of a credit note and their sums, in minor units.
#[derive(Default)]
pub(super) struct Credited {
    pub(super) lines: Vec<Value>,
    pub(super) subtotal: i64,
    pub(super) discounts: Vec<Applied>,
    pub(super) taxes: Vec<Value>,
}

impl Credited {
    /// The sum of the discounts.
    pub(super) fn discount(&self) -> i64 {
        self.discounts.iter().map(|(_, amount)| amount).sum()
    }

    /// What is credited, with its taxes.
    pub(super) fn total(&self) -> i64 {
        self.subtotal - self.discount() + sum_of(&self.taxes, "exclusive")
    }

    fn add(&mut self, line: Value) {
        self.subtotal += int(&line, "amount");
        for one in list(&line, "discount_amounts") {
            let amount = int(one, "amount");
            add_discount(&mut self.discounts, text(one, "discount"), amount);
        }
        self.taxes.extend(list(&line, "taxes").iter().cloned());
        self.lines.push(line);
    }
}

/// The taxes of a part of what was taxed.
fn part_of_taxes(taxes: &[Value], part: i64, whole: i64) -> Vec<Value> {
    taxes
        .iter()
        .map(|tax| {
            let mut tax = tax.clone();
            for name in ["amount", "taxable_amount"] {
                tax[name] = fraction(int(&tax, name), part, whole).into();
            }
            tax
        })
        .collect()
}

/// A line of units, each of an exact amount.
fn note_line(id: &str, kind: &str, description: &str, unit: i128, quantity: i64) -> Value {
    json!({
        "id": id, "object": "credit_note_line_item", "amount": decimals::times(unit, quantity),
        "description": description, "discount_amount": 0, "discount_amounts": [],
        "livemode": false, "metadata": null, "pretax_credit_amounts": [], "quantity": quantity,
        "tax_rates": [], "taxes": [], "type": kind, "unit_amount": decimals::whole(unit),
        "unit_amount_decimal": decimals::to_text(unit),
    })
}

/// Refuses what only the other type of line has. <https://docs.stripe.com/api/credit_notes/create>
fn refuse_fields_of_other_type(line: &Value, param: &str) -> Answer<()> {
    let (other, names) = if text(line, "type") == "invoice_line_item" {
        let names = &["tax_rates", "unit_amount", "unit_amount_decimal"][..];
        ("custom_line_item", names)
    } else {
        ("invoice_line_item", &["invoice_line_item"][..])
    };
    let Some(name) = names.iter().find(|name| has(line, name)) else {
        return Ok(());
    };
    let param = format!("{param}[{name}]");
    let message = format!("`{param}` is only valid when the type is `{other}`.");
    refuse_param("", &param, message)
}

impl Core {
    /// The lines of a credit note with the sent lines, or for an amount that includes tax.
    pub(super) fn credited(
        &mut self,
        sent: &Value,
        invoice: &Value,
        amount: Option<i64>,
    ) -> Answer<Credited> {
        let mut credited = Credited::default();
        if let Some(amount) = amount {
            credited.add(self.amount_line(amount, invoice, sent));
            return Ok(credited);
        }
        for (index, one) in list(sent, "lines").iter().enumerate() {
            let param = format!("lines[{index}]");
            refuse_fields_of_other_type(one, &param)?;
            let mut line = match text(one, "type") {
                "invoice_line_item" => self.invoice_part(one, invoice, &param)?,
                _ => self.custom_line(one, invoice, &param)?,
            };
            line["metadata"] = metadata(&Value::Null, get(one, "metadata"))?;
            credited.add(line);
        }
        Ok(credited)
    }

    /// One line for an amount with tax, which contains the same share of tax as the invoice.
    fn amount_line(&mut self, amount: i64, invoice: &Value, sent: &Value) -> Value {
        let id = self.rng.id("cnli");
        let description = opt(sent, "lines.0.description").unwrap_or("Credit");
        let total = int(invoice, "total").max(1);
        let all = list(invoice, "total_taxes");
        let on_top: Vec<i64> = all
            .iter()
            .map(|tax| {
                if text(tax, "tax_behavior") == "exclusive" {
                    int(tax, "amount")
                } else {
                    0
                }
            })
            .collect();
        let tax_on_top = fraction(on_top.iter().sum(), amount, total);
        let mut taxes = part_of_taxes(all, amount, total);
        for (tax, part) in taxes.iter_mut().zip(spread(tax_on_top, &on_top)) {
            if text(tax, "tax_behavior") == "exclusive" {
                tax["amount"] = part.into();
            }
        }
        let unit = decimals::from_whole(amount - tax_on_top);
        let mut line = note_line(&id, "custom_line_item", description, unit, 1);
        line["taxes"] = taxes.into();
        line
    }

    /// A part of a line of the invoice, by its amount or its quantity.
    fn invoice_part(&mut self, sent: &Value, invoice: &Value, param: &str) -> Answer {
        let named = format!("{param}[invoice_line_item]");
        let wanted = opt(sent, "invoice_line_item").ok_or_else(|| ApiError::required(&named))?;
        let all = inner(invoice, "lines");
        let Some(billed) = all.iter().find(|line| text(line, "id") == wanted) else {
            return Err(ApiError::missing("invoice line item", wanted, &named));
        };
        let (whole, count) = (int(billed, "amount"), int(billed, "quantity").max(1));
        let (amount, quantity) = match (opt_int(sent, "amount"), opt_int(sent, "quantity")) {
            (Some(amount), _) => (amount, 1),
            (None, Some(quantity)) => (fraction(whole, quantity, count), quantity),
            (None, None) => (whole, count),
        };
        let left = whole - self.credited_before(invoice, wanted);
        if amount < 1 || amount > left {
            let currency = text(invoice, "currency");
            let message = format!(
                "The credited amount ({}) must be positive and at most what is left of the line ({}).",
                money_text(amount, currency),
                money_text(left, currency)
            );
            return refuse_param("", param, message);
        }
        let id = self.rng.id("cnli");
        let unit = decimals::from_whole(amount / quantity.max(1));
        let mut line = note_line(
            &id,
            "invoice_line_item",
            text(billed, "description"),
            unit,
            quantity,
        );
        line["amount"] = amount.into();
        line["invoice_line_item"] = wanted.into();
        let discounts: Vec<Applied> = list(billed, "discount_amounts")
            .iter()
            .map(|one| {
                (
                    owned(one, "discount"),
                    fraction(int(one, "amount"), amount, whole),
                )
            })
            .collect();
        let off: i64 = discounts.iter().map(|(_, amount)| amount).sum();
        line["discount_amount"] = off.into();
        line["discount_amounts"] = discount_amounts(&discounts).into();
        line["taxes"] = if has(sent, "tax_amounts") {
            self.sent_taxes(sent, param)?.into()
        } else {
            part_of_taxes(list(billed, "taxes"), amount, whole).into()
        };
        Ok(line)
    }

    /// What earlier credit notes credited of a line.
    fn credited_before(&self, invoice: &Value, line: &str) -> i64 {
        let id = text(invoice, "id");
        let notes = self.store.by("credit_note", "invoice", id);
        let of_line = notes
            .filter(|note| note["voided_at"].is_null())
            .flat_map(|note| inner(note, "lines"))
            .filter(|one| text(one, "invoice_line_item") == line);
        of_line.map(|one| int(one, "amount")).sum()
    }

    fn custom_line(&mut self, sent: &Value, invoice: &Value, param: &str) -> Answer {
        only_one_of(sent, &["unit_amount", "unit_amount_decimal"], param)?;
        let decimal = opt(sent, "unit_amount_decimal");
        let unit = match (opt_int(sent, "unit_amount"), decimal) {
            (Some(unit), _) => decimals::from_whole(unit),
            (None, Some(text)) => decimals::read(text, &format!("{param}[unit_amount_decimal]"))?,
            (None, None) => return Err(ApiError::required(&format!("{param}[unit_amount]"))),
        };
        let quantity = opt_int(sent, "quantity").unwrap_or(1);
        let description = opt(sent, "description").unwrap_or("Credit");
        let id = self.rng.id("cnli");
        let mut line = note_line(&id, "custom_line_item", description, unit, quantity);
        let amount = limited(
            decimals::times(unit, quantity).unwrap_or(i64::MAX),
            text(invoice, "currency"),
            &format!("{param}[quantity]"),
        )?;
        only_one_of(sent, &["tax_amounts", "tax_rates"], param)?;
        let rates = self.tax_rates_in(sent, "tax_rates", &format!("{param}[tax_rates]"))?;
        let taxed = Taxed {
            automatic: false,
            exempt: owned(invoice, "customer_tax_exempt"),
            address: Value::Null,
        };
        line["taxes"] = if has(sent, "tax_amounts") {
            self.sent_taxes(sent, param)?.into()
        } else {
            self.taxes_on(amount, &ids(&rates), "", &taxed).into()
        };
        line["tax_rates"] = rates.into();
        Ok(line)
    }

    /// The taxes that the parameters of a line say.
    fn sent_taxes(&self, sent: &Value, param: &str) -> Answer<Vec<Value>> {
        let mut taxes = Vec::new();
        for (index, one) in list(sent, "tax_amounts").iter().enumerate() {
            let named = format!("{param}[tax_amounts][{index}][tax_rate]");
            let rate = self.need("tax_rate", text(one, "tax_rate"), &named)?;
            let behavior = if rate["inclusive"] == true {
                "inclusive"
            } else {
                "exclusive"
            };
            taxes.push(json!({
                "amount": int(one, "amount"), "tax_behavior": behavior,
                "tax_rate_details": {"tax_rate": rate["id"]},
                "taxability_reason": "standard_rated", "taxable_amount": get(one, "taxable_amount"),
                "type": "tax_rate_details",
            }));
        }
        Ok(taxes)
    }
}
