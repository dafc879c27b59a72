//! Cookies: the session's, and the state of a sign-in at a provider.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use billing::app::App;
use billing::error::{Error, Result};

/// The session cookie's name, without prefix.
pub const SESSION: &str = "lbx_session";

/// The full name of one of our cookies; with HTTPS, its prefix binds it to this host (case A7).
pub fn name(app: &App, name: &str) -> String {
    let prefix = if app.settings.is_https() {
        "__Host-"
    } else {
        ""
    };
    format!("{prefix}{name}")
}

/// One of our cookies, valid for so many seconds; an empty value and 0 delete it. Scripts can't
/// read it, and other sites can send it only with a link, not with a form.
pub fn cookie(app: &App, known: &str, value: &str, seconds: i64) -> Result<HeaderValue> {
    let secure = if app.settings.is_https() {
        "; Secure"
    } else {
        ""
    };
    let name = name(app, known);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(Error::bug)
}

/// The value of one of our cookies.
pub fn value<'a>(app: &App, headers: &'a HeaderMap, known: &str) -> Option<&'a str> {
    let name = name(app, known);
    cookies(headers).find_map(|(known, value)| (known == name).then_some(value))
}

/// The session token from the request's cookie.
pub fn session_token<'a>(parts: &'a Parts, app: &App) -> Option<&'a str> {
    value(app, &parts.headers, SESSION)
}

/// All cookies of the request, as names and values.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let all = headers.get_all(header::COOKIE).into_iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}
