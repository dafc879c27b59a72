//! The frame around every page: the reader, the navigation and important notices.

use askama::Template;

use crate::assets;
use crate::components::{Action, Banner};
use crate::icons::Icon;
use crate::links::Links;

/// What the frame of a page shows.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The product name in the corner and in the title of the browser tab: "`LocalBoxs`".
    pub product: String,
    /// The signed-in user; `None` on public pages.
    pub viewer: Option<Viewer>,
    /// The entry of the menu that this page belongs to.
    pub active: Nav,
    /// The billing feature flag: if off, all menu entries that lead to billing are hidden.
    pub billing_enabled: bool,
    /// The strip at the top, present whenever payments are not real.
    pub test_mode: Option<TestMode>,
    /// The result of the last form, shown once above the page.
    pub flash: Option<Banner>,
    pub docs_url: Option<String>,
    /// The account that is added to the links of the page.
    pub links: Links,
}

/// A complete page: a template within the frame.
pub trait Page: Template {
    fn shell(&self) -> &Shell;

    /// The page as HTML. Its links contain the frame's account.
    fn html(&self) -> askama::Result<String> {
        self.render_with_values(&self.shell().links)
    }
}

/// Implements [`Page`] for a template whose field `shell` is its frame.
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
    /// Two letters for the round avatar.
    pub initials: String,
    /// The reader's role as text: "Owner".
    pub role: String,
    /// Whether the administration menu is shown as well.
    pub is_admin: bool,
    /// The number of webhook events that need manual review, shown in the administration menu.
    pub events_failed: u64,
    /// The accounts to choose from; empty for a reader with only one.
    pub accounts: Vec<AccountLink>,
}

#[derive(Clone, Debug)]
pub struct AccountLink {
    pub name: String,
    pub href: String,
    pub current: bool,
}

/// The strip at the top of a page when no real money moves.
#[derive(Clone, Debug)]
pub struct TestMode {
    /// The explanation: "Test mode: payments go to the built-in Stripe twin. ..."
    pub text: String,
    /// A link to where test payments can be viewed: label and address.
    pub link: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nav {
    /// No entry, as on sign-in and error pages.
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

/// A menu entry, ready for rendering.
pub struct NavLink {
    pub icon: Icon,
    pub href: &'static str,
    pub label: &'static str,
    pub current: bool,
    /// The number of its items that need attention; zero shows no number.
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

    /// Marks another menu entry as the current one.
    pub fn at(mut self, active: Nav) -> Self {
        self.active = active;
        self
    }

    /// The paths of the stylesheet and the script.
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

/// Two letters for a reader's round avatar: "maya.kim@acme.example" is "MK".
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
