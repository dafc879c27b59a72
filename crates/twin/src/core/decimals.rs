//! Decimal amounts: minor units with up to 12 decimal places, as exact integers.

use super::errors::{Answer, ApiError};

/// One minor unit in the smallest unit of a decimal amount.
const ONE: i128 = 1_000_000_000_000;

const PLACES_MAX: usize = 12;

/// The value of a decimal such as `5.5`, in the smallest unit. Returns `None` for anything else and
/// for more than 12 decimal places. What is too large for a number becomes the largest one.
pub fn parse(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
    let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = is_plain(whole) && is_plain(places) && !(whole.is_empty() && places.is_empty());
    if !is_number || places.len() > PLACES_MAX {
        return None;
    }
    // More digits than a number holds are larger than any amount.
    let value = format!("{whole}{places:0<PLACES_MAX$}").parse::<i128>();
    Some(sign * value.unwrap_or(i128::MAX))
}

/// The value of a decimal parameter.
pub fn read(text: &str, param: &str) -> Answer<i128> {
    parse(text).ok_or_else(|| {
        let message = format!(
            "Invalid decimal: {text}; must contain at maximum {PLACES_MAX} decimal places."
        );
        ApiError::bad("parameter_invalid_decimal", param, message)
    })
}

/// Whole minor units in the smallest unit.
pub fn from_whole(amount: i64) -> i128 {
    i128::from(amount) * ONE
}

/// The shortest text of a decimal: `5.50` becomes `5.5`.
pub fn to_text(value: i128) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (whole, places) = (value.abs() / ONE, value.abs() % ONE);
    let text = format!("{sign}{whole}.{places:0PLACES_MAX$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The value as whole minor units, if it is one.
pub fn whole(value: i128) -> Option<i64> {
    (value % ONE == 0)
        .then(|| i64::try_from(value / ONE).ok())
        .flatten()
}

/// The amount of a number of units in whole minor units, halves rounded away from zero. Returns
/// `None` if it is too large.
/// <https://docs.stripe.com/billing/subscriptions/decimal-amounts>
pub fn times(value: i128, units: i64) -> Option<i64> {
    let exact = value.checked_mul(i128::from(units))?;
    let rounded = exact.abs().checked_add(ONE / 2)? / ONE;
    i64::try_from(exact.signum() * rounded).ok()
}

#[cfg(test)]
mod tests {
    use super::{parse, times, to_text, whole};

    #[test]
    fn a_decimal_is_exact_and_rounded_only_when_it_is_multiplied() {
        let half = parse("5.5").unwrap();

        assert_eq!((to_text(half), whole(half)), ("5.5".to_owned(), None));
        assert_eq!(times(half, 1), Some(6));
        assert_eq!(times(half, 3), Some(17));
        assert_eq!(times(parse("0.000000000001").unwrap(), 499_999), Some(0));
        assert_eq!(times(parse("-2.5").unwrap(), 1), Some(-3));
        assert_eq!(
            times(parse("1000000000000").unwrap(), 1),
            Some(1_000_000_000_000)
        );
        assert_eq!(whole(parse("12.00").unwrap()), Some(12));
        assert_eq!(to_text(parse("012.50").unwrap()), "12.5");
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        let huge = parse(&"9".repeat(60)).unwrap();
        assert_eq!((times(huge, 1), times(-huge, 3)), (None, None));
        for text in ["", ".", "-", "1e3", "1,5", "0.0000000000001", "1.2.3", "+1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
