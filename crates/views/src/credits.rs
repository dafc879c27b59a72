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
    /// What needs attention: low credits, a debt, Stripe being unavailable.
    pub banners: Vec<Banner>,
    /// Identifies this form submission, so that a double click opens only one Checkout.
    pub attempt: String,
    /// The credit packs; empty when none are sold.
    pub packs: Vec<PackCard>,
    /// How the number of days is estimated.
    pub packs_note: String,
    pub error: Option<String>,
    /// The order for the pack that is initially selected.
    pub order: Order,
    /// The automatic top-up card; `None` hides it.
    pub auto: Option<AutoTopUp>,
    /// Grants with remaining credits, in the order in which they are spent.
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
    /// For example "about 18 days"; empty when there is too little usage for an estimate.
    pub lasts: String,
}

/// The automatic top-up setting: a separate card, here and on the settings page.
#[derive(Clone, Debug, Template)]
#[template(path = "components/auto_top_up.html")]
pub struct AutoTopUp {
    /// For example "On", "Off", "Stopped".
    pub badge: Badge,
    /// Whether it is on; if so, the button turns it off.
    pub is_on: bool,
    /// Why it was turned off, or what is missing.
    pub reason: Option<String>,
    pub thresholds: Vec<Choice>,
    pub packs: Vec<Choice>,
    /// The monthly maximum, as typed: "50.00".
    pub cap: String,
    /// The currency shown before it: "USD".
    pub currency: String,
    /// The amount spent this month; empty for none.
    pub spent: String,
    /// The invalid field, and the reason.
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
    /// The remaining credits: "1,240".
    pub left: String,
    /// The granted credits: "10,000".
    pub of: String,
    /// The expiry date, or "Never".
    pub expires: Prose,
}
