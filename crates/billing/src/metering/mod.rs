//! Metering: what a call costs, whether it is admitted, and the ledger commands that charge it.

pub mod admission;
pub mod check;
pub mod debits;
pub mod holds;
pub mod price;

use serde_json::value::RawValue;

use crate::app::App;
use crate::error::Result;
use crate::metering::price::{Price, read_endpoint};

/// A call to meter: `credits`, or `units` of an `operation`; one `call` if neither is given.
#[derive(Debug, Default)]
pub struct MeteredCall {
    /// The account, by our id or the host application's. A server key must name it.
    pub account: Option<String>,
    /// An operation of the catalog.
    pub operation: Option<String>,
    /// Units of the operation; defaults to 1.
    pub units: Option<i64>,
    /// Credits, as the caller sent them.
    pub credits: Option<Box<RawValue>>,
    /// The caller's name for the metered endpoint.
    pub endpoint: Option<String>,
}

impl MeteredCall {
    /// The cost of the call under the current catalog.
    fn price(&self, app: &App) -> Result<Price> {
        let credits = self.credits.as_deref();
        Price::read(app, credits, self.operation.as_deref(), self.units)
    }

    /// The validated name of the metered endpoint.
    fn endpoint(&self) -> Result<Option<String>> {
        read_endpoint(self.endpoint.clone())
    }
}
