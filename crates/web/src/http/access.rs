//! Which member role each route requires: one table for all routes.
//!
//! Every member may read; owners and billing members may write. Exceptions are listed here, so a
//! route that is added but not listed is closed to members rather than open to them. A test
//! requests every route with each role.

use axum::http::Method;
use billing::actors::access::{ask, ask_active, ask_open};
use billing::app::App;
use billing::error::Result;
use domain::people::MemberRole;
use store::accounts::Account;

/// Routes whose required role differs from the default.
const RULES: &[(&str, &str, MemberRole)] = &[
    ("GET", "/dashboard/billing/plan", MemberRole::Billing),
    ("GET", "/dashboard/keys/{id}/revoke", MemberRole::Billing),
    ("GET", "/api/stripe/customer-portal", MemberRole::Billing),
    ("POST", "/api/v1/members", MemberRole::Owner),
    ("PUT", "/api/v1/members/{id}", MemberRole::Owner),
    // Every member may leave; the handler checks the right to remove another member.
    ("DELETE", "/api/v1/members/{id}", MemberRole::Member),
    ("DELETE", "/api/v1/invitations/{id}", MemberRole::Owner),
    // Creating an organization doesn't affect any existing account.
    ("POST", "/dashboard/organisations", MemberRole::Member),
    ("POST", "/dashboard/members", MemberRole::Owner),
    ("POST", "/dashboard/members/{id}", MemberRole::Owner),
    ("POST", "/dashboard/members/{id}/remove", MemberRole::Member),
    (
        "POST",
        "/dashboard/invitations/{id}/withdraw",
        MemberRole::Owner,
    ),
    ("DELETE", "/api/v1/account", MemberRole::Owner),
    ("GET", "/dashboard/close", MemberRole::Owner),
    ("POST", "/dashboard/close", MemberRole::Owner),
];

/// What a suspended account may still do: end what costs money, leave, and delete its data.
const WHILE_SUSPENDED: &[&str] = &[
    "/api/stripe/customer-portal",
    "/api/v1/account",
    "/api/v1/members/{id}",
    "/dashboard/close",
    "/dashboard/members/{id}/remove",
];

/// Routes that don't exist while billing is off (requirement 16.2).
const BILLING: &[&str] = &[
    "/dashboard/billing",
    "/api/dashboard/billing",
    "/api/stripe/create-checkout-session",
    "/api/stripe/customer-portal",
    "/api/v1/plan-changes",
];

/// The role that a route requires.
pub fn need_of(method: &Method, path: &str) -> MemberRole {
    let listed = RULES
        .iter()
        .find(|(verb, address, _)| *verb == method.as_str() && *address == path);
    match listed {
        Some((_, _, need)) => *need,
        None if is_read(method) => MemberRole::Member,
        None => MemberRole::Billing,
    }
}

/// Whether a method is read-only.
pub fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Admits a member of an account, or returns the refusal. `path` is the route's pattern.
pub fn admit(
    app: &App,
    method: &Method,
    path: &str,
    account: &Account,
    role: MemberRole,
) -> Result<()> {
    let is_billing = BILLING.iter().any(|address| {
        path.strip_prefix(address)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if is_billing {
        app.billing_is_on_for(account)?;
    }
    ask(need_of(method, path), role)?;
    let is_allowed = is_read(method) || WHILE_SUSPENDED.contains(&path);
    if is_allowed {
        ask_open(account.status)
    } else {
        ask_active(account.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_read_by_all_and_written_by_those_who_pay() {
        assert_eq!(
            need_of(&Method::GET, "/dashboard/usage"),
            MemberRole::Member
        );
        assert_eq!(need_of(&Method::PUT, "/api/v1/new"), MemberRole::Billing);
        assert_eq!(
            need_of(&Method::DELETE, "/api/v1/account"),
            MemberRole::Owner
        );
    }
}
