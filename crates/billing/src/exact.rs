//! Credits and units as exact JSON numbers, read and written as text, never as floats.

use std::collections::BTreeMap;

use domain::money::Credits;
use domain::units::{Quantity, Units};
use serde::ser::SerializeMap;
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// Credits in a response: an exact JSON number, written as text, never as a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact(pub Credits);

impl Exact {
    /// Creates credits from micro-credits, as rows store them.
    pub fn micros(micros: i64) -> Exact {
        Exact(Credits::from_micros(micros))
    }
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        credits(self.0).serialize(serializer)
    }
}

impl utoipa::PartialSchema for Exact {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Number)
            .description(Some("A number of credits, exact to six decimals."))
            .into()
    }
}

impl utoipa::ToSchema for Exact {
    fn name() -> std::borrow::Cow<'static, str> {
        "Credits".into()
    }
}

/// What a call used, in a response: an exact JSON number, or one for each meter by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactUnits(pub Quantity);

impl serde::Serialize for ExactUnits {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Quantity::Units(units) => number(*units).serialize(serializer),
            Quantity::Meters(meters) => {
                let mut map = serializer.serialize_map(Some(meters.len()))?;
                for (name, units) in meters {
                    map.serialize_entry(name, &number(*units))?;
                }
                map.end()
            }
        }
    }
}

impl utoipa::PartialSchema for ExactUnits {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
        let number = || ObjectBuilder::new().schema_type(Type::Number).build();
        let meters = ObjectBuilder::new()
            .schema_type(Type::Object)
            .additional_properties(Some(AdditionalProperties::RefOr(number().into())))
            .build();
        OneOfBuilder::new()
            .item(number())
            .item(meters)
            .description(Some(
                "A number of units, exact to six decimals. For an operation with several meters, \
                 the units of each meter by its name.",
            ))
            .into()
    }
}

impl utoipa::ToSchema for ExactUnits {
    fn name() -> std::borrow::Cow<'static, str> {
        "Units".into()
    }
}

/// Units as an exact JSON number.
pub fn number(units: Units) -> Box<RawValue> {
    RawValue::from_string(units.to_string()).expect("units are written as a JSON number")
}

/// Formats credits as an exact JSON number, without a float.
pub fn credits(credits: Credits) -> Box<RawValue> {
    RawValue::from_string(credits.to_string()).expect("credits are written as a JSON number")
}

/// Parses credits from the text of a JSON number.
pub fn read_credits(field: &str, raw: &RawValue) -> Result<Credits> {
    Credits::parse(raw.get()).map_err(|error| Error::field(field, error.to_string()))
}

/// Like [`read_credits`], but the credits must be positive.
pub fn read_positive_credits(field: &str, raw: &RawValue) -> Result<Credits> {
    let credits = read_credits(field, raw)?;
    if credits.is_positive() {
        Ok(credits)
    } else {
        Err(Error::field(field, format!("{field} must be positive")))
    }
}

/// Parses what a call used: a JSON number, or an object with a number for each meter.
pub fn read_quantity(field: &str, raw: &RawValue) -> Result<Quantity> {
    let read = |field: &str, raw: &RawValue| {
        Units::parse(raw.get()).map_err(|error| Error::field(field, error.to_string()))
    };
    if !raw.get().starts_with('{') {
        return read(field, raw).map(Quantity::Units);
    }
    let meters: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(raw.get()).map_err(|error| Error::field(field, error.to_string()))?;
    let mut quantity = BTreeMap::new();
    for (name, raw) in meters {
        let units = read(&format!("{field}.{name}"), &raw)?;
        quantity.insert(name, units);
    }
    Ok(Quantity::of_meters(quantity))
}

/// Parses what a call used from a query: `2.5`, or `input_tokens:210,output_tokens:800`.
pub fn parse_quantity(field: &str, text: &str) -> Result<Quantity> {
    Quantity::parse(text).map_err(|error| Error::field(field, error.to_string()))
}
