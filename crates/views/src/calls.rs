//! `/dashboard/usage/calls`: single metered calls.

use askama::Template;

use crate::components::{Action, Badge, Choice, Fact};
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;
use crate::usage::CallRow;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "calls.html")]
pub struct CallsPage {
    pub shell: Shell,
    pub keys: Vec<Choice>,
    /// The calls, newest first.
    pub calls: Vec<CallRow>,
    pub next: Option<Action>,
}

page!(CallsPage);

#[derive(Clone, Debug, Template)]
#[template(path = "call.html")]
pub struct CallPage {
    pub shell: Shell,
    pub title: String,
    pub badge: Badge,
    /// Time, key, price list, held, charged and released credits.
    pub facts: Vec<Fact>,
    pub grants: Vec<CallGrant>,
}

page!(CallPage);

#[derive(Clone, Debug)]
pub struct CallGrant {
    pub grant: String,
    /// For example "Top-up".
    pub kind: String,
    pub held: String,
    pub charged: String,
}
