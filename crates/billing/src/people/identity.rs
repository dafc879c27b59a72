//! Who is who (G12): the one place where a sign-in, `PUT /api/v1/accounts/{externalId}` and
//! `admin seed` meet.
//!
//! The host application's own id names a person before any address does. Whoever comes first makes
//! the account; the others find it by the id, or adopt the lone personal account of the same
//! verified address. An address belongs to one person, and a changed one moves with the id.

use domain::people::{MemberRole, UserRole};
use domain::plan::{AccountKind, AccountStatus};
use domain::time::Timestamp;
use serde_json::json;
use store::accounts::{Account, NewAccount};
use store::ledger::Rules;
use store::users::User;
use store::{Tx, accounts, users};

use crate::operators::audit_log::{Action, Author};

/// The account that the host application's id and a verified address mean.
#[derive(Clone, Debug)]
pub(crate) enum Meeting {
    /// The account that has the id.
    Known(Account),
    /// The person's lone personal account, which gets the id.
    Adopt(Account),
    /// None yet; it belongs to this user, if they are known.
    Make(Option<User>),
    /// The address belongs to someone else.
    Taken,
}

/// Finds the account that the host application means by `external_id`, whose person has the verified
/// address `email`. One that it calls an organization's is no one's personal account.
pub(crate) fn meet(
    tx: &mut Tx<'_>,
    external_id: &str,
    email: Option<&str>,
    kind: Option<AccountKind>,
) -> store::Result<Meeting> {
    if let Some(account) = accounts::by_external_id(tx, external_id)? {
        return Ok(Meeting::Known(account));
    }
    let named = users::by_external_id(tx, external_id)?;
    let by_email = match email {
        Some(email) => users::by_email(tx, email)?,
        None => None,
    };
    let user = match (named, by_email) {
        (Some(named), Some(other)) if named.id != other.id => return Ok(Meeting::Taken),
        (Some(named), _) => named,
        (None, Some(other)) if other.external_id.is_some() => return Ok(Meeting::Taken),
        (None, Some(other)) => other,
        (None, None) => return Ok(Meeting::Make(None)),
    };
    if let Some(account) = lone_personal(tx, &user)? {
        return Ok(match kind {
            Some(AccountKind::Organisation) => Meeting::Taken,
            _ => Meeting::Adopt(account),
        });
    }
    let is_named = user.external_id.is_some();
    let owns = !owned(tx, &user)?.is_empty();
    Ok(if owns && !is_named {
        Meeting::Taken
    } else {
        Meeting::Make(Some(user))
    })
}

/// The accounts that a user owns, without the personal ones that they took over: the id of such an
/// account means the person it was made for.
fn owned(tx: &mut Tx<'_>, user: &User) -> store::Result<Vec<Account>> {
    let mut owned = Vec::new();
    for place in users::places(tx, user.id)? {
        if place.role == MemberRole::Owner
            && let Some(account) = accounts::find(tx, place.account_id)?
            && !means_another(tx, &account, user)?
        {
            owned.push(account);
        }
    }
    Ok(owned)
}

/// Whether the id of a personal account means another user than this owner: the one who has the id,
/// or, if there is none, the one with the account's address.
fn means_another(tx: &mut Tx<'_>, account: &Account, owner: &User) -> store::Result<bool> {
    let id = account.external_id.as_deref();
    let Some(id) = id.filter(|_| account.kind == AccountKind::Personal) else {
        return Ok(false);
    };
    let meant = match (users::by_external_id(tx, id)?, &account.email) {
        (None, Some(email)) => users::by_email(tx, email)?,
        (named, _) => named,
    };
    Ok(meant.is_some_and(|meant| meant.id != owner.id))
}

/// The user's only personal account, if no one else owns it, its address is verified, and the host
/// application has not named it. Members whom the owner invited don't make it another's.
fn lone_personal(tx: &mut Tx<'_>, user: &User) -> store::Result<Option<Account>> {
    let mut own = owned(tx, user)?;
    own.retain(|account| account.kind == AccountKind::Personal);
    let Ok([account]) = <[Account; 1]>::try_from(own) else {
        return Ok(None);
    };
    let is_free = account.external_id.is_none()
        && account.email_verified_at.is_some()
        && account.status != AccountStatus::Closed;
    Ok((is_free && users::owners(tx, account.id)? == 1).then_some(account))
}

/// Gives a personal account that existed before the host application named it the host's id, and its
/// owner too. Returns `false` if the account has an id by now.
pub(crate) fn adopt(
    tx: &mut Tx<'_>,
    account: &Account,
    external_id: &str,
    author: &Author,
    now: Timestamp,
) -> store::Result<bool> {
    if !accounts::set_external_id(tx, account.id, external_id, now)? {
        return Ok(false);
    }
    let members = users::members(tx, account.id)?.into_iter();
    let owners = members.filter(|member| member.role == MemberRole::Owner);
    for owner in owners {
        users::set_external_id(tx, owner.user_id, external_id)?;
    }
    tracing::info!(
        account = account.public_id,
        adopted = true,
        "The host application's account was met by its address"
    );
    let act = author.act(Action::AccountIdentify, &account.public_id);
    act.with("adopted", json!(true)).append(tx)?;
    Ok(true)
}

/// Sets what the host application means by an account's id: a person, who is its owner, or an
/// organization, whose owner has an id of their own.
pub(crate) fn set_kind(
    tx: &mut Tx<'_>,
    account: &Account,
    kind: AccountKind,
    (author, now): (&Author, Timestamp),
) -> store::Result<()> {
    accounts::set_kind(tx, account.id, kind, now)?;
    if account.kind == kind {
        return Ok(());
    }
    let act = author
        .act(Action::AccountIdentify, &account.public_id)
        .with("kind", json!(kind.word()));
    let unnamed = match &account.external_id {
        Some(id) if kind == AccountKind::Organisation => users::by_external_id(tx, id)?,
        _ => None,
    };
    let Some(user) = unnamed else {
        return act.append(tx);
    };
    users::forget_external_id(tx, user.id)?;
    act.with("unnamed", json!(user.public_id)).append(tx)
}

/// Gives the owner of a person's account its id, so that a token with another id is refused for
/// their address from the first one on. The audit log of a new account has its owner already.
pub(crate) fn name_owner(
    tx: &mut Tx<'_>,
    account: &Account,
    is_new: bool,
    author: &Author,
) -> store::Result<()> {
    let Some(id) = &account.external_id else {
        return Ok(());
    };
    if account.kind == AccountKind::Personal
        && let Some(owner) = named(tx, id)?
    {
        let is_named = users::set_external_id(tx, owner.id, id)? > 0;
        if is_named && !is_new {
            author
                .act(Action::AccountIdentify, &account.public_id)
                .with("kind", json!(account.kind.word()))
                .with("user", json!(owner.public_id))
                .append(tx)?;
        }
    }
    Ok(())
}

/// A person who comes in, with a verified address.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The host application's id of the person, if it named one.
    pub external_id: Option<String>,
    /// The address, as it is stored.
    pub email: String,
    /// The role of a new user.
    pub role: UserRole,
    /// Ids for a new user and a new account.
    pub ids: (String, String),
    /// The tier of a new account.
    pub free_tier: String,
    /// Who lets the person in, for the audit log.
    pub author: Author,
}

/// The user of a person who comes in, made with a personal account if they are new; `None` if their
/// address belongs to someone else whom the host application named.
pub(crate) fn enter(
    tx: &mut Tx<'_>,
    rules: &Rules,
    person: &Person,
    now: Timestamp,
) -> store::Result<Option<User>> {
    let user = match &person.external_id {
        None => users::by_email(tx, &person.email)?,
        Some(id) => match named(tx, id)? {
            Some(user) => Some(user),
            None => match users::by_email(tx, &person.email)? {
                Some(other) if is_another(tx, &other, id)? => return Ok(None),
                other => other,
            },
        },
    };
    let user = match user {
        Some(user) => user,
        None => user_of(tx, &person.email, (&person.ids.0, person.role), now)?,
    };
    // Another process may let the same person in at the same moment, or close their account.
    lock(tx, &user)?;
    if let Some(id) = &person.external_id {
        users::set_external_id(tx, user.id, id)?;
        if accounts::by_external_id(tx, id)?.is_none()
            && let Some(account) = lone_personal(tx, &user)?
        {
            adopt(tx, &account, id, &person.author, now)?;
        }
    }
    let owned = own_named(tx, person, &user, now)?;
    if !owned && users::places(tx, user.id)?.is_empty() {
        settle_in(tx, rules, person, &user, now)?;
    }
    users::find(tx, user.id)
}

/// The user whom the host application means by an id: the one who has it, or the owner of the account
/// with this id who has the account's address and no id yet. Other owners may have joined, or have
/// taken the account over from the person whom the id means.
pub(crate) fn named(tx: &mut Tx<'_>, external_id: &str) -> store::Result<Option<User>> {
    if let Some(user) = users::by_external_id(tx, external_id)? {
        return Ok(Some(user));
    }
    let Some(account) = accounts::by_external_id(tx, external_id)? else {
        return Ok(None);
    };
    let members = users::members(tx, account.id)?;
    let owner = members.iter().find(|member| {
        member.role == MemberRole::Owner && account.email.as_ref() == Some(&member.email)
    });
    let Some(owner) = owner else {
        return Ok(None);
    };
    let owner = users::find(tx, owner.user_id)?;
    Ok(owner.filter(|owner| owner.external_id.is_none()))
}

/// Whether the host application knows this user by another id than `external_id`: the user's own, or
/// that of a personal account which is theirs alone, unless it means someone else from whom they took
/// it over. The id of an organization names no one.
fn is_another(tx: &mut Tx<'_>, user: &User, external_id: &str) -> store::Result<bool> {
    if let Some(own) = &user.external_id {
        return Ok(own != external_id);
    }
    for account in owned(tx, user)? {
        let id = account.external_id.as_deref();
        if account.kind == AccountKind::Personal
            && id.is_some_and(|id| id != external_id)
            && users::owners(tx, account.id)? == 1
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Locks a user's row. If they were erased, named or given another address since they were read, the
/// whole commit is tried again, since what was decided about them is no longer so.
pub(crate) fn lock(tx: &mut Tx<'_>, user: &User) -> store::Result<()> {
    users::lock(tx, user.id)?;
    let is_same = users::find(tx, user.id)?.is_some_and(|now| {
        (&now.email, &now.external_id, now.disabled_at)
            == (&user.email, &user.external_id, user.disabled_at)
    });
    if is_same {
        return Ok(());
    }
    Err(store::Error::Contended("a changed user".to_owned()))
}

/// The user with this address, made if there is none. Another process may make them at the same
/// moment: then the whole commit is tried again, since what it read before is no longer so.
pub(crate) fn user_of(
    tx: &mut Tx<'_>,
    email: &str,
    (id, role): (&str, UserRole),
    now: Timestamp,
) -> store::Result<User> {
    if let Some(user) = users::by_email(tx, email)? {
        return Ok(user);
    }
    let user = users::insert(tx, id, email, local_part(email), role, now)?;
    user.ok_or_else(|| store::Error::Contended("a new user".to_owned()))
}

/// Makes the user the owner of the account that the host application knows by their id, if it has no
/// owner yet. Returns whether it does.
fn own_named(tx: &mut Tx<'_>, person: &Person, user: &User, now: Timestamp) -> store::Result<bool> {
    let Some(id) = &person.external_id else {
        return Ok(false);
    };
    let Some(account) = accounts::by_external_id(tx, id)? else {
        return Ok(false);
    };
    if users::owners(tx, account.id)? > 0 {
        return Ok(false);
    }
    // It may be closed, or owned, at this moment.
    accounts::lock(tx, account.id)?;
    if accounts::by_external_id(tx, id)?.is_none() || users::owners(tx, account.id)? > 0 {
        return Ok(false);
    }
    users::put_member(tx, user.id, account.id, MemberRole::Owner, now)?;
    let act = person.author.act(Action::MemberOwn, &account.public_id);
    act.with("user", json!(user.public_id)).append(tx)?;
    Ok(true)
}

/// Gives a user without an account a personal one.
fn settle_in(
    tx: &mut Tx<'_>,
    rules: &Rules,
    person: &Person,
    user: &User,
    now: Timestamp,
) -> store::Result<()> {
    let is_free = match &person.external_id {
        Some(id) => accounts::by_external_id(tx, id)?.is_none(),
        None => false,
    };
    let new = NewAccount {
        public_id: &person.ids.1,
        external_id: person.external_id.as_deref().filter(|_| is_free),
        kind: AccountKind::Personal,
        name: local_part(&user.email),
        email: Some(&user.email),
        tier: &person.free_tier,
        email_verified_at: None,
    };
    let account = accounts::insert(tx, &new, now)?;
    users::put_member(tx, user.id, account.id, MemberRole::Owner, now)?;
    store::ledger::free_allowances::continue_months(tx, rules, account.id, now)
}

/// What became of a change of address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// The user has the address.
    Yes,
    /// It belongs to someone else.
    Taken,
    /// An operator's address opens operators' pages, so the host application can't change it.
    Operator,
}

/// Moves a user to another address. The old one opens nothing any more: no session, no link and no
/// invitation. Emails about the user's accounts that wait are sent to the new one.
pub(crate) fn move_address(
    tx: &mut Tx<'_>,
    rules: &Rules,
    user: &User,
    email: &str,
    (author, now): (&Author, Timestamp),
) -> store::Result<Moved> {
    if user.email == email {
        return Ok(Moved::Yes);
    }
    if user.role.is_operator() {
        return Ok(Moved::Operator);
    }
    for place in users::places(tx, user.id)? {
        if place.role == MemberRole::Owner {
            store::ledger::free_allowances::keep(tx, rules, place.account_id, now)?;
        }
    }
    if !users::set_email(tx, user.id, email)? {
        return Ok(Moved::Taken);
    }
    store::outbox::redirect(tx, &user.email, email)?;
    store::erasure::address(tx, &user.email)?;
    store::sessions::delete_of_user(tx, user.id)?;
    author
        .act(Action::UserAddress, &user.public_id)
        .append(tx)?;
    Ok(Moved::Yes)
}

/// The user whose address changes with that of an account which the host application knows by its
/// own id: the owner whose id it is; or the owner with the account's old address, if no one else
/// belongs to the account and they have no other. An organization's address is not its owner's; an
/// account of which the host never said so may be a person's from before it could.
pub(crate) fn addressee(tx: &mut Tx<'_>, account: &Account) -> store::Result<Option<User>> {
    let Some(external_id) = &account.external_id else {
        return Ok(None);
    };
    if account.kind == AccountKind::Organisation && accounts::is_kind_told(tx, account.id)? {
        return Ok(None);
    }
    let members = users::members(tx, account.id)?;
    let is_lone = members.len() == 1;
    for member in members.iter().filter(|one| one.role == MemberRole::Owner) {
        let Some(user) = users::find(tx, member.user_id)? else {
            continue;
        };
        let is_it = match &user.external_id {
            Some(own) => own == external_id,
            None => {
                is_lone
                    && account.email.as_ref() == Some(&user.email)
                    && users::places(tx, user.id)?.len() == 1
            }
        };
        if is_it {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Whether an address belongs to someone who owns another account than `account`.
pub(crate) fn owns_another(tx: &mut Tx<'_>, email: &str, account: &Account) -> store::Result<bool> {
    let Some(user) = users::by_email(tx, email)? else {
        return Ok(false);
    };
    if user.external_id.is_some() && user.external_id == account.external_id {
        return Ok(false);
    }
    let places = users::places(tx, user.id)?;
    let owns = places
        .iter()
        .any(|place| place.role == MemberRole::Owner && place.account_id != account.id);
    Ok(owns || user.external_id.is_some())
}

/// The part of an address in front of the `@`.
pub(crate) fn local_part(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}
