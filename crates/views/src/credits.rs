//! `/dashboard/billing/credits`: buying credits.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::components::{Badge, Banner, Choice, Prose};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;
use crate::plans::PackCard;

#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;

/// The page on which credits are bought.
#[derive(Clone, Debug, Template)]
#[template(path = "credits.html")]
pub struct CreditsPage {
    pub shell: Shell,
    /// For example "1 credit pays for 1 standard API call ($0.001). ...".
    pub lead: String,
    /// What needs attention: low credits, a debt, Stripe silent.
    pub banners: Vec<Banner>,
    /// Names this attempt, so that a double click opens one checkout.
    pub attempt: String,
    /// The packs; empty says that nothing is sold.
    pub packs: Vec<PackCard>,
    /// How the days are estimated.
    pub packs_note: String,
    pub error: Option<String>,
    /// The order, as chosen at first.
    pub order: Order,
    /// The card of automatic top-up; none hides it.
    pub auto: Option<AutoTopUp>,
    /// The grants with something left, in the order in which they are spent.
    pub grants: Vec<GrantRow>,
}

page!(CreditsPage);

/// The chosen pack in the order summary.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// For example "5,000 credits".
    pub credits: String,
    /// For example "$5.00".
    pub price: String,
    /// For example "6,228".
    pub balance_after: String,
    /// "about 18 days"; empty when there is too little usage to tell.
    pub lasts: String,
}

/// The setting that buys a pack automatically: a card of its own, here and on the settings page.
#[derive(Clone, Debug, Template)]
#[template(path = "components/auto_top_up.html")]
pub struct AutoTopUp {
    /// For example "On", "Off", "Stopped".
    pub badge: Badge,
    /// On now; the button then turns it off.
    pub is_on: bool,
    /// Why it stopped, or what it lacks.
    pub reason: Option<String>,
    pub thresholds: Vec<Choice>,
    pub packs: Vec<Choice>,
    /// At most per month, as typed: "50.00".
    pub cap: String,
    /// The sign before it: "USD".
    pub currency: String,
    /// What it spent this month; empty for nothing.
    pub spent: String,
    /// The field that is wrong, and why.
    pub error: Option<(String, String)>,
}

impl HtmlSafe for AutoTopUp {}

impl AutoTopUp {
    fn cap_error(&self) -> Option<&str> {
        let error = self.error.as_ref().filter(|(field, _)| field == "cap");
        error.map(|(_, error)| error.as_str())
    }
}

#[derive(Clone, Debug)]
pub struct GrantRow {
    /// For example "Top-up, 10,000".
    pub source: String,
    pub added: When,
    /// What is left: "1,240".
    pub left: String,
    /// What it had: "10,000".
    pub of: String,
    /// "Never" or the day.
    pub expires: Prose,
}
