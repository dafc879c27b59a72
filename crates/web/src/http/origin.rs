//! Whether a request comes from one of our own pages (CSRF).

use axum::http::{HeaderMap, header};
use billing::app::App;

/// Whether the browser reports that another site made this request.
pub fn is_cross_site(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    match headers.get(header::ORIGIN) {
        None => false,
        Some(origin) => !is_own_origin(app, origin.to_str().unwrap_or("null"), headers),
    }
}

/// Whether the browser only loads the page ahead, in case the visitor asks for it.
pub fn is_prefetch(headers: &HeaderMap) -> bool {
    let purpose = ["sec-purpose", "purpose", "x-moz"];
    purpose.iter().any(|name| {
        let value = headers.get(*name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch"))
    })
}

/// The configured origin; or, while that is plain HTTP on this machine, the requested host.
fn is_own_origin(app: &App, origin: &str, headers: &HeaderMap) -> bool {
    if origin == app.settings.service.base_url {
        return true;
    }
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let is_local = host.starts_with("127.0.0.1:") || host.starts_with("localhost:");
    is_local && !app.settings.is_https() && origin == format!("http://{host}")
}
