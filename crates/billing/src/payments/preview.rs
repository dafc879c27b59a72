//! Stripe's previews of invoices, as amounts.

use domain::money::{Currency, MinorUnits};
use serde::{Deserialize, Serialize};
use stripe::objects;

use crate::error::{Error, Result};

/// The lines that are kept of a preview; the rest is summed up in one.
const LINES_MAX: usize = 20;

/// A line of a preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What it is for.
    pub name: String,
    /// The amount, in minor units of the preview's currency.
    pub minor: i64,
}

/// The amount of an invoice in its currency.
pub fn money(currency: &str, amount: i64) -> Result<MinorUnits> {
    let currency = Currency::parse(currency);
    let currency = currency.ok_or_else(|| Error::bug("a preview without a currency"))?;
    Ok(MinorUnits::new(amount, currency))
}

/// What is to be paid and the lines that add up to it: those of the invoice, then the discounts, the
/// tax and what the customer's balance pays.
pub fn lines(preview: &objects::Invoice) -> Vec<Line> {
    let line = |name: &str, minor: i64| Line {
        name: name.to_owned(),
        minor,
    };
    let all = &preview.lines.data;
    let mut lines: Vec<Line> = all
        .iter()
        .take(LINES_MAX)
        .map(|one| line(one.description.as_deref().unwrap_or("Plan"), one.amount))
        .collect();
    let shown: i64 = lines.iter().map(|one| one.minor).sum();
    let sum = preview.subtotal.unwrap_or(shown);
    let discount = preview.discount();
    for (name, rest) in [
        ("Other items", sum - shown),
        ("Discount", -discount),
        ("Tax", preview.total - (sum - discount)),
        ("From your balance", preview.amount_due - preview.total),
    ] {
        if rest != 0 {
            lines.push(line(name, rest));
        }
    }
    lines
}
