//! `/admin/accounts`: all accounts.

use askama::Template;

use crate::admin::parts::address;
use crate::components::{Badge, Pager, Tab};
use crate::icons::Icon;
use crate::layout::Shell;

/// The list of accounts with its search.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/accounts.html")]
pub struct AccountsPage {
    /// The frame.
    pub shell: Shell,
    /// All, those that subscribe, those that left.
    pub tabs: Vec<Tab>,
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
        use crate::format;
        use crate::layout::Nav;
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;

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

/// The tabs above the list, with the current one marked.
pub fn tabs(current: &str) -> Vec<Tab> {
    let views = [
        ("All", ""),
        ("Subscribed", "subscribed"),
        ("Left in 30 days", "churned"),
    ];
    let tab = |(label, view): (&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address("/admin/accounts", &[("view", view)]),
        current: current == view,
    };
    views.into_iter().map(tab).collect()
}
