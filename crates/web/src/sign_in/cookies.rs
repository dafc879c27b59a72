//! The session cookie.

use axum::http::header;
use axum::http::request::Parts;
use billing::app::App;

/// Name of the session cookie: on https bound to this host (case A7).
pub fn cookie_name(is_https: bool) -> &'static str {
    if is_https {
        "__Host-lbx_session"
    } else {
        "lbx_session"
    }
}

/// The session token of the request's cookie.
pub fn session_token<'a>(parts: &'a Parts, app: &App) -> Option<&'a str> {
    cookie(parts, cookie_name(app.settings.is_https()))
}

/// The value of a cookie.
fn cookie<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    cookies(parts)
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// All cookies of the request.
pub fn cookies(parts: &Parts) -> impl Iterator<Item = (&str, &str)> {
    let headers = parts.headers.get_all(header::COOKIE).into_iter();
    headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}
