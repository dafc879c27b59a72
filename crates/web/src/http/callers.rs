//! The caller of a request: extractors that a handler names as arguments.

use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use billing::actors::{Authority, KEY_PREFIX, KeyCaller, Operator, Reader, SignedIn, Visitor};
use billing::error::{Error, Result};
use billing::people::sessions::ThisSession;
use billing::secrets::hash;
use serde::Deserialize;
use serde_json::{Value, json};
use store::Tx;
use store::accounts::Account;
use store::users::Place;

use crate::http::accept::wants_csv;
use crate::http::error::{HttpError, HttpResult};
use crate::http::params::Params;
use crate::http::{access, roles};
use crate::sign_in::cookies::session_token;
use crate::sign_in::visitor::{known_visitor, not_signed_in, visitor};
use crate::site::Site;

#[derive(Deserialize)]
struct AccountParam {
    account: Option<String>,
}

impl FromRequestParts<Site> for Visitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let found = visitor(parts, &site.app, |_, _| Ok(())).await?;
        let (visitor, ()) = found.map_err(not_signed_in)?;
        Ok(visitor)
    }
}

/// The visitor of a page that works with or without a sign-in.
#[derive(Clone, Debug)]
pub struct MaybeVisitor(pub Option<Visitor>);

impl FromRequestParts<Site> for MaybeVisitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        Ok(MaybeVisitor(known_visitor(parts, &site.app).await?))
    }
}

impl FromRequestParts<Site> for SignedIn {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let app = &site.app;
        // Naming two accounts is an error, but visitors who aren't signed in must sign in first.
        let query = Params::<AccountParam>::from_request_parts(parts, site).await;
        let named = query
            .as_ref()
            .ok()
            .and_then(|Params(query)| query.account.clone());
        let is_read = access::is_read(&parts.method);
        let read = move |tx: &mut Tx<'_>, user: i64| {
            let places = store::users::places(tx, user)?;
            let chosen = choose(tx, &places, named.as_deref(), is_read)?;
            Ok((places, chosen))
        };
        let found = visitor(parts, app, read).await?;
        let (user, (places, chosen)) = found.map_err(not_signed_in)?;
        query?;
        let account = match chosen {
            Choice::Account(account) => *account,
            Choice::Open => return Err(which_account(&places).into()),
            Choice::None => return Err(Error::not_found("There is no such account.").into()),
        };
        let none = || Error::not_found("There is no such account.");
        let signed_in = SignedIn::new(user, account, places).ok_or_else(none)?;
        let route = parts.extensions.get::<MatchedPath>();
        let route = route.map_or_else(|| parts.uri.path(), MatchedPath::as_str);
        let (account, role) = (&signed_in.account, signed_in.role);
        if let Err(refusal) = access::admit(app, &parts.method, route, account, role) {
            tracing::info!(
                user = signed_in.user.public_id,
                account = account.public_id,
                role = role.word(),
                route,
                code = refusal.0.code,
                "A member asked for more than their role in the account allows"
            );
            return Err(refusal.into());
        }
        Ok(signed_in)
    }
}

/// The account that a request is about.
enum Choice {
    /// The account to use.
    Account(Box<Account>),
    /// The user belongs to several, and the request changes something: the caller must choose.
    Open,
    /// The user has no such account.
    None,
}

/// Chooses the user's account: the named one if the user belongs to it; without a name, the only
/// one, or for a read the first.
fn choose(
    tx: &mut Tx<'_>,
    places: &[Place],
    named: Option<&str>,
    is_read: bool,
) -> store::Result<Choice> {
    let found = match (named, places) {
        (Some(name), _) => store::accounts::named(tx, name)?,
        (None, []) => None,
        (None, [first]) => store::accounts::find(tx, first.account_id)?,
        (None, [first, ..]) if is_read => store::accounts::find(tx, first.account_id)?,
        (None, _) => return Ok(Choice::Open),
    };
    let is_own = |account: &Account| places.iter().any(|place| place.account_id == account.id);
    Ok(match found {
        Some(account) if is_own(&account) => Choice::Account(Box::new(account)),
        _ => Choice::None,
    })
}

/// The error code that [`which_account`] returns.
pub const ACCOUNT_CHOICE: &str = "account_choice";

/// Maximum number of accounts that the error lists.
const CHOICES_MAX: usize = 50;

/// 409: a member of several accounts must choose one.
fn which_account(places: &[Place]) -> Error {
    let detail = "You belong to several accounts. Nothing was changed. Choose one with ?account=.";
    let accounts = places.iter().take(CHOICES_MAX);
    let accounts: Vec<Value> = accounts
        .map(|place| json!({ "id": place.public_id, "name": place.name }))
        .collect();
    Error::conflict(ACCOUNT_CHOICE, detail).with("accounts", Value::Array(accounts))
}

impl FromRequestParts<Site> for Operator {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let user = Visitor::from_request_parts(parts, site).await?;
        Ok(operator(parts, user)?)
    }
}

/// The user as an operator, if their role allows the request.
fn operator(parts: &Parts, user: Visitor) -> Result<Operator> {
    if !user.is_operator() {
        tracing::warn!(
            user = user.public_id,
            "A user without a role asked for an operator's page"
        );
        let detail = "This page is for operators.";
        return Err(Error::forbidden("not_an_operator", detail));
    }
    let route = parts.extensions.get::<MatchedPath>();
    let route = route.map_or("", MatchedPath::as_str);
    let wants_csv = wants_csv(&parts.headers);
    Operator(user).with(roles::needed(&parts.method, route, wants_csv))
}

/// An operator and the account that `{id}` in the path names.
#[derive(Clone, Debug)]
pub struct OnAccount {
    /// The operator who acts.
    pub operator: Operator,
    /// The account that the operator acts on.
    pub account: Account,
}

impl FromRequestParts<Site> for OnAccount {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let path = RawPathParams::from_request_parts(parts, site).await;
        let wrong = |_| Error::bad_request("invalid_request", "The address could not be read.");
        let path = path.map_err(wrong)?;
        let id = path.iter().find(|(name, _)| *name == "id");
        let id = id.map(|(_, id)| id.to_owned()).unwrap_or_default();
        let read = move |tx: &mut Tx<'_>, _| store::accounts::named(tx, &id);
        let found = visitor(parts, &site.app, read).await?;
        let (user, account) = found.map_err(not_signed_in)?;
        let operator = operator(parts, user)?;
        let account = account.ok_or_else(|| Error::not_found("There is no such account."))?;
        Ok(OnAccount { operator, account })
    }
}

impl FromRequestParts<Site> for Authority {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        if bearer(parts).is_some() {
            let caller = KeyCaller::from_request_parts(parts, site).await?;
            caller.is_server()?;
            return Ok(Authority::Host(caller));
        }
        let operator = Operator::from_request_parts(parts, site).await?;
        operator.may_act()?;
        Ok(Authority::Operator(operator.0))
    }
}

/// The request's bearer token, if it has the prefix of our API keys.
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(KEY_PREFIX)).then_some(token)
}

impl FromRequestParts<Site> for KeyCaller {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let app = &site.app;
        let secret = bearer(parts).ok_or_else(Error::not_signed_in)?;
        let found = app.keys.find(app, secret).await?;
        let key = found.map_err(|why| Error::not_signed_in().because(why))?;
        Ok(KeyCaller {
            key: key.id,
            public_id: key.public_id,
            account: key.account_id,
            member: key.user_id,
        })
    }
}

impl FromRequestParts<Site> for Reader {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        if bearer(parts).is_some() {
            return KeyCaller::from_request_parts(parts, site)
                .await
                .map(Reader::Key);
        }
        let signed_in = SignedIn::from_request_parts(parts, site).await?;
        Ok(Reader::User(Box::new(signed_in)))
    }
}

impl FromRequestParts<Site> for ThisSession {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        Ok(ThisSession(session_token(parts, &site.app).map(hash)))
    }
}
