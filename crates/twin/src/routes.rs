//! Every route of the twin.

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Request, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use crate::app::App;
use crate::pages::{self, actions, board, checkout, invoice, mailbox, portal, portal_flow};
use crate::{api, control, listen};

/// The longest request body that is accepted.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The twin's whole HTTP interface.
pub(crate) fn router(app: App) -> Router {
    hosted_pages()
        .merge(control_page())
        .merge(control_api())
        .layer(middleware::from_fn(refuse_cross_site))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/v1/stripecli/listen", get(listen::listen))
        .route("/v1", any(api::call))
        .route("/v1/", any(api::call))
        .route("/v1/{*path}", any(api::call))
        .route("/v2", any(api::call))
        .route("/v2/", any(api::call))
        .route("/v2/{*path}", any(api::call))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(app)
}

/// The pages that Stripe hosts: Checkout, the billing portal and invoices.
fn hosted_pages() -> Router<App> {
    Router::new()
        .route("/assets/twin.css", get(css))
        .route("/c/pay/{session}", get(checkout::show).post(checkout::pay))
        .route("/c/pay/{session}/promotion", post(checkout::promotion))
        .route(
            "/c/pay/{session}/authenticate",
            get(checkout::ask).post(checkout::authenticate),
        )
        .route("/p/session/{session}", get(portal::show))
        .route(
            "/p/session/{session}/cancel",
            get(portal::ask_cancel).post(portal::cancel),
        )
        .route("/p/session/{session}/resume", post(portal::resume))
        .route(
            "/p/session/{session}/card",
            get(portal::ask_card).post(portal::set_card),
        )
        .route(
            "/p/session/{session}/plan",
            get(portal::ask_plan).post(portal::switch_plan),
        )
        .route(
            "/p/session/{session}/confirm",
            get(portal_flow::ask_confirm).post(portal_flow::confirm),
        )
        .route("/i/{invoice}", get(invoice::show).post(invoice::pay))
        .route(
            "/i/{invoice}/authenticate",
            get(invoice::ask).post(invoice::authenticate),
        )
        .route("/i/{invoice}/pdf", get(invoice::pdf))
}

/// The control page and the mailbox.
fn control_page() -> Router<App> {
    Router::new()
        .route("/", get(board::home))
        .route("/_twin", get(board::show))
        .route("/_twin/board/clock", post(actions::advance))
        .route("/_twin/board/webhooks", post(actions::webhooks))
        .route("/_twin/board/faults", post(actions::faults))
        .route("/_twin/board/chaos", post(actions::chaos))
        .route("/_twin/board/decline", post(actions::decline))
        .route("/_twin/board/dispute", post(actions::dispute))
        .route("/_twin/board/dispute/close", post(actions::close_dispute))
        .route("/_twin/board/tax", post(actions::tax))
        .route("/_twin/board/settle", post(actions::settle))
        .route("/_twin/mailbox", get(mailbox::list))
        .route("/_twin/mailbox/{email}", get(mailbox::show))
        .route("/_twin/mailbox/{email}/html", get(mailbox::html))
}

/// The control interface for tests and the command line.
fn control_api() -> Router<App> {
    Router::new()
        .route("/_twin/checkout/sessions/{session}/pay", post(control::pay))
        .route(
            "/_twin/checkout/sessions/{session}/settle",
            post(control::settle),
        )
        .route(
            "/_twin/webhooks",
            get(control::webhooks).post(control::set_webhooks),
        )
        .route("/_twin/chaos", get(control::chaos).post(control::set_chaos))
        .route(
            "/_twin/faults",
            get(control::faults).post(control::set_faults),
        )
        .route(
            "/_twin/rate-limits",
            get(control::rate_limits).post(control::set_rate_limits),
        )
        .route("/_twin/keys", post(control::add_key))
        .route(
            "/_twin/portal-configuration",
            post(control::set_portal_configuration),
        )
        .route("/_twin/tax", get(control::taxes).post(control::set_tax))
        .route(
            "/_twin/webhook-endpoints/{endpoint}/roll",
            post(control::roll_secret),
        )
        .route("/_twin/clock", get(control::clock).post(control::advance))
        .route("/_twin/trigger", post(control::trigger))
        .route("/_twin/decline-next", post(control::decline_next))
        .route("/_twin/dispute", post(control::dispute))
        .route("/_twin/dispute/close", post(control::close_dispute))
        .route("/_twin/requests", get(control::requests))
        .route("/_twin/deliveries", get(control::deliveries))
        .route("/_twin/events", get(control::events))
        .route("/_twin/smtp", get(control::smtp))
        .route(
            "/_twin/mails",
            get(control::emails).delete(control::clear_emails),
        )
}

/// Refuses requests that another site makes through a visitor's browser (CSRF), and sets the
/// security headers. A client that isn't a browser sends no `Sec-Fetch-Site`.
async fn refuse_cross_site(request: Request<Body>, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let site = request
        .headers()
        .get("sec-fetch-site")
        .and_then(|site| site.to_str().ok());
    let is_foreign = matches!(site, Some("cross-site" | "same-site"));
    if !is_safe && is_foreign {
        let said = "This request came from another site, so it was refused.\n";
        return (StatusCode::FORBIDDEN, said).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
                  frame-src 'self'; base-uri 'none'; frame-ancestors 'self'";
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(header::HeaderValue::from_static(policy));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(header::HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        header::HeaderValue::from_static("nosniff"),
    );
    response
}

async fn css() -> impl IntoResponse {
    let kind = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    ([kind], include_str!("../assets/twin.css"))
}

async fn not_found() -> Response {
    pages::not_found("There is no page at this address.")
}
