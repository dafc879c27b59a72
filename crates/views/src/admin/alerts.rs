//! `/admin/alerts`: what needs attention.

use askama::Template;

use crate::admin::parts::address;
use crate::components::{Action, Badge, Pager, Tab};
use crate::format;
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Nav, Shell};

/// The list of incidents.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/alerts.html")]
pub struct AlertsPage {
    /// The frame.
    pub shell: Shell,
    /// By state.
    pub tabs: Vec<Tab>,
    /// Newest first.
    pub rows: Vec<AlertRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One incident.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// What is wrong.
    pub summary: String,
    /// The rule, and what it is about.
    pub rule: String,
    /// When it was found.
    pub opened: When,
    /// When it was over.
    pub closed: Option<When>,
    /// Open, known or over.
    pub badge: Badge,
    /// Says that the reader knows, where nobody does yet.
    pub acknowledge: Option<Action>,
}

impl AlertsPage {
    /// None, some, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;
        use crate::samples::NOW;

        let row = |summary: &str, is_open: bool| AlertRow {
            summary: summary.to_owned(),
            rule: if is_open { "parked" } else { "stripe_errors" }.to_owned(),
            opened: format::moment(NOW),
            closed: (!is_open).then(|| format::moment(NOW)),
            badge: if is_open {
                Badge::bad("Open")
            } else {
                Badge::ok("Over")
            },
            acknowledge: is_open.then(|| acknowledge_action("alr_1", summary)),
        };
        let typical = AlertsPage {
            shell: samples::admin(Nav::AdminAlerts),
            tabs: tabs(""),
            rows: vec![
                row("Accounts or events failed and need manual review.", true),
                row("Many calls to Stripe failed.", false),
            ],
            pager: Pager::default(),
        };
        let empty = AlertsPage {
            rows: Vec::new(),
            ..typical.clone()
        };
        let worst = AlertsPage {
            shell: samples::worst(Nav::AdminAlerts),
            rows: vec![row(&format!("{LONG} {EVIL}"), true); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}

/// The tabs above the list, with the current one marked.
pub fn tabs(current: &str) -> Vec<Tab> {
    let tab = |(label, state): (&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address("/admin/alerts", &[("state", state)]),
        current: state == current,
    };
    [("All", ""), ("Open", "open"), ("Over", "closed")]
        .into_iter()
        .map(tab)
        .collect()
}

/// The button that acknowledges an alert.
pub fn acknowledge_action(id: &str, summary: &str) -> Action {
    let action = Action::post("Acknowledge", format!("/admin/alerts/{id}/acknowledge"));
    let mut action = action.small();
    action.spoken = Some(format!("this: {summary}"));
    action
}
