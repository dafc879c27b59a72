//! Holds: credits set aside before a call, and captured or released after it.

use domain::ledger::{
    Body, Command, Context, Entry, HOLD_TTL_SECONDS_DEFAULT, HOLD_TTL_SECONDS_MAX, Outcome,
    Request, capture_max,
};
use domain::money::Credits;
use domain::units::Quantity;
use serde_json::value::RawValue;
use store::Tx;

use crate::actors::KeyCaller;
use crate::app::App;
use crate::error::{Error, Result};
use crate::exact::read_credits;
use crate::idempotency::Key;
use crate::metering::MeteredCall;
use crate::metering::price::cost_under;

/// Sets credits aside for a call, for `ttl_seconds` or the default. A ledger refusal is returned as
/// the error.
pub async fn authorize(
    app: &App,
    caller: &KeyCaller,
    key: Key,
    call: &MeteredCall,
    ttl_seconds: Option<i64>,
) -> Result<Outcome> {
    let ttl_seconds = read_ttl(ttl_seconds)?;
    let endpoint = call.endpoint()?.unwrap_or_default();
    let account = caller.account(app, call.account.as_deref()).await?;
    let ttl = ttl_seconds.to_string();
    let terms = ("hold", &[ttl.as_str(), &endpoint][..]);
    let attempt = call.attempt(app, caller, key, terms, |price| Command::Authorize {
        hold: app.new_id("hold"),
        amount: price.credits,
        least: price.least,
        ttl_seconds,
    });
    attempt?.make(app, account).await
}

fn read_ttl(seconds: Option<i64>) -> Result<i64> {
    let seconds = seconds.unwrap_or(HOLD_TTL_SECONDS_DEFAULT);
    if (1..=HOLD_TTL_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds);
    }
    let detail = format!("ttlSeconds is between 1 and {HOLD_TTL_SECONDS_MAX}.");
    Err(Error::field("ttlSeconds", detail))
}

/// A reference to a hold.
#[derive(Clone, Copy, Debug)]
pub struct HoldName<'a> {
    /// The id of the hold: `hold_...`.
    pub id: &'a str,
    /// The account; optional, since the hold identifies it, and checked if given.
    pub account: Option<&'a str>,
}

/// The amount to capture: `credits`, or `units` of the hold's operation; the whole hold if neither
/// is given.
#[derive(Clone, Debug, Default)]
pub struct CaptureAmount<'a> {
    /// Credits, as the caller wrote them.
    pub credits: Option<&'a RawValue>,
    /// What the call used of the hold's operation, at the price when the hold was authorized.
    pub units: Option<Quantity>,
}

/// Captures a hold. Without a key, a repeated capture is a conflict.
pub async fn capture(
    app: &App,
    caller: &KeyCaller,
    key: Option<Key>,
    hold: HoldName<'_>,
    amount: CaptureAmount<'_>,
) -> Result<Outcome> {
    let (account, origin) = origin(app, caller, hold).await?;
    let credits = credits_of(app, &amount, &origin).await?;
    let mut context = origin.context;
    context.api_key = Some(caller.key);
    // What was estimated of each meter isn't what was used, if the caller names only credits.
    let is_used = |units: &Quantity| amount.credits.is_none() || !units.has_meters();
    let meaning = meaning(credits, amount.units.as_ref());
    context.units = amount.units.or(context.units.filter(is_used));
    let request = Request {
        command: Command::Capture {
            hold: hold.id.to_owned(),
            amount: credits,
        },
        key: key.map(|key| {
            let parts = ["capture", hold.id].into_iter();
            let parts: Vec<&str> = parts.chain(meaning.iter().map(String::as_str)).collect();
            key.of(&parts)
        }),
        context,
    };
    app.ledger_or_refuse(account, request).await
}

/// What a capture requests, for its idempotency key. Whole units of one meter are named by their
/// cost alone, as before units could be other: a retry keeps its meaning across an update.
fn meaning(credits: Option<Credits>, units: Option<&Quantity>) -> Vec<String> {
    let credits = credits.map_or_else(String::new, |credits| credits.to_string());
    let units = units.filter(|units| units.as_whole().is_none());
    let units = units.map(Quantity::to_string);
    [credits].into_iter().chain(units).collect()
}

/// Releases a hold. Without a key, a repeated release is a conflict.
pub async fn release(
    app: &App,
    caller: &KeyCaller,
    key: Option<Key>,
    hold: HoldName<'_>,
) -> Result<Outcome> {
    let (account, origin) = origin(app, caller, hold).await?;
    let request = Request {
        key: key.map(|key| key.of(&["release", hold.id])),
        command: Command::Release {
            hold: hold.id.to_owned(),
        },
        context: Context {
            api_key: Some(caller.key),
            ..origin.context
        },
    };
    app.ledger_or_refuse(account, request).await
}

/// The account that the hold must belong to, if the caller names one or the key is bound to one.
pub async fn owner(app: &App, caller: &KeyCaller, named: Option<&str>) -> Result<Option<i64>> {
    match (caller.account, named) {
        (None, None) => Ok(None),
        _ => caller.account(app, named).await.map(Some),
    }
}

/// The hold's account and authorizing entry. None if it belongs to another account than `owner`.
pub fn find(tx: &mut Tx<'_>, id: &str, owner: Option<i64>) -> store::Result<Option<(i64, Entry)>> {
    let found = store::ledger::hold_origin(tx, id)?;
    Ok(found.filter(|(account, _)| owner.is_none_or(|owner| owner == *account)))
}

/// The error for a hold that doesn't exist or belongs to another account.
pub fn no_such_hold() -> Error {
    Error::not_found("There is no such hold.")
}

async fn origin(app: &App, caller: &KeyCaller, hold: HoldName<'_>) -> Result<(i64, Entry)> {
    let (id, owner) = (hold.id.to_owned(), owner(app, caller, hold.account).await?);
    let found = app.read(move |tx| find(tx, &id, owner)).await?;
    found.ok_or_else(no_such_hold)
}

async fn credits_of(
    app: &App,
    amount: &CaptureAmount<'_>,
    origin: &Entry,
) -> Result<Option<Credits>> {
    let held = match &origin.body {
        Body::Hold { amount, .. } => *amount,
        _ => return Err(Error::bug("a hold was authorized by another entry")),
    };
    let bounded = |field: &str, credits: Credits, max: Credits| {
        if credits <= max {
            return Ok(Some(credits));
        }
        let detail = format!(
            "A capture of this hold of {held} credits is at most {max} credits, not {credits}. Check \
             the unit of the number, or set more aside."
        );
        Err(Error::field(field, detail))
    };
    match (amount.credits, &amount.units) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Error::field("credits", "Name credits or units; not both.")),
        (Some(raw), None) => {
            let credits = read_credits("credits", raw)?;
            if credits < Credits::ZERO {
                return Err(Error::field("credits", "A capture is not negative."));
            }
            bounded("credits", credits, capture_max(held, false))
        }
        (None, Some(units)) => {
            let Some(operation) = &origin.context.operation else {
                let detail = "The hold was made of credits, not of an operation: capture credits.";
                return Err(Error::field("units", detail));
            };
            let version = origin.context.rate_card;
            let cost = cost_under(app, version, operation, units).await?;
            bounded("units", cost, capture_max(held, true))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_of_other_units_at_the_same_cost_have_another_meaning() {
        let three = Some(Credits::from_micros(3_000_000));
        let of = |units: &str| {
            let units = Quantity::parse(units).expect("units");
            meaning(three, Some(&units))
        };

        assert_eq!(meaning(None, None), [""]);
        assert_eq!(meaning(three, None), ["3"]);
        assert_eq!(of("2"), ["3"], "as before");
        assert_eq!(of("2.5"), ["3", "2.5"]);
        assert_ne!(of("input:2,output:1"), of("input:1,output:2"));
    }
}
