//! The session cookie.

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use billing::app::App;
use billing::error::{Error, Result};

/// Name of the session cookie: on https bound to this host (case A7).
pub fn cookie_name(is_https: bool) -> &'static str {
    if is_https {
        "__Host-lbx_session"
    } else {
        "lbx_session"
    }
}

/// The session cookie with this token for so many seconds; an empty token and 0 end it. Scripts cannot
/// read it, and other sites cannot send it with a form.
pub fn session_cookie(app: &App, token: &str, seconds: i64) -> Result<HeaderValue> {
    let is_https = app.settings.is_https();
    let name = cookie_name(is_https);
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(Error::bug)
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
