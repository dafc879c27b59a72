//! `/dashboard/billing/upgrade`: choosing a plan and reviewing the change.

use askama::Template;
use domain::catalog::Interval;

use crate::components::{Action, Badge, Banner, Fact, Prose, Tab};
use crate::layout::{Shell, page};
use crate::links::filters;
use crate::plans::{Comparison, PlanCard};

#[cfg(any(test, feature = "samples"))]
mod samples;

/// The page on which a plan is chosen.
#[derive(Clone, Debug, Template)]
#[template(path = "upgrade.html")]
pub struct UpgradePage {
    pub shell: Shell,
    /// For example "You are on Pro. Upgrades start now; downgrades start on 15 Dec 2026.".
    pub lead: Prose,
    pub banners: Vec<Banner>,
    /// The choice of how often plans are paid; empty if there is none.
    pub intervals: Vec<Tab>,
    /// The plans. Choosing one posts `planId`, or leads to the review of the change.
    pub plans: Vec<PlanCard>,
    /// The currency, and why a plan is suggested.
    pub note: String,
    /// The review of the chosen change, before it is paid.
    pub review: Option<Review>,
    pub compare: Comparison,
    /// Whether there is a live subscription that can be changed.
    pub has_live: bool,
}

page!(UpgradePage);

/// A change of plan and what it costs today.
#[derive(Clone, Debug)]
pub struct Review {
    /// For example "Review your change: Pro to Pro Plus".
    pub title: String,
    /// How long the quote is valid.
    pub badge: Badge,
    /// When the change starts and what is charged when.
    pub text: Prose,
    pub points: Vec<String>,
    pub lines: Vec<Fact>,
    /// The confirmation, "Pay $23.00 and upgrade", with the quote in its hidden fields.
    pub confirm: Action,
    /// The card that is charged.
    pub note: Prose,
}

/// The address that a choice posts to, with the field `planId`.
pub const UPGRADE: &str = "/dashboard/billing/upgrade";

/// The button that chooses a plan when there is no live subscription: it leads to Checkout.
pub fn choose(label: impl Into<String>, plan_id: &str) -> Action {
    Action::post(label, UPGRADE)
        .field("planId", plan_id)
        .block()
}

/// Like [`choose`], for a plan that is sold by several intervals.
pub fn choose_by(label: impl Into<String>, plan_id: &str, interval: Option<Interval>) -> Action {
    let action = choose(label, plan_id);
    match interval {
        Some(interval) => action.field("interval", interval.word()),
        None => action,
    }
}
