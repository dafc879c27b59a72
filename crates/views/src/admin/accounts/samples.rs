//! Samples of `accounts`: empty, typical and worst.

use super::*;
use crate::components::{Badge, Pager};

impl AccountsPage {
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::format;
        use crate::layout::Nav;
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;

        let row = |name: &str, email: &str, plan: &str, badge: Badge, available: &str| AccountRow {
            href: "/admin/accounts/acc_1".to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            plan: plan.to_owned(),
            badge,
            available: available.to_owned(),
        };
        let typical = Self {
            shell: samples::admin(Nav::AdminAccounts),
            tabs: tabs(""),
            q: String::new(),
            rows: vec![
                row(
                    "Acme Robotics",
                    "maya@acme.example",
                    "Pro",
                    Badge::ok("Active"),
                    "1,228",
                ),
                row(
                    "Lumen",
                    "priya@lumen.example",
                    "Pro",
                    Badge::bad("Payment failed"),
                    "0",
                ),
            ],
            pager: Pager {
                summary: "2 accounts".to_owned(),
                ..Pager::default()
            },
        };
        let empty = Self {
            q: "nobody".to_owned(),
            rows: Vec::new(),
            ..typical.clone()
        };
        let long = format!("{LONG} {EVIL}");
        let most = format::credits(i64::MAX);
        let worst = Self {
            shell: samples::worst(Nav::AdminAccounts),
            q: "\"><script>".to_owned(),
            rows: vec![row(&long, EVIL, EVIL, Badge::bad(EVIL), &most); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}
