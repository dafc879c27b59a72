//! `/admin/events/{id}`: one webhook event.

use askama::Template;

use crate::components::{Action, Badge, Banner, Fact, Json, TimelineEntry};
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "admin/event.html")]
pub struct EventPage {
    pub shell: Shell,
    pub id: String,
    pub kind: String,
    pub badge: Badge,
    /// What became of it, in words; the worst cases say what to do.
    pub outcome: Option<Banner>,
    /// Object, account, signature, API version, effect.
    pub facts: Vec<Fact>,
    pub timeline: Vec<TimelineEntry>,
    /// The payload; none once it was dropped.
    pub payload: Option<Json>,
    /// Said about the payload: what is hidden, or when it was dropped.
    pub payload_note: String,
    /// Replays it: a post to `/admin/events/{id}/replay`, or a link to the page that asks first.
    pub replay: Option<Action>,
    pub at_stripe: Option<String>,
}

page!(EventPage);

impl EventPage {
    /// Leads to the page that says what a replay would change, and asks.
    pub fn replay_link(id: &str) -> Action {
        Action::link("Replay", format!("/admin/events/{id}/replay"))
            .small()
            .primary()
            .icon(Icon::Replay)
    }

    fn open_at_stripe(&self, href: &str) -> Action {
        Action::external("Open in Stripe", href).small()
    }
}
