//! Signing in with an OpenID Connect provider: authorization code with PKCE, state and nonce.
//!
//! The state of a sign-in is kept in a cookie of the browser that began it, so a callback that
//! someone else started signs no one in. The provider is trusted only for an email address that it
//! has verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing::app::App;
use billing::error::{Error, Result};
use billing::outbound;
use billing::secrets::new_secret;
use domain::time::Timestamp;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata};
use openidconnect::{
    AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

/// The redirect URI, to which the provider sends the browser back.
pub const CALLBACK: &str = "/api/auth/oidc/callback";

/// How long the provider's metadata is trusted, keys included.
const FRESH_SECONDS: i64 = 600;

/// How old the metadata must be to be fetched again for a token that fails verification.
const AGAIN_SECONDS: i64 = 30;

/// Seconds between two fetches, so that not every caller waits for a provider that hangs.
const PAUSE_SECONDS: i64 = 5;

/// The cached metadata of the provider.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    known: Option<(Timestamp, CoreProviderMetadata)>,
    tried_at: Option<Timestamp>,
}

/// A sign-in that has begun.
#[derive(Debug)]
pub struct Begun {
    /// The URL of the provider's sign-in page.
    pub address: String,
    /// What the browser keeps in a cookie until the callback.
    pub kept: String,
}

/// The user that the provider authenticated.
#[derive(Debug)]
pub struct Proven {
    /// Their email address, verified by the provider.
    pub email: String,
    /// The page to return to.
    pub next: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    state: String,
    nonce: String,
    verifier: String,
    next: Option<String>,
}

/// Begins a sign-in at the provider.
pub async fn begin(app: &App, cache: &Cache, next: Option<String>) -> Result<Begun> {
    let metadata = metadata(app, cache, FRESH_SECONDS).await?;
    let secret = || new_secret(&*app.rng);
    let kept = Kept {
        state: secret(),
        nonce: secret(),
        verifier: secret(),
        next,
    };
    let verifier = PkceCodeVerifier::new(kept.verifier.clone());
    let (state, nonce) = (kept.state.clone(), kept.nonce.clone());
    let client = CoreClient::from_provider_metadata(metadata, client_id(app), client_secret(app))
        .set_redirect_uri(callback(app)?);
    let (address, _, _) = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(state),
            || Nonce::new(nonce),
        )
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .url();
    let kept = serde_json::to_vec(&kept).map_err(Error::bug)?;
    Ok(Begun {
        address: address.to_string(),
        kept: URL_SAFE_NO_PAD.encode(kept),
    })
}

/// Finishes a sign-in; `None` if this browser didn't begin it or the user isn't authenticated.
pub async fn finish(
    app: &App,
    cache: &Cache,
    kept: &str,
    code: &str,
    state: &str,
) -> Result<Option<Proven>> {
    let read = URL_SAFE_NO_PAD.decode(kept).ok();
    let kept: Option<Kept> = read.and_then(|kept| serde_json::from_slice(&kept).ok());
    let Some(kept) = kept.filter(|kept| bool::from(kept.state.as_bytes().ct_eq(state.as_bytes())))
    else {
        return Ok(None);
    };
    let known = metadata(app, cache, FRESH_SECONDS).await?;
    let client = CoreClient::from_provider_metadata(known, client_id(app), client_secret(app))
        .set_redirect_uri(callback(app)?);
    let exchange = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(Error::bug)?
        .set_pkce_verifier(PkceCodeVerifier::new(kept.verifier));
    let answer = match exchange.request_async(&outbound::call).await {
        Ok(answer) => answer,
        Err(openidconnect::RequestTokenError::Request(error)) => {
            return Err(unavailable(error));
        }
        Err(error) => {
            tracing::info!(%error, "A provider refused a sign-in");
            return Ok(None);
        }
    };
    let Some(token) = answer.id_token() else {
        return Ok(None);
    };
    let nonce = Nonce::new(kept.nonce);
    let mut claims = token.claims(&client.id_token_verifier(), &nonce).cloned();
    if claims.is_err() {
        // The token may be signed with a newer key than the cached ones.
        let newer = metadata(app, cache, AGAIN_SECONDS).await?;
        let client = CoreClient::from_provider_metadata(newer, client_id(app), client_secret(app));
        claims = token.claims(&client.id_token_verifier(), &nonce).cloned();
    }
    let claims = match claims {
        Ok(claims) => claims,
        Err(error) => {
            tracing::warn!(%error, "A provider's token failed verification");
            return Ok(None);
        }
    };
    let email = claims.email().map(|email| email.to_string());
    match email {
        Some(email) if claims.email_verified() == Some(true) => Ok(Some(Proven {
            email,
            next: kept.next,
        })),
        _ => {
            let detail = "Your provider hasn't verified your email address. Verify it there, or \
                          sign in with an email link.";
            Err(Error::forbidden("email_not_verified", detail))
        }
    }
}

fn client_id(app: &App) -> ClientId {
    ClientId::new(app.settings.oidc.client_id.clone())
}

fn client_secret(app: &App) -> Option<ClientSecret> {
    let secret = app.settings.oidc.client_secret.expose_secret();
    (!secret.is_empty()).then(|| ClientSecret::new(secret.to_owned()))
}

fn callback(app: &App) -> Result<RedirectUrl> {
    let address = format!("{}{CALLBACK}", app.settings.service.base_url);
    RedirectUrl::new(address).map_err(Error::bug)
}

/// The provider's metadata, fetched again when older than `seconds`.
async fn metadata(app: &App, cache: &Cache, seconds: i64) -> Result<CoreProviderMetadata> {
    let now = app.real_now();
    let mut seen = cache.0.lock().await;
    if let Some((at, known)) = &seen.known
        && now < at.plus_seconds(seconds)
    {
        return Ok(known.clone());
    }
    let was_tried = seen
        .tried_at
        .is_some_and(|at| now < at.plus_seconds(PAUSE_SECONDS));
    if was_tried {
        let known = seen.known.as_ref().map(|(_, known)| known.clone());
        return known.ok_or_else(|| unavailable("it did not answer a moment ago"));
    }
    seen.tried_at = Some(now);
    let issuer = IssuerUrl::new(app.settings.oidc.issuer.clone()).map_err(Error::bug)?;
    let read = CoreProviderMetadata::discover_async(issuer, &outbound::call).await;
    let read = read.map_err(unavailable)?;
    seen.known = Some((now, read.clone()));
    Ok(read)
}

fn unavailable(error: impl std::fmt::Display) -> Error {
    let detail =
        "Your organization's sign-in isn't answering. Try again, or sign in with an email link.";
    Error::unavailable("provider_unavailable", detail)
        .retry_after(5)
        .cause(error)
}
