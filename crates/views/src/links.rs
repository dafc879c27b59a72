//! The only place that adds an account to an address.
//!
//! A reader who belongs to several accounts must only ever act on the one being displayed, so every
//! link, form and refresh of their pages names it. Templates write
//! `href="{{ "/dashboard/keys"|for_account }}"`; the filter reads the [`Links`] that the page is
//! rendered with, which [`crate::layout::Page::html`] takes from the page's frame. Components such
//! as [`crate::components::Action`] do the same, so their callers pass plain paths.

use std::any::Any;

use askama::Values;

/// The path prefixes of pages about one account.
const ABOUT_ACCOUNTS: &[&str] = &["/dashboard", "/api/stripe/", "/api/dashboard/", "/api/v1/"];

/// The name of the links among the template values.
const NAME: &str = "links";

/// The account to add to addresses; `None` for a reader with only one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    account: Option<String>,
}

impl Links {
    pub fn for_account(account: impl Into<String>) -> Self {
        Self {
            account: Some(account.into()),
        }
    }

    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Adds the account to the query of `path`, unless it already names one or isn't about an
    /// account.
    pub fn to(&self, path: &str) -> String {
        let names_one = path.contains("?account=") || path.contains("&account=");
        let is_about = ABOUT_ACCOUNTS.iter().any(|start| path.starts_with(start));
        let Some(account) = self.account.as_deref().filter(|_| is_about && !names_one) else {
            return path.to_owned();
        };
        let account: String = form_urlencoded::byte_serialize(account.as_bytes()).collect();
        let (address, fragment) = match path.split_once('#') {
            Some((address, fragment)) => (address, format!("#{fragment}")),
            None => (path, String::new()),
        };
        let join = if address.contains('?') { '&' } else { '?' };
        format!("{address}{join}account={account}{fragment}")
    }
}

impl Values for Links {
    fn get_value<'a>(&'a self, key: &str) -> Option<&'a dyn Any> {
        (key == NAME).then_some(self as &dyn Any)
    }
}

pub mod filters {
    use std::fmt::Display;

    use askama::{Values, get_value};

    use super::{Links, NAME};

    /// Adds the account of the page being rendered to an address.
    #[askama::filter_fn]
    pub fn for_account(path: impl Display, values: &dyn Values) -> askama::Result<String> {
        let path = path.to_string();
        Ok(match get_value::<Links>(values, NAME) {
            Ok(links) => links.to(&path),
            // A component rendered outside a page is not about an account.
            Err(_) => path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_about_an_account_carries_it_before_its_fragment() {
        let links = Links::for_account("acc 1");

        assert_eq!(links.to("/dashboard/keys"), "/dashboard/keys?account=acc+1");
        assert_eq!(
            links.to("/dashboard/usage?a=1&b=2#top"),
            "/dashboard/usage?a=1&b=2&account=acc+1#top"
        );
        assert_eq!(
            links.to("/api/stripe/customer-portal"),
            "/api/stripe/customer-portal?account=acc+1"
        );
    }

    #[test]
    fn what_names_an_account_already_or_is_about_none_stays() {
        let links = Links::for_account("acc_1");
        let stay = [
            "/dashboard?account=acc_2",
            "/dashboard/x?b=1&account=acc_2",
            "/pricing",
            "/admin/accounts",
            "/api/auth/logout",
            "https://x.example/dashboard",
        ];

        for path in stay {
            assert_eq!(links.to(path), path);
        }
        assert_eq!(Links::default().to("/dashboard"), "/dashboard");
    }
}
