//! How amounts are formatted for display: the sign, the currency's symbol, grouped thousands.

use crate::money::MinorUnits;

/// A true minus sign, which is as wide as a digit; a hyphen isn't.
const MINUS: char = '\u{2212}';

/// An amount of money: `money(1900, "usd", 2)` is "$19.00", `money(500, "jpy", 0)` is "¥500".
/// A currency without a known symbol is shown by its code: "CHF 19.00".
pub fn money(minor: i64, currency: &str, exponent: u32) -> String {
    format!(
        "{}{}{}",
        sign(minor < 0),
        symbol(currency),
        decimal(minor.unsigned_abs(), exponent)
    )
}

/// A plain number with thousands separators: "10,000".
pub fn count(number: u64) -> String {
    group(&number.to_string())
}

/// The minus sign of a negative amount, or an empty string.
pub fn sign(negative: bool) -> String {
    if negative {
        MINUS.to_string()
    } else {
        String::new()
    }
}

/// The currency's symbol, or its code followed by a non-breaking space.
pub fn symbol(currency: &str) -> String {
    match currency.to_ascii_lowercase().as_str() {
        "usd" => "$".to_owned(),
        "eur" => "€".to_owned(),
        "gbp" => "£".to_owned(),
        "jpy" => "¥".to_owned(),
        "krw" => "₩".to_owned(),
        "inr" => "₹".to_owned(),
        "brl" => "R$".to_owned(),
        "aud" => "A$".to_owned(),
        "cad" => "CA$".to_owned(),
        // A non-breaking space keeps the code on the same line as its number.
        other => format!("{}\u{a0}", other.to_ascii_uppercase()),
    }
}

/// The digits of an amount with `exponent` decimals and grouped thousands.
pub fn decimal(minor: u64, exponent: u32) -> String {
    let width = exponent as usize + 1;
    let digits = format!("{minor:0width$}");
    let (whole, rest) = digits.split_at(digits.len() - exponent as usize);
    match rest {
        "" => group(whole),
        _ => format!("{}.{rest}", group(whole)),
    }
}

/// An amount in its own currency, formatted like [`money`].
pub fn amount(amount: MinorUnits) -> String {
    let currency = amount.currency;
    money(amount.amount, currency.code(), currency.exponent())
}

/// Digits with a comma between thousands.
pub fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
