//! Percentages and shares of amounts, to the minor unit.

use serde_json::Value;

/// One percent in the units that [`percent`] returns.
const ONE_PERCENT: i64 = 10_000;
/// The whole, in the units that [`percent`] returns.
pub const WHOLE: i64 = 100 * ONE_PERCENT;

/// Reads a percentage from its digits as ten-thousandths of a percent: `8.875` becomes 88,750. A
/// negative one becomes 0.
pub fn percent(number: &Value) -> i64 {
    let digits = match number {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if digits.starts_with('-') {
        return 0;
    }
    let (whole, rest) = digits.split_once('.').unwrap_or((&digits, ""));
    let rest: String = format!("{rest}0000").chars().take(4).collect();
    let whole = whole.parse::<i64>().unwrap_or(0).clamp(0, ONE_PERCENT);
    whole * ONE_PERCENT + rest.parse::<i64>().unwrap_or(0)
}

/// The exact fraction `part / whole` of an amount, rounded half away from zero.
pub fn fraction(amount: i64, part: i64, whole: i64) -> i64 {
    assert!(whole > 0, "a fraction has a denominator");
    let exact = i128::from(amount.abs()) * i128::from(part);
    let rounded = (exact * 2 + i128::from(whole)) / (i128::from(whole) * 2);
    let size = i64::try_from(rounded).expect("a fraction of an amount is an amount");
    if amount < 0 { -size } else { size }
}

/// Spreads `total` over the bases in proportion. The parts add up to `total`, and none is larger
/// than its base if `total` is at most their sum.
pub fn spread(total: i64, bases: &[i64]) -> Vec<i64> {
    let sum: i64 = bases.iter().sum();
    if sum <= 0 {
        return vec![0; bases.len()];
    }
    let (mut seen, mut given) = (0, 0);
    bases
        .iter()
        .map(|base| {
            seen += base;
            let so_far = fraction(total, seen, sum);
            let part = so_far - given;
            given = so_far;
            part
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{fraction, percent, spread};

    #[test]
    fn a_percentage_is_read_from_its_digits() {
        assert_eq!(percent(&json!(25.5)), 255_000);
        assert_eq!(percent(&json!(8.875)), 88_750);
        assert_eq!(percent(&json!(100)), 1_000_000);
        assert_eq!(percent(&json!("7.25")), 72_500);
    }

    #[test]
    fn a_fraction_is_rounded_half_away_from_zero() {
        assert_eq!(fraction(25, 1, 10), 3);
        assert_eq!(fraction(-25, 1, 10), -3);
        assert_eq!(fraction(24, 1, 10), 2);
    }

    #[test]
    fn spread_parts_add_up_to_the_total() {
        assert_eq!(spread(100, &[1, 1, 1]), [33, 34, 33]);
        assert_eq!(spread(5, &[1000, 1000]), [3, 2]);
        assert_eq!(spread(7, &[0, 10]), [0, 7]);
        assert_eq!(spread(7, &[]), Vec::<i64>::new());
    }
}
