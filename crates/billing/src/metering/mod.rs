//! Metering: what a call costs, whether it is admitted, and the ledger commands that charge it.

pub mod admission;
pub mod check;
pub mod debits;
pub mod holds;
pub mod price;

use domain::catalog::DEFAULT_OPERATION;
use domain::units::Quantity;
use serde_json::value::RawValue;

use crate::app::App;
use crate::error::{Error, Result};
use crate::metering::price::{Price, read_endpoint};

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
    /// The cost of the call under the current catalog.
    fn price(&self, app: &App) -> Result<Price> {
        Price::read(&app.rules().catalog, self)
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
