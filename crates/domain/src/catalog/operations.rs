//! Operations, and what they cost: one rate a unit, or a rate for each of several meters.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::money::{CREDITS_MAX, Credits};
use crate::units::{METER_CHARS_MAX, ONE_UNIT, Quantity, UNITS_MAX, Units, is_meter_name};

/// The operation that a call is charged for when it doesn't specify one.
pub const DEFAULT_OPERATION: &str = "call";

/// The most meters that an operation may have.
const METERS_MAX: usize = 20;

/// Something a call does, and what it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The name of the operation in the API.
    pub name: String,
    /// The name of the operation on pages.
    pub title: String,
    /// What a unit of it costs.
    pub rates: Rates,
}

/// What a unit of an operation costs; a rate of 0 is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rates {
    /// Credits that one unit costs.
    Unit(Credits),
    /// Credits that one unit of each meter costs, by name.
    Meters(BTreeMap<String, Credits>),
}

/// What a call costs, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// What the call costs: the sum of its meters, rounded up once to a micro-credit.
    pub credits: Credits,
    /// The units that were priced.
    pub units: Quantity,
}

/// Why a call cannot be priced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// The catalog has no such operation.
    #[error("there is no operation named {0:?}")]
    UnknownOperation(String),
    /// The units are zero or above [`UNITS_MAX`].
    #[error("units must be more than 0 and at most {UNITS_MAX}")]
    Units,
    /// Meters were named for an operation that has one rate.
    #[error("the operation {0:?} has one rate and no meters: units is a number")]
    OneRate(String),
    /// Units of no meter were named for an operation that has several.
    #[error("the operation {operation:?} has meters: units names them, as in {{\"{}\": 1}}; its meters are {}", .meters[0], .meters.join(", "))]
    MetersMissing {
        /// The name of the operation.
        operation: String,
        /// The names of its meters.
        meters: Vec<String>,
    },
    /// A meter was named that the operation doesn't have.
    #[error("the operation {operation:?} has no meter named {meter:?}; its meters are {}", .meters.join(", "))]
    UnknownMeter {
        /// The name of the operation.
        operation: String,
        /// The unknown name.
        meter: String,
        /// The names of its meters.
        meters: Vec<String>,
    },
    /// The product exceeds the maximum amount of credits.
    #[error("that call would cost more than a call can")]
    TooLarge,
}

impl Operation {
    /// Prices a call; one that says nothing about units uses one, if the operation has one rate.
    /// Nothing used costs nothing, which only a capture may say.
    pub fn price(&self, units: Option<&Quantity>) -> Result<Priced, PriceError> {
        let units = match (&self.rates, units) {
            (Rates::Unit(_), None) => ONE_UNIT,
            (_, Some(units)) => units.clone(),
            (Rates::Meters(_), None) => return Err(self.meters_missing()),
        };
        let parts = match (&self.rates, &units) {
            (Rates::Unit(rate), Quantity::Units(units)) => vec![(*rate, *units)],
            (Rates::Unit(_), Quantity::Meters(_)) => {
                return Err(PriceError::OneRate(self.name.clone()));
            }
            (Rates::Meters(_), Quantity::Units(_)) => return Err(self.meters_missing()),
            (Rates::Meters(rates), Quantity::Meters(used)) => used
                .iter()
                .map(|(meter, units)| match rates.get(meter) {
                    Some(rate) => Ok((*rate, *units)),
                    None => Err(self.unknown_meter(meter)),
                })
                .collect::<Result<Vec<_>, _>>()?,
        };
        let most = Units::whole(UNITS_MAX);
        if parts
            .iter()
            .any(|(_, units)| *units < Units::ZERO || *units > most)
        {
            return Err(PriceError::Units);
        }
        let credits = cost(&parts).ok_or(PriceError::TooLarge)?;
        Ok(Priced { credits, units })
    }

    /// What one unit costs: of its dearest meter, if it has several. A hold for as much as there is
    /// sets aside at least this much.
    pub fn unit_cost(&self) -> Credits {
        match &self.rates {
            Rates::Unit(rate) => *rate,
            Rates::Meters(rates) => rates.values().copied().max().unwrap_or(Credits::ZERO),
        }
    }

    /// The rate of a unit, or of a unit of each meter with its name.
    pub fn rates(&self) -> Vec<(Option<&str>, Credits)> {
        match &self.rates {
            Rates::Unit(rate) => vec![(None, *rate)],
            Rates::Meters(rates) => rates
                .iter()
                .map(|(name, rate)| (Some(name.as_str()), *rate))
                .collect(),
        }
    }

    fn meters(&self) -> Vec<String> {
        match &self.rates {
            Rates::Unit(_) => Vec::new(),
            Rates::Meters(rates) => rates.keys().cloned().collect(),
        }
    }

    fn meters_missing(&self) -> PriceError {
        PriceError::MetersMissing {
            operation: self.name.clone(),
            meters: self.meters(),
        }
    }

    fn unknown_meter(&self, meter: &str) -> PriceError {
        PriceError::UnknownMeter {
            operation: self.name.clone(),
            meter: meter.to_owned(),
            meters: self.meters(),
        }
    }
}

/// The sum of rates times units, rounded up once; `None` above the most that a call can cost.
fn cost(parts: &[(Credits, Units)]) -> Option<Credits> {
    let mut sum: i128 = 0;
    for (rate, units) in parts {
        // Both factors have 64 bits, so the product fits.
        let part = i128::from(rate.micros()).checked_mul(i128::from(units.micros()))?;
        sum = sum.checked_add(part)?;
    }
    let per_unit = i128::from(Units::ONE.micros());
    let micros = sum.checked_add(per_unit - 1)?.div_euclid(per_unit);
    let credits = Credits::from_micros(i64::try_from(micros).ok()?);
    (credits <= CREDITS_MAX).then_some(credits)
}

/// An operation as text: `cost`, or `rates`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationText {
    name: String,
    title: String,
    cost: Option<String>,
    rates: Option<BTreeMap<String, String>>,
}

/// Reads the operations; adds what is wrong with them to `faults`.
pub(super) fn read(texts: &[OperationText], faults: &mut Vec<String>) -> Vec<Operation> {
    let mut operations: Vec<Operation> = Vec::new();
    for text in texts {
        let what = format!("operation {:?}", text.name);
        if text.name.is_empty() || text.name.len() > 64 {
            faults.push(format!("{what}: a name has 1 to 64 characters"));
        }
        if operations.iter().any(|known| known.name == text.name) {
            faults.push(format!("{what} is there twice"));
        }
        operations.push(Operation {
            name: text.name.clone(),
            title: text.title.clone(),
            rates: read_rates(text, &what, faults),
        });
    }
    if !operations
        .iter()
        .any(|operation| operation.name == DEFAULT_OPERATION)
    {
        faults.push(format!(
            "there must be an operation named {DEFAULT_OPERATION:?}"
        ));
    }
    operations
}

fn read_rates(text: &OperationText, what: &str, faults: &mut Vec<String>) -> Rates {
    match (&text.cost, &text.rates) {
        (Some(cost), None) => Rates::Unit(super::read_credits(cost, what, faults)),
        (None, Some(rates)) => {
            if rates.is_empty() || rates.len() > METERS_MAX {
                faults.push(format!("{what}: rates has 1 to {METERS_MAX} meters"));
            }
            if text.name == DEFAULT_OPERATION {
                faults.push(format!(
                    "{what}: it is charged for calls that don't say what they use, so it has a cost"
                ));
            }
            let rates = rates.iter().map(|(meter, rate)| {
                let what = format!("{what}, meter {meter:?}");
                if !is_meter_name(meter) {
                    faults.push(format!(
                        "{what}: a name has up to {METER_CHARS_MAX} lower-case letters, digits and _"
                    ));
                }
                (meter.clone(), super::read_credits(rate, &what, faults))
            });
            Rates::Meters(rates.collect())
        }
        _ => {
            faults.push(format!("{what}: has either a cost or rates"));
            Rates::Unit(Credits::ZERO)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    const CATALOG: &str = include_str!("../../../../catalog.toml");

    const MORE: &str = "
        [[operation]]
        name = \"tokens\"
        title = \"Tokens\"
        rates = { input_tokens = \"0.002\", cached_input_tokens = \"0.0005\", output_tokens = \"8e-3\" }

        [[operation]]
        name = \"ping\"
        title = \"Ping\"
        cost = \"0\"
    ";

    fn catalog() -> Catalog {
        Catalog::parse(&format!("{CATALOG}{MORE}")).unwrap()
    }

    fn price(operation: &str, units: &str) -> Result<Priced, PriceError> {
        let units = Some(units).filter(|text| !text.is_empty());
        let units = units.map(|text| Quantity::parse(text).unwrap());
        catalog().price(operation, units.as_ref())
    }

    fn micros(operation: &str, units: &str) -> i64 {
        price(operation, units).unwrap().credits.micros()
    }

    #[test]
    fn a_call_of_several_meters_costs_the_sum_of_their_rates() {
        let cost = micros("tokens", "input_tokens:210,output_tokens:800");

        assert_eq!(cost, 420_000 + 6_400_000);
        assert_eq!(micros("tokens", "cached_input_tokens:1"), 500);
    }

    #[test]
    fn the_sum_of_fractions_is_rounded_up_once() {
        // 0.0004 x 2,000 + 0.0002 x 500 millionths: 0.9 micro-credits together, not two parts of 1.
        let cost = micros("tokens", "input_tokens:0.0004,cached_input_tokens:0.0002");
        assert_eq!(cost, 1);
        assert_eq!(micros("tokens", "input_tokens:0.0005"), 1);
        assert_eq!(micros("tokens", "input_tokens:0.000501"), 2);
        assert_eq!(micros("embeddings", "2.5"), 250_000);
    }

    #[test]
    fn a_rate_of_zero_is_free() {
        assert_eq!(micros("ping", ""), 0);
        assert_eq!(micros("ping", "7"), 0);
    }

    #[test]
    fn meters_that_do_not_fit_the_operation_are_refused_with_the_names_that_do() {
        let names = "cached_input_tokens, input_tokens, output_tokens";
        for units in ["", "3"] {
            let error = price("tokens", units).unwrap_err();
            assert!(matches!(error, PriceError::MetersMissing { .. }), "{units}");
            assert!(error.to_string().ends_with(names), "{error}");
        }
        let unknown = price("tokens", "words:3").unwrap_err().to_string();
        assert!(unknown.contains("\"words\"") && unknown.ends_with(names));
        let one_rate = price("call", "input_tokens:1").unwrap_err();
        assert_eq!(one_rate, PriceError::OneRate("call".into()));
    }

    #[test]
    fn a_rate_card_with_a_fault_is_refused_with_the_operation_and_the_meter() {
        for (text, said) in [
            (
                "cost = \"1\"\nrates = { a = \"1\" }",
                "either a cost or rates",
            ),
            ("", "either a cost or rates"),
            ("rates = {}", "1 to 20 meters"),
            ("rates = { \"A b\" = \"1\" }", "meter \"A b\""),
            (
                "rates = { a = \"-1\" }",
                "meter \"a\": credits are not negative",
            ),
            ("cost = \"0.0000001\"", "at most 6 decimals"),
        ] {
            let text = format!("{CATALOG}\n[[operation]]\nname = \"x\"\ntitle = \"X\"\n{text}\n");
            let faults = Catalog::parse(&text).unwrap_err().join("; ");
            assert!(
                faults.contains("operation \"x\"") && faults.contains(said),
                "{faults}"
            );
        }
    }

    #[test]
    fn one_unit_costs_what_the_dearest_meter_does() {
        let catalog = catalog();
        let unit = |name: &str| catalog.operation(name).unwrap().unit_cost();

        assert_eq!(unit("tokens").micros(), 8_000);
        assert_eq!(unit("ping"), Credits::ZERO);
        assert_eq!(unit("call"), Credits::new(1));
    }
}
