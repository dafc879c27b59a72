//! Credits as exact JSON numbers, read and written as text, never as floats.

use domain::money::Credits;
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
