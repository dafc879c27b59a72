//! `/dashboard/billing/cancel`: ending a subscription.

use askama::Template;

use crate::components::Action;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// Says that nothing was charged and offers the way back.
#[derive(Clone, Debug, Template)]
#[template(path = "cancel.html")]
pub struct CancelPage {
    pub shell: Shell,
    /// What was about to be bought: "5,000 credits for $5.00"; none when that is not known.
    pub choice: Option<String>,
    pub retry: Action,
}

page!(CancelPage);
