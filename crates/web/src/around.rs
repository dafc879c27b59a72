//! Layers around every route: request id, same-origin writes, security headers, errors as pages.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use billing::app::App;
use billing::error::Error;

use crate::http::accept::accepted;
use crate::http::error::{HttpError, PROBLEM};
use crate::http::origin::is_cross_site;
use crate::http::request_id::RequestId;
use crate::sign_in::host_session::WHY;

/// Allows only our own scripts, no framing, and forms only to us and to the Stripe pages that a
/// form's response redirects to.
fn content_security_policy(app: &App) -> String {
    let payment = match &app.twin_url {
        Some(twin) => twin.clone(),
        None => "https://checkout.stripe.com https://billing.stripe.com https://invoice.stripe.com"
            .to_owned(),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self' {payment}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// Outermost layer: assigns the request id, refuses cross-site writes, renders errors in the format
/// the client accepts, and adds the security headers.
pub async fn around(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let id = app.new_id("req");
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let here = request
        .uri()
        .path_and_query()
        .map_or_else(|| path.clone(), ToString::to_string);
    let wants_page = wants_page(request.headers(), &path);
    let started = std::time::Instant::now();
    let refused = refuse_cross_site(&app, &request);
    let response = match refused {
        Some(error) => HttpError::from(error).into_response(),
        None => crate::http::trace::request(request, &id, next).await,
    };
    let response = word_error(&app, response, &id, wants_page, &here).await;
    tracing::info!(
        request_id = id,
        method = %method,
        path = route_of(&path),
        status = response.status().as_u16(),
        micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    with_headers(&app, response, &id, &path)
}

/// The path for the log, without anything that may be a token or a person's id.
fn route_of(path: &str) -> &str {
    let with_tokens = ["/api/auth/link/", "/api/auth/invitation/"];
    let cut = with_tokens.into_iter().find(|cut| path.starts_with(cut));
    cut.unwrap_or(path)
}

/// A write must come from our own origin, by `Sec-Fetch-Site` or `Origin`. A request with neither
/// (curl, Stripe, a server) passes: it carries no cookie that another site's page could abuse.
fn refuse_cross_site(app: &App, request: &Request) -> Option<Error> {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return None;
    }
    is_cross_site(app, request.headers()).then(|| {
        Error::forbidden(
            "cross_site",
            "This request came from another site and was not carried out.",
        )
    })
}

/// Errors are JSON unless `Accept` prefers HTML; paths under `/api/` never return a page.
fn wants_page(headers: &HeaderMap, path: &str) -> bool {
    let accept = accepted(headers);
    let html = accept.find("text/html");
    let json = accept.find("application/json");
    let prefers_html = match (html, json) {
        (Some(html), Some(json)) => html < json,
        (Some(_), None) => true,
        (None, _) => false,
    };
    prefers_html && (!path.starts_with("/api/") || path.starts_with("/api/auth/"))
}

/// The account named in the query of a URL.
fn account_of(here: &str) -> Option<String> {
    let (_, query) = here.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, account) = pairs.find(|(name, _)| name == "account")?;
    Some(account.into_owned())
}

/// Adds the request id to an error, and renders it as a page if the client prefers one.
async fn word_error(
    app: &App,
    mut response: Response,
    id: &str,
    wants_page: bool,
    here: &str,
) -> Response {
    let said = response.extensions_mut().remove::<HttpError>();
    let Some(error) = said.or_else(|| unworded(&response)) else {
        return response;
    };
    if wants_page && error.status == StatusCode::UNAUTHORIZED {
        let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
        let why = match error.error.0.code {
            code if code.starts_with(WHY) => format!("&why={code}"),
            _ => String::new(),
        };
        let login = format!("/login?next={next}{why}");
        return axum::response::Redirect::to(&login).into_response();
    }
    let (mut parts, _) = response.into_parts();
    let (kind, body) = if wants_page {
        let page = crate::frame::error_page(app, &error, account_of(here), id);
        ("text/html; charset=utf-8", page)
    } else {
        (PROBLEM, error.body(id).to_string())
    };
    // Also for a response of the framework's own, which was plain text.
    let kind = HeaderValue::from_static(kind);
    parts.headers.insert(header::CONTENT_TYPE, kind);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}

/// An error response that no handler produced: an extractor or a layer returned plain text or no
/// body.
fn unworded(response: &Response) -> Option<HttpError> {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !is_refusal || !(kind.is_empty() || kind.starts_with("text/plain")) {
        return None;
    }
    let (code, title, detail) = match status {
        StatusCode::NOT_FOUND => (
            "not_found",
            "Not found",
            "There is no page at this address.",
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "method_not_allowed",
            "Method not allowed",
            "This address doesn't take that method.",
        ),
        StatusCode::REQUEST_TIMEOUT => return Some(HttpError::too_slow()),
        StatusCode::PAYLOAD_TOO_LARGE => return Some(HttpError::too_large()),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "wrong_type",
            "Wrong type",
            "This address does not take a body of that type.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "too_long",
            "Not available now",
            "This took longer than a request may; try again.",
        ),
        _ if status.is_server_error() => (
            "internal",
            "Internal error",
            "Something went wrong on our side.",
        ),
        _ => (
            "invalid_request",
            "Bad request",
            "The address or the form could not be read.",
        ),
    };
    Some(HttpError::new(status, code, title, detail))
}

fn with_headers(app: &App, mut response: Response, id: &str, path: &str) -> Response {
    let is_asset = path.starts_with("/assets/");
    let headers = response.headers_mut();
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(name).or_insert(value);
        }
    };
    put("x-request-id", id);
    put("x-content-type-options", "nosniff");
    put("referrer-policy", "same-origin");
    put("x-frame-options", "DENY");
    put("content-security-policy", &content_security_policy(app));
    put("cross-origin-opener-policy", "same-origin");
    put(
        "permissions-policy",
        "camera=(), geolocation=(), microphone=(), payment=()",
    );
    if app.settings.is_https() {
        put(
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        );
    }
    if !is_asset {
        put("cache-control", "no-store");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::route_of;

    #[test]
    fn a_token_in_an_address_is_not_logged() {
        assert_eq!(route_of("/api/auth/link/0a1b"), "/api/auth/link/");
        assert_eq!(
            route_of("/api/auth/invitation/0a1b"),
            "/api/auth/invitation/"
        );
        assert_eq!(route_of("/dashboard/billing"), "/dashboard/billing");
    }
}
