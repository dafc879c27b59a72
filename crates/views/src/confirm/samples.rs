//! Samples of `confirm`: empty, typical and worst.

use super::*;
use crate::components::Fact;

impl ConfirmPage {
    /// The three actions, and markup in a key's name.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::layout::Nav;
        use crate::samples;
        use crate::samples::EVIL;

        let points = vec![
            "Calls per month drop from 10,000 to 1,000.".to_owned(),
            "Your purchased credits stay and never expire.".to_owned(),
        ];
        let shell = samples::customer_in_test_mode;
        let end = Self::end_now(
            shell(Nav::Plans),
            "Pro",
            Some("$11.40"),
            "1795348800:1140",
            points.clone(),
        );
        let used = "It was last used 2 minutes ago.";
        let dry_run = vec![
            Fact::new("Credits", "1,228 to 11,228"),
            Fact::new("Transaction", "1 new, Credit top-up, $10.00, Completed"),
        ];
        vec![
            (
                "cancel-plan",
                Self::cancel_plan(shell(Nav::Plans), "Pro", "15 Dec 2026", points),
            ),
            ("end-now", end),
            (
                "revoke-key",
                Self::revoke_key(shell(Nav::Keys), "key_1", "prod-web", used),
            ),
            (
                "replay",
                Self::replay_event(
                    samples::admin(Nav::AdminEvents),
                    "evt_1",
                    "checkout.session.completed",
                    dry_run,
                ),
            ),
            (
                "remove-member",
                Self::remove_member(shell(Nav::Members), "usr_2", "Noah", "Acme", false),
            ),
            (
                "leave",
                Self::remove_member(shell(Nav::Members), "usr_1", "Maya", "Acme", true),
            ),
            (
                "close-account",
                Self::close_account(shell(Nav::Members), "Acme Robotics"),
            ),
            (
                "worst",
                Self::revoke_key(samples::worst(Nav::Keys), "\"><script>", EVIL, EVIL),
            ),
        ]
    }
}
