//! `/dashboard/sessions`: the user's sessions.

use askama::Template;

use crate::components::{Action, Badge};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

pub const SESSIONS: &str = "/dashboard/sessions";

#[derive(Clone, Debug, Template)]
#[template(path = "sessions.html")]
pub struct SessionsPage {
    pub shell: Shell,
    /// The sessions, most recently used first.
    pub rows: Vec<SessionRow>,
    /// The action that ends all other sessions; `None` if there are none.
    pub end_others: Option<Action>,
}

page!(SessionsPage);

#[derive(Clone, Debug)]
pub struct SessionRow {
    /// The shortened user agent of the browser.
    pub agent: String,
    /// "This device" for the current session; `None` for the others.
    pub badge: Option<Badge>,
    pub began: When,
    pub seen: When,
    /// The action that ends it; `None` for the current session, which has sign-out instead.
    pub end: Option<Action>,
}

pub fn end_action(id: i64) -> Action {
    Action::post("Sign out", format!("{SESSIONS}/ses_{id}/end")).small()
}

/// The button that ends all other sessions.
pub fn end_others_action() -> Action {
    Action::post("Sign out all others", format!("{SESSIONS}/end-others"))
}
