//! Exact decimal numbers with at most six decimals, read from text and never through a float.
//!
//! It is the one reader of every amount of credits or units that comes from outside: JSON numbers
//! in any form (`5e-05`, `1E3`, `1.0`), forms, the command line, settings and the catalog.

/// Digits after the decimal point.
pub const DECIMALS: i64 = 6;

/// Why a text isn't a number with at most six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// The text is not a decimal number.
    NotANumber,
    /// The number has more than six decimals.
    TooPrecise,
    /// The number, in millionths, doesn't fit in 64 bits.
    TooLarge,
}

/// Reads a number as millionths: `1.5`, `15e-1` and `1.50` are all 1,500,000. Accepts what JSON
/// accepts as a number, and leading zeros.
pub fn millionths(text: &str) -> Result<i64, DecimalError> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        Some(_) => return Err(DecimalError::NotANumber),
        None => (mantissa, ""),
    };
    if !is_digits(whole) {
        return Err(DecimalError::NotANumber);
    }
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    // The number is `significant` times ten to the power of `shift`, in millionths.
    let places = |text: &str| i64::try_from(text.len()).map_err(|_| DecimalError::TooLarge);
    let shift = DECIMALS
        .saturating_add(exponent)
        .saturating_add(places(&digits)?)
        .saturating_sub(places(significant)?)
        .saturating_sub(places(fraction)?);
    let shift = u32::try_from(shift).map_err(|_| match shift {
        ..0 => DecimalError::TooPrecise,
        0.. => DecimalError::TooLarge,
    })?;
    let number = significant.trim_start_matches('0').parse::<i64>().ok();
    let number = number.zip(10_i64.checked_pow(shift));
    let number = number.and_then(|(number, power)| number.checked_mul(power));
    let number = number.ok_or(DecimalError::TooLarge)?;
    Ok(if is_negative {
        number.saturating_neg()
    } else {
        number
    })
}

/// The exact decimal text of a number in millionths, as in JSON: `500`, `499.75`, `-0.000001`.
pub fn text(millionths: i64) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let absolute = millionths.unsigned_abs();
    let (whole, fraction) = (absolute / 1_000_000, absolute % 1_000_000);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:06}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads an exponent; one that is out of every range saturates.
fn read_exponent(text: &str) -> Result<i64, DecimalError> {
    let (is_negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if !is_digits(digits) {
        return Err(DecimalError::NotANumber);
    }
    let exponent = digits.parse().unwrap_or(i64::MAX);
    Ok(if is_negative { -exponent } else { exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_exactly_in_every_form_that_json_has() {
        for (text, expected) in [
            ("0", 0),
            ("-0", 0),
            ("0e999999999999999999999", 0),
            ("1", 1_000_000),
            ("1.0", 1_000_000),
            ("1.0000000", 1_000_000),
            ("5e-05", 50),
            ("5E-5", 50),
            ("0.00005", 50),
            ("1E3", 1_000_000_000),
            ("1e+3", 1_000_000_000),
            ("1.5e2", 150_000_000),
            ("12300e-2", 123_000_000),
            ("499.75", 499_750_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("10e-7", 1),
            ("-2.5", -2_500_000),
            ("-25e-1", -2_500_000),
            ("007", 7_000_000),
            ("9223372036854.775807", i64::MAX),
        ] {
            assert_eq!(millionths(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_decimal_number_is_refused() {
        for text in [
            "", "-", ".", "1.", ".5", "NaN", "0x1", "1,5", " 1", "+1", "--1", "1e", "1e+", "e5",
            "1e1.5", "1e--1", "1.e5", "1e5e5", "\"5\"", "true", "[]", "٣",
        ] {
            assert_eq!(millionths(text), Err(DecimalError::NotANumber), "{text}");
        }
        for text in ["0.0000001", "1e-7", "15e-7", "1e-99999999999999999999"] {
            assert_eq!(millionths(text), Err(DecimalError::TooPrecise), "{text}");
        }
        for text in [
            "9223372036854.775808",
            "9223372036854775808",
            "1e13",
            "1e99",
            "1e99999999999999999999",
            "99999999999999999999999999",
        ] {
            assert_eq!(millionths(text), Err(DecimalError::TooLarge), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_number_is_written_as_it_is_read_whatever_its_exponent(
            number in proptest::prelude::any::<i64>(), exponent in 0_usize..30,
        ) {
            proptest::prop_assume!(number != i64::MIN);
            let written = text(number);
            proptest::prop_assert_eq!(millionths(&written), Ok(number));

            let sign = if number < 0 { "-" } else { "" };
            let scaled = format!("{sign}{}{}e-{}", number.unsigned_abs(), "0".repeat(exponent), exponent + 6);

            proptest::prop_assert_eq!(millionths(&scaled), Ok(number));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,40}") {
            let _ = millionths(&text);
        }
    }
}
