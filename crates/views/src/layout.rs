//! The frame around every page: who reads it, where they are, and what they must know first.

use askama::Template;

use crate::assets;
use crate::components::{Action, Banner};
use crate::icons::Icon;
use crate::links::Links;

/// What the frame of a page shows.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The name in the corner and in the title of the browser tab: "`LocalBoxs`".
    pub product: String,
    /// Who is signed in; none on public pages.
    pub viewer: Option<Viewer>,
    /// The entry of the menu that this page belongs to.
    pub active: Nav,
    /// The billing feature flag: off hides every entry of the menu that leads to billing.
    pub billing_enabled: bool,
    /// The strip on top whenever payments are not real.
    pub test_mode: Option<TestMode>,
    /// What the last form did, shown once above the page.
    pub flash: Option<Banner>,
    pub docs_url: Option<String>,
    /// The account that the links of the page carry.
    pub links: Links,
}

/// A whole page: a template within the frame.
pub trait Page: Template {
    fn shell(&self) -> &Shell;

    /// The page as HTML. Its links carry the account of the frame.
    fn html(&self) -> askama::Result<String> {
        self.render_with_values(&self.shell().links)
    }
}

/// Makes a page of a template whose field `shell` is its frame.
macro_rules! page {
    ($page:ident) => {
        impl $crate::layout::Page for $page {
            fn shell(&self) -> &$crate::layout::Shell {
                &self.shell
            }
        }
    };
}
pub(crate) use page;

#[derive(Clone, Debug)]
pub struct Viewer {
    pub account_name: String,
    pub email: String,
    /// Two letters for the round mark.
    pub initials: String,
    /// The reader's role in words: "Owner".
    pub role: String,
    /// Admins also see the admin's menu.
    pub is_admin: bool,
    /// Webhook events that wait for a person; the admin's menu shows the number.
    pub events_failed: u64,
    /// The accounts to choose from; empty for a reader with one.
    pub accounts: Vec<AccountLink>,
}

#[derive(Clone, Debug)]
pub struct AccountLink {
    pub name: String,
    pub href: String,
    pub current: bool,
}

/// The strip on top of a page when no real money moves.
#[derive(Clone, Debug)]
pub struct TestMode {
    /// What is different: "Test mode: payments go to the built-in Stripe twin. ..."
    pub text: String,
    /// Where to look at it: the label and the address.
    pub link: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nav {
    /// No entry: sign-in and error pages.
    None,
    Billing,
    Plans,
    Credits,
    Usage,
    Keys,
    Members,
    Sessions,
    Settings,
    Pricing,
    AdminOverview,
    AdminTransactions,
    AdminAccounts,
    AdminEvents,
    AdminPlans,
    AdminBooks,
    AdminLog,
    AdminWebhooks,
    AdminAlerts,
}

/// One line of the menu, ready to be written.
pub struct NavLink {
    pub icon: Icon,
    pub href: &'static str,
    pub label: &'static str,
    pub current: bool,
    /// How many items on it need attention; zero shows no number.
    pub open: u64,
}

impl Shell {
    /// The frame for a reader who is not signed in.
    pub fn public(product: impl Into<String>) -> Self {
        Self {
            product: product.into(),
            viewer: None,
            active: Nav::None,
            billing_enabled: true,
            test_mode: None,
            flash: None,
            docs_url: None,
            links: Links::default(),
        }
    }

    pub fn signed_in(product: impl Into<String>, viewer: Viewer, active: Nav) -> Self {
        Self {
            viewer: Some(viewer),
            active,
            ..Self::public(product)
        }
    }

    /// Marks another entry of the menu as the current one.
    pub fn at(mut self, active: Nav) -> Self {
        self.active = active;
        self
    }

    /// Paths of the stylesheet and the script.
    pub fn assets(&self) -> &'static assets::Paths {
        assets::paths()
    }

    pub fn home(&self) -> &'static str {
        match &self.viewer {
            Some(_) if self.billing_enabled => "/dashboard/billing",
            Some(_) => "/dashboard/usage",
            None => "/pricing",
        }
    }

    pub fn links(&self) -> Vec<NavLink> {
        let billing = [
            (Nav::Billing, Icon::Card, "/dashboard/billing", "Billing"),
            (
                Nav::Plans,
                Icon::Plans,
                "/dashboard/billing/upgrade",
                "Plans",
            ),
            (
                Nav::Credits,
                Icon::Coin,
                "/dashboard/billing/credits",
                "Credits",
            ),
        ];
        let always = [
            (Nav::Usage, Icon::Chart, "/dashboard/usage", "Usage"),
            (Nav::Keys, Icon::Key, "/dashboard/keys", "API keys"),
            (Nav::Settings, Icon::Bell, "/dashboard/settings", "Settings"),
            (Nav::Members, Icon::People, "/dashboard/members", "Members"),
            (Nav::Sessions, Icon::Lock, "/dashboard/sessions", "Sign-ins"),
        ];
        let shown = billing
            .into_iter()
            .filter(|_| self.billing_enabled)
            .chain(always);
        shown.map(|entry| self.entry(entry)).collect()
    }

    pub fn admin_links(&self) -> Vec<NavLink> {
        if !self.viewer.as_ref().is_some_and(|viewer| viewer.is_admin) {
            return Vec::new();
        }
        let entries = [
            (Nav::AdminOverview, Icon::Home, "/admin", "Overview"),
            (
                Nav::AdminTransactions,
                Icon::List,
                "/admin/transactions",
                "Transactions",
            ),
            (
                Nav::AdminAccounts,
                Icon::People,
                "/admin/accounts",
                "Accounts",
            ),
            (
                Nav::AdminEvents,
                Icon::Webhook,
                "/admin/events",
                "Webhook events",
            ),
            (Nav::AdminPlans, Icon::Plans, "/admin/plans", "Catalog"),
            (Nav::AdminBooks, Icon::Check, "/admin/audit", "Books"),
            (Nav::AdminLog, Icon::Shield, "/admin/log", "Audit log"),
            (
                Nav::AdminWebhooks,
                Icon::External,
                "/admin/webhooks",
                "Webhooks",
            ),
            (Nav::AdminAlerts, Icon::Bell, "/admin/alerts", "Alerts"),
        ];
        entries.map(|entry| self.entry(entry)).into()
    }

    fn entry(&self, entry: (Nav, Icon, &'static str, &'static str)) -> NavLink {
        let (nav, icon, href, label) = entry;
        NavLink {
            icon,
            href,
            label,
            current: nav == self.active,
            open: self
                .viewer
                .as_ref()
                .filter(|_| nav == Nav::AdminEvents)
                .map_or(0, |viewer| viewer.events_failed),
        }
    }

    pub fn sign_out(&self) -> Action {
        Action::post("Sign out", "/api/auth/logout").small().quiet()
    }
}

/// Two letters for the round mark of a reader: "maya.kim@acme.example" is "MK".
pub fn initials(name: &str) -> String {
    let name = name.split('@').next().unwrap_or_default();
    let mut words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or("?");
    let letters: String = match words.next() {
        Some(second) => first
            .chars()
            .take(1)
            .chain(second.chars().take(1))
            .collect(),
        None => first.chars().take(2).collect(),
    };
    letters.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_come_from_the_first_two_words_or_letters() {
        assert_eq!(initials("maya.kim@acme.example"), "MK");
        assert_eq!(initials("maya@acme.example"), "MA");
        assert_eq!(initials("Ünal Özgür"), "ÜÖ");
        assert_eq!(initials("@"), "?");
    }
}
