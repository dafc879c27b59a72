//! Every route on one screen.

use std::sync::LazyLock;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use billing::app::App;
use billing::error::Error;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::openapi::Document;
use crate::api::{
    accounts, admin, agreed_prices, alerts, auth, check, checkout, corrections, debits, disputes,
    docs, grants, health, holds, keys, limits, members, metrics, noop, oidc, openapi, plan_changes,
    portal, pricing, refunds, sessions, settings, transactions, usage, webhook_endpoints,
};
use crate::around::around;
use crate::http::error::HttpError;
use crate::http::{body_timeout, listen};
use crate::pages::{assets, calls, cancel, credits, home, invoices, login, success, upgrade};
use crate::site::Site;
use crate::webhooks;

/// A request is aborted when its body sends nothing for this long (case W7).
const BODY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// The API endpoints. Each is declared by its handler, with path, method, schema and documentation.
/// The paths are repeated here so that all are on one screen; a test compares them.
fn endpoints() -> OpenApiRouter<Site> {
    OpenApiRouter::with_openapi(openapi::about())
        .merge(seed())
        .merge(people())
        .merge(metering())
        .merge(resources())
        .merge(notices())
        .merge(administration())
        .merge(probes())
}

/// The OpenAPI document. It never changes while the program runs.
pub fn document() -> &'static Document {
    static DOCUMENT: LazyLock<Document> =
        LazyLock::new(|| Document::new(endpoints().into_openapi()));
    &DOCUMENT
}

/// All routes of the service, with its layers.
pub fn router(app: App) -> Router {
    let routes = Router::from(endpoints())
        .merge(undescribed(&app))
        .merge(operators())
        .merge(pages())
        .merge(fragments())
        .fallback(|| async {
            HttpError::from(Error::not_found("There is no page at this address."))
        })
        .method_not_allowed_fallback(|| async {
            let detail =
                "This address does not take that method; the header Allow names those it takes.";
            HttpError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Wrong method",
                detail,
            )
        });
    shielded(Site::new(app), routes)
}

/// Adds the layers that every request passes: bounds on size and time, panic handling (case D12),
/// request ids, error responses and security headers.
pub fn shielded(site: Site, routes: Router<Site>) -> Router {
    let longest = Duration::from_secs(site.app.settings.service.request_seconds_max);
    routes
        .layer(DefaultBodyLimit::max(
            site.app.settings.service.body_bytes_max,
        ))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            longest,
        ))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(from_fn_with_state(site.clone(), body_timeout::cut))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(site.clone(), listen::reserve))
        .layer(from_fn_with_state(site.clone(), around))
        .layer(CompressionLayer::new())
        .with_state(site)
}

/// The endpoints that the seed had.
fn seed() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // POST /api/stripe/create-checkout-session
        .routes(routes!(checkout::create))
        // POST /api/stripe/webhook
        .routes(routes!(webhooks::receive))
        // GET, POST /api/stripe/customer-portal
        .routes(routes!(portal::link, portal::open))
        // GET /api/dashboard/billing
        .routes(routes!(crate::api::billing::show))
        // GET /api/pricing
        .routes(routes!(pricing::show))
}

/// Sign-in, members, invitations and sessions.
fn people() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // POST /api/auth/link
        .routes(routes!(auth::ask))
        // GET, POST /api/auth/link/{token}
        .routes(routes!(auth::follow, auth::redeem))
        // GET /api/auth/hand-over
        .routes(routes!(auth::hand_over))
        // GET /api/auth/oidc
        .routes(routes!(oidc::begin))
        // GET /api/auth/oidc/callback
        .routes(routes!(oidc::callback))
        // POST /api/auth/logout
        .routes(routes!(auth::leave))
        // POST /api/auth/invitation/{token}
        .routes(routes!(members::accept))
        // GET, POST /api/v1/members
        .routes(routes!(members::list, members::invite))
        // PUT, DELETE /api/v1/members/{id}
        .routes(routes!(members::put, members::remove))
        // DELETE /api/v1/invitations/{id}
        .routes(routes!(members::withdraw))
        // GET, POST /api/v1/organisations
        .routes(routes!(members::places, members::found))
        // DELETE /api/v1/account
        .routes(routes!(members::close))
        // GET /api/v1/account/export
        .routes(routes!(members::export))
        // GET, DELETE /api/v1/sessions
        .routes(routes!(sessions::list, sessions::end_all))
        // DELETE /api/v1/sessions/{id}
        .routes(routes!(sessions::end))
        // DELETE /api/v1/users/{externalId}/sessions
        .routes(routes!(sessions::end_of_user))
}

/// Spending credits.
fn metering() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // POST /api/v1/holds
        .routes(routes!(holds::create))
        // GET /api/v1/holds/{id}
        .routes(routes!(holds::receipt))
        // POST /api/v1/holds/{id}/capture
        .routes(routes!(holds::capture))
        // POST /api/v1/holds/{id}/release
        .routes(routes!(holds::release))
        // POST /api/v1/debits
        .routes(routes!(debits::create))
        // POST /api/v1/debits/batch
        .routes(routes!(debits::batch))
        // GET /api/v1/balance
        .routes(routes!(usage::balance))
        // GET /api/v1/usage
        .routes(routes!(usage::usage))
        // GET /api/v1/access
        .routes(routes!(usage::access))
        // GET /api/v1/check
        .routes(routes!(check::check))
}

/// An account's resources.
fn resources() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // GET, POST /api/v1/keys
        .routes(routes!(keys::list, keys::create))
        // DELETE /api/v1/keys/{id}
        .routes(routes!(keys::delete))
        // GET, PUT /api/v1/limits
        .routes(routes!(limits::list, limits::put))
        // DELETE /api/v1/limits/{id}
        .routes(routes!(limits::delete))
        // GET, PUT /api/v1/settings
        .routes(routes!(settings::show, settings::change))
        // GET /api/v1/transactions
        .routes(routes!(transactions::list))
        // GET /api/v1/grants
        .routes(routes!(grants::list))
        // POST /api/v1/plan-changes
        .routes(routes!(plan_changes::create))
        // PUT /api/v1/accounts/{id}
        .routes(routes!(accounts::put))
        // POST /api/v1/accounts/{id}/credits/adjustments
        .routes(routes!(accounts::adjust))
        // POST /api/v1/accounts/{id}/grants
        .routes(routes!(accounts::grant))
        // POST /api/v1/accounts/{id}/grants/{grant}/void
        .routes(routes!(corrections::void))
        // POST /api/v1/accounts/{id}/credits/forgiveness
        .routes(routes!(corrections::forgive))
}

/// Endpoints of outgoing webhooks.
fn notices() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // GET, POST /api/v1/webhook-endpoints
        .routes(routes!(webhook_endpoints::list, webhook_endpoints::create))
        // GET, PATCH, DELETE /api/v1/webhook-endpoints/{id}
        .routes(routes!(
            webhook_endpoints::show,
            webhook_endpoints::update,
            webhook_endpoints::delete
        ))
        // POST /api/v1/webhook-endpoints/{id}/rotate-secret
        .routes(routes!(webhook_endpoints::rotate))
        // POST /api/v1/webhook-endpoints/{id}/test
        .routes(routes!(webhook_endpoints::test))
        // GET /api/v1/webhook-endpoints/{id}/deliveries
        .routes(routes!(webhook_endpoints::deliveries))
        // POST /api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend
        .routes(routes!(webhook_endpoints::resend))
}

/// Operators' endpoints.
fn administration() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // GET /api/admin/transactions
        .routes(routes!(admin::list_transactions))
        // GET /api/admin/accounts
        .routes(routes!(admin::list_accounts))
        // GET /api/admin/events
        .routes(routes!(admin::list_events))
        // GET /api/admin/events/{id}
        .routes(routes!(admin::show_event))
        // POST /api/admin/events/{id}/replay
        .routes(routes!(admin::replay_event))
        // POST /api/admin/accounts/{id}/checkout-sessions
        .routes(routes!(checkout::create_for))
        // GET /api/admin/accounts/{id}/prices
        .routes(routes!(agreed_prices::list))
        // PUT, DELETE /api/admin/accounts/{id}/prices/{plan}
        .routes(routes!(agreed_prices::put, agreed_prices::delete))
        // GET /api/admin/audit
        .routes(routes!(admin::list_acts))
        // POST /api/admin/refunds
        .routes(routes!(refunds::create))
        // POST /api/admin/refunds/preview
        .routes(routes!(refunds::preview))
        // GET /api/admin/alerts
        .routes(routes!(alerts::list))
        // POST /api/admin/alerts/{id}/acknowledge
        .routes(routes!(alerts::acknowledge))
        // POST /api/admin/disputes/{id}/decision
        .routes(routes!(disputes::decide))
}

/// Endpoints for monitoring.
fn probes() -> OpenApiRouter<Site> {
    OpenApiRouter::default()
        // GET /healthz
        .routes(routes!(health::alive))
        // GET /readyz
        .routes(routes!(health::ready))
        // GET /metrics
        .routes(routes!(metrics::show))
}

/// Operators' pages.
fn operators() -> Router<Site> {
    use crate::pages::admin;
    Router::new()
        .route("/admin", get(admin::overview::show))
        .route("/admin/transactions", get(admin::transactions::show))
        .route("/admin/transactions.csv", get(admin::transactions::csv))
        .route(
            "/admin/transactions/views",
            post(admin::transactions::save_view),
        )
        .route(
            "/admin/transactions/views/{id}/remove",
            post(admin::transactions::remove_view),
        )
        .route(
            "/admin/payments/{payment}",
            get(admin::payments::ask).post(admin::payments::decide),
        )
        .route(
            "/admin/refunds/{payment}",
            get(admin::refunds::ask).post(admin::refunds::make),
        )
        .route("/admin/events", get(admin::events::show))
        .route(
            "/admin/events/replay",
            get(admin::events::ask_replay).post(admin::events::replay_all),
        )
        .route("/admin/events/{id}", get(admin::event::show))
        .route(
            "/admin/events/{id}/replay",
            get(admin::event::ask).post(admin::event::replay),
        )
        .route("/admin/plans", get(admin::plans::show))
        .route("/admin/audit", get(admin::books::show))
        .route("/admin/audit/run", post(admin::books::run))
        .route("/admin/log", get(admin::log::show))
        .route("/admin/log.csv", get(admin::log::csv))
        .route("/admin/export", get(admin::exports::show))
        .route("/admin/export/{file}", get(admin::exports::file))
        .route("/admin/alerts", get(admin::alerts::show))
        .route(
            "/admin/alerts/{id}/acknowledge",
            post(admin::alerts::acknowledge),
        )
        .route(
            "/admin/webhooks",
            get(admin::webhooks::show).post(admin::webhooks::create),
        )
        .route("/admin/webhooks/{id}", get(admin::webhooks::endpoint))
        .route("/admin/webhooks/{id}/{act}", post(admin::webhooks::act))
        .merge(operators_on_an_account())
}

/// Operators' pages about one account.
fn operators_on_an_account() -> Router<Site> {
    use crate::pages::admin::account;
    use crate::pages::admin::accounts;
    use crate::pages::admin::acts;
    use crate::pages::admin::journal;
    Router::new()
        .route("/admin/accounts", get(accounts::show))
        .route("/admin/accounts/{id}", get(account::show))
        .route("/admin/accounts/{id}/journal", get(journal::show))
        .route("/admin/accounts/{id}/journal.csv", get(journal::csv))
        .route("/admin/accounts/{id}/credits", post(acts::adjust))
        .route("/admin/accounts/{id}/undo", get(acts::undo))
        .route("/admin/accounts/{id}/sync", post(acts::sync_now))
        .route(
            "/admin/accounts/{id}/dispute",
            get(acts::ask_dispute).post(acts::dispute),
        )
        .route(
            "/admin/accounts/{id}/forgive",
            get(acts::ask_forgive).post(acts::forgive),
        )
        .route(
            "/admin/accounts/{id}/void",
            get(acts::ask_void).post(acts::void),
        )
        .route(
            "/admin/accounts/{id}/plan",
            get(acts::ask_plan).post(acts::plan),
        )
        .route(
            "/admin/accounts/{id}/status",
            get(acts::ask_status).post(acts::status),
        )
        .route(
            "/admin/accounts/{id}/requests/{request}/retry",
            post(acts::retry),
        )
        .route(
            "/admin/accounts/{id}/requests/{request}/dismiss",
            get(acts::ask_dismiss).post(acts::dismiss),
        )
}

/// Routes that aren't in the OpenAPI document, and the document itself.
fn undescribed(app: &App) -> Router<Site> {
    let mut routes = Router::new();
    if app.settings.service.noop {
        routes = routes.route("/api/v1/noop", post(noop::echo));
    }
    routes
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(docs::show))
        .layer(Extension(document()))
        .route("/assets/{file}", get(assets::serve))
}

/// HTML fragments for other sites to embed.
fn fragments() -> Router<Site> {
    use crate::pages::fragments;
    Router::new()
        .route("/fragments/credit-balance", get(fragments::balance))
        .route("/fragments/payment-method", get(fragments::payment_method))
        .route("/fragments/invoice-list", get(fragments::invoice_list))
        .route("/fragments/usage-chart", get(fragments::usage_chart))
}

/// Public pages, and pages about sign-in and members.
fn pages() -> Router<Site> {
    use crate::pages::{members, pricing, sessions};
    Router::new()
        .route("/", get(home::show))
        .route("/pricing", get(pricing::show))
        .route("/login", get(login::show).post(login::send))
        .route("/login/confirm", get(login::confirm))
        .route("/invitation", get(members::invitation))
        .route(
            "/dashboard/members",
            get(members::show).post(members::invite),
        )
        .route("/dashboard/members/{id}", post(members::change))
        .route(
            "/dashboard/members/{id}/remove",
            get(members::ask).post(members::remove),
        )
        .route(
            "/dashboard/invitations/{id}/withdraw",
            post(members::withdraw),
        )
        .route("/dashboard/organisations", post(members::found))
        .route(
            "/dashboard/close",
            get(members::ask_close).post(members::close),
        )
        .route("/dashboard/sessions", get(sessions::show))
        .route("/dashboard/sessions/end-others", post(sessions::others))
        .route("/dashboard/sessions/{id}/end", post(sessions::end))
        .merge(dashboard())
}

/// Pages about an account's plan, credits and usage.
fn dashboard() -> Router<Site> {
    use crate::pages::{billing, keys, settings, usage};
    Router::new()
        .route("/dashboard", get(home::dashboard))
        .route("/dashboard/billing", get(billing::show))
        .route("/dashboard/billing/history.csv", get(billing::history))
        .route("/dashboard/billing/invoices", get(invoices::show))
        .route(
            "/dashboard/billing/plan",
            get(billing::ask).post(billing::act),
        )
        .route(
            "/dashboard/billing/upgrade",
            get(upgrade::show).post(upgrade::start),
        )
        .route(
            "/dashboard/billing/credits",
            get(credits::show).post(credits::start),
        )
        .route("/dashboard/billing/success", get(success::show))
        .route("/dashboard/billing/cancel", get(cancel::show))
        .route("/dashboard/billing/auto-top-up", post(settings::auto))
        .route(
            "/dashboard/settings",
            get(settings::show).post(settings::save),
        )
        .route("/dashboard/settings/limits", post(settings::limit))
        .route(
            "/dashboard/settings/limits/{id}/remove",
            post(settings::remove_limit),
        )
        .route("/dashboard/usage", get(usage::show))
        .route("/dashboard/usage.csv", get(usage::file))
        .route("/dashboard/usage/calls", get(calls::list))
        .route("/dashboard/usage/calls/{seq}", get(calls::show))
        .route("/dashboard/keys", get(keys::show).post(keys::create))
        .route("/dashboard/keys/limits", post(keys::limit))
        .route(
            "/dashboard/keys/limits/{id}/remove",
            post(keys::remove_limit),
        )
        .route(
            "/dashboard/keys/{id}/revoke",
            get(keys::ask).post(keys::end),
        )
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let said = panic.downcast_ref::<&str>().map(ToString::to_string);
    let said = said
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    axum::response::IntoResponse::into_response(HttpError::from(Error::bug(said)))
}

#[cfg(test)]
mod tests;
