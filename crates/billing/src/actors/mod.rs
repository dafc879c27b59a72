//! Who acts: a signed-in person, an API key, an operator. Plain values with their rules; where a
//! request brings them from is another matter.

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

/// What every secret key of ours begins with.
pub const KEY_PREFIX: &str = "lbx_";

/// A user who signed in, whatever the account.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The number of the user within this service; never shown outside.
    pub id: i64,
    /// The public id of the user: `usr_...`.
    pub public_id: String,
    /// The email address, in lower case.
    pub email: String,
    /// The name of the user, as people see it.
    pub name: String,
    /// The user's role in the service.
    pub role: UserRole,
}

impl Visitor {
    /// Whether operators' pages are open to this user.
    pub fn is_operator(&self) -> bool {
        self.role.is_operator()
    }

    /// Whether this user may make keys that act for any account.
    pub fn may_make_server_keys(&self) -> bool {
        self.role == UserRole::Admin
    }

    /// Credits that this operator may add or take in 24 hours, where there is a limit.
    pub fn credits_max(&self, app: &App) -> Option<Credits> {
        let max = i64::from(app.settings.operators.support_credits_a_day_max);
        (self.role == UserRole::Support).then(|| Credits::new(max))
    }
}

/// A user who signed in, with the account the request is about: the one that `?account=` names.
/// Without a name it is the only one; of several the first is shown, and none is written to.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The user who signed in.
    pub user: Visitor,
    /// The account, which the user is a member of.
    pub account: Account,
    /// The user's role in the account.
    pub role: MemberRole,
    /// All accounts of the user, the oldest membership first.
    pub places: Vec<Place>,
}

impl SignedIn {
    /// The user in one of its accounts; none when the user does not belong to it.
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

    /// Whether the user may buy, change and cancel for the account (F28).
    pub fn may_pay(&self) -> Result<()> {
        access::ask(MemberRole::Billing, self.role)
    }

    /// Whether the user decides who belongs to the account.
    pub fn may_own(&self) -> Result<()> {
        access::ask(MemberRole::Owner, self.role)
    }
}

/// An administrator, or another operator who may see these pages.
#[derive(Clone, Debug)]
pub struct Operator(pub Visitor);

/// A caller with an API key. `account` is `None` for a server key that must name one.
#[derive(Clone, Debug)]
pub struct KeyCaller {
    /// The number of the key within this service; never shown outside.
    pub key: i64,
    /// The public id of the key: `key_...`.
    pub public_id: String,
    /// The account a meter key spends for.
    pub account: Option<i64>,
    /// The member who made it, by number.
    pub member: Option<i64>,
}

impl KeyCaller {
    /// The key and member that a call with this key spends for.
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
        let detail = "This key can only meter. The call needs a server key.";
        Err(Error::forbidden("key_scope", detail))
    }

    /// The account a call is about: the key's own, or the one a server key names.
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

/// A key or a signed-in user: whoever may look at an account.
#[derive(Clone, Debug)]
pub enum Reader {
    /// It came with an API key.
    Key(KeyCaller),
    /// It came with the session of a signed-in user.
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

    /// The name of the actor in the audit log.
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

/// Who may correct an account's credits: a server key, or an operator who does more than
/// look.
#[derive(Clone, Debug)]
pub enum Authority {
    /// The host application acts, with its server key.
    Host(KeyCaller),
    /// An operator acts, signed in.
    Operator(Visitor),
}

impl Authority {
    /// The name of the actor in the journal and the audit log.
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

    /// Whether the operator may act, not only look.
    pub fn may_act(&self) -> Result<()> {
        if self.0.role != UserRole::Viewer {
            return Ok(());
        }
        let detail = "Your role can only view.";
        Err(Error::forbidden("viewer_only", detail))
    }
}
