//! `/admin/accounts`: all accounts.

use askama::Template;

use crate::admin::parts;
use crate::components::{Badge, Pager, Tab};
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

/// The list of accounts with its search.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/accounts.html")]
pub struct AccountsPage {
    pub shell: Shell,
    /// All accounts, subscribers, former subscribers.
    pub tabs: Vec<Tab>,
    /// The search, as typed (`q`): an email address, a name or an id.
    pub q: String,
    /// The rows, newest first.
    pub rows: Vec<AccountRow>,
    pub pager: Pager,
}

page!(AccountsPage);

#[derive(Clone, Debug)]
pub struct AccountRow {
    pub href: String,
    pub name: String,
    pub email: String,
    pub plan: String,
    pub badge: Badge,
    pub available: String,
}

/// The tabs above the list, with the current one marked.
pub fn tabs(current: &str) -> Vec<Tab> {
    let views = [
        ("All", ""),
        ("Subscribed", "subscribed"),
        ("Left in 30 days", "churned"),
    ];
    parts::tabs("/admin/accounts", "view", &views, current)
}
