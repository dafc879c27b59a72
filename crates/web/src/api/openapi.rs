//! `GET /openapi.json`: the OpenAPI document, generated from the handlers.

use axum::Extension;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

/// The document's general part, such as title and tags.
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
    tags(
        (name = "metering", description = "Spend credits"),
        (name = "account", description = "Data and settings of an account"),
        (name = "accounts", description = "Manual changes to accounts and credits"),
        (name = "billing", description = "Plans, packs and payments"),
        (name = "people", description = "Members, organizations and sessions"),
        (name = "sign-in", description = "Sign-in by email link"),
        (name = "notices", description = "Outgoing webhooks to your application"),
        (name = "admin", description = "Operators' tools"),
        (name = "operation", description = "Health and metrics"),
    ),
    components(schemas(Problem)),
    security(("key" = []), ("session" = []))
)]
struct About;

/// The document without endpoints.
pub fn about() -> utoipa::openapi::OpenApi {
    let mut document = About::openapi();
    let components = document.components.get_or_insert_with(Default::default);
    let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("key", key);
    let cookie = ApiKey::Cookie(ApiKeyValue::new("lbx_session"));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    document
}

/// The document as served.
#[derive(Clone, Debug)]
pub struct Document {
    /// The document as JSON text.
    pub text: String,
    /// The document as a JSON value.
    pub json: serde_json::Value,
}

impl Document {
    /// Completes the document that the router assembled.
    pub fn new(mut document: utoipa::openapi::OpenApi) -> Document {
        word_all(&mut document);
        let text = document.to_json().expect("the document is plain data");
        let json = serde_json::from_str(&text).expect("the document was just written as JSON");
        Document { text, json }
    }
}

/// An error response (RFC 9457).
#[derive(ToSchema)]
#[schema(title = "Problem")]
#[expect(
    dead_code,
    reason = "describes `http::error`, which writes it field by field"
)]
#[serde(rename_all = "camelCase")]
struct Problem {
    /// The URL of a page about this kind of problem.
    r#type: String,
    /// A short name of the kind of problem.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A stable code for programs to use.
    code: String,
    /// What happened and what to do about it.
    detail: String,
    /// The same text as `detail`, for clients that read this field.
    error: String,
    /// The id of the request, by which to find it in the logs.
    request_id: String,
}

/// Describes every response, and splits a handler's comment into a summary and a description.
fn word_all(document: &mut utoipa::openapi::OpenApi) {
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

fn word(operation: &mut Operation) {
    let said = operation.summary.take().unwrap_or_default();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let (title, rest) = said.split_once(". ").unwrap_or((&said, ""));
    operation.summary = Some(title.trim_end_matches('.').to_owned());
    operation.description = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
    let answers = &mut operation.responses.responses;
    // Any call can fail with a wrong method, body or content type, a full queue or a bug.
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
        "200" => "OK",
        "201" => "Created",
        "204" => "No content",
        "303" => "See other",
        "304" => "Not modified",
        "400" => "Invalid input",
        "401" => "Not signed in",
        "402" => "Not enough credits, outstanding debt, or a plan or spending limit",
        "403" => "Not allowed, or from another site",
        "404" => "Not found, or belongs to another account",
        "409" => "Conflict with the current state",
        "413" => "The body is too large",
        "429" => "Too many requests; `Retry-After` says when to try again",
        "503" => "Not available now; `Retry-After` says when to try again",
        _ => "A problem",
    }
}

/// `GET /openapi.json`
pub async fn show(Extension(document): Extension<&'static Document>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document.text.as_str()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::router::document;

    fn operations() -> impl Iterator<Item = (&'static String, &'static String, &'static Value)> {
        let paths = document().json["paths"].as_object().unwrap();
        paths.iter().flat_map(|(path, item)| {
            let operations = item.as_object().unwrap().iter();
            operations.map(move |(method, operation)| (method, path, operation))
        })
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_that_reads_as_a_method_name() {
        let mut ids = BTreeSet::new();
        for (method, path, operation) in operations() {
            let id = operation["operationId"].as_str().unwrap();
            let is_name = id.chars().all(|letter| letter.is_ascii_alphabetic());
            let has_verb = id.contains(|letter: char| letter.is_ascii_uppercase());
            assert!(is_name && has_verb, "{method} {path}: {id}");
            assert!(
                id.starts_with(|first: char| first.is_ascii_lowercase()),
                "{id}"
            );
            assert!(ids.insert(id), "{id} is the id of two operations");
        }
    }

    #[test]
    fn every_answer_is_described_and_every_error_is_a_problem() {
        for (method, path, operation) in operations() {
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
        for quoted in document().text.split('"').filter(|text| text.contains(' ')) {
            for (word, instead) in views::words_to_avoid::found_in(quoted) {
                found.insert(format!("{quoted}: {word:?}, write {instead:?}"));
            }
        }

        assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document = document();

        let wanted: BTreeSet<&str> = document
            .text
            .split("\"#/components/schemas/")
            .skip(1)
            .filter_map(|piece| piece.split('"').next())
            .collect();

        assert!(wanted.len() > 20, "{wanted:?}");
        for name in wanted {
            assert!(
                document.json["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }
}
