//! The right that each operator route requires. The extractor of [`Operator`] checks it before a
//! handler runs, so no handler can forget to.
//!
//! [`Operator`]: billing::actors::Operator

use axum::http::Method;
use billing::actors::roles::Right;

/// Routes that require another right than their method's default: [`Right::Look`] for reads,
/// [`Right::Manage`] for writes.
pub const ADDRESSES: &[(&str, &str, Right)] = &[
    (
        "POST",
        "/api/v1/accounts/{id}/credits/adjustments",
        Right::Adjust,
    ),
    ("POST", "/api/v1/accounts/{id}/grants", Right::Adjust),
    ("POST", "/api/admin/events/{id}/replay", Right::Replay),
    ("POST", "/api/admin/alerts/{id}/acknowledge", Right::Replay),
    ("POST", "/admin/alerts/{id}/acknowledge", Right::Replay),
    ("POST", "/api/admin/refunds", Right::Money),
    ("POST", "/api/admin/disputes/{id}/decision", Right::Money),
    ("POST", "/api/admin/refunds/preview", Right::Look),
    ("POST", "/admin/events/{id}/replay", Right::Replay),
    ("GET", "/admin/events/replay", Right::Replay),
    ("POST", "/admin/events/replay", Right::Replay),
    ("GET", "/admin/transactions.csv", Right::Export),
    ("POST", "/admin/transactions/views", Right::Look),
    ("POST", "/admin/transactions/views/{id}/remove", Right::Look),
    ("GET", "/admin/payments/{payment}", Right::Money),
    ("POST", "/admin/payments/{payment}", Right::Money),
    ("GET", "/admin/refunds/{payment}", Right::Money),
    ("POST", "/admin/refunds/{payment}", Right::Money),
    ("GET", "/admin/accounts/{id}/journal.csv", Right::Export),
    ("POST", "/admin/accounts/{id}/credits", Right::Adjust),
    ("GET", "/admin/accounts/{id}/undo", Right::Adjust),
    ("POST", "/admin/accounts/{id}/sync", Right::Replay),
    ("GET", "/admin/accounts/{id}/dispute", Right::Money),
    ("POST", "/admin/accounts/{id}/dispute", Right::Money),
    ("GET", "/admin/accounts/{id}/forgive", Right::Money),
    ("POST", "/admin/accounts/{id}/forgive", Right::Money),
    ("GET", "/admin/accounts/{id}/void", Right::Money),
    ("POST", "/admin/accounts/{id}/void", Right::Money),
    ("GET", "/admin/accounts/{id}/plan", Right::Manage),
    ("GET", "/admin/accounts/{id}/status", Right::Manage),
    (
        "POST",
        "/admin/accounts/{id}/requests/{request}/retry",
        Right::Money,
    ),
    (
        "GET",
        "/admin/accounts/{id}/requests/{request}/dismiss",
        Right::Money,
    ),
    (
        "POST",
        "/admin/accounts/{id}/requests/{request}/dismiss",
        Right::Money,
    ),
    ("POST", "/admin/audit/run", Right::Money),
    ("GET", "/admin/log.csv", Right::Export),
    ("GET", "/admin/export", Right::Export),
    ("GET", "/admin/export/{file}", Right::Export),
];

/// The right that a call of `route` requires. Downloading an operators' list as CSV is an export.
pub fn needed(method: &Method, route: &str, wants_csv: bool) -> Right {
    let method = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let listed = ADDRESSES
        .iter()
        .find(|(known, path, _)| *known == method && *path == route);
    match listed {
        Some((.., right)) => *right,
        None if method != "GET" => Right::Manage,
        None if wants_csv && route.starts_with("/api/admin/") => Right::Export,
        None => Right::Look,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: &str = include_str!("../router.rs");

    #[test]
    fn every_address_of_the_table_is_one_of_the_router() {
        for (_, path, _) in ADDRESSES {
            let is_page = ROUTER.contains(&format!("\"{path}\""));
            let is_endpoint = crate::router::document().json["paths"].get(*path).is_some();
            assert!(is_page || is_endpoint, "{path} leads nowhere");
        }
    }

    #[test]
    fn what_is_not_listed_asks_an_admin_to_write_and_anybody_to_read() {
        assert_eq!(needed(&Method::GET, "/admin/new", false), Right::Look);
        assert_eq!(needed(&Method::HEAD, "/admin/new", false), Right::Look);
        assert_eq!(needed(&Method::POST, "/admin/new", false), Right::Manage);
        assert_eq!(
            needed(&Method::DELETE, "/api/admin/new", true),
            Right::Manage
        );
        assert_eq!(
            needed(&Method::GET, "/api/admin/events", true),
            Right::Export
        );
        assert_eq!(needed(&Method::GET, "/admin/events", true), Right::Look);
    }
}
