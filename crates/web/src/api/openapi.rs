//! `GET /openapi.json`: what can be called, generated from the handlers.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::api::{
    accounts, admin, agreed_prices, alerts, auth, check, checkout, corrections, debits, grants,
    health, holds, keys, limits, members, metrics, oidc, plan_changes, portal, pricing, refunds,
    sessions, settings, transactions, usage, webhook_endpoints,
};

/// The document.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "LocalBoxs Billing",
        description = "Tiers and prepaid API credits on Stripe. Errors are \
                       application/problem+json \
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
        limits::list, limits::put, limits::delete,
        settings::show, settings::change,
        transactions::list, grants::list,
        accounts::put, accounts::adjust, accounts::grant,
        checkout::create, checkout::create_for, oidc::begin, oidc::callback, portal::open, portal::link, plan_changes::create,
        crate::api::billing::show, pricing::show, webhook,
        corrections::void, corrections::forgive,
        auth::ask, auth::follow, auth::redeem, auth::hand_over, auth::leave,
        members::list, members::invite, members::put, members::remove, members::withdraw,
        members::accept, members::places, members::found, members::export, members::close,
        sessions::list, sessions::end, sessions::end_all,
        admin::list_transactions, admin::list_accounts, admin::list_events, admin::show_event,
        admin::replay_event, admin::list_acts, refunds::preview, refunds::create,
        agreed_prices::list, agreed_prices::put, agreed_prices::delete,
        alerts::list, alerts::acknowledge,
        webhook_endpoints::list, webhook_endpoints::create, webhook_endpoints::show,
        webhook_endpoints::update, webhook_endpoints::delete, webhook_endpoints::rotate,
        webhook_endpoints::test, webhook_endpoints::deliveries, webhook_endpoints::resend,
        health::alive, health::ready, metrics::show,
    ),
    tags(
        (name = "metering", description = "Spend credits"),
        (name = "account", description = "What belongs to an account"),
        (name = "accounts", description = "Manual changes to accounts and credits"),
        (name = "billing", description = "Plans, packs and payments"),
        (name = "people", description = "Members, organizations and sessions"),
        (name = "sign-in", description = "Sign-in by email link"),
        (name = "notices", description = "Outgoing webhooks to your application"),
        (name = "admin", description = "What operators see"),
        (name = "operation", description = "For those who run it"),
    ),
    components(schemas(Problem)),
    modifiers(&Security, &Wording),
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

/// What every error says (RFC 9457).
#[derive(ToSchema)]
#[schema(title = "Problem")]
#[expect(
    dead_code,
    reason = "describes `http::error`, which writes it field by field"
)]
#[serde(rename_all = "camelCase")]
struct Problem {
    /// A page about this kind of problem.
    r#type: String,
    /// What kind of problem it is, in few words.
    title: String,
    /// The status.
    status: u16,
    /// Stable; programs may depend on it.
    code: String,
    /// What happened and what to do.
    detail: String,
    /// The same as `detail`, for callers that read it.
    error: String,
    /// Leads us to the log.
    request_id: String,
}

/// Says of every answer what it is, and cuts a handler's comment into a title and the rest.
struct Wording;

impl Modify for Wording {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let all = [
                &mut item.get,
                &mut item.put,
                &mut item.post,
                &mut item.patch,
                &mut item.delete,
            ];
            for operation in all.into_iter().flatten() {
                word(operation);
            }
        }
    }
}

fn word(operation: &mut Operation) {
    let said = operation.summary.take().unwrap_or_default();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let (title, rest) = said.split_once(". ").unwrap_or((&said, ""));
    operation.summary = Some(title.trim_end_matches('.').to_owned());
    operation.description = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
    let answers = &mut operation.responses.responses;
    // Wrong methods, bodies and content types, full queues and bugs of ours can meet any call.
    let other = ResponseBuilder::new().description("Any other problem");
    answers.insert("default".to_owned(), RefOr::T(other.build()));
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        let is_problem = !status.starts_with(['2', '3']);
        if is_problem {
            let problem = Content::new(Some(Ref::from_schema_name("Problem")));
            let kind = "application/problem+json".to_owned();
            answer.content.insert(kind, RefOr::T(problem));
        }
        if answer.description.is_empty() {
            answer.description = description(status).to_owned();
        }
    }
}

fn description(status: &str) -> &'static str {
    match status {
        "200" => "Done",
        "201" => "Made",
        "204" => "Done; there is nothing to say",
        "303" => "See Other",
        "304" => "As you have it",
        "400" => "The input is wrong",
        "401" => "Not signed in",
        "402" => "Not enough credits, debt, or the plan's limit",
        "403" => "Not allowed, or from another site",
        "404" => "Not found, or owned by another account",
        "409" => "It does not fit the state of things",
        "413" => "The body is too large",
        "429" => "Too many; `Retry-After` says when again",
        "503" => "Not now; `Retry-After` says when again",
        _ => "A problem",
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
    const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

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
    fn every_answer_is_described_and_every_error_is_a_problem() {
        let document: serde_json::Value = serde_json::from_str(&TEXT).unwrap();

        for (method, path) in documented() {
            let operation = &document["paths"][&path][&method];
            assert!(
                operation["summary"].as_str().is_some_and(|s| !s.is_empty()),
                "{path}"
            );
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                assert!(answer["description"].is_string(), "{place}");
                let is_error = !status.starts_with(['2', '3']);
                let problem = &answer["content"]["application/problem+json"];
                assert_eq!(problem.is_object(), is_error, "{place}");
            }
        }
    }

    #[test]
    fn the_document_uses_no_word_to_avoid() {
        let mut found = BTreeSet::new();
        for quoted in TEXT.split('"').filter(|text| text.contains(' ')) {
            for (word, instead) in views::words_to_avoid::found_in(quoted) {
                found.insert(format!("{quoted}: {word:?}, write {instead:?}"));
            }
        }

        assert!(found.is_empty(), "{found:#?}");
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
