//! `/admin/accounts/{id}`: one account, for operators.

use askama::Template;

use crate::admin::parts::Table;
use crate::components::{Action, Badge, Banner, Choice, Fact, Prose, TimelineEntry};
use crate::labels::ADJUSTMENT_REASONS;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "admin/account.html")]
pub struct AccountPage {
    pub shell: Shell,
    pub id: String,
    pub name: String,
    /// The email address, the kind of account and its creation date.
    pub lead: Prose,
    pub banners: Vec<Banner>,
    /// For example "Pro", "$19.00 per month".
    pub plan: Panel,
    /// For example "1,228", "available, 12 held".
    pub credits: Panel,
    pub stripe: Panel,
    pub timeline: Vec<TimelineEntry>,
    /// The link to download the account's data as a file.
    pub csv: Option<String>,
    /// The form that adjusts credits; `None` hides it.
    pub adjust: Option<AdjustForm>,
    /// Sync from Stripe, open at Stripe.
    pub actions: Vec<Action>,
    /// Payments, grants, holds and events.
    pub tables: Vec<Table>,
}

page!(AccountPage);

/// A card at the top of the page.
#[derive(Clone, Debug)]
pub struct Panel {
    pub badge: Badge,
    /// The large word or number; empty for none.
    pub figure: String,
    pub note: String,
    pub facts: Vec<Fact>,
}

/// A form that adds or removes credits, with a reason.
#[derive(Clone, Debug)]
pub struct AdjustForm {
    /// Identifies this form submission, so that a double click adjusts only once.
    pub attempt: String,
    /// The `credits` field, as typed, signed.
    pub credits: String,
    pub credits_error: Option<String>,
    /// The `reason` field.
    pub reasons: Vec<Choice>,
    pub note: String,
    pub note_error: Option<String>,
    /// The limit of the operator's role, if any.
    pub limit: Option<String>,
}

impl AdjustForm {
    pub fn empty(attempt: impl Into<String>) -> Self {
        Self {
            attempt: attempt.into(),
            credits: String::new(),
            credits_error: None,
            reasons: Self::reasons(""),
            note: String::new(),
            note_error: None,
            limit: None,
        }
    }

    /// The reasons, with the current one selected.
    pub fn reasons(current: &str) -> Vec<Choice> {
        Choice::list(&ADJUSTMENT_REASONS, current)
    }
}

impl AccountPage {
    fn panels(&self) -> [(&'static str, &'static str, &Panel); 3] {
        [
            ("h-plan", "Plan", &self.plan),
            ("h-credits", "Credits", &self.credits),
            ("h-stripe", "Compared with Stripe", &self.stripe),
        ]
    }
}

/// Columns of the payments table: title and CSS class.
pub const PAYMENTS: [(&str, &str); 4] = [
    ("When (UTC)", "num wide-only"),
    ("What", ""),
    ("Amount", "r num"),
    ("Status", ""),
];

/// Columns of the grants table: title and CSS class.
pub const GRANTS: [(&str, &str); 5] = [
    ("Grant", ""),
    ("Granted", "r num"),
    ("Left", "r num"),
    ("Ends", "wide-only"),
    ("State", ""),
];

/// Columns of the holds table: title and CSS class.
pub const HOLDS: [(&str, &str); 5] = [
    ("Since (UTC)", "num wide-only"),
    ("Hold", ""),
    ("Held", "r num"),
    ("Charged", "r num"),
    ("State", ""),
];

/// Columns of the table of what belongs to another product: title and CSS class.
pub const FOREIGN: [(&str, &str); 4] = [
    ("Since (UTC)", "num wide-only"),
    ("What", ""),
    ("Amount", "r num"),
    ("At Stripe", ""),
];
