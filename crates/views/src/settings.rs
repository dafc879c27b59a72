//! `/dashboard/settings`: emails, the low-balance threshold, automatic top-up, limits.

use askama::Template;
use domain::ledger::LimitWindow;

use crate::components::{Action, Choice};
use crate::credits::AutoTopUp;
use crate::icons::Icon;
use crate::layout::{Page, Shell};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

pub const SETTINGS: &str = "/dashboard/settings";

/// The windows that a limit may count, as choices of a form.
pub fn windows() -> Vec<Choice> {
    let words = [
        (LimitWindow::Day.word(), "A day"),
        (LimitWindow::Month.word(), "A month"),
        (LimitWindow::Lifetime.word(), "All time"),
    ];
    Choice::list(&words, LimitWindow::Month.word())
}

#[derive(Clone, Debug, Template)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    pub shell: Shell,
    pub notices: Vec<NoticeRow>,
    /// The threshold as typed: "500"; empty for none.
    pub low: String,
    pub low_error: Option<String>,
    /// The automatic purchase; none where the reader may not buy.
    pub auto: Option<AutoTopUp>,
    /// The limits, in the order they are judged.
    pub limits: Vec<LimitRow>,
    pub subjects: Vec<Choice>,
    /// How long it counts (`window`).
    pub windows: Vec<Choice>,
    pub limit_credits: String,
    /// The field that is wrong, and why.
    pub limit_error: Option<(String, String)>,
    /// Why nothing can be changed, when it cannot.
    pub read_only: Option<String>,
    /// Where an owner gets what is kept of the account.
    pub data: Option<String>,
}

impl Page for SettingsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

#[derive(Clone, Debug)]
pub struct NoticeRow {
    pub name: &'static str,
    /// For example "Receipts and refunds".
    pub title: String,
    pub is_on: bool,
}

#[derive(Clone, Debug)]
pub struct LimitRow {
    pub id: String,
    /// For example "Key prod-web".
    pub whose: String,
    /// For example "1,000 credits a day".
    pub most: String,
    /// For example "120".
    pub used: String,
    /// "30", where calls in progress hold some.
    pub held: Option<String>,
    /// For example "850".
    pub left: String,
    /// When it resets, or "Never".
    pub resets: String,
}

impl LimitRow {
    fn remove(&self) -> Action {
        let action = format!("{SETTINGS}/limits/{}/remove", self.id);
        Action::post("Remove", action).small().spoken(&self.whose)
    }
}
