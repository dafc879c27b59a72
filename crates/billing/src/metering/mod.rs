//! Metering: what a call costs, whether it is admitted, and the ledger commands that charge it.

pub mod admission;
pub mod check;
pub mod debits;
pub mod holds;
pub mod price;

use domain::catalog::DEFAULT_OPERATION;
use domain::ledger::{Command, Context, Outcome, Request};
use domain::units::Quantity;
use serde_json::value::RawValue;

use crate::actors::KeyCaller;
use crate::app::App;
use crate::error::{Error, Result};
use crate::idempotency::Key;
use crate::metering::price::{Price, Wanted, read_endpoint};

/// A call to meter: `credits`, or `units` of an `operation`.
#[derive(Debug, Default)]
pub struct MeteredCall {
    /// The account, by our id or the host application's. A server key must name it.
    pub account: Option<String>,
    /// An operation of the catalog.
    pub operation: Option<String>,
    /// What it uses of the operation; one unit by default, if the operation has one rate.
    pub units: Option<Quantity>,
    /// Credits, as the caller sent them.
    pub credits: Option<Box<RawValue>>,
    /// Whether a hold sets aside as much as there is, up to `credits`.
    pub max: bool,
    /// The caller's name for the metered endpoint.
    pub endpoint: Option<String>,
}

impl MeteredCall {
    /// The call under its key: `name` and the `terms` beside what it asks for tell one request from
    /// another, and `command` charges its price.
    fn attempt(
        &self,
        app: &App,
        caller: &KeyCaller,
        key: Key,
        (name, terms): (&str, &[&str]),
        command: impl FnOnce(&Price) -> Command,
    ) -> Result<Attempt> {
        let wanted = Wanted::read(self)?;
        let [kind, what, units] = wanted.meaning();
        let parts = [name, &kind, &what, &units].into_iter();
        let parts: Vec<&str> = parts.chain(terms.iter().copied()).collect();
        let key = Some(key.of(&parts));
        Ok(match Price::of(&app.rules().catalog, &wanted) {
            Ok(price) => Attempt {
                request: Request {
                    command: command(&price),
                    key,
                    context: price.context(caller, self.endpoint()?),
                },
                unpriced: None,
            },
            Err(error) => Attempt {
                request: Request {
                    command: Command::Settle,
                    key,
                    context: Context::default(),
                },
                unpriced: Some(error),
            },
        })
    }

    /// Refuses a call that says neither what it does nor what it costs: an empty body is more
    /// likely a mistake than a default call, and it is charged at once.
    fn require_cost(&self) -> Result<()> {
        if self.operation.is_some() || self.credits.is_some() {
            return Ok(());
        }
        let detail = format!(
            "Name operation or credits. For one default call, name the operation {DEFAULT_OPERATION:?}."
        );
        Err(Error::field("operation", detail))
    }

    /// The validated name of the metered endpoint.
    fn endpoint(&self) -> Result<Option<String>> {
        read_endpoint(self.endpoint.clone())
    }
}

/// A call as a ledger command under its key. One that can't be priced now can still be a retry of
/// one that could be: its command changes nothing, and only an earlier answer counts (G15).
#[derive(Debug)]
struct Attempt {
    request: Request,
    unpriced: Option<Error>,
}

impl Attempt {
    /// Charges the call, or replays its earlier answer. A ledger refusal is returned as the error.
    async fn make(self, app: &App, account: i64) -> Result<Outcome> {
        let outcome = app.ledger_or_refuse(account, self.request).await?;
        answered(self.unpriced, outcome)
    }
}

/// The outcome of an attempt, or why the call couldn't be priced.
fn answered(unpriced: Option<Error>, outcome: Outcome) -> Result<Outcome> {
    match unpriced {
        Some(error) if !outcome.replayed => Err(error),
        _ => Ok(outcome),
    }
}
