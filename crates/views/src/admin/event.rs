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
    /// The result of processing it; a failure says what to do.
    pub outcome: Option<Banner>,
    /// Object, account, signature, API version, effect.
    pub facts: Vec<Fact>,
    pub timeline: Vec<TimelineEntry>,
    /// The payload; `None` once it was deleted.
    pub payload: Option<Json>,
    /// A note about the payload: what is hidden, or when it was deleted.
    pub payload_note: String,
    /// Replays it: a POST to `/admin/events/{id}/replay`, or a link to the confirmation page.
    pub replay: Option<Action>,
    pub at_stripe: Option<String>,
}

page!(EventPage);

impl EventPage {
    /// The link to the page that previews a replay and asks for confirmation.
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
