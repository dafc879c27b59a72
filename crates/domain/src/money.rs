//! Money in minor units and credits in micro-credits: integers, checked.

use std::fmt;

use crate::decimal::{self, DecimalError};

/// Micro-credits in one credit. Per-token prices need six decimals (`ledger.md`, Units).
pub const MICROS_PER_CREDIT: i64 = 1_000_000;

/// The most credits that one command may specify and that an account may hold: far above any pack,
/// far below the overflow of a sum.
pub const CREDITS_MAX: Credits = Credits(1_000_000_000_000 * MICROS_PER_CREDIT);

/// An amount of credits, in micro-credits (1 credit = 1,000,000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credits(i64);

/// Why a text isn't a valid amount of credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditsError {
    /// The text is not a decimal number.
    #[error("credits must be a plain decimal number, such as 1.5")]
    NotANumber,
    /// There are more than six digits after the decimal point.
    #[error("credits have at most 6 decimals")]
    TooPrecise,
    /// The amount exceeds [`CREDITS_MAX`].
    #[error("that is more credits than one call can name")]
    TooLarge,
}

impl Credits {
    /// Zero credits.
    pub const ZERO: Credits = Credits(0);

    /// Makes an amount of whole credits.
    ///
    /// # Panics
    /// When `whole` credits overflow; for constants and tests.
    pub const fn new(whole: i64) -> Credits {
        match whole.checked_mul(MICROS_PER_CREDIT) {
            Some(micros) => Credits(micros),
            None => panic!("whole credits overflow"),
        }
    }

    /// Makes an amount from micro-credits.
    pub const fn from_micros(micros: i64) -> Credits {
        Credits(micros)
    }

    /// The amount in micro-credits.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole credits, rounded down.
    pub const fn floor(self) -> i64 {
        self.0.div_euclid(MICROS_PER_CREDIT)
    }

    /// Parses the text of a number in any form that JSON has, with at most six decimals
    /// ([`decimal`]).
    pub fn parse(text: &str) -> Result<Credits, CreditsError> {
        let micros = decimal::millionths(text).map_err(|error| match error {
            DecimalError::NotANumber => CreditsError::NotANumber,
            DecimalError::TooPrecise => CreditsError::TooPrecise,
            DecimalError::TooLarge => CreditsError::TooLarge,
        })?;
        if micros.saturating_abs() > CREDITS_MAX.0 {
            return Err(CreditsError::TooLarge);
        }
        Ok(Credits(micros))
    }

    /// The sum, or `None` on overflow of 64 bits.
    pub fn checked_add(self, other: Credits) -> Option<Credits> {
        self.0.checked_add(other.0).map(Credits)
    }

    /// The difference, or `None` on overflow of 64 bits.
    pub fn checked_sub(self, other: Credits) -> Option<Credits> {
        self.0.checked_sub(other.0).map(Credits)
    }

    /// The sum, or the largest amount if it doesn't fit: a report of many accounts never fails.
    #[must_use]
    pub const fn saturating_add(self, other: Credits) -> Credits {
        Credits(self.0.saturating_add(other.0))
    }

    /// The difference, or the smallest amount if it doesn't fit.
    #[must_use]
    pub const fn saturating_sub(self, other: Credits) -> Credits {
        Credits(self.0.saturating_sub(other.0))
    }

    /// `times` the amount, or the largest amount if it doesn't fit.
    #[must_use]
    pub const fn saturating_mul(self, times: i64) -> Credits {
        Credits(self.0.saturating_mul(times))
    }

    /// Whether the amount is above zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Credits {
    /// The exact decimal text of a JSON number: `500`, `499.75`, `-0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal::text(self.0))
    }
}

impl std::ops::Add for Credits {
    type Output = Credits;
    /// # Panics
    /// On overflow. Amounts are limited to [`CREDITS_MAX`], so a sum of grants never overflows.
    fn add(self, other: Credits) -> Credits {
        self.checked_add(other)
            .expect("credit sums stay within 64 bits")
    }
}

impl std::ops::Sub for Credits {
    type Output = Credits;
    /// # Panics
    /// On overflow, as for addition.
    fn sub(self, other: Credits) -> Credits {
        self.checked_sub(other)
            .expect("credit differences stay within 64 bits")
    }
}

impl std::ops::Neg for Credits {
    type Output = Credits;
    fn neg(self) -> Credits {
        Credits(
            self.0
                .checked_neg()
                .expect("credit amounts stay within 64 bits"),
        )
    }
}

impl std::iter::Sum for Credits {
    /// A sum saturates: those of a ledger are bounded, and a report shows the largest amount rather
    /// than nothing (G11).
    fn sum<I: Iterator<Item = Credits>>(iter: I) -> Credits {
        iter.fold(Credits::ZERO, Credits::saturating_add)
    }
}

/// `amount x part / whole`, rounded half up, in 128 bits: the share of a grant that a reversed
/// payment takes back (`ledger.md`, Units). Always call it with cumulative figures.
///
/// A share that doesn't fit in 64 bits saturates.
///
/// # Panics
/// When `whole` is not positive.
pub fn share_of(amount: i64, part: i64, whole: i64) -> i64 {
    assert!(whole > 0, "a share is of a positive whole");
    let product = i128::from(amount) * i128::from(part);
    let rounded = (product * 2 + i128::from(whole)).div_euclid(i128::from(whole) * 2);
    let most = if rounded > 0 { i64::MAX } else { i64::MIN };
    i64::try_from(rounded).unwrap_or(most)
}

/// An ISO 4217 currency code, in lower case as in Stripe's API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Currencies without minor units at Stripe: <https://docs.stripe.com/currencies#zero-decimal>
const ZERO_DECIMAL: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
/// Currencies with three decimals at Stripe: <https://docs.stripe.com/currencies#three-decimal>
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl Currency {
    /// The currency of the United States.
    pub const USD: Currency = Currency(*b"usd");

    /// Parses a three-letter code in any case. `None` for anything else.
    pub fn parse(code: &str) -> Option<Currency> {
        let bytes: [u8; 3] = code.to_ascii_lowercase().into_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_lowercase)
            .then_some(Currency(bytes))
    }

    /// The code in lower case.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a currency code is ascii")
    }

    /// Decimals in Stripe's amounts: 0, 2 or 3. `isk`, `ugx`, `huf` and `twd` have two decimals in
    /// the API although they are displayed with none (Stripe's special cases).
    pub fn exponent(&self) -> u32 {
        if ZERO_DECIMAL.contains(&self.code()) {
            0
        } else if THREE_DECIMAL.contains(&self.code()) {
            3
        } else {
            2
        }
    }
}

/// Currencies that Stripe counts in hundredths and charges in whole units only.
/// <https://docs.stripe.com/currencies#special-cases>
const WHOLE_UNITS: [&str; 2] = ["isk", "ugx"];

impl Currency {
    /// The increment in which Stripe charges, in minor units: an amount that isn't a multiple is
    /// refused. Three-decimal currencies are charged in multiples of ten.
    pub fn step(&self) -> i64 {
        if WHOLE_UNITS.contains(&self.code()) {
            100
        } else if THREE_DECIMAL.contains(&self.code()) {
            10
        } else {
            1
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount of money: integer minor units, always with a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MinorUnits {
    /// The amount in the currency's smallest unit (cents for `usd`, yen for `jpy`).
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
}

impl MinorUnits {
    /// Makes an amount of `amount` minor units of `currency`.
    pub const fn new(amount: i64, currency: Currency) -> MinorUnits {
        MinorUnits { amount, currency }
    }

    /// Parses decimal text such as `19.00`, `19` or, for yen, `500`: digits, and at most as many
    /// decimals as the currency has. `None` for anything else.
    pub fn parse(text: &str, currency: Currency) -> Option<MinorUnits> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let width = currency.exponent() as usize;
        let is_read = !whole.is_empty() && plain(whole) && plain(fraction) && !text.ends_with('.');
        if !is_read || fraction.len() > width {
            return None;
        }
        let digits = format!("{whole}{fraction:0<width$}");
        Some(MinorUnits::new(digits.parse().ok()?, currency))
    }

    /// The decimal text in the API: `19.00`, `500` for yen.
    pub fn decimal_text(&self) -> String {
        let exponent = self.currency.exponent();
        let sign = if self.amount < 0 { "-" } else { "" };
        let absolute = self.amount.unsigned_abs();
        let scale = 10u64.pow(exponent);
        if exponent == 0 {
            return format!("{sign}{absolute}");
        }
        let width = exponent as usize;
        format!("{sign}{}.{:0width$}", absolute / scale, absolute % scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_read_from_their_text_without_losing_a_micro() {
        for (text, micros) in [
            ("0", 0),
            ("1", 1_000_000),
            ("499.75", 499_750_000),
            ("0.000001", 1),
            ("-2.5", -2_500_000),
            ("1.0000000", 1_000_000),
        ] {
            assert_eq!(
                Credits::parse(text).map(Credits::micros),
                Ok(micros),
                "{text}"
            );
        }
    }

    #[test]
    fn more_credits_than_a_command_may_name_are_refused() {
        assert_eq!(Credits::parse("1e12"), Ok(CREDITS_MAX));
        assert_eq!(Credits::parse("0.0000001"), Err(CreditsError::TooPrecise));
        assert_eq!(Credits::parse("\"5\""), Err(CreditsError::NotANumber));
        for text in [
            "9223372036854775808",
            "1000000000000.000001",
            "-1000000000000.000001",
            "1e13",
            "99999999999999999999",
        ] {
            assert_eq!(Credits::parse(text), Err(CreditsError::TooLarge), "{text}");
        }
    }

    #[test]
    fn a_sum_of_amounts_saturates_and_never_fails() {
        let most = Credits::from_micros(i64::MAX);

        assert_eq!([most, CREDITS_MAX].into_iter().sum::<Credits>(), most);
    }

    #[test]
    fn credits_are_written_as_they_were_read() {
        for text in ["0", "500", "499.75", "-0.000001", "1000000000000"] {
            assert_eq!(Credits::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn money_is_shown_with_its_currencys_decimals() {
        let text =
            |amount, code| MinorUnits::new(amount, Currency::parse(code).unwrap()).decimal_text();

        assert_eq!(text(1900, "usd"), "19.00");
        assert_eq!(text(-5, "usd"), "-0.05");
        assert_eq!(text(500, "JPY"), "500");
        assert_eq!(text(1234, "kwd"), "1.234");
        assert_eq!(text(100, "isk"), "1.00");
    }

    #[test]
    fn money_is_read_with_its_currencys_decimals_and_nothing_else() {
        let read = |text, code| {
            MinorUnits::parse(text, Currency::parse(code).unwrap()).map(|money| money.amount)
        };

        assert_eq!(read("19.00", "usd"), Some(1900));
        assert_eq!(read("19", "usd"), Some(1900));
        assert_eq!(read("0.5", "usd"), Some(50));
        assert_eq!(read("500", "jpy"), Some(500));
        assert_eq!(read("1.234", "kwd"), Some(1234));
        for wrong in [
            "",
            ".5",
            "5.",
            "-1",
            "+1",
            "1e3",
            "1,50",
            "1.005",
            " 1",
            "99999999999999999999",
        ] {
            assert_eq!(read(wrong, "usd"), None, "{wrong}");
        }
        assert_eq!(read("5.0", "jpy"), None);
    }

    #[test]
    fn case_k21_each_currency_is_charged_in_its_own_steps() {
        let step = |code| Currency::parse(code).unwrap().step();

        assert_eq!([step("jpy"), step("usd"), step("huf")], [1, 1, 1]);
        assert_eq!([step("isk"), step("ugx")], [100, 100]);
        for code in THREE_DECIMAL {
            assert_eq!(step(code), 10, "{code}");
        }
    }

    proptest::proptest! {
        #[test]
        fn case_k21_an_amount_of_any_currency_is_read_as_it_is_written(
            code in "[a-z]{3}", amount in 0..i64::MAX, special in 0..40_usize,
        ) {
            let listed = ZERO_DECIMAL.iter().chain(&THREE_DECIMAL).chain(&WHOLE_UNITS);
            let code = listed.copied().nth(special).unwrap_or(&code);
            let currency = Currency::parse(code).unwrap();
            let money = MinorUnits::new(amount, currency);

            let text = money.decimal_text();

            proptest::prop_assert_eq!(MinorUnits::parse(&text, currency), Some(money));
            let decimals = text.split_once('.').map_or(0, |(_, digits)| digits.len());
            proptest::prop_assert_eq!(decimals, currency.exponent() as usize);
            proptest::prop_assert_eq!(text.replace('.', "").parse::<i64>().unwrap(), amount);
        }
    }

    #[test]
    fn a_share_is_rounded_half_up_on_the_cumulative_amount() {
        assert_eq!(share_of(5_000, 250, 500), 2_500);
        assert_eq!(share_of(1, 1, 2), 1);
        assert_eq!(share_of(1, 1, 3), 0);
        assert_eq!(share_of(i64::MAX, i64::MAX, i64::MAX), i64::MAX);
    }
}
