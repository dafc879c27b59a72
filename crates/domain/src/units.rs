//! What a call used: units of an operation, or of each of its meters, exact to six decimals.

use std::collections::BTreeMap;
use std::fmt;

use crate::decimal::{self, DecimalError};

/// The most units that one call may specify, in total or for a meter.
pub const UNITS_MAX: i64 = 1_000_000_000;

/// The characters that a meter's name may have.
pub const METER_CHARS_MAX: usize = 40;

/// A number of units, in millionths of a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Units(i64);

/// Why a text isn't a number of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitsError {
    /// The text is not a decimal number.
    #[error("units must be a decimal number, such as 3 or 2.5")]
    NotANumber,
    /// There are more than six digits after the decimal point.
    #[error("units have at most 6 decimals")]
    TooPrecise,
    /// The number is negative or above [`UNITS_MAX`].
    #[error("units must be between 0 and 1,000,000,000")]
    OutOfRange,
}

impl Units {
    /// No units.
    pub const ZERO: Units = Units(0);

    /// One unit.
    pub const ONE: Units = Units(1_000_000);

    /// Makes a number of whole units; the largest number if they don't fit.
    pub const fn whole(units: i64) -> Units {
        Units(units.saturating_mul(1_000_000))
    }

    /// Makes a number of units from millionths.
    pub const fn from_micros(micros: i64) -> Units {
        Units(micros)
    }

    /// The number of units in millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The number of units, if it is whole.
    pub const fn as_whole(self) -> Option<i64> {
        if self.0 % 1_000_000 == 0 {
            Some(self.0 / 1_000_000)
        } else {
            None
        }
    }

    /// Parses the text of a number in any form that JSON has: 0 to [`UNITS_MAX`], with at most six
    /// decimals.
    pub fn parse(text: &str) -> Result<Units, UnitsError> {
        let micros = decimal::millionths(text).map_err(|error| match error {
            DecimalError::NotANumber => UnitsError::NotANumber,
            DecimalError::TooPrecise => UnitsError::TooPrecise,
            DecimalError::TooLarge => UnitsError::OutOfRange,
        })?;
        if !(0..=Units::whole(UNITS_MAX).0).contains(&micros) {
            return Err(UnitsError::OutOfRange);
        }
        Ok(Units(micros))
    }
}

impl fmt::Display for Units {
    /// The exact decimal text of a JSON number: `3`, `2.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal::text(self.0))
    }
}

/// What a call used of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Units of an operation that has one rate.
    Units(Units),
    /// Units of each meter of an operation that has several; none of them is zero.
    Meters(BTreeMap<String, Units>),
}

/// One unit: what a call uses that doesn't say otherwise.
pub const ONE_UNIT: Quantity = Quantity::Units(Units::ONE);

impl Quantity {
    /// Units of each meter. A meter that wasn't used is left out, so that naming it with 0 means
    /// the same as not naming it.
    pub fn of_meters(meters: impl IntoIterator<Item = (String, Units)>) -> Quantity {
        let used = meters.into_iter().filter(|(_, units)| units.0 != 0);
        Quantity::Meters(used.collect())
    }

    /// Parses the text that [`Quantity`] is displayed as: `2.5`, or
    /// `input_tokens:210,output_tokens:800`.
    pub fn parse(text: &str) -> Result<Quantity, UnitsError> {
        if !text.contains(':') {
            return Units::parse(text).map(Quantity::Units);
        }
        let mut meters = BTreeMap::new();
        for part in text.split(',') {
            let (name, units) = part.split_once(':').ok_or(UnitsError::NotANumber)?;
            let units = Units::parse(units)?;
            if meters.insert(name.to_owned(), units).is_some() {
                return Err(UnitsError::NotANumber);
            }
        }
        Ok(Quantity::of_meters(meters))
    }

    /// Whether nothing was used.
    pub fn is_zero(&self) -> bool {
        match self {
            Quantity::Units(units) => units.0 == 0,
            Quantity::Meters(meters) => meters.is_empty(),
        }
    }

    /// Whether they are those of an operation with several meters.
    pub const fn has_meters(&self) -> bool {
        matches!(self, Quantity::Meters(_))
    }

    /// The units, if they are a whole number of an operation with one rate.
    pub fn as_whole(&self) -> Option<i64> {
        match self {
            Quantity::Units(units) => units.as_whole(),
            Quantity::Meters(_) => None,
        }
    }

    /// Each meter with its units; none for an operation that has one rate.
    pub fn meters(&self) -> impl Iterator<Item = (&str, Units)> {
        let meters = match self {
            Quantity::Units(_) => None,
            Quantity::Meters(meters) => Some(meters),
        };
        let meters = meters.into_iter().flatten();
        meters.map(|(name, units)| (name.as_str(), *units))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantity::Units(units) => units.fmt(f),
            Quantity::Meters(meters) => {
                let parts = meters.iter().map(|(name, units)| format!("{name}:{units}"));
                f.write_str(&parts.collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// Whether a meter may have this name: lower-case letters, digits and `_`.
pub fn is_meter_name(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=METER_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_exactly_with_up_to_six_decimals_in_their_range() {
        assert_eq!(Units::parse("210"), Ok(Units::whole(210)));
        assert_eq!(Units::parse("2.5e-1"), Ok(Units::from_micros(250_000)));
        assert_eq!(Units::parse("1e9"), Ok(Units::whole(UNITS_MAX)));
        assert_eq!(Units::parse("0.0000001"), Err(UnitsError::TooPrecise));
        assert_eq!(Units::parse("x"), Err(UnitsError::NotANumber));
        for text in ["-1", "1000000000.000001", "1e99"] {
            assert_eq!(Units::parse(text), Err(UnitsError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn a_quantity_is_read_as_it_is_written_and_an_unused_meter_is_left_out() {
        for text in ["3", "2.5", "input_tokens:210,output_tokens:800.5"] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), text);
        }
        let one = Quantity::parse("b:1,a:0").unwrap();
        assert_eq!(one, Quantity::parse("b:1.0").unwrap());
        assert!(Quantity::parse("a:0").unwrap().is_zero());
        for text in ["", "a:", "a:1,a:2", "a:1,2", "a:-1"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }
}
