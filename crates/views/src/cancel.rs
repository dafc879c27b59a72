//! `/dashboard/billing/cancel`: ending a subscription.

use askama::Template;

use crate::components::{Action, Banner};
use crate::layout::Shell;

/// Says that nothing was charged and offers the way back.
#[derive(Clone, Debug, Template)]
#[template(path = "cancel.html")]
pub struct CancelPage {
    /// The frame.
    pub shell: Shell,
    /// What was about to be bought: "5,000 credits for $5.00"; none when that is not known.
    pub choice: Option<String>,
    /// Goes on where the reader left.
    pub retry: Action,
    /// Said when the checkout was paid after all, in another tab.
    pub banner: Option<Banner>,
}

impl CancelPage {
    /// With and without a choice that is still known.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::layout::Nav;
        use crate::samples;
        use crate::samples::EVIL;

        let retry = Action::link(
            "Continue with 5,000 credits",
            "/dashboard/billing/credits?amount=5000",
        );
        let known = Self {
            shell: samples::customer_in_test_mode(Nav::Billing),
            choice: Some("5,000 credits for $5.00".to_owned()),
            retry,
            banner: None,
        };
        let unknown = Self {
            choice: None,
            retry: Action::link("See the plans", "/dashboard/billing/upgrade"),
            ..known.clone()
        };
        let worst = Self {
            shell: samples::worst(Nav::Billing),
            choice: Some(EVIL.to_owned()),
            retry: Action::link(EVIL, "/\"><script>"),
            banner: Some(crate::words::credits_added(EVIL, EVIL)),
        };
        vec![("known", known), ("unknown", unknown), ("worst", worst)]
    }
}
