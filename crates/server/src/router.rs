//! Every address on one screen.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

use crate::app::App;
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::middleware::around;
use crate::http::site::Site;
use crate::http::{listen, slow};
use crate::{api, pages, webhooks};

/// A body that sends nothing for this long is cut (case W7).
const BODY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// The whole service.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .merge(seed())
        .merge(people())
        .merge(metering())
        .merge(resources())
        .merge(operators())
        .merge(operation(&app))
        .merge(pages())
        .merge(fragments())
        .fallback(|| async {
            HttpError::from(Error::not_found("There is nothing at this address."))
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

/// Routes behind everything that a request passes on its way in and out: bounds of size and time,
/// a net for panics (case D12), who is calling.
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
        .layer(from_fn_with_state(site.clone(), slow::cut))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(site.clone(), listen::reserve))
        .layer(from_fn_with_state(site.clone(), around))
        .layer(CompressionLayer::new())
        .with_state(site)
}

/// The seed's endpoints.
fn seed() -> Router<Site> {
    Router::new()
        .route(
            "/api/stripe/create-checkout-session",
            post(api::checkout::create),
        )
        .route("/api/stripe/webhook", post(webhooks::receive))
        .route(
            "/api/stripe/customer-portal",
            get(api::portal::link).post(api::portal::open),
        )
        .route("/api/dashboard/billing", get(api::billing::show))
        .route("/api/pricing", get(api::pricing::show))
}

/// Sign-in, and the people of accounts.
fn people() -> Router<Site> {
    Router::new()
        .route("/api/auth/link", post(api::auth::ask))
        .route(
            "/api/auth/link/{token}",
            get(api::auth::follow).post(api::auth::redeem),
        )
        .route("/api/auth/hand-over", get(api::auth::hand_over))
        .route("/api/auth/oidc", get(api::oidc::begin))
        .route("/api/auth/oidc/callback", get(api::oidc::callback))
        .route("/api/auth/logout", post(api::auth::leave))
        .route("/api/auth/invitation/{token}", post(api::members::accept))
        .route(
            "/api/v1/members",
            get(api::members::list).post(api::members::invite),
        )
        .route(
            "/api/v1/members/{id}",
            put(api::members::put).delete(api::members::remove),
        )
        .route("/api/v1/invitations/{id}", delete(api::members::withdraw))
        .route(
            "/api/v1/organisations",
            get(api::members::places).post(api::members::found),
        )
        .route("/api/v1/account", delete(api::members::close))
        .route("/api/v1/account/export", get(api::members::export))
        .route(
            "/api/v1/sessions",
            get(api::sessions::list).delete(api::sessions::end_all),
        )
        .route("/api/v1/sessions/{id}", delete(api::sessions::end))
}

/// Where credits are spent.
fn metering() -> Router<Site> {
    Router::new()
        .route("/api/v1/holds", post(api::holds::create))
        .route("/api/v1/holds/{id}", get(api::holds::receipt))
        .route("/api/v1/holds/{id}/capture", post(api::holds::capture))
        .route("/api/v1/holds/{id}/release", post(api::holds::release))
        .route("/api/v1/debits", post(api::debits::create))
        .route("/api/v1/debits/batch", post(api::debits::batch))
        .route("/api/v1/balance", get(api::usage::balance))
        .route("/api/v1/usage", get(api::usage::usage))
        .route("/api/v1/access", get(api::usage::access))
        .route("/api/v1/check", get(api::check::check))
}

/// What belongs to an account, and what operators see.
fn resources() -> Router<Site> {
    Router::new()
        .route("/api/v1/keys", get(api::keys::list).post(api::keys::create))
        .route("/api/v1/keys/{id}", delete(api::keys::delete))
        .route(
            "/api/v1/limits",
            get(api::limits::list).put(api::limits::put),
        )
        .route(
            "/api/v1/settings",
            get(api::settings::show).put(api::settings::change),
        )
        .route("/api/v1/limits/{id}", delete(api::limits::delete))
        .route("/api/v1/transactions", get(api::transactions::list))
        .route("/api/v1/grants", get(api::grants::list))
        .route("/api/v1/accounts/{id}", put(api::accounts::put))
        .route(
            "/api/v1/accounts/{id}/credits/adjustments",
            post(api::accounts::adjust),
        )
        .route("/api/v1/accounts/{id}/grants", post(api::accounts::grant))
        .merge(notices())
        .route(
            "/api/v1/accounts/{id}/grants/{grant}/void",
            post(api::corrections::void),
        )
        .route(
            "/api/v1/accounts/{id}/credits/forgiveness",
            post(api::corrections::forgive),
        )
        .route(
            "/api/admin/transactions",
            get(api::admin::list_transactions),
        )
        .route("/api/admin/accounts", get(api::admin::list_accounts))
        .route("/api/admin/events", get(api::admin::list_events))
        .route("/api/admin/events/{id}", get(api::admin::show_event))
        .route(
            "/api/admin/events/{id}/replay",
            post(api::admin::replay_event),
        )
        .route(
            "/api/admin/accounts/{id}/checkout-sessions",
            post(api::checkout::create_for),
        )
        .route(
            "/api/admin/accounts/{id}/prices",
            get(api::agreed_prices::list),
        )
        .route(
            "/api/admin/accounts/{id}/prices/{plan}",
            put(api::agreed_prices::put).delete(api::agreed_prices::delete),
        )
        .route("/api/v1/plan-changes", post(api::plan_changes::create))
        .route("/api/admin/audit", get(api::admin::list_acts))
        .route("/api/admin/refunds", post(api::refunds::create))
        .route("/api/admin/refunds/preview", post(api::refunds::preview))
        .route("/api/admin/alerts", get(api::alerts::list))
        .route(
            "/api/admin/alerts/{id}/acknowledge",
            post(api::alerts::acknowledge),
        )
        .route("/metrics", get(api::metrics::show))
        .route("/openapi.json", get(api::openapi::show))
        .route("/docs", get(api::docs::show))
}

/// Where notices go.
fn notices() -> Router<Site> {
    use api::webhook_endpoints as endpoints;
    Router::new()
        .route(
            "/api/v1/webhook-endpoints",
            get(endpoints::list).post(endpoints::create),
        )
        .route(
            "/api/v1/webhook-endpoints/{id}",
            get(endpoints::show)
                .patch(endpoints::update)
                .delete(endpoints::delete),
        )
        .route(
            "/api/v1/webhook-endpoints/{id}/rotate-secret",
            post(endpoints::rotate),
        )
        .route("/api/v1/webhook-endpoints/{id}/test", post(endpoints::test))
        .route(
            "/api/v1/webhook-endpoints/{id}/deliveries",
            get(endpoints::deliveries),
        )
        .route(
            "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend",
            post(endpoints::resend),
        )
}

/// Operators' pages.
fn operators() -> Router<Site> {
    use pages::admin;
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
    use pages::admin::{account, accounts, acts, journal};
    Router::new()
        .route("/admin/accounts", get(accounts::show))
        .route("/admin/accounts/{id}", get(account::show))
        .route("/admin/accounts/{id}/journal", get(journal::show))
        .route("/admin/accounts/{id}/journal.csv", get(journal::csv))
        .route("/admin/accounts/{id}/credits", post(acts::adjust))
        .route("/admin/accounts/{id}/undo", get(acts::undo))
        .route("/admin/accounts/{id}/sync", post(acts::sync_now))
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
}

/// For those who run it.
fn operation(app: &App) -> Router<Site> {
    let mut reference = Router::new();
    if app.settings.service.noop {
        reference = reference.route("/api/v1/noop", post(api::noop::echo));
    }
    reference
        .route("/healthz", get(api::health::alive))
        .route("/readyz", get(api::health::ready))
        .route("/assets/{file}", get(pages::assets::serve))
}

/// Parts of pages for other sites.
fn fragments() -> Router<Site> {
    use pages::fragments;
    Router::new()
        .route("/fragments/credit-balance", get(fragments::balance))
        .route("/fragments/payment-method", get(fragments::payment_method))
        .route("/fragments/invoice-list", get(fragments::invoice_list))
        .route("/fragments/usage-chart", get(fragments::usage_chart))
}

/// Pages for people.
fn pages() -> Router<Site> {
    Router::new()
        .route("/", get(pages::home::show))
        .route("/pricing", get(pages::pricing::show))
        .route("/login", get(pages::login::show).post(pages::login::send))
        .route("/login/confirm", get(pages::login::confirm))
        .route("/invitation", get(pages::members::invitation))
        .route(
            "/dashboard/members",
            get(pages::members::show).post(pages::members::invite),
        )
        .route("/dashboard/members/{id}", post(pages::members::change))
        .route(
            "/dashboard/members/{id}/remove",
            get(pages::members::ask).post(pages::members::remove),
        )
        .route(
            "/dashboard/invitations/{id}/withdraw",
            post(pages::members::withdraw),
        )
        .route("/dashboard/organisations", post(pages::members::found))
        .route(
            "/dashboard/close",
            get(pages::members::ask_close).post(pages::members::close),
        )
        .route("/dashboard/sessions", get(pages::sessions::show))
        .route(
            "/dashboard/sessions/end-others",
            post(pages::sessions::others),
        )
        .route("/dashboard/sessions/{id}/end", post(pages::sessions::end))
        .route("/dashboard", get(pages::home::dashboard))
        .route("/dashboard/billing", get(pages::billing::show))
        .route(
            "/dashboard/billing/history.csv",
            get(pages::billing::history),
        )
        .route("/dashboard/billing/invoices", get(pages::invoices::show))
        .route(
            "/dashboard/billing/plan",
            get(pages::billing::ask).post(pages::billing::act),
        )
        .route(
            "/dashboard/billing/upgrade",
            get(pages::upgrade::show).post(pages::upgrade::start),
        )
        .route(
            "/dashboard/billing/credits",
            get(pages::credits::show).post(pages::credits::start),
        )
        .route("/dashboard/billing/success", get(pages::success::show))
        .route("/dashboard/billing/cancel", get(pages::cancel::show))
        .route(
            "/dashboard/billing/auto-top-up",
            post(pages::settings::auto),
        )
        .route(
            "/dashboard/settings",
            get(pages::settings::show).post(pages::settings::save),
        )
        .route("/dashboard/settings/limits", post(pages::settings::limit))
        .route(
            "/dashboard/settings/limits/{id}/remove",
            post(pages::settings::remove_limit),
        )
        .route("/dashboard/usage", get(pages::usage::show))
        .route("/dashboard/usage.csv", get(pages::usage::file))
        .route("/dashboard/usage/calls", get(pages::calls::list))
        .route("/dashboard/usage/calls/{seq}", get(pages::calls::show))
        .route(
            "/dashboard/keys",
            get(pages::keys::show).post(pages::keys::create),
        )
        .route("/dashboard/keys/limits", post(pages::keys::limit))
        .route(
            "/dashboard/keys/limits/{id}/remove",
            post(pages::keys::remove_limit),
        )
        .route(
            "/dashboard/keys/{id}/revoke",
            get(pages::keys::ask).post(pages::keys::end),
        )
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let said = panic.downcast_ref::<&str>().map(ToString::to_string);
    let said = said
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    axum::response::IntoResponse::into_response(HttpError::from(Error::bug(said)))
}
