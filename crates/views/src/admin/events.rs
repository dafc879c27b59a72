//! `/admin/events`: webhook events.

use askama::Template;

use crate::components::{Action, Badge, Choice, Pager, Stat, Tab};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Page, Shell};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// The list of webhook events.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/events.html")]
pub struct EventsPage {
    /// The frame around the page.
    pub shell: Shell,
    /// Last event, received, processed, latency, bad signatures; empty leaves the strip out.
    pub stats: Vec<Stat>,
    /// Tabs by state.
    pub tabs: Vec<Tab>,
    /// The search, as typed (`q`): event id, object id or account.
    pub q: String,
    /// `type`
    pub types: Vec<Choice>,
    /// The rows, newest first.
    pub rows: Vec<EventRow>,
    /// The way to older rows.
    pub pager: Pager,
    /// Replays what failed, where something did.
    pub replay_failed: Option<Action>,
}

impl Page for EventsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// One event.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Stripe's id of it.
    pub id: String,
    /// `checkout.session.completed`
    pub kind: String,
    /// The object it is about: `cs_test_c9Hd`.
    pub object: String,
    /// Whose it is: the name and the page; none while that is not known.
    pub account: Option<(String, String)>,
    /// When it came.
    pub received: When,
    /// How often it was tried.
    pub tries: String,
    /// Its state.
    pub badge: Badge,
}

impl EventRow {
    fn href(&self) -> String {
        format!("/admin/events/{}", self.id)
    }
}
