//! `/dashboard/sessions`: where the user is signed in.

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
    /// The sessions, last seen first.
    pub rows: Vec<SessionRow>,
    /// Ends all others; none when there are none.
    pub end_others: Option<Action>,
}

page!(SessionsPage);

#[derive(Clone, Debug)]
pub struct SessionRow {
    /// What the browser calls itself, in short.
    pub agent: String,
    /// "This device"; none for the others.
    pub badge: Option<Badge>,
    pub began: When,
    pub seen: When,
    /// Ends it; none for this one, which is signed out.
    pub end: Option<Action>,
}

pub fn end_action(id: i64) -> Action {
    Action::post("Sign out", format!("{SESSIONS}/ses_{id}/end")).small()
}

/// The button that ends all other sessions.
pub fn end_others_action() -> Action {
    Action::post("Sign out all others", format!("{SESSIONS}/end-others"))
}
