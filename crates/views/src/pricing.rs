//! `/pricing`: the plans and the credit packs.

use askama::Template;

use crate::components::Tab;
use crate::layout::{Shell, page};
use crate::links::filters;
use crate::plans::{Comparison, PlanCard};

#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "pricing.html")]
pub struct PricingPage {
    /// The frame; for a signed-in reader, their plan is marked.
    pub shell: Shell,
    pub lead: String,
    /// The choice of how often plans are paid; empty if there is none.
    pub intervals: Vec<Tab>,
    pub plans: Vec<PlanCard>,
    pub packs: Vec<PackLine>,
    /// What a credit buys: "One standard API call costs 1 credit."
    pub packs_note: String,
    /// The comparison of plans; omitted if it has no rows.
    pub compare: Comparison,
    /// The currency, and what is added to the prices.
    pub note: String,
}

page!(PricingPage);

/// One credit pack in the price list.
#[derive(Clone, Debug)]
pub struct PackLine {
    /// For example "5,000 credits".
    pub credits: String,
    /// For example "$5.00".
    pub price: String,
    /// For example "$0.001".
    pub unit_price: String,
}
