//! What is sold, as cards: plans, credit packs and the table that compares plans. Shared by the
//! pricing, upgrade and credits pages.

use crate::components::{Action, Badge};

#[derive(Clone, Debug)]
pub struct PlanCard {
    /// The id of the tier, unique on the page: "`PRO_PLUS`". Used in element ids.
    pub id: String,
    /// For example "Pro Plus".
    pub name: String,
    /// For example "$49" or "Custom".
    pub price: String,
    /// For example "per month".
    pub per: String,
    /// A sentence that says who the plan is for.
    pub tagline: String,
    /// The features, one line each.
    pub ticks: Vec<String>,
    /// For example "Current", "Suggested".
    pub badge: Option<Badge>,
    pub mark: Mark,
    /// The action that chooses the plan.
    pub action: Action,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    #[default]
    None,
    Current,
    Pick,
}

impl PlanCard {
    pub fn class(&self) -> &'static str {
        match self.mark {
            Mark::None => "card plan",
            Mark::Current => "card plan current",
            Mark::Pick => "card plan pick",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The plans: the name, and whether it is the reader's.
    pub plans: Vec<(String, bool)>,
    pub rows: Vec<CompareRow>,
}

impl Comparison {
    /// The cells of a row, each with whether its plan is the reader's.
    pub fn cells_of<'a>(
        &'a self,
        row: &'a CompareRow,
    ) -> impl Iterator<Item = (&'a Option<String>, bool)> {
        row.cells
            .iter()
            .zip(self.plans.iter().map(|(_, current)| *current))
    }
}

#[derive(Clone, Debug)]
pub struct CompareRow {
    /// For example "Calls per month".
    pub feature: String,
    /// One text per plan; `None` if the plan doesn't include the feature.
    pub cells: Vec<Option<String>>,
}

/// One credit pack, as a styled radio button.
#[derive(Clone, Debug)]
pub struct PackCard {
    /// The value of the form's `amount` field: the pack's credits.
    pub amount: String,
    /// For example "5,000".
    pub credits: String,
    /// For example "$5.00".
    pub price: String,
    /// For example "$0.001 per credit".
    pub unit_price: String,
    /// For example "lasts about 18 days", if there is enough usage for an estimate.
    pub lasts: Option<String>,
    /// The balance after the purchase, for the order summary: "6,228".
    pub balance_after: String,
    pub selected: bool,
}
