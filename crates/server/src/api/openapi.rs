//! `GET /openapi.json`: what can be called, generated from the handlers.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{
    accounts, admin, auth, billing, check, checkout, debits, grants, health, holds, keys, metrics,
    portal, pricing, transactions, usage,
};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "LocalBoxs Billing",
        description = "Tiers and prepaid API credits on Stripe. Errors are application/problem+json \
                       (RFC 9457); `code` is stable. Times are RFC 3339 in UTC. Credits are exact \
                       numbers with at most six decimals. An endpoint under `metering` takes an \
                       API key as a bearer token: a `meter` key spends for its own account, a \
                       `server` key names the `account`."
    ),
    paths(
        holds::create, holds::receipt, holds::capture, holds::release,
        debits::create, debits::batch,
        usage::balance, usage::usage, usage::access, check::check,
        keys::list, keys::create, keys::delete,
        transactions::list, grants::list,
        accounts::put, accounts::adjust, accounts::grant,
        checkout::create, portal::open, portal::link, billing::show, pricing::show, webhook,
        auth::ask, auth::follow, auth::redeem, auth::leave,
        admin::list_transactions, admin::list_accounts, admin::list_events, admin::show_event,
        admin::replay_event,
        health::alive, health::ready, metrics::show,
    ),
    tags(
        (name = "metering", description = "Spend credits"),
        (name = "account", description = "What belongs to an account"),
        (name = "accounts", description = "Accounts and credits by hand"),
        (name = "billing", description = "Plans, packs and payments"),
        (name = "sign-in", description = "Sign-in by a mailed link"),
        (name = "admin", description = "What operators see"),
        (name = "operation", description = "For those who run it"),
    ),
    modifiers(&Security),
    security(("key" = []), ("session" = []))
)]
pub struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("key", key);
        let cookie = ApiKey::Cookie(ApiKeyValue::new("lbx_session"));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// Receives Stripe's deliveries. 200 only once the event is on disk.
#[utoipa::path(
    post,
    path = "/api/stripe/webhook",
    tag = "billing",
    params(("Stripe-Signature" = String, Header, description = "Stripe's signature of the body")),
    request_body(content = String, content_type = "application/json", description = "Stripe's event"),
    responses((status = 200), (status = 400), (status = 413), (status = 503)),
    security(())
)]
#[expect(
    dead_code,
    reason = "describes `webhooks::receive`, which stands outside this room"
)]
fn webhook() {}

/// The document as JSON; it never changes while the program runs.
static TEXT: LazyLock<String> = LazyLock::new(|| {
    Document::openapi()
        .to_json()
        .expect("the document is plain data")
});

/// `GET /openapi.json`
pub async fn show() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, TEXT.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ROUTER: &str = include_str!("../router.rs");
    /// Only there while the bench runs, and no part of the contract.
    const BENCH_ONLY: &str = "/api/v1/noop";
    const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

    /// Method and path of every `.route(...)` of the router's text.
    fn routed() -> BTreeSet<(String, String)> {
        let mut routed = BTreeSet::new();
        for piece in ROUTER.split(".route(").skip(1) {
            let path = piece.split('"').nth(1).expect("a route has a path");
            let handlers = piece.split(path).nth(1).expect("a route has handlers");
            let end = handlers.find("\n        .route").unwrap_or(handlers.len());
            let end = end.min(handlers.find("\n}").unwrap_or(handlers.len()));
            for method in METHODS {
                if handlers[..end].contains(&format!("{method}(")) {
                    routed.insert((method.to_owned(), path.to_owned()));
                }
            }
        }
        routed
    }

    fn documented() -> BTreeSet<(String, String)> {
        let document: serde_json::Value = serde_json::from_str(&TEXT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, item)| {
            let item = item.as_object().unwrap();
            item.keys()
                .map(move |method| (method.clone(), path.clone()))
        });
        all.collect()
    }

    #[test]
    fn every_address_under_api_is_in_the_document_and_the_other_way_round() {
        let (routed, documented) = (routed(), documented());

        assert!(routed.len() > 30, "{routed:?}");
        let is_promised = |path: &str| path.starts_with("/api/") && path != BENCH_ONLY;
        let missing: Vec<_> = routed
            .iter()
            .filter(|one| is_promised(&one.1) && !documented.contains(*one))
            .collect();
        let gone: Vec<_> = documented.difference(&routed).collect();
        assert!(missing.is_empty(), "not documented: {missing:?}");
        assert!(gone.is_empty(), "documented, but not there: {gone:?}");
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(&TEXT).unwrap();

        let wanted: BTreeSet<&str> = TEXT
            .split("\"#/components/schemas/")
            .skip(1)
            .filter_map(|piece| piece.split('"').next())
            .collect();

        assert!(wanted.len() > 20, "{wanted:?}");
        for name in wanted {
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }
}
