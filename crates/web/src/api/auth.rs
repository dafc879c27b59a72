//! Sign-in with a single-use emailed link: no passwords are stored.
//!
//! The emailed link opens a page with a button; the button's POST, which must come from that page,
//! uses up the link. Email scanners follow links, and another site can lead a visitor to one. A link
//! printed by the operator's CLI signs in with a GET.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use billing::app::App;
use billing::error::{Error, Result};
use billing::people::sessions;
use billing::people::sign_in::{
    is_own_path, kind_of_link, open_session, redeem_hand_over, redeem_link, send_link, wrong_link,
};
use domain::time::Timestamp;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use store::login_links::LinkKind;

use crate::http::address::ClientAddress;
use crate::http::error::HttpResult;
use crate::http::origin::is_prefetch;
use crate::http::params::Params;
use crate::sign_in::claims::identity;
use crate::sign_in::cookies::{SESSION, cookie, session_token};
use crate::sign_in::hand_over::{HandOver, Proof, Token};
use crate::sign_in::{jwks, visitor};
use crate::site::Site;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// A request for a sign-in link.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct NewLink {
    /// The email address that the link is sent to.
    email: String,
    /// The path on this site to open after signing in.
    next: Option<String>,
}

// Case A8.
/// Emails a sign-in link. The response is the same whether or not the address is known.
#[utoipa::path(
    post,
    path = "/api/auth/link",
    operation_id = "sendSignInLink",
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

/// Signs in with a link that an operator printed. An emailed link is not used up: the answer leads
/// to the page whose button uses it.
#[utoipa::path(
    get,
    path = "/api/auth/link/{token}",
    operation_id = "followSignInLink",
    tag = "sign-in",
    security(()),
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 303), (status = 400))
)]
pub async fn follow(
    State(app): State<App>,
    from: ClientAddress,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> HttpResult<Response> {
    match kind_of_link(&app, &token).await? {
        None => Err(wrong_link(&app, &from.network()).await.into()),
        Some(LinkKind::Printed) if method == Method::GET && !is_prefetch(&headers) => {
            redeem(State(app), from, Path(token), headers).await
        }
        // A token that was found is one of ours: 64 hexadecimal digits.
        Some(_) => Ok(Redirect::to(&format!("/login/confirm?token={token}")).into_response()),
    }
}

/// Redeems a sign-in link and signs in. A link works once.
#[utoipa::path(
    post,
    path = "/api/auth/link/{token}",
    operation_id = "redeemSignInLink",
    tag = "sign-in",
    security(()),
    params(("token" = String, Path, description = "The token of the link")),
    responses((status = 303), (status = 400))
)]
pub async fn redeem(
    State(app): State<App>,
    from: ClientAddress,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let (user, next) = redeem_link(&app, &token, &from.network()).await?;
    enter(&app, user, &headers, next).await
}

/// Opens a session and redirects to a path on this site.
pub async fn enter(
    app: &App,
    user: i64,
    headers: &HeaderMap,
    next: Option<String>,
) -> HttpResult<Response> {
    let session = new_session(app, user, headers).await?;
    tracing::info!(user, "A user signed in");
    let next = next.filter(|next| is_own_path(next));
    let next = next.unwrap_or_else(|| "/dashboard/billing".to_owned());
    Ok(([(header::SET_COOKIE, session)], Redirect::to(&next)).into_response())
}

/// The query with which the host application hands over a user.
#[derive(Debug, Deserialize)]
pub struct HandedOver {
    token: String,
    next: Option<String>,
}

/// Signs in a user on behalf of the host application. The token is a JWT with `email`, `aud` (this
/// service's origin), `jti`, `iat` and `exp` (at most 300 seconds later), signed with HS256, or
/// with a key that the host application publishes (RS256, ES256, `EdDSA`). A token works once.
#[utoipa::path(
    get,
    path = "/api/auth/hand-over",
    operation_id = "signInByHandOver",
    tag = "sign-in",
    security(()),
    params(
        ("token" = String, Query, description = "The signed token"),
        (
            "next" = Option<String>, Query,
            description = "The path on this site to open after signing in"
        ),
    ),
    responses((status = 303), (status = 400), (status = 404), (status = 429))
)]
pub async fn hand_over(
    State(site): State<Site>,
    from: ClientAddress,
    Params(query): Params<HandedOver>,
    method: Method,
    headers: HeaderMap,
) -> HttpResult<Response> {
    let (app, network) = (&site.app, from.network());
    if method == Method::HEAD || is_prefetch(&headers) {
        // Only a visitor who arrives uses the token.
        return Ok(Redirect::to("/login").into_response());
    }
    let Some(said) = handed_over(&site, &query.token).await? else {
        return Err(wrong_link(app, &network).await.into());
    };
    let until = Timestamp::from_seconds(said.forgotten_at());
    let external_id = identity(&said.others, &app.settings.host.identity_claim);
    let person = (external_id.as_deref(), said.email.as_str());
    let user = redeem_hand_over(app, person, &said.jti, until, &network).await?;
    enter(app, user, &headers, query.next).await
}

/// The claims of a hand-over token, if it is valid now.
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

/// Ends the current session.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    operation_id = "signOut",
    tag = "sign-in",
    security(()),
    responses((status = 303))
)]
pub async fn leave(
    State(app): State<App>,
    request: axum::extract::Request,
) -> HttpResult<Response> {
    let (parts, _) = request.into_parts();
    let host_user = visitor::host_user(&parts, &app).await?;
    let token = session_token(&parts, &app);
    sessions::sign_out(&app, host_user, token).await?;
    let headers = [
        (header::SET_COOKIE, cookie(&app, SESSION, "", 0)?),
        // Clears cached pages with the session; local storage (the theme) may stay.
        (CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\"")),
    ];
    Ok((headers, Redirect::to("/login")).into_response())
}

/// Opens a session and returns its cookie, always with a new token (case A9).
pub async fn new_session(app: &App, user: i64, headers: &HeaderMap) -> Result<HeaderValue> {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok());
    let agent: String = agent.unwrap_or("").chars().take(200).collect();
    let token = open_session(app, user, &agent).await?;
    cookie(app, SESSION, &token, app.settings.session.days * 86_400)
}
