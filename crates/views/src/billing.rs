//! `/dashboard/billing`: plan, credits, payment method, history.

use askama::Template;

use crate::chart::Chart;
use crate::components::{
    Action, Badge, Banner, Fact, Meter, Pager, Prose, Receipt, TransactionRow,
};
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
pub(crate) mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "billing.html")]
pub struct BillingPage {
    pub shell: Shell,
    /// For example "Plan, credits and payments for Acme Robotics".
    pub lead: String,
    /// What needs attention, most severe first.
    pub banners: Vec<Banner>,
    pub plan: PlanPanel,
    pub credits: CreditsPanel,
    pub next: NextCharge,
    /// The usage chart; `None` shows the empty state.
    pub usage: Option<Chart>,
    pub history: History,
    /// Opens Stripe's portal; `None` when the account has no customer at Stripe yet.
    pub manage: Option<Action>,
}

page!(BillingPage);

#[derive(Clone, Debug)]
pub struct PlanPanel {
    pub name: String,
    /// For example "$19.00 per month".
    pub price: String,
    pub badge: Badge,
    /// When it renews or ends, and what that means.
    pub text: Prose,
    /// For example "3 × Extra seats, $15.00 per month".
    pub addons: Vec<String>,
    /// Upgrade first, then cancel.
    pub actions: Vec<Action>,
}

/// The balance and the usage of the plan.
#[derive(Clone, Debug)]
pub struct CreditsPanel {
    /// The large figure: the credits available now.
    pub available: String,
    /// For example "worth $1.23".
    pub worth: String,
    /// For example "Low", "Empty", "Debt".
    pub badge: Option<Badge>,
    pub meter: Option<Meter>,
    /// For example "12 more are held for calls in progress.".
    pub note: String,
    pub actions: Vec<Action>,
}

/// The next charge, or the reason why there is none.
#[derive(Clone, Debug)]
pub struct NextCharge {
    pub when: Option<crate::format::When>,
    /// The lines of the invoice; empty when nothing will be charged.
    pub lines: Vec<Fact>,
    pub none: String,
    /// When Stripe was asked, if that is long ago.
    pub note: String,
    pub method: Option<PaymentMethod>,
}

#[derive(Clone, Debug)]
pub struct PaymentMethod {
    /// For example "Visa ending 4242".
    pub name: String,
    /// For example "Expires 08/2028".
    pub expires: String,
    /// Whether it expires within 30 days or has expired.
    pub expiring: bool,
}

#[derive(Clone, Debug)]
pub struct History {
    /// The rows, newest first.
    pub rows: Vec<TransactionRow>,
    pub pager: Pager,
    pub csv: Option<String>,
}

impl BillingPage {
    /// The page of a suspended account, which buys and changes nothing here; its plan can be ended at
    /// Stripe. `has_plan` says whether one is paused meanwhile.
    pub fn while_suspended(mut self, has_plan: bool) -> Self {
        self.plan.actions.clear();
        self.credits.actions.clear();
        if has_plan {
            self.plan.text = Prose::new("Payments are paused while the account is suspended.");
        }
        self
    }

    fn update_card(&self) -> Action {
        crate::banners::portal("Update")
            .small()
            .spoken("payment method")
    }

    fn has_receipt<'a>(&self, row: &'a TransactionRow) -> Result<&'a str, &'a str> {
        match &row.receipt {
            Receipt::Link(href) => Ok(href),
            Receipt::None(why) => Err(why),
        }
    }
}
