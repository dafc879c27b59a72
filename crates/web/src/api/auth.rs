//! Sign-in by email link that works once: no passwords are stored.
//!
//! The mailed address opens a page with one button, since mail scanners follow links; the button's
//! POST uses the link up. The operator's own command prints one whose GET signs in.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use billing::app::App;
use billing::error::{Error, Result};
use billing::people::sign_in::{is_own_path, open_session, send_link};
use billing::people::users;
use billing::rate_limit;
use billing::secrets::hash;
use domain::time::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use crate::http::address::ClientAddress;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::sign_in::cookies::cookie_name;
use crate::sign_in::hand_over::{HandOver, Proof, Token};
use crate::sign_in::{host_session, jwks};
use crate::site::Site;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// What asks for a link, as a form or as JSON.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct NewLink {
    /// Where the link goes.
    email: String,
    /// A path on this site to continue to.
    next: Option<String>,
}

/// Emails a sign-in link, for programs. The answer is the same whether the
/// address is known or not (case A8).
#[utoipa::path(
    post,
    path = "/api/auth/link",
    tag = "sign-in",
    security(()),
    request_body = NewLink,
    responses((status = 200), (status = 400), (status = 429))
)]
pub async fn ask(
    State(app): State<App>,
    from: ClientAddress,
    crate::http::json::Body(body): crate::http::json::Body<NewLink>,
) -> HttpResult<Response> {
    send_link(&app, &body.email, body.next.as_deref(), &from.network()).await?;
    Ok(axum::Json(json!({ "sent": true })).into_response())
}

/// Signs in at once. For links that an operator hands over.
#[utoipa::path(
    get,
    path = "/api/auth/link/{token}",
    tag = "sign-in",
    security(()),
    params(("token" = String, Path, description = "The link's token")),
    responses((status = 303), (status = 400))
)]
pub async fn follow(
    State(app): State<App>,
    from: ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> HttpResult<Response> {
    redeem(State(app), from, Path(token), headers).await
}

/// Uses the link up and signs in.
#[utoipa::path(
    post,
    path = "/api/auth/link/{token}",
    tag = "sign-in",
    security(()),
    params(("token" = String, Path, description = "The link's token")),
    responses((status = 303), (status = 400))
)]
pub async fn redeem(
    State(app): State<App>,
    from: ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let real_now = app.real_now();
    let link = app
        .write(0, move |tx| {
            store::login_links::redeem(tx, &hash(&token), real_now)
        })
        .await?;
    let Some(link) = link else {
        wrong_link(&app, from).await?;
        return Err(link_over().into());
    };
    let user = users::sign_in(&app, &link.email).await?;
    enter(&app, user, &headers, link.next_path).await
}

/// Opens a session and goes on to a path of ours.
pub async fn enter(
    app: &App,
    user: i64,
    headers: &HeaderMap,
    next: Option<String>,
) -> HttpResult<Response> {
    let cookie = new_session(app, user, headers).await?;
    tracing::info!(user, "Somebody signed in");
    let next = next.filter(|next| is_own_path(next));
    let next = next.unwrap_or_else(|| "/dashboard/billing".to_owned());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&next)).into_response())
}

/// Counts a link or a token that opened nothing (case A8).
pub async fn wrong_link(app: &App, from: ClientAddress) -> Result<()> {
    tracing::warn!("A sign-in link or token opened nothing");
    let limit = app.settings.limits.bad_links_per_minute;
    rate_limit::take(app, &format!("bad-link:{}", from.network()), limit, 0).await
}

/// 400: a link that was used, is too old, or never was.
pub fn link_over() -> Error {
    let detail = "This link was used or is too old; ask for a new one.";
    Error::bad_request("link_over", detail)
}

/// What the host application hands somebody over with.
#[derive(Debug, Deserialize)]
pub struct HandedOver {
    token: String,
    next: Option<String>,
}

/// Signs in whom the host application hands over: a JWT with `email`, `aud` (this service's
/// origin), `jti`, `iat` and `exp` (at most 300 seconds later), signed with HS256, or with a key
/// that the host publishes (RS256, ES256, EdDSA). It works once.
#[utoipa::path(
    get,
    path = "/api/auth/hand-over",
    tag = "sign-in",
    security(()),
    params(
        ("token" = String, Query, description = "The signed token"),
        ("next" = Option<String>, Query, description = "A path on this site to continue to"),
    ),
    responses((status = 303), (status = 400), (status = 404), (status = 429))
)]
pub async fn hand_over(
    State(site): State<Site>,
    from: ClientAddress,
    Params(asked): Params<HandedOver>,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let app = site.app.clone();
    let Some(said) = handed_over(&site, &asked.token).await? else {
        wrong_link(&app, from).await?;
        return Err(link_over().into());
    };
    let email = users::read_email(&said.email)?;
    let id = hex::encode(hash(&said.jti));
    let until = Timestamp::from_seconds(said.forgotten_at());
    let is_first = app
        .write(0, move |tx| store::used_tokens::take(tx, &id, until))
        .await?;
    if !is_first {
        wrong_link(&app, from).await?;
        return Err(link_over().into());
    }
    let user = users::hand_over(&app, &email).await?;
    enter(&app, user, &headers, asked.next).await
}

/// What a hand-over token says that is good now.
async fn handed_over(site: &Site, token: &str) -> Result<Option<HandOver>> {
    let app = &site.app;
    let session = &app.settings.session;
    let secret = session.hand_over_secret.expose_secret();
    let secrets = secret.split(',').map(str::trim);
    let secrets: Vec<&str> = secrets.filter(|one| !one.is_empty()).collect();
    let has_keys = !session.hand_over_jwks.is_empty();
    if secrets.is_empty() && !has_keys {
        return Err(Error::not_found("There is no page at this address."));
    }
    let Some(token) = Token::parse(token) else {
        return Ok(None);
    };
    let (origin, now) = (&app.settings.service.base_url, app.real_now().seconds());
    if token.is_shared() || !has_keys {
        return Ok(token.read(Proof::Secrets(&secrets), origin, now));
    }
    let keys = jwks::keys(&site.app, &site.jwks, token.key_id()).await?;
    Ok(token.read(Proof::Keys(&keys), origin, now))
}

/// Ends the session here and now.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "sign-in",
    security(()),
    responses((status = 303))
)]
pub async fn leave(
    State(app): State<App>,
    request: axum::extract::Request,
) -> HttpResult<Response> {
    let (parts, _) = request.into_parts();
    // The host's own session would sign the same person in again at once.
    if let Some(user) = host_session::user(&parts, &app).await? {
        let now = app.real_now();
        app.write(0, move |tx| store::users::end_tokens(tx, user.id, now))
            .await?;
    }
    if let Some(token) = crate::sign_in::cookies::session_token(&parts, &app) {
        let hash = hash(token);
        app.write(0, move |tx| store::sessions::delete(tx, &hash))
            .await?;
    }
    let headers = [
        (header::SET_COOKIE, cookie(&app, "", 0)?),
        // What a page left behind goes with the session; the theme may stay.
        (CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\"")),
    ];
    Ok((headers, Redirect::to("/login")).into_response())
}

/// Opens a session and answers its cookie: always a fresh token (case A9).
pub async fn new_session(app: &App, user: i64, headers: &HeaderMap) -> Result<HeaderValue> {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let agent: String = agent.unwrap_or("").chars().take(200).collect();
    let token = open_session(app, user, &agent).await?;
    cookie(app, &token, app.settings.session.days * 86_400)
}

fn cookie(app: &App, token: &str, seconds: i64) -> Result<HeaderValue> {
    let is_https = app.settings.is_https();
    let name = cookie_name(is_https);
    let secure = if is_https { "; Secure" } else { "" };
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(Error::bug)
}
