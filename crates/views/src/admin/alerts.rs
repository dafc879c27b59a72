//! `/admin/alerts`: what needs attention.

use askama::Template;

use crate::admin::parts::address;
use crate::components::{Action, Badge, Pager, Tab};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Page, Shell};
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

impl Page for AlertsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

#[derive(Clone, Debug)]
pub struct AlertRow {
    pub summary: String,
    /// The rule, and what it is about.
    pub rule: String,
    pub opened: When,
    pub closed: Option<When>,
    pub badge: Badge,
    /// The action that acknowledges it, until someone has.
    pub acknowledge: Option<Action>,
}

/// The tabs above the list, with the current one marked.
pub fn tabs(current: &str) -> Vec<Tab> {
    let tab = |(label, state): (&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address("/admin/alerts", &[("state", state)]),
        current: state == current,
    };
    [("All", ""), ("Open", "open"), ("Resolved", "closed")]
        .into_iter()
        .map(tab)
        .collect()
}

pub fn acknowledge_action(id: &str, summary: &str) -> Action {
    let action = Action::post("Acknowledge", format!("/admin/alerts/{id}/acknowledge"));
    let mut action = action.small();
    action.spoken = Some(format!("this: {summary}"));
    action
}
