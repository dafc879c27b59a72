//! `/admin/accounts`: find an account.

use askama::Template;

use crate::pages::components::{Badge, Pager};
use crate::pages::icons::Icon;
use crate::pages::layout::Shell;

/// The list of accounts with its search.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/accounts.html")]
pub struct AccountsPage {
    /// The frame.
    pub shell: Shell,
    /// The search, as typed (`q`): mail, name or any id.
    pub q: String,
    /// Newest first.
    pub rows: Vec<AccountRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One account.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: String,
    /// Its owner's mail address.
    pub mail: String,
    /// "Pro"
    pub plan: String,
    /// The subscription's state.
    pub badge: Badge,
    /// Credits available.
    pub available: String,
}

impl AccountsPage {
    /// None, some, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::pages::format;
        use crate::pages::layout::Nav;
        use crate::pages::samples::{self, EVIL, LONG};

        let row = |name: &str, mail: &str, plan: &str, badge: Badge, available: &str| AccountRow {
            href: "/admin/accounts/acc_1".to_owned(),
            name: name.to_owned(),
            mail: mail.to_owned(),
            plan: plan.to_owned(),
            badge,
            available: available.to_owned(),
        };
        let typical = Self {
            shell: samples::admin(Nav::AdminAccounts),
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
