//! Which of an account's people an address is for: one table for all addresses.
//!
//! Reading is for every member, writing for owners and billing members; what differs is listed
//! here. An address that is added and forgotten here is therefore closed to members rather than
//! open to them. A test walks every route with each role.

use axum::http::Method;
use store::accounts::Account;

use crate::app::App;
use crate::error::{Error, Result};

/// What somebody must be in the account. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Any of its people.
    Member,
    /// Somebody who may buy, change and cancel.
    Billing,
    /// Somebody who decides who belongs to it, and whether it goes on.
    Owner,
}

/// Addresses that differ from the rule.
const RULES: &[(&str, &str, Need)] = &[
    ("GET", "/dashboard/billing/plan", Need::Billing),
    ("GET", "/dashboard/keys/{id}/revoke", Need::Billing),
    ("GET", "/api/stripe/customer-portal", Need::Billing),
    ("POST", "/api/v1/members", Need::Owner),
    ("PUT", "/api/v1/members/{id}", Need::Owner),
    // Everybody may leave; removing somebody else is asked for again by the handler.
    ("DELETE", "/api/v1/members/{id}", Need::Member),
    ("DELETE", "/api/v1/invitations/{id}", Need::Owner),
    // Founding an organisation touches no account that is there.
    ("POST", "/dashboard/organisations", Need::Member),
    ("POST", "/dashboard/members", Need::Owner),
    ("POST", "/dashboard/members/{id}", Need::Owner),
    ("POST", "/dashboard/members/{id}/remove", Need::Member),
    ("POST", "/dashboard/invitations/{id}/withdraw", Need::Owner),
    ("DELETE", "/api/v1/account", Need::Owner),
    ("GET", "/dashboard/close", Need::Owner),
    ("POST", "/dashboard/close", Need::Owner),
];

/// What stays possible for an account that an operator suspended: to end what costs money, to
/// leave, and to be forgotten.
const WHILE_SUSPENDED: &[&str] = &[
    "/api/stripe/customer-portal",
    "/api/v1/account",
    "/api/v1/members/{id}",
    "/dashboard/close",
    "/dashboard/members/{id}/remove",
];

/// Addresses that are not there while billing is off (requirement 16.2).
const BILLING: &[&str] = &[
    "/dashboard/billing",
    "/api/dashboard/billing",
    "/api/stripe/create-checkout-session",
    "/api/stripe/customer-portal",
    "/api/v1/plan-changes",
];

impl Need {
    /// What an address asks of its caller.
    pub fn of(method: &Method, path: &str) -> Need {
        let listed = RULES
            .iter()
            .find(|(verb, address, _)| *verb == method.as_str() && *address == path);
        match listed {
            Some((_, _, need)) => *need,
            None if is_read(method) => Need::Member,
            None => Need::Billing,
        }
    }

    /// Whether a role is enough.
    pub fn is_met_by(self, role: &str) -> bool {
        let held = match role {
            "owner" => Need::Owner,
            "billing" => Need::Billing,
            "member" => Need::Member,
            _ => return false,
        };
        held >= self
    }

    fn refusal(self) -> Error {
        match self {
            Need::Owner => Error::forbidden("not_owner", "Only owners of the account may do this."),
            Need::Billing | Need::Member => Error::forbidden(
                "not_billing_member",
                "Only owners and billing members may do this.",
            ),
        }
    }

    /// Refuses a role that is not enough.
    pub fn ask(self, role: &str) -> Result<()> {
        if self.is_met_by(role) {
            return Ok(());
        }
        Err(self.refusal())
    }
}

/// Whether a method changes nothing.
pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Lets a member of an account in, or says why not. `path` is the route's pattern.
pub fn admit(app: &App, method: &Method, path: &str, account: &Account, role: &str) -> Result<()> {
    let is_billing = BILLING.iter().any(|address| {
        path.strip_prefix(address)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if is_billing {
        app.billing_is_on_for(account)?;
    }
    Need::of(method, path).ask(role)?;
    if account.status == "suspended" && !is_read(method) && !WHILE_SUSPENDED.contains(&path) {
        return Err(suspended());
    }
    Ok(())
}

/// What a suspended account is told.
pub fn suspended() -> Error {
    let detail = "This account is suspended; ask the operator. You can still look at everything.";
    Error::forbidden("account_not_active", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_read_by_all_and_written_by_those_who_pay() {
        assert_eq!(Need::of(&Method::GET, "/dashboard/usage"), Need::Member);
        assert_eq!(Need::of(&Method::PUT, "/api/v1/new"), Need::Billing);
        assert_eq!(Need::of(&Method::DELETE, "/api/v1/account"), Need::Owner);
        assert!(Need::Billing.is_met_by("owner") && !Need::Billing.is_met_by("member"));
        assert!(!Need::Member.is_met_by("somebody"));
    }
}
