//! Who is calling: extractors that a handler names as an argument.

use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use domain::ledger::Spender;
use serde::Deserialize;
use store::accounts::Account;

use super::error::{Error, Result};
use super::keys::hash;
use crate::app::App;

/// What every secret key of ours begins with.
pub const KEY_PREFIX: &str = "lbx_";

/// Name of the session cookie: on https bound to this host (case A7).
pub fn cookie_name(is_https: bool) -> &'static str {
    if is_https {
        "__Host-lbx_session"
    } else {
        "lbx_session"
    }
}

/// A user who signed in, whatever the account.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The user's number.
    pub id: i64,
    /// The user's id at the edge.
    pub public_id: String,
    /// The mail address.
    pub email: String,
    /// The name.
    pub name: String,
    /// user, viewer, support, finance or admin.
    pub role: String,
}

impl Visitor {
    /// Whether operators' pages are open to this user.
    pub fn is_operator(&self) -> bool {
        self.role != "user"
    }
}

/// A user who signed in, with the account the request is about: `?account=`, else the first.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub user: Visitor,
    /// The account, which the user is a member of.
    pub account: Account,
    /// owner, billing or member.
    pub role: String,
}

impl SignedIn {
    /// Whether the user may buy, change and cancel for the account (F28).
    pub fn may_pay(&self) -> Result<()> {
        if matches!(self.role.as_str(), "owner" | "billing") {
            return Ok(());
        }
        Err(Error::forbidden(
            "not_billing_member",
            "Only owners and billing members may do this.",
        ))
    }
}

/// An administrator, or another operator who may see these pages.
#[derive(Clone, Debug)]
pub struct Operator(pub Visitor);

/// A caller with an API key. `account` is `None` for a server key that must name one.
#[derive(Clone, Debug)]
pub struct KeyCaller {
    /// The key's number.
    pub key: i64,
    /// The key's id at the edge.
    pub public_id: String,
    /// The account a meter key spends for.
    pub account: Option<i64>,
    /// The member who made it, by number.
    pub member: Option<i64>,
}

impl KeyCaller {
    /// Who spends with a call of this key.
    pub fn spender(&self) -> Spender {
        Spender {
            key: Some(self.key),
            member: self.member,
        }
    }

    /// Whether the key acts for the host application.
    pub fn is_server(&self) -> Result<()> {
        if self.account.is_none() {
            return Ok(());
        }
        let detail = "This key only meters; the call needs a server key.";
        Err(Error::forbidden("key_scope", detail))
    }

    /// The account a call is about: the key's own, or the one a server key names.
    pub async fn account(&self, app: &App, named: Option<&str>) -> Result<i64> {
        match (self.account, named) {
            (Some(own), None) => Ok(own),
            (None, None) => Err(Error::field("account", "A server key names the account.")),
            (own, Some(name)) => {
                let name = name.to_owned();
                let found = app
                    .read(move |tx| store::accounts::named(tx, &name))
                    .await?;
                let found = found.map(|account| account.id);
                let found = found.filter(|id| own.is_none_or(|own| own == *id));
                found.ok_or_else(|| Error::not_found("There is no such account."))
            }
        }
    }
}

/// A key or a signed-in user: whoever may look at an account.
#[derive(Clone, Debug)]
pub enum Reader {
    /// By key.
    Key(KeyCaller),
    /// By session.
    User(Box<SignedIn>),
}

impl Reader {
    /// The account to look at.
    pub async fn account(&self, app: &App, named: Option<&str>) -> Result<i64> {
        match self {
            Reader::Key(caller) => caller.account(app, named).await,
            Reader::User(signed_in) => Ok(signed_in.account.id),
        }
    }
}

impl Reader {
    /// Who would spend: a key, or the member who asks.
    pub fn spender(&self) -> Spender {
        match self {
            Reader::Key(caller) => caller.spender(),
            Reader::User(signed_in) => Spender {
                key: None,
                member: Some(signed_in.user.id),
            },
        }
    }

    /// Who acts, for the audit log.
    pub fn actor(&self) -> String {
        match self {
            Reader::Key(caller) => caller.public_id.clone(),
            Reader::User(signed_in) => signed_in.user.public_id.clone(),
        }
    }

    /// Whether the caller may read the account's lists: its people and the host application, not
    /// a key that only meters.
    pub fn may_list(&self) -> Result<()> {
        match self {
            Reader::Key(caller) => caller.is_server(),
            Reader::User(_) => Ok(()),
        }
    }

    /// Whether the caller may change what belongs to the account.
    pub fn may_manage(&self) -> Result<()> {
        match self {
            Reader::Key(caller) => caller.is_server(),
            Reader::User(signed_in) => signed_in.may_pay(),
        }
    }
}

#[derive(Deserialize)]
struct AccountParam {
    account: Option<String>,
}

/// The session token of the request's cookie.
pub fn session_token<'a>(parts: &'a Parts, app: &App) -> Option<&'a str> {
    let wanted = cookie_name(app.settings.is_https());
    let cookies = parts.headers.get_all(header::COOKIE).into_iter();
    let pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, v)| v)
}

async fn visitor(parts: &Parts, app: &App) -> Result<Option<Visitor>> {
    let Some(token) = session_token(parts, app) else {
        return Ok(None);
    };
    let (hash, now) = (hash(token), app.real_now());
    let found = app
        .read(move |tx| store::sessions::find(tx, &hash, now))
        .await?;
    Ok(found.map(|session| Visitor {
        id: session.user_id,
        public_id: session.user_public_id,
        email: session.email,
        name: session.name,
        role: session.role,
    }))
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        visitor(parts, app).await?.ok_or_else(Error::not_signed_in)
    }
}

/// A page that also greets strangers.
#[derive(Clone, Debug)]
pub struct MaybeVisitor(pub Option<Visitor>);

impl FromRequestParts<App> for MaybeVisitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        visitor(parts, app).await.map(MaybeVisitor)
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let user = Visitor::from_request_parts(parts, app).await?;
        let named = Query::<AccountParam>::try_from_uri(&parts.uri);
        let named = named.ok().and_then(|query| query.0.account);
        let id = user.id;
        let found = app
            .read(move |tx| membership(tx, id, named.as_deref()))
            .await?;
        let (account, role) = found.ok_or_else(|| Error::not_found("There is no such account."))?;
        Ok(SignedIn {
            user,
            account,
            role,
        })
    }
}

/// The account of a user: the named one if the user is a member of it, else the first.
fn membership(
    tx: &mut store::Tx<'_>,
    user: i64,
    named: Option<&str>,
) -> store::Result<Option<(Account, String)>> {
    let memberships = store::users::memberships(tx, user)?;
    let wanted = match named {
        Some(name) => match store::accounts::named(tx, name)? {
            Some(account) => Some(account.id),
            None => return Ok(None),
        },
        None => memberships.first().map(|membership| membership.account_id),
    };
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let Some(membership) = memberships.into_iter().find(|m| m.account_id == wanted) else {
        return Ok(None);
    };
    let account = store::accounts::find(tx, wanted)?;
    Ok(account.map(|account| (account, membership.role)))
}

impl FromRequestParts<App> for Operator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let user = Visitor::from_request_parts(parts, app).await?;
        if user.is_operator() {
            return Ok(Operator(user));
        }
        tracing::warn!(
            user = user.public_id,
            "A user without a role asked for an operator's page"
        );
        Err(Error::forbidden(
            "not_an_operator",
            "This page is for operators.",
        ))
    }
}

/// Who may change an account's credits by hand: a server key, or an operator who does more than
/// look.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The host application.
    Host(KeyCaller),
    /// An operator.
    Operator(Visitor),
}

impl Authority {
    /// Who acts, for the journal and the audit log.
    pub fn actor(&self) -> String {
        match self {
            Authority::Host(caller) => caller.public_id.clone(),
            Authority::Operator(visitor) => visitor.public_id.clone(),
        }
    }
}

impl Operator {
    /// Whether the operator may act, not only look.
    pub fn may_act(&self) -> Result<()> {
        if self.0.role != "viewer" {
            return Ok(());
        }
        let detail = "Your role may look, and change nothing.";
        Err(Error::forbidden("viewer_only", detail))
    }
}

impl FromRequestParts<App> for Authority {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        if bearer(parts).is_some() {
            let caller = KeyCaller::from_request_parts(parts, app).await?;
            caller.is_server()?;
            return Ok(Authority::Host(caller));
        }
        let operator = Operator::from_request_parts(parts, app).await?;
        operator.may_act()?;
        Ok(Authority::Operator(operator.0))
    }
}

/// The secret of the request's bearer token, if it is a key of ours.
fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(KEY_PREFIX)).then_some(token)
}

impl FromRequestParts<App> for KeyCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let secret = bearer(parts).ok_or_else(Error::not_signed_in)?;
        let key = app
            .keys
            .find(app, secret)
            .await?
            .ok_or_else(Error::not_signed_in)?;
        Ok(KeyCaller {
            key: key.id,
            public_id: key.public_id,
            account: key.account_id,
            member: key.user_id,
        })
    }
}

impl FromRequestParts<App> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        if bearer(parts).is_some() {
            return KeyCaller::from_request_parts(parts, app)
                .await
                .map(Reader::Key);
        }
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        Ok(Reader::User(Box::new(signed_in)))
    }
}
