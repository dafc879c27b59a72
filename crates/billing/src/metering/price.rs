//! The price of a metered call.

use domain::catalog::{Catalog, DEFAULT_OPERATION, PriceError};
use domain::ledger::Context;
use domain::money::Credits;
use domain::units::{ONE_UNIT, Quantity};

use crate::actors::KeyCaller;
use crate::app::App;
use crate::error::{Error, Result};
use crate::exact::read_positive_credits;
use crate::metering::MeteredCall;
use crate::text::is_line;

/// Maximum length of an endpoint name.
const ENDPOINT_CHARS_MAX: usize = 200;

/// The price of a call, and how it was determined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// What the call costs, or the most that its hold sets aside.
    pub credits: Credits,
    /// The least that a hold for as much as there is sets aside; none for an exact amount.
    pub least: Option<Credits>,
    /// The operation, if one determined the price.
    pub operation: Option<String>,
    /// The units of the operation.
    pub units: Option<Quantity>,
    /// The catalog version that determined the price.
    pub rate_card: i64,
}

/// What a call asks for, read without the catalog: a retry after prices changed, or after its
/// operation was removed, is still the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An exact number of credits.
    Credits(Credits),
    /// Units of an operation.
    Units(String, Option<Quantity>),
    /// As much as there is for an operation, up to so many credits.
    UpTo(String, Credits),
}

impl Wanted {
    /// Reads the given credits, or what the call uses of an operation; one `call` if neither is
    /// given.
    pub fn read(call: &MeteredCall) -> Result<Wanted> {
        if call.max {
            let (Some(name), Some(raw), None) = (&call.operation, &call.credits, &call.units)
            else {
                let detail = "With max, name an operation, and in credits the most to set aside; \
                              no units.";
                return Err(Error::field("max", detail));
            };
            let most = read_positive_credits("credits", raw)?;
            return Ok(Wanted::UpTo(name.clone(), most));
        }
        let Some(raw) = &call.credits else {
            let operation = call.operation.as_deref().unwrap_or(DEFAULT_OPERATION);
            return Ok(Wanted::Units(operation.to_owned(), call.units.clone()));
        };
        if call.operation.is_some() || call.units.is_some() {
            let detail = "Name either credits, or an operation and units, not both.";
            return Err(Error::field("credits", detail));
        }
        Ok(Wanted::Credits(read_positive_credits("credits", raw)?))
    }

    /// What was requested, for its idempotency key.
    pub fn meaning(&self) -> [String; 3] {
        match self {
            Wanted::Credits(credits) => ["credits".into(), credits.to_string(), String::new()],
            Wanted::Units(operation, units) => {
                let units = units.as_ref().unwrap_or(&ONE_UNIT).to_string();
                ["operation".into(), operation.clone(), units]
            }
            Wanted::UpTo(operation, most) => ["max".into(), operation.clone(), most.to_string()],
        }
    }
}

impl Price {
    /// The price of a call.
    pub fn read(catalog: &Catalog, call: &MeteredCall) -> Result<Price> {
        Price::of(catalog, &Wanted::read(call)?)
    }

    /// The price of what a call asks for.
    pub fn of(catalog: &Catalog, wanted: &Wanted) -> Result<Price> {
        let rate_card = catalog.version;
        match wanted {
            Wanted::Credits(credits) => Ok(Price {
                credits: *credits,
                least: None,
                operation: None,
                units: None,
                rate_card,
            }),
            Wanted::Units(operation, units) => {
                let priced = catalog.price(operation, units.as_ref())?;
                if priced.units.is_zero() {
                    return Err(PriceError::Units.into());
                }
                Ok(Price {
                    credits: priced.credits,
                    least: None,
                    operation: Some(operation.clone()),
                    units: Some(priced.units),
                    rate_card,
                })
            }
            Wanted::UpTo(operation, most) => Price::up_to(catalog, operation, *most),
        }
    }

    /// As much as there is up to `most`, and at least what one unit of the operation costs. A free
    /// operation needs nothing.
    fn up_to(catalog: &Catalog, name: &str, most: Credits) -> Result<Price> {
        let operation = catalog.operation(name);
        let operation = operation.ok_or_else(|| PriceError::UnknownOperation(name.to_owned()))?;
        let least = operation.unit_cost();
        if most < least {
            let detail = format!("credits must be at least what one unit costs: {least}.");
            return Err(Error::field("credits", detail));
        }
        Ok(Price {
            credits: if least.is_positive() {
                most
            } else {
                Credits::ZERO
            },
            least: Some(least),
            operation: Some(name.to_owned()),
            units: None,
            rate_card: catalog.version,
        })
    }

    /// The context that the journal stores with the call.
    pub fn context(&self, caller: &KeyCaller, endpoint: Option<String>) -> Context {
        Context {
            operation: self.operation.clone(),
            units: self.units.clone(),
            rate_card: Some(self.rate_card),
            endpoint,
            api_key: Some(caller.key),
            user: caller.member,
            ..Context::default()
        }
    }
}

/// The cost of what a call used of an operation, under the catalog version that priced a hold, so that a
/// price change during the call doesn't affect it.
pub async fn cost_under(
    app: &App,
    version: Option<i64>,
    operation: &str,
    units: &Quantity,
) -> Result<Credits> {
    let current = app.rules();
    let older = version.filter(|version| *version != current.catalog.version);
    let Some(version) = older else {
        return Ok(current.catalog.price(operation, Some(units))?.credits);
    };
    let row = app
        .read(move |tx| store::catalog::find(tx, version))
        .await?;
    let row = row.ok_or_else(|| Error::bug("a hold names a catalog that was never appended"))?;
    let catalog = Catalog::parse(&row.body).map_err(|faults| Error::bug(faults.join("; ")))?;
    Ok(catalog.price(operation, Some(units))?.credits)
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
    use serde_json::value::RawValue;

    use super::*;
    use crate::exact::read_quantity;

    const CATALOG: &str = include_str!("../../../../catalog.toml");

    fn price(credits: Option<&str>, operation: Option<&str>, units: Option<&str>) -> Result<Price> {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let call = MeteredCall {
            operation: operation.map(str::to_owned),
            credits: credits.map(raw),
            units: units
                .map(|text| read_quantity("units", &raw(text)))
                .transpose()?,
            ..MeteredCall::default()
        };
        Price::read(&catalog(), &call)
    }

    fn catalog() -> Catalog {
        let more = "[[operation]]
            name = \"tokens\"
            title = \"Tokens\"
            rates = { input = \"0.002\", output = \"0.008\" }
            [[operation]]
            name = \"ping\"
            title = \"Ping\"
            cost = \"0\"";
        Catalog::parse(&format!("{CATALOG}\n{more}")).unwrap()
    }

    fn up_to(operation: &str, credits: &str) -> Result<Price> {
        let call = MeteredCall {
            operation: Some(operation.to_owned()),
            credits: Some(RawValue::from_string(credits.to_owned()).unwrap()),
            max: true,
            ..MeteredCall::default()
        };
        Price::read(&catalog(), &call)
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
            "5e-07",
            "1e13",
            "9223372036854775808",
            "true",
            "[]",
        ] {
            assert!(price(Some(bad), None, None).is_err(), "{bad}");
        }
        assert!(price(Some("1"), Some("call"), None).is_err());
        assert!(price(Some("1"), None, Some("1")).is_err());
        for units in [
            "0",
            "-1",
            "0.0000001",
            "\"1\"",
            "true",
            "[]",
            "{}",
            "{\"x\":1}",
        ] {
            assert!(price(None, Some("call"), Some(units)).is_err(), "{units}");
        }
        assert!(price(None, Some("no-such"), None).is_err());
    }

    #[test]
    fn the_same_amount_written_otherwise_means_the_same() {
        let meaning = |operation: Option<&str>, credits: Option<&str>, units: Option<&str>| {
            let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
            let units = units.map(|text| read_quantity("units", &raw(text)).unwrap());
            let call = MeteredCall {
                operation: operation.map(str::to_owned),
                credits: credits.map(raw),
                units,
                ..MeteredCall::default()
            };
            Wanted::read(&call).unwrap().meaning()
        };
        let credits = |text| meaning(None, Some(text), None);
        assert_eq!(credits("1.50"), credits("15e-1"));

        let units = |text| meaning(Some("tokens"), None, Some(text));
        let one = units(r#"{"output":800,"input":210}"#);
        assert_eq!(one, units(r#"{"input":2.1e2,"output":800.0}"#));
        assert_eq!(units(r#"{"input":1}"#), units(r#"{"input":1,"output":0}"#));
        assert_ne!(one, units(r#"{"output":210,"input":800}"#));
    }

    #[test]
    fn what_a_call_means_needs_no_catalog() {
        let units = |units: &str| Quantity::parse(units).unwrap();
        let chat = |units| Wanted::Units("chat".to_owned(), units).meaning();
        let up_to =
            |operation: &str| Wanted::UpTo(operation.to_owned(), Credits::new(50)).meaning();

        assert_eq!(chat(Some(units("4.0"))), ["operation", "chat", "4"]);
        assert_eq!(chat(None), chat(Some(units("1"))));
        assert_eq!(up_to("free"), ["max", "free", "50"]);
    }

    #[test]
    fn a_hold_for_as_much_as_there_is_names_a_bound_that_pays_for_a_unit() {
        let price = up_to("tokens", "50").unwrap();
        assert_eq!(price.credits, Credits::new(50));
        assert_eq!(price.least, Some(Credits::from_micros(8_000)));
        assert_eq!(up_to("ping", "50").unwrap().credits, Credits::ZERO);

        assert!(up_to("tokens", "0.007999").is_err());
        assert!(up_to("no-such", "50").is_err());
        let nameless = MeteredCall {
            max: true,
            ..MeteredCall::default()
        };
        assert!(Price::read(&catalog(), &nameless).is_err());
    }
}
