//! `/admin/events`: webhook events.

use askama::Template;

use crate::components::{Action, Badge, Choice, Pager, Stat, Tab};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "admin/events.html")]
pub struct EventsPage {
    pub shell: Shell,
    /// Last event, received, processed, latency, invalid signatures; if empty, the strip is
    /// omitted.
    pub stats: Vec<Stat>,
    pub tabs: Vec<Tab>,
    /// The search, as typed (`q`): event id, object id or account.
    pub q: String,
    /// The `type` filter.
    pub types: Vec<Choice>,
    /// The rows, newest first.
    pub rows: Vec<EventRow>,
    pub pager: Pager,
    pub replay_failed: Option<Action>,
}

page!(EventsPage);

#[derive(Clone, Debug)]
pub struct EventRow {
    pub id: String,
    pub kind: String,
    /// The id of the object: `cs_test_c9Hd`.
    pub object: String,
    /// The account's name and page; `None` while it isn't known.
    pub account: Option<(String, String)>,
    pub received: When,
    pub attempts: String,
    pub badge: Badge,
}

impl EventRow {
    fn href(&self) -> String {
        format!("/admin/events/{}", self.id)
    }
}
