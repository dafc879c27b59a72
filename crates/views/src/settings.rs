//! `/dashboard/settings`: emails, the low-balance threshold, automatic top-up, limits.

use askama::Template;
use domain::ledger::LimitWindow;

use crate::components::{Action, Choice};
use crate::credits::AutoTopUp;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

pub const SETTINGS: &str = "/dashboard/settings";

#[derive(Clone, Debug, Template)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    pub shell: Shell,
    pub emails: Vec<EmailSetting>,
    /// The threshold, as typed: "500"; empty for none.
    pub low: String,
    pub low_error: Option<String>,
    /// The automatic top-up card; `None` if the reader may not buy.
    pub auto: Option<AutoTopUp>,
    /// The limits, in the order in which they are checked.
    pub limits: Vec<LimitRow>,
    pub new_limit: NewLimit,
    /// Why nothing can be changed, if so.
    pub read_only: Option<String>,
    /// The address of the account's data export, for owners.
    pub data: Option<String>,
}

page!(SettingsPage);

#[derive(Clone, Debug)]
pub struct EmailSetting {
    pub name: &'static str,
    /// For example "Receipts and refunds".
    pub title: String,
    pub is_on: bool,
}

#[derive(Clone, Debug)]
pub struct LimitRow {
    pub id: String,
    /// For example "Key prod-web".
    pub subject: String,
    /// For example "1,000 credits a day".
    pub limit: String,
    /// For example "120".
    pub used: String,
    /// For example "30", if calls in progress hold credits.
    pub held: Option<String>,
    /// For example "850".
    pub left: String,
    /// When it resets, or "Never".
    pub resets: String,
}

/// The form that sets a limit.
#[derive(Clone, Debug)]
pub struct NewLimit {
    /// What can be limited, such as the account, an API key or a member.
    pub subjects: Vec<Choice>,
    pub windows: Vec<Choice>,
    /// The credits, as typed.
    pub credits: String,
    /// The invalid field, and the reason.
    pub error: Option<(String, String)>,
}

impl NewLimit {
    /// The empty form.
    pub fn new(subjects: Vec<Choice>) -> Self {
        let windows = [
            (LimitWindow::Day.word(), "A day"),
            (LimitWindow::Month.word(), "A month"),
            (LimitWindow::Lifetime.word(), "All time"),
        ];
        Self {
            subjects,
            windows: Choice::list(&windows, LimitWindow::Month.word()),
            credits: String::new(),
            error: None,
        }
    }
}

impl LimitRow {
    fn remove(&self) -> Action {
        let action = format!("{SETTINGS}/limits/{}/remove", self.id);
        Action::post("Remove", action).small().spoken(&self.subject)
    }
}
