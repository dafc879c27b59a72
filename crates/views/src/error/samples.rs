//! Samples of `error`: empty, typical and worst.

use super::*;

impl ErrorPage {
    /// One of each kind, and the worst.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::layout::Nav;
        use crate::samples;
        use crate::samples::EVIL;

        let mut off = samples::customer(Nav::None);
        off.billing_enabled = false;
        let forbidden = Self::new(
            samples::customer(Nav::None),
            403,
            "forbidden",
            "This page is for admins",
            "You're signed in as maya@acme.example, which isn't an admin.",
        );
        let broken = Self::new(
            samples::public(),
            503,
            "unavailable",
            "The service is busy",
            "Nothing was charged and nothing was changed.",
        );
        let worst = Self::new(samples::worst(Nav::None), 500, EVIL, EVIL, EVIL.repeat(8));
        vec![
            ("not-found", Self::not_found(samples::public())),
            (
                "not-found-signed-in",
                Self::not_found(samples::customer(Nav::None)),
            ),
            ("billing-off", Self::billing_is_off(off)),
            ("forbidden", forbidden.request("req_8fK2")),
            ("busy", broken.request("req_8fK3")),
            ("worst", worst.request(EVIL)),
        ]
    }
}
