//! Signing in with the organization's OpenID Connect provider. The routes don't exist in a build
//! without the feature `oidc`, or while no issuer is set.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use billing::app::App;
use billing::error::{Error, Result};
use serde::Deserialize;

use crate::http::address::ClientAddress;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::site::Site;

/// The page to continue to after signing in.
#[derive(Debug, Deserialize)]
pub struct Query {
    next: Option<String>,
}

/// The query with which the provider redirects the browser back.
#[derive(Debug, Deserialize)]
pub struct Said {
    code: Option<String>,
    state: Option<String>,
}

/// Starts signing in with the OpenID Connect provider. Redirects to the provider's sign-in page.
#[utoipa::path(
    get,
    path = "/api/auth/oidc",
    operation_id = "beginOidcSignIn",
    tag = "sign-in",
    security(()),
    params((
        "next" = Option<String>, Query,
        description = "The path on this site to open after signing in"
    )),
    responses((status = 303), (status = 404), (status = 503))
)]
pub async fn begin(State(site): State<Site>, Params(query): Params<Query>) -> HttpResult<Response> {
    is_there(&site.app)?;
    inner::begin(&site, query.next).await
}

/// Completes signing in with the OpenID Connect provider. It works only in the browser that started
/// the sign-in.
#[utoipa::path(
    get,
    path = "/api/auth/oidc/callback",
    operation_id = "finishOidcSignIn",
    tag = "sign-in",
    security(()),
    params(
        ("code" = Option<String>, Query, description = "The authorization code from the provider"),
        (
            "state" = Option<String>, Query,
            description = "The state that this service sent to the provider"
        )
    ),
    responses((status = 303), (status = 400), (status = 403), (status = 404), (status = 429))
)]
pub async fn callback(
    State(site): State<Site>,
    from: ClientAddress,
    headers: HeaderMap,
    Params(said): Params<Said>,
) -> HttpResult<Response> {
    is_there(&site.app)?;
    inner::callback(&site, from, &headers, said).await
}

fn is_there(app: &App) -> Result<()> {
    if app.settings.oidc.issuer.is_empty() {
        return Err(nothing());
    }
    Ok(())
}

fn nothing() -> Error {
    Error::not_found("There is no page at this address.")
}

#[cfg(not(feature = "oidc"))]
mod inner {
    use super::*;

    pub async fn begin(_: &Site, _: Option<String>) -> HttpResult<Response> {
        Err(nothing().into())
    }

    pub async fn callback(
        _: &Site,
        _: ClientAddress,
        _: &HeaderMap,
        Said { code, state }: Said,
    ) -> HttpResult<Response> {
        drop((code, state));
        Err(nothing().into())
    }
}

#[cfg(feature = "oidc")]
mod inner {
    use axum::http::header;
    use axum::response::IntoResponse;
    use axum::response::Redirect;

    use super::*;
    use crate::api::auth::enter;
    use crate::sign_in::cookies::{cookie, value};
    use crate::sign_in::oidc;
    use billing::people::sign_in::{count_wrong_link, is_own_path};
    use billing::people::users as people;

    /// The cookie that holds the state of a sign-in.
    const KEPT: &str = "lbx_oidc";

    /// The longest that a sign-in at the provider may take.
    const KEPT_SECONDS: i64 = 600;

    pub async fn begin(site: &Site, next: Option<String>) -> HttpResult<Response> {
        let app = &site.app;
        let next = next.filter(|next| is_own_path(next));
        let begun = oidc::begin(&site.app, &site.oidc, next).await?;
        let kept = cookie(app, KEPT, &begun.kept, KEPT_SECONDS)?;
        Ok(([(header::SET_COOKIE, kept)], Redirect::to(&begun.address)).into_response())
    }

    pub async fn callback(
        site: &Site,
        from: ClientAddress,
        headers: &HeaderMap,
        said: Said,
    ) -> HttpResult<Response> {
        let app = &site.app;
        let (code, state) = (said.code.as_deref(), said.state.as_deref());
        let proven = match (value(app, headers, KEPT), code, state) {
            (Some(kept), Some(code), Some(state)) => {
                oidc::finish(&site.app, &site.oidc, kept, code, state).await?
            }
            _ => None,
        };
        let Some(proven) = proven else {
            count_wrong_link(app, &from.network()).await?;
            let detail = "This sign-in was not finished; begin again on the sign-in page.";
            return Err(Error::bad_request("sign_in_failed", detail).into());
        };
        let email = people::read_email(&proven.email)?;
        let user = people::hand_over(app, None, &email).await?;
        let mut response = enter(app, user, headers, proven.next).await?;
        let over = cookie(app, KEPT, "", 0)?;
        response.headers_mut().append(header::SET_COOKIE, over);
        Ok(response)
    }
}
