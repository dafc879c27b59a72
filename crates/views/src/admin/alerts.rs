//! `/admin/alerts`: what needs attention.

use askama::Template;

use crate::admin::parts;
use crate::components::{Action, Badge, Pager, Tab};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "admin/alerts.html")]
pub struct AlertsPage {
    pub shell: Shell,
    pub tabs: Vec<Tab>,
    /// The rows, newest first.
    pub rows: Vec<AlertRow>,
    pub pager: Pager,
}

page!(AlertsPage);

#[derive(Clone, Debug)]
pub struct AlertRow {
    pub summary: String,
    /// The rule and the subject.
    pub rule: String,
    pub opened: When,
    pub closed: Option<When>,
    pub badge: Badge,
    /// The action that acknowledges it; `None` once it was acknowledged.
    pub acknowledge: Option<Action>,
}

/// The tabs above the list, with the current one marked.
pub fn tabs(current: &str) -> Vec<Tab> {
    let views = [("All", ""), ("Open", "open"), ("Resolved", "closed")];
    parts::tabs("/admin/alerts", "state", &views, current)
}

pub fn acknowledge_action(id: &str, summary: &str) -> Action {
    Action::post("Acknowledge", format!("/admin/alerts/{id}/acknowledge"))
        .small()
        .spoken(format!("this: {summary}"))
}
