//! `/dashboard/billing/cancel`: the page after leaving Checkout.

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
    /// The abandoned purchase: "5,000 credits for $5.00"; `None` if it isn't known.
    pub choice: Option<String>,
    pub retry: Action,
}

page!(CancelPage);
