//! Samples of `login`: empty, typical and worst.

use super::*;
use crate::components::{Action, Banner, Kind};

impl LoginPage {
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;

        let ask = || Self::ask(samples::public());
        let mailbox = || Some("http://127.0.0.1:12111/mailbox".to_owned());
        vec![
            ("ask", ask()),
            (
                "ask-in-test-mode",
                Self {
                    mailbox: mailbox(),
                    next: Some("/dashboard".to_owned()),
                    ..ask()
                },
            ),
            (
                "sent",
                Self {
                    mailbox: mailbox(),
                    ..Self::sent(samples::public(), "maya@acme.example")
                },
            ),
            (
                "link-over",
                Self {
                    banner: Some(Self::link_expired()),
                    ..ask()
                },
            ),
            (
                "host-session",
                Self {
                    banner: Some(Self::host_session(
                        "The application's session has expired. Sign in there again.",
                    )),
                    next: Some("/dashboard".to_owned()),
                    ..ask()
                },
            ),
            (
                "too-many",
                Self {
                    banner: Some(Self::too_many("40 seconds")),
                    ..ask()
                },
            ),
            (
                "invalid",
                Self {
                    email: "maya@".to_owned(),
                    email_error: Some(
                        "Enter a full email address, for example maya@acme.example.".to_owned(),
                    ),
                    ..ask()
                },
            ),
            (
                "worst",
                Self {
                    email: EVIL.to_owned(),
                    email_error: Some(EVIL.to_owned()),
                    next: Some("/\"><script>".to_owned()),
                    others: vec![Action::link(EVIL, "/\"><script>").block()],
                    banner: Some(Banner::new(Kind::Bad, EVIL, EVIL)),
                    ..ask()
                },
            ),
            ("sent-worst", Self::sent(samples::public(), EVIL)),
        ]
    }
}

impl LoginConfirmPage {
    /// With and without an address.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;

        let page = Self {
            shell: samples::public(),
            action: "/api/auth/link/tok_1".to_owned(),
            email: Some("maya@acme.example".to_owned()),
            next: None,
        };
        let worst = Self {
            action: "/\"><script>".to_owned(),
            email: Some(EVIL.to_owned()),
            next: Some(EVIL.to_owned()),
            ..page.clone()
        };
        vec![
            ("known", page.clone()),
            (
                "unknown",
                Self {
                    email: None,
                    ..page
                },
            ),
            ("worst", worst),
        ]
    }
}
