//! Callers: a signed-in user, an API key, an operator. Plain values with their rules, independent
//! of how a request authenticates them.

pub mod access;
pub mod roles;

use domain::ledger::Spender;
use domain::money::Credits;
use domain::people::{MemberRole, UserRole};
use store::accounts::Account;
use store::users::Place;

use crate::actors::roles::Right;
use crate::app::App;
use crate::error::{Error, Result};

/// The prefix of all our secret keys.
pub const KEY_PREFIX: &str = "lbx_";

/// A signed-in user, regardless of the account.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The user's internal id, which is never exposed.
    pub id: i64,
    /// The user's public id: `usr_...`.
    pub public_id: String,
    /// The email address, in lower case.
    pub email: String,
    /// The user's display name.
    pub name: String,
    /// The user's role in the service.
    pub role: UserRole,
}

impl Visitor {
    /// Whether the user may open the operator pages.
    pub fn is_operator(&self) -> bool {
        self.role.is_operator()
    }

    /// Whether the user may create server keys, which act for any account.
    pub fn may_make_server_keys(&self) -> bool {
        self.role == UserRole::Admin
    }

    /// Credits that this operator may add or remove in 24 hours; none for no limit.
    pub fn credits_max(&self, app: &App) -> Option<Credits> {
        let max = i64::from(app.settings.operators.support_credits_a_day_max);
        (self.role == UserRole::Support).then(|| Credits::new(max))
    }
}

/// A signed-in user with the account that the request is about: the one in `?account=`, or else the
/// user's only one. If the user has several, the first is shown, and writes are refused.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The signed-in user.
    pub user: Visitor,
    /// The account, of which the user is a member.
    pub account: Account,
    /// The user's role in the account.
    pub role: MemberRole,
    /// All accounts of the user, oldest membership first.
    pub places: Vec<Place>,
}

impl SignedIn {
    /// The user in one of their accounts; none if the user isn't a member.
    pub fn new(user: Visitor, account: Account, places: Vec<Place>) -> Option<SignedIn> {
        let role = places.iter().find(|place| place.account_id == account.id);
        let role = role?.role;
        Some(SignedIn {
            user,
            account,
            role,
            places,
        })
    }

    /// Checks that the user may buy, change and cancel for the account (F28).
    pub fn may_pay(&self) -> Result<()> {
        access::ask(MemberRole::Billing, self.role)
    }

    /// Checks that the user may manage the account's members.
    pub fn may_own(&self) -> Result<()> {
        access::ask(MemberRole::Owner, self.role)
    }
}

/// An administrator or other operator who may see the operator pages.
#[derive(Clone, Debug)]
pub struct Operator(pub Visitor);

/// A caller with an API key.
#[derive(Clone, Debug)]
pub struct KeyCaller {
    /// The key's internal id, which is never exposed.
    pub key: i64,
    /// The key's public id: `key_...`.
    pub public_id: String,
    /// The account that a meter key spends for; `None` for a server key, which must name one.
    pub account: Option<i64>,
    /// The internal id of the member who created the key.
    pub member: Option<i64>,
}

impl KeyCaller {
    /// The key and member that calls with this key are counted for.
    pub fn spender(&self) -> Spender {
        Spender {
            key: Some(self.key),
            member: self.member,
        }
    }

    /// Checks that the key is a server key, which acts for the host application.
    pub fn is_server(&self) -> Result<()> {
        if self.account.is_none() {
            return Ok(());
        }
        let detail = "This key can only meter. The call needs a server key.";
        Err(Error::forbidden("key_scope", detail))
    }

    /// The account that a call is about: the key's own, or the one that a server key names.
    pub async fn account(&self, app: &App, named: Option<&str>) -> Result<i64> {
        match (self.account, named) {
            (Some(own), None) => Ok(own),
            (None, None) => Err(Error::field(
                "account",
                "A server key must name the account.",
            )),
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

/// A caller who may read an account: an API key or a signed-in user.
#[derive(Clone, Debug)]
pub enum Reader {
    /// The caller used an API key.
    Key(KeyCaller),
    /// The caller used a session.
    User(Box<SignedIn>),
}

impl Reader {
    /// The account to read.
    pub async fn account(&self, app: &App, named: Option<&str>) -> Result<i64> {
        match self {
            Reader::Key(caller) => caller.account(app, named).await,
            Reader::User(signed_in) => {
                let own = &signed_in.account;
                let is_own =
                    |name: &str| name == own.public_id || own.external_id.as_deref() == Some(name);
                // A different account in the body than in the URL is refused.
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
    /// The key or member whose spending would be counted.
    pub fn spender(&self) -> Spender {
        match self {
            Reader::Key(caller) => caller.spender(),
            Reader::User(signed_in) => Spender {
                key: None,
                member: Some(signed_in.user.id),
            },
        }
    }

    /// The caller's public id, for the audit log.
    pub fn actor(&self) -> String {
        match self {
            Reader::Key(caller) => caller.public_id.clone(),
            Reader::User(signed_in) => signed_in.user.public_id.clone(),
        }
    }

    /// Checks that the caller may read the account's lists: members and the host application may,
    /// meter keys may not.
    pub fn may_list(&self) -> Result<()> {
        match self {
            Reader::Key(caller) => caller.is_server(),
            Reader::User(_) => Ok(()),
        }
    }

    /// Checks that the caller may change what belongs to the account.
    pub fn may_manage(&self) -> Result<()> {
        match self {
            Reader::Key(caller) => caller.is_server(),
            Reader::User(signed_in) => signed_in.may_pay(),
        }
    }
}

/// A caller who may change an account's credits: a server key, or an operator with more than the
/// viewer role.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The host application, with its server key.
    Host(KeyCaller),
    /// A signed-in operator.
    Operator(Visitor),
}

impl Authority {
    /// The actor's public id, for the journal and the audit log.
    pub fn actor(&self) -> String {
        match self {
            Authority::Host(caller) => caller.public_id.clone(),
            Authority::Operator(visitor) => visitor.public_id.clone(),
        }
    }

    /// Credits that may be added or removed in 24 hours; none for no limit.
    pub fn credits_max(&self, app: &App) -> Option<Credits> {
        match self {
            Authority::Operator(visitor) => visitor.credits_max(app),
            Authority::Host(_) => None,
        }
    }
}

impl Operator {
    /// Returns the operator if their role has this right, or else an error.
    pub fn with(self, right: Right) -> Result<Operator> {
        if self.may(right) {
            return Ok(self);
        }
        let (user, role) = (&self.0.public_id, self.0.role.word());
        tracing::warn!(
            user,
            role,
            "An operator asked for what the role does not allow"
        );
        let detail = format!("Your role, {role}, doesn't allow this. Ask an admin.");
        Err(Error::forbidden("role", detail))
    }

    /// Whether the operator's role has this right.
    pub fn may(&self, right: Right) -> bool {
        roles::may(self.0.role, right)
    }

    /// Checks that the operator may make changes.
    pub fn may_act(&self) -> Result<()> {
        if self.0.role != UserRole::Viewer {
            return Ok(());
        }
        let detail = "Your role can only view.";
        Err(Error::forbidden("viewer_only", detail))
    }
}
