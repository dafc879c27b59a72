//! Every address on one screen.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use billing::app::App;
use billing::error::Error;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

use crate::api::{
    accounts, admin, agreed_prices, alerts, auth, check, checkout, corrections, debits, docs,
    grants, health, holds, keys, limits, members, metrics, noop, oidc, openapi, plan_changes,
    portal, pricing, refunds, sessions, settings, transactions, usage,
};
use crate::around::around;
use crate::http::error::HttpError;
use crate::http::{body_timeout, listen};
use crate::pages::{assets, calls, cancel, credits, home, invoices, login, success, upgrade};
use crate::site::Site;
use crate::webhooks;

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
        .layer(from_fn_with_state(site.clone(), body_timeout::cut))
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
            post(checkout::create),
        )
        .route("/api/stripe/webhook", post(webhooks::receive))
        .route(
            "/api/stripe/customer-portal",
            get(portal::link).post(portal::open),
        )
        .route("/api/dashboard/billing", get(crate::api::billing::show))
        .route("/api/pricing", get(pricing::show))
}

/// Sign-in, and the people of accounts.
fn people() -> Router<Site> {
    Router::new()
        .route("/api/auth/link", post(auth::ask))
        .route(
            "/api/auth/link/{token}",
            get(auth::follow).post(auth::redeem),
        )
        .route("/api/auth/hand-over", get(auth::hand_over))
        .route("/api/auth/oidc", get(oidc::begin))
        .route("/api/auth/oidc/callback", get(oidc::callback))
        .route("/api/auth/logout", post(auth::leave))
        .route("/api/auth/invitation/{token}", post(members::accept))
        .route("/api/v1/members", get(members::list).post(members::invite))
        .route(
            "/api/v1/members/{id}",
            put(members::put).delete(members::remove),
        )
        .route("/api/v1/invitations/{id}", delete(members::withdraw))
        .route(
            "/api/v1/organisations",
            get(members::places).post(members::found),
        )
        .route("/api/v1/account", delete(members::close))
        .route("/api/v1/account/export", get(members::export))
        .route(
            "/api/v1/sessions",
            get(sessions::list).delete(sessions::end_all),
        )
        .route("/api/v1/sessions/{id}", delete(sessions::end))
}

/// Where credits are spent.
fn metering() -> Router<Site> {
    Router::new()
        .route("/api/v1/holds", post(holds::create))
        .route("/api/v1/holds/{id}", get(holds::receipt))
        .route("/api/v1/holds/{id}/capture", post(holds::capture))
        .route("/api/v1/holds/{id}/release", post(holds::release))
        .route("/api/v1/debits", post(debits::create))
        .route("/api/v1/debits/batch", post(debits::batch))
        .route("/api/v1/balance", get(usage::balance))
        .route("/api/v1/usage", get(usage::usage))
        .route("/api/v1/access", get(usage::access))
        .route("/api/v1/check", get(check::check))
}

/// What belongs to an account, and what operators see.
fn resources() -> Router<Site> {
    Router::new()
        .route("/api/v1/keys", get(keys::list).post(keys::create))
        .route("/api/v1/keys/{id}", delete(keys::delete))
        .route("/api/v1/limits", get(limits::list).put(limits::put))
        .route(
            "/api/v1/settings",
            get(settings::show).put(settings::change),
        )
        .route("/api/v1/limits/{id}", delete(limits::delete))
        .route("/api/v1/transactions", get(transactions::list))
        .route("/api/v1/grants", get(grants::list))
        .route("/api/v1/accounts/{id}", put(accounts::put))
        .route(
            "/api/v1/accounts/{id}/credits/adjustments",
            post(accounts::adjust),
        )
        .route("/api/v1/accounts/{id}/grants", post(accounts::grant))
        .merge(notices())
        .route(
            "/api/v1/accounts/{id}/grants/{grant}/void",
            post(corrections::void),
        )
        .route(
            "/api/v1/accounts/{id}/credits/forgiveness",
            post(corrections::forgive),
        )
        .route("/api/admin/transactions", get(admin::list_transactions))
        .route("/api/admin/accounts", get(admin::list_accounts))
        .route("/api/admin/events", get(admin::list_events))
        .route("/api/admin/events/{id}", get(admin::show_event))
        .route("/api/admin/events/{id}/replay", post(admin::replay_event))
        .route(
            "/api/admin/accounts/{id}/checkout-sessions",
            post(checkout::create_for),
        )
        .route("/api/admin/accounts/{id}/prices", get(agreed_prices::list))
        .route(
            "/api/admin/accounts/{id}/prices/{plan}",
            put(agreed_prices::put).delete(agreed_prices::delete),
        )
        .route("/api/v1/plan-changes", post(plan_changes::create))
        .route("/api/admin/audit", get(admin::list_acts))
        .route("/api/admin/refunds", post(refunds::create))
        .route("/api/admin/refunds/preview", post(refunds::preview))
        .route("/api/admin/alerts", get(alerts::list))
        .route(
            "/api/admin/alerts/{id}/acknowledge",
            post(alerts::acknowledge),
        )
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(docs::show))
}

/// Where notices go.
fn notices() -> Router<Site> {
    use crate::api::webhook_endpoints as endpoints;
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
        reference = reference.route("/api/v1/noop", post(noop::echo));
    }
    reference
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/assets/{file}", get(assets::serve))
}

/// Parts of pages for other sites.
fn fragments() -> Router<Site> {
    use crate::pages::fragments;
    Router::new()
        .route("/fragments/credit-balance", get(fragments::balance))
        .route("/fragments/payment-method", get(fragments::payment_method))
        .route("/fragments/invoice-list", get(fragments::invoice_list))
        .route("/fragments/usage-chart", get(fragments::usage_chart))
}

/// Pages for people.
fn pages() -> Router<Site> {
    Router::new()
        .route("/", get(home::show))
        .route("/pricing", get(crate::pages::pricing::show))
        .route("/login", get(login::show).post(login::send))
        .route("/login/confirm", get(login::confirm))
        .route("/invitation", get(crate::pages::members::invitation))
        .route(
            "/dashboard/members",
            get(crate::pages::members::show).post(crate::pages::members::invite),
        )
        .route(
            "/dashboard/members/{id}",
            post(crate::pages::members::change),
        )
        .route(
            "/dashboard/members/{id}/remove",
            get(crate::pages::members::ask).post(crate::pages::members::remove),
        )
        .route(
            "/dashboard/invitations/{id}/withdraw",
            post(crate::pages::members::withdraw),
        )
        .route(
            "/dashboard/organisations",
            post(crate::pages::members::found),
        )
        .route(
            "/dashboard/close",
            get(crate::pages::members::ask_close).post(crate::pages::members::close),
        )
        .route("/dashboard/sessions", get(crate::pages::sessions::show))
        .route(
            "/dashboard/sessions/end-others",
            post(crate::pages::sessions::others),
        )
        .route(
            "/dashboard/sessions/{id}/end",
            post(crate::pages::sessions::end),
        )
        .route("/dashboard", get(home::dashboard))
        .route("/dashboard/billing", get(crate::pages::billing::show))
        .route(
            "/dashboard/billing/history.csv",
            get(crate::pages::billing::history),
        )
        .route("/dashboard/billing/invoices", get(invoices::show))
        .route(
            "/dashboard/billing/plan",
            get(crate::pages::billing::ask).post(crate::pages::billing::act),
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
        .route(
            "/dashboard/billing/auto-top-up",
            post(crate::pages::settings::auto),
        )
        .route(
            "/dashboard/settings",
            get(crate::pages::settings::show).post(crate::pages::settings::save),
        )
        .route(
            "/dashboard/settings/limits",
            post(crate::pages::settings::limit),
        )
        .route(
            "/dashboard/settings/limits/{id}/remove",
            post(crate::pages::settings::remove_limit),
        )
        .route("/dashboard/usage", get(crate::pages::usage::show))
        .route("/dashboard/usage.csv", get(crate::pages::usage::file))
        .route("/dashboard/usage/calls", get(calls::list))
        .route("/dashboard/usage/calls/{seq}", get(calls::show))
        .route(
            "/dashboard/keys",
            get(crate::pages::keys::show).post(crate::pages::keys::create),
        )
        .route("/dashboard/keys/limits", post(crate::pages::keys::limit))
        .route(
            "/dashboard/keys/limits/{id}/remove",
            post(crate::pages::keys::remove_limit),
        )
        .route(
            "/dashboard/keys/{id}/revoke",
            get(crate::pages::keys::ask).post(crate::pages::keys::end),
        )
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let said = panic.downcast_ref::<&str>().map(ToString::to_string);
    let said = said
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    axum::response::IntoResponse::into_response(HttpError::from(Error::bug(said)))
}
