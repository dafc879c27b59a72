//! Who is calling: extractors that a handler names as an argument.

use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::header;
use axum::http::request::Parts;
use domain::ledger::Spender;
use domain::money::Credits;
use serde::Deserialize;
use serde_json::{Value, json};
use store::accounts::Account;
use store::sessions::Session;
use store::users::Place;

use super::access::{self, Need};
use super::host_session;
use super::keys::hash;
use super::params::Params;
use super::roles::{self, Right};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{HttpError, HttpResult};

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
    /// The account that the answer's links carry along.
    pub carry: Carry,
}

/// The account that a page is about, for the links of the answer: set where a request is let in,
/// read where it leaves. Empty for somebody with one account, who cannot mix them up.
#[derive(Clone, Debug, Default)]
pub struct Carry(Arc<OnceLock<String>>);

impl Carry {
    /// Sets the account; the first one stays.
    pub fn set(&self, account: &str) {
        let _ = self.0.set(account.to_owned());
    }

    /// The account, when links must carry one.
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

impl Visitor {
    /// Whether operators' pages are open to this user.
    pub fn is_operator(&self) -> bool {
        self.role != "user"
    }

    /// Credits that this operator may add or take in 24 hours, where there is a limit.
    pub fn credits_max(&self, app: &App) -> Option<Credits> {
        let max = i64::from(app.settings.operators.support_credits_a_day_max);
        (self.role == "support").then(|| Credits::new(max))
    }
}

/// A user who signed in, with the account the request is about: the one that `?account=` names.
/// Without a name it is the only one; of several the first is shown, and none is written to.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user.
    pub user: Visitor,
    /// The account, which the user is a member of.
    pub account: Account,
    /// owner, billing or member.
    pub role: String,
    /// All accounts of the user, the oldest membership first.
    pub places: Vec<Place>,
}

impl SignedIn {
    /// The user in one of its accounts; links of the answer carry it along when there are several.
    pub fn new(user: Visitor, account: Account, places: Vec<Place>) -> Option<SignedIn> {
        let role = places.iter().find(|place| place.account_id == account.id);
        let role = role?.role.clone();
        if places.len() > 1 {
            user.carry.set(&account.public_id);
        }
        Some(SignedIn {
            user,
            account,
            role,
            places,
        })
    }

    /// Whether the user may buy, change and cancel for the account (F28).
    pub fn may_pay(&self) -> Result<()> {
        Need::Billing.ask(&self.role)
    }

    /// Whether the user decides who belongs to the account.
    pub fn may_own(&self) -> Result<()> {
        Need::Owner.ask(&self.role)
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
            Reader::User(signed_in) => {
                let own = &signed_in.account;
                let is_own =
                    |name: &str| name == own.public_id || own.external_id.as_deref() == Some(name);
                // A name in the body that is not the address's would be another account's.
                if named.is_none_or(is_own) {
                    return Ok(own.id);
                }
                let detail = "Name the account in the address: ?account=.";
                Err(Error::field("account", detail))
            }
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

/// How exact the time is at which a session was last seen.
const SEEN_SECONDS: i64 = 300;

async fn visitor(parts: &Parts, app: &App) -> Result<Option<Visitor>> {
    let carry = parts.extensions.get::<Carry>().cloned().unwrap_or_default();
    if let Some(token) = session_token(parts, app) {
        let (hash, now) = (hash(token), app.real_now());
        let found = app
            .read(move |tx| store::sessions::find(tx, &hash, now))
            .await?;
        let idle_days = app.settings.session.idle_days;
        let is_in_use =
            |session: &Session| now < session.last_seen_at.plus_days(idle_days).plus_seconds(1);
        if let Some(session) = found.filter(is_in_use) {
            if now >= session.last_seen_at.plus_seconds(SEEN_SECONDS) {
                seen(app, session.id);
            }
            return Ok(Some(Visitor {
                id: session.user_id,
                public_id: session.user_public_id,
                email: session.email,
                name: session.name,
                role: session.role,
                carry,
            }));
        }
    }
    let user = host_session::user(parts, app).await?;
    Ok(user.map(|user| Visitor {
        id: user.id,
        public_id: user.public_id,
        email: user.email,
        name: user.name,
        role: user.role,
        carry,
    }))
}

/// Notes that a session is in use; nobody waits for it.
fn seen(app: &App, session: i64) {
    let now = app.real_now();
    let noted = app
        .db
        .write(0, move |tx| store::sessions::touch(tx, session, now));
    tokio::spawn(async move {
        if let Err(error) = noted.await {
            tracing::debug!(%error, "A session's last use was not noted");
        }
    });
}

impl FromRequestParts<App> for Visitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
        Ok(visitor(parts, app)
            .await?
            .ok_or_else(Error::not_signed_in)?)
    }
}

/// A page that also greets strangers.
#[derive(Clone, Debug)]
pub struct MaybeVisitor(pub Option<Visitor>);

impl FromRequestParts<App> for MaybeVisitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
        Ok(visitor(parts, app).await.map(MaybeVisitor)?)
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
        let user = Visitor::from_request_parts(parts, app).await?;
        // Two names are a fault rather than none.
        let Params(AccountParam { account: named }) =
            Params::from_request_parts(parts, app).await?;
        let id = user.id;
        let (named, is_read) = (named, access::is_read(&parts.method));
        let (places, chosen) = app
            .read(move |tx| {
                let places = store::users::places(tx, id)?;
                let chosen = choose(tx, &places, named.as_deref(), is_read)?;
                Ok((places, chosen))
            })
            .await?;
        let account = match chosen {
            Choice::Account(account) => *account,
            Choice::Open => return Err(which_account(&places).into()),
            Choice::None => return Err(Error::not_found("There is no such account.").into()),
        };
        let none = || Error::not_found("There is no such account.");
        let signed_in = SignedIn::new(user, account, places).ok_or_else(none)?;
        let route = parts.extensions.get::<MatchedPath>();
        let route = route.map_or_else(|| parts.uri.path(), MatchedPath::as_str);
        let (account, role) = (&signed_in.account, &signed_in.role);
        if let Err(refusal) = access::admit(app, &parts.method, route, account, role) {
            tracing::info!(
                user = signed_in.user.public_id,
                account = account.public_id,
                role,
                route,
                code = refusal.0.code,
                "Somebody asked for more than their part in an account allows"
            );
            return Err(refusal.into());
        }
        Ok(signed_in)
    }
}

/// The account a request is about.
enum Choice {
    /// This one.
    Account(Box<Account>),
    /// One of several, and the request would change it: somebody must say which.
    Open,
    /// None of the user's.
    None,
}

/// The account of a user: the named one if it is the user's; without a name the only one, or the
/// first where nothing is changed.
fn choose(
    tx: &mut store::Tx<'_>,
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

/// The code of what [`which_account`] answers.
pub const ACCOUNT_CHOICE: &str = "account_choice";
/// Accounts that a choice names.
const CHOICES_MAX: usize = 50;

/// 409: somebody in several accounts must say which one is meant.
fn which_account(places: &[Place]) -> Error {
    let detail =
        "You belong to several accounts. Nothing was changed: say which one, with ?account=.";
    let accounts = places.iter().take(CHOICES_MAX);
    let accounts: Vec<Value> = accounts
        .map(|place| json!({ "id": place.public_id, "name": place.name }))
        .collect();
    Error::conflict(ACCOUNT_CHOICE, detail).with("accounts", Value::Array(accounts))
}

impl FromRequestParts<App> for Operator {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
        let user = Visitor::from_request_parts(parts, app).await?;
        if !user.is_operator() {
            tracing::warn!(
                user = user.public_id,
                "A user without a role asked for an operator's page"
            );
            let detail = "This page is for operators.";
            return Err(Error::forbidden("not_an_operator", detail).into());
        }
        let route = parts.extensions.get::<MatchedPath>();
        let route = route.map_or("", MatchedPath::as_str);
        let wants_csv = crate::api::lists::wants_csv(&parts.headers);
        let right = roles::needed(&parts.method, route, wants_csv);
        Ok(Operator(user).with(right)?)
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

    /// Credits that may be added or taken in 24 hours, where there is a limit.
    pub fn credits_max(&self, app: &App) -> Option<Credits> {
        match self {
            Authority::Operator(visitor) => visitor.credits_max(app),
            Authority::Host(_) => None,
        }
    }
}

impl Operator {
    /// The operator, if their role has this right.
    pub fn with(self, right: Right) -> Result<Operator> {
        if self.may(right) {
            return Ok(self);
        }
        let (user, role) = (&self.0.public_id, &self.0.role);
        tracing::warn!(
            user,
            role,
            "An operator asked for what the role does not allow"
        );
        let detail = format!("Your role is {role}; it does not allow this. Ask an admin.");
        Err(Error::forbidden("role", detail))
    }

    /// Whether the operator's role has this right.
    pub fn may(&self, right: Right) -> bool {
        roles::may(&self.0.role, right)
    }

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
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
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
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
        let secret = bearer(parts).ok_or_else(Error::not_signed_in)?;
        let key = app.keys.find(app, secret).await?.ok_or_else(|| {
            let detail =
                "This API key opens nothing here: it was revoked, or is another service's.";
            Error::not_signed_in().because(detail)
        })?;
        Ok(KeyCaller {
            key: key.id,
            public_id: key.public_id,
            account: key.account_id,
            member: key.user_id,
        })
    }
}

impl FromRequestParts<App> for Reader {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> HttpResult<Self> {
        if bearer(parts).is_some() {
            return KeyCaller::from_request_parts(parts, app)
                .await
                .map(Reader::Key);
        }
        let signed_in = SignedIn::from_request_parts(parts, app).await?;
        Ok(Reader::User(Box::new(signed_in)))
    }
}
