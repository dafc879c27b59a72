//! The price of a metered call.

use domain::catalog::{Catalog, DEFAULT_OPERATION};
use domain::ledger::Context;
use domain::money::Credits;
use serde_json::value::RawValue;

use crate::actors::KeyCaller;
use crate::app::App;
use crate::error::{Error, Result};
use crate::exact::read_positive_credits;
use crate::text::is_line;

/// Maximum length of an endpoint name.
const ENDPOINT_CHARS_MAX: usize = 200;

/// The price of a call, and how it was determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// What the call costs.
    pub credits: Credits,
    /// The operation, if one determined the price.
    pub operation: Option<String>,
    /// The units of the operation.
    pub units: Option<i64>,
    /// The catalog version that determined the price.
    pub rate_card: i64,
}

impl Price {
    /// The price of a call: the given credits, or units of an operation; one `call` if neither is
    /// given.
    pub fn read(
        app: &App,
        credits: Option<&RawValue>,
        operation: Option<&str>,
        units: Option<i64>,
    ) -> Result<Price> {
        Price::at(&app.rules().catalog, credits, operation, units)
    }

    fn at(
        catalog: &Catalog,
        credits: Option<&RawValue>,
        operation: Option<&str>,
        units: Option<i64>,
    ) -> Result<Price> {
        let rate_card = catalog.version;
        if let Some(raw) = credits {
            if operation.is_some() || units.is_some() {
                let detail = "Name either credits, or an operation and units, not both.";
                return Err(Error::field("credits", detail));
            }
            return Ok(Price {
                credits: read_positive_credits("credits", raw)?,
                operation: None,
                units: None,
                rate_card,
            });
        }
        let (operation, units) = (operation.unwrap_or(DEFAULT_OPERATION), units.unwrap_or(1));
        Ok(Price {
            credits: catalog.cost_of(operation, units)?,
            operation: Some(operation.to_owned()),
            units: Some(units),
            rate_card,
        })
    }

    /// What was requested, without its current price: a retry after a price change is still the
    /// same request.
    pub fn meaning(&self) -> [String; 3] {
        match (&self.operation, self.units) {
            (Some(operation), Some(units)) => {
                ["operation".into(), operation.clone(), units.to_string()]
            }
            _ => ["credits".into(), self.credits.to_string(), String::new()],
        }
    }

    /// The context that the journal stores with the call.
    pub fn context(&self, caller: &KeyCaller, endpoint: Option<String>) -> Context {
        Context {
            operation: self.operation.clone(),
            units: self.units,
            rate_card: Some(self.rate_card),
            endpoint,
            api_key: Some(caller.key),
            user: caller.member,
            ..Context::default()
        }
    }
}

/// The cost of `units` of an operation under the catalog version that priced a hold, so that a
/// price change during the call doesn't affect it.
pub async fn cost_under(
    app: &App,
    version: Option<i64>,
    operation: &str,
    units: i64,
) -> Result<Credits> {
    if units == 0 {
        return Ok(Credits::ZERO);
    }
    let current = app.rules();
    let older = version.filter(|version| *version != current.catalog.version);
    let Some(version) = older else {
        return Ok(current.catalog.cost_of(operation, units)?);
    };
    let row = app
        .read(move |tx| store::catalog::find(tx, version))
        .await?;
    let row = row.ok_or_else(|| Error::bug("a hold names a catalog that was never appended"))?;
    let catalog = Catalog::parse(&row.body).map_err(|faults| Error::bug(faults.join("; ")))?;
    Ok(catalog.cost_of(operation, units)?)
}

/// Validates the caller's name for the metered endpoint.
pub fn read_endpoint(endpoint: Option<String>) -> Result<Option<String>> {
    if endpoint
        .as_ref()
        .is_none_or(|text| is_line(text, ENDPOINT_CHARS_MAX))
    {
        return Ok(endpoint.filter(|text| !text.is_empty()));
    }
    let detail = format!("endpoint can have at most {ENDPOINT_CHARS_MAX} printable characters.");
    Err(Error::field("endpoint", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: &str = include_str!("../../../../catalog.toml");

    fn price(credits: Option<&str>, operation: Option<&str>, units: Option<i64>) -> Result<Price> {
        let catalog = Catalog::parse(CATALOG).unwrap();
        let raw = credits.map(|text| RawValue::from_string(text.to_owned()).unwrap());
        Price::at(&catalog, raw.as_deref(), operation, units)
    }

    #[test]
    fn a_call_that_names_nothing_costs_one_call() {
        let price = price(None, None, None).unwrap();

        assert_eq!(price.credits, Credits::new(1));
        assert_eq!(price.operation.as_deref(), Some("call"));
    }

    #[test]
    fn case_c3_a_price_is_a_positive_exact_number_or_nothing() {
        for bad in [
            "0",
            "-1",
            "0.0000001",
            "\"5\"",
            "1e3",
            "9223372036854775808",
            "true",
            "[]",
        ] {
            assert!(price(Some(bad), None, None).is_err(), "{bad}");
        }
        assert!(price(Some("1"), Some("call"), None).is_err());
        assert!(price(Some("1"), None, Some(1)).is_err());
        assert!(price(None, Some("call"), Some(0)).is_err());
        assert!(price(None, Some("no-such"), None).is_err());
    }

    #[test]
    fn the_same_amount_written_otherwise_means_the_same() {
        let one = price(Some("1.50"), None, None).unwrap();
        let other = price(Some("1.5"), None, None).unwrap();

        assert_eq!(one.meaning(), other.meaning());
    }
}
