//! What is sold, as cards: plans, credit packs and the table that compares plans. The pricing,
//! upgrade and credits pages share them.

use crate::components::{Action, Badge};

#[derive(Clone, Debug)]
pub struct PlanCard {
    /// The tier, unique on the page: "`PRO_PLUS`". Part of element ids.
    pub id: String,
    /// For example "Pro Plus".
    pub name: String,
    /// For example "$49" or "Custom".
    pub price: String,
    /// For example "per month".
    pub per: String,
    /// Whom it is for, in a sentence.
    pub tagline: String,
    /// What is in it, one line each.
    pub ticks: Vec<String>,
    /// For example "Current", "Suggested".
    pub badge: Option<Badge>,
    pub mark: Mark,
    /// What the reader can do about it.
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
    /// One text for each plan; none where the plan has nothing of it.
    pub cells: Vec<Option<String>>,
}

/// One credit pack, a radio button with a face.
#[derive(Clone, Debug)]
pub struct PackCard {
    /// What the form sends as `amount`: the pack's credits.
    pub amount: String,
    /// For example "5,000".
    pub credits: String,
    /// For example "$5.00".
    pub price: String,
    /// For example "$0.001 per credit".
    pub unit_price: String,
    /// "lasts about 18 days", when there is enough usage to tell.
    pub lasts: Option<String>,
    /// The balance afterwards, for the order summary: "6,228".
    pub balance_after: String,
    pub selected: bool,
}
