//! Metering: what a call costs, whether it is admitted, and the ledger's commands that charge it.

pub mod admission;
pub mod check;
pub mod debits;
pub mod holds;
pub mod price;

use serde_json::value::RawValue;

use crate::app::App;
use crate::error::Result;
use crate::metering::price::{Price, read_endpoint};

/// A call to meter, as the caller describes it: `credits`, or `units` of an `operation`; one
/// `call` without either.
#[derive(Debug, Default)]
pub struct MeteredCall {
    /// The account, by our id or the host application's. A server key must name it.
    pub account: Option<String>,
    /// An operation of the catalog.
    pub operation: Option<String>,
    /// Units of the operation; 1 without.
    pub units: Option<i64>,
    /// Credits, as the caller wrote them.
    pub credits: Option<Box<RawValue>>,
    /// The caller's name for the endpoint it meters.
    pub endpoint: Option<String>,
}

impl MeteredCall {
    /// What the call costs under the current catalog.
    fn price(&self, app: &App) -> Result<Price> {
        let credits = self.credits.as_deref();
        Price::read(app, credits, self.operation.as_deref(), self.units)
    }

    /// The caller's name for the endpoint, validated.
    fn endpoint(&self) -> Result<Option<String>> {
        read_endpoint(self.endpoint.clone())
    }
}
