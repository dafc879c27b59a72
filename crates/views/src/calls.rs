//! `/dashboard/usage/calls`: single metered calls.

use askama::Template;

use crate::components::{Action, Badge, Choice, Fact};
use crate::icons::Icon;
use crate::layout::{Page, Shell};
use crate::links::filters;
use crate::usage::CallRow;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// Calls as they ended.
#[derive(Clone, Debug, Template)]
#[template(path = "calls.html")]
pub struct CallsPage {
    /// The frame around the page.
    pub shell: Shell,
    /// The keys to choose from (`key`).
    pub keys: Vec<Choice>,
    /// The calls, newest first.
    pub calls: Vec<CallRow>,
    /// The way to older rows.
    pub next: Option<Action>,
}

impl Page for CallsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// Why one call was charged.
#[derive(Clone, Debug, Template)]
#[template(path = "call.html")]
pub struct CallPage {
    /// The frame around the page.
    pub shell: Shell,
    /// The operation.
    pub title: String,
    /// What became of it.
    pub badge: Badge,
    /// Time, key, price list, held, charged, returned.
    pub facts: Vec<Fact>,
    /// The grants it was paid from.
    pub lots: Vec<LotRow>,
}

impl Page for CallPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// One grant's part in a call.
#[derive(Clone, Debug)]
pub struct LotRow {
    /// `grant_3`
    pub grant: String,
    /// `purchase`
    pub kind: String,
    /// The credits held for the call.
    pub held: String,
    /// What was charged in the end.
    pub charged: String,
}
