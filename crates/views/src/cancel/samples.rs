//! Samples of `cancel`: empty, typical and worst.

use super::*;
use crate::components::Action;

impl CancelPage {
    /// With and without a known choice.
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
        };
        vec![("known", known), ("unknown", unknown), ("worst", worst)]
    }
}
