//! Members of an account: organizations, invitations, roles, leaving. The last owner can't leave.

use domain::letters::Letter;
use domain::people::MemberRole;
use domain::plan::{AccountKind, AccountStatus};
use serde_json::json;
use store::accounts::{Account, NewAccount};
use store::api_keys::RevokedBecause;
use store::invitations::{Invitation, NewInvitation};
use store::users::Member;

use crate::actors::{SignedIn, Visitor};
use crate::app::App;
use crate::error::{Error, Result};
use crate::keys;
use crate::letters::enqueue;
use crate::operators::audit_log::{Action, Author, INVITATION};
use crate::people::users;
use crate::rate_limit;
use crate::secrets::{hash, new_secret};
use crate::text::read_name;

/// Maximum number of an account's members and open invitations.
const PEOPLE_MAX: usize = 200;

/// Maximum number of accounts that a user can belong to.
const ACCOUNTS_MAX: usize = 100;

/// Days for which an invitation can be accepted.
pub const INVITATION_DAYS: i64 = 7;

/// Maximum length of an organization's name.
const NAME_CHARS_MAX: usize = 80;

/// Maximum number of invitations per minute and account.
const INVITATIONS_PER_MINUTE: u32 = 20;

/// Maximum number of organizations created per minute and user.
const FOUNDED_PER_MINUTE: u32 = 5;

/// The members of an account, and the open invitations.
#[derive(Clone, Debug)]
pub struct People {
    /// The members, oldest first.
    pub members: Vec<Member>,
    /// The open invitations, newest first.
    pub invited: Vec<Invitation>,
}

/// The members and open invitations of the account.
pub async fn list(app: &App, account: i64) -> Result<People> {
    let now = app.real_now();
    app.read(move |tx| {
        Ok(People {
            members: store::users::members(tx, account)?,
            invited: store::invitations::open_of(tx, account, now)?,
        })
    })
    .await
}

/// Parses a role; the error for an unknown role is for the field `role`.
pub fn read_role(role: &str) -> Result<MemberRole> {
    MemberRole::from_word(role)
        .ok_or_else(|| Error::field("role", "role must be member, billing or owner."))
}

/// Creates an organization owned by `user`. It gets no free allowance, since otherwise users could
/// create many to collect allowances.
pub async fn found(app: &App, user: &Visitor, name: &str) -> Result<Account> {
    let name = read_name(name, NAME_CHARS_MAX)?;
    let key = format!("found:{}", user.id);
    rate_limit::take(app, &key, FOUNDED_PER_MINUTE, 0).await?;
    let (public_id, email, user_id) = (app.new_id("acc"), user.email.clone(), user.id);
    let (tier, now) = (app.catalog().free().name.clone(), app.now());
    let author = Author::new(app, &user.public_id);
    let founded = app
        .write(0, move |tx| {
            if store::users::places(tx, user_id)?.len() >= ACCOUNTS_MAX {
                return Ok(None);
            }
            let new = NewAccount {
                public_id: &public_id,
                external_id: None,
                kind: AccountKind::Organisation,
                name: &name,
                email: Some(&email),
                tier: &tier,
                email_verified_at: None,
            };
            let account = store::accounts::insert(tx, &new, now)?;
            store::users::put_member(tx, user_id, account.id, MemberRole::Owner, now)?;
            author.act(Action::AccountFound, &public_id).append(tx)?;
            Ok(Some(account))
        })
        .await?;
    founded.ok_or_else(|| {
        let detail = format!("You can belong to at most {ACCOUNTS_MAX} accounts.");
        Error::conflict("too_many_accounts", detail)
    })
}

enum Invited {
    Yes(Box<Invitation>),
    Member,
    Full,
    Closed,
}

/// Invites an email address: sends a link that works once. Replaces an open invitation for the same
/// address, so that only the latest link works.
pub async fn invite(app: &App, caller: &SignedIn, email: &str, role: &str) -> Result<Invitation> {
    caller.may_own()?;
    let (email, role) = (users::read_email(email)?, read_role(role)?);
    let account = caller.account.id;
    let key = format!("invite:{account}");
    rate_limit::take(app, &key, INVITATIONS_PER_MINUTE, account).await?;
    let token = new_secret(&*app.rng);
    let letter = Letter::Invitation {
        token: token.clone(),
        by: caller.user.name.clone(),
        role: role.word().to_owned(),
        days: INVITATION_DAYS,
    };
    let (public_id, user) = (app.new_id("inv"), caller.user.id);
    let mail_key = format!("invitation:{}", app.new_id("link"));
    let author = Author::new(app, &caller.user.public_id);
    let subject = caller.account.public_id.clone();
    let now = app.real_now();
    let invited = app
        .write(account, move |tx| {
            if !is_there(tx, account)? {
                return Ok(Invited::Closed);
            }
            let members = store::users::members(tx, account)?;
            if members.iter().any(|member| member.email == email) {
                return Ok(Invited::Member);
            }
            let open = store::invitations::open_of(tx, account, now)?;
            if members.len() + open.len() >= PEOPLE_MAX {
                return Ok(Invited::Full);
            }
            let new = NewInvitation {
                public_id: &public_id,
                token_hash: &hash(&token),
                account_id: account,
                email: &email,
                role,
                invited_by: user,
                expires_at: now.plus_days(INVITATION_DAYS),
            };
            let invitation = store::invitations::put(tx, &new, now)?;
            enqueue(tx, &mail_key, Some(account), &email, &letter, now)?;
            author
                .act(Action::MemberInvite, &subject)
                .with("invitation", json!(invitation.public_id))
                .with("role", json!(role.word()))
                .append(tx)?;
            Ok(Invited::Yes(Box::new(invitation)))
        })
        .await?;
    match invited {
        Invited::Yes(invitation) => {
            app.email_due.notify_one();
            Ok(*invitation)
        }
        Invited::Member => Err(Error::conflict(
            "already_member",
            "This address already belongs to the account. Change its role instead.",
        )),
        Invited::Closed => Err(Error::forbidden(
            "account_not_active",
            "This account is closed, so no one can be invited.",
        )),
        Invited::Full => Err(Error::conflict(
            "too_many_members",
            format!("An account can have at most {PEOPLE_MAX} people, including invitations."),
        )),
    }
}

/// Withdraws an invitation, so that its link no longer works.
pub async fn withdraw(app: &App, caller: &SignedIn, id: &str) -> Result<()> {
    caller.may_own()?;
    let (account, id, now) = (caller.account.id, id.to_owned(), app.real_now());
    let author = Author::new(app, &caller.user.public_id);
    let subject = caller.account.public_id.clone();
    let is_closed = app
        .write(account, move |tx| {
            let open = store::invitations::open_of(tx, account, now)?;
            let Some(invitation) = open.into_iter().find(|open| open.public_id == id) else {
                return Ok(false);
            };
            let act = author.act(Action::MemberWithdraw, &subject);
            act.with("invitation", json!(id)).append(tx)?;
            store::invitations::close(tx, invitation.id, None, now)
        })
        .await?;
    if is_closed {
        return Ok(());
    }
    Err(Error::not_found("There is no such open invitation."))
}

/// An open invitation and its account, for the page that accepts it.
pub async fn asked(app: &App, token: &str) -> Result<Option<(Invitation, Account)>> {
    let (digest, now) = (hash(token), app.real_now());
    app.read(move |tx| {
        let Some(invitation) = store::invitations::find(tx, &digest, now)? else {
            return Ok(None);
        };
        let account = store::accounts::find(tx, invitation.account_id)?;
        Ok(account.map(|account| (invitation, account)))
    })
    .await
}

/// Accepts an invitation, once; opening the emailed link verifies the address. Returns the user and
/// the account; none if the link is no longer valid.
pub async fn accept(app: &App, token: &str) -> Result<Option<(i64, Account)>> {
    let Some((invitation, account)) = asked(app, token).await? else {
        return Ok(None);
    };
    let email = invitation.email.clone().unwrap_or_default();
    let user = users::sign_in(app, &email).await?;
    let (now, joins_at) = (app.real_now(), app.now());
    let (author, subject) = (Author::new(app, INVITATION), account.public_id.clone());
    let is_first = app
        .write(account.id, move |tx| {
            if !is_there(tx, invitation.account_id)? {
                return Ok(false);
            }
            // They may be erased with another account that is closed at this moment.
            store::users::lock(tx, user)?;
            let joins = store::users::find(tx, user)?;
            if joins.is_none_or(|joins| joins.email != email)
                || !store::invitations::close(tx, invitation.id, Some(user), now)?
            {
                return Ok(false);
            }
            // An existing member keeps the higher role.
            let held = store::users::role_in(tx, user, invitation.account_id)?;
            if held.is_none_or(|held| held < invitation.role) {
                let (account, role) = (invitation.account_id, invitation.role);
                store::users::put_member(tx, user, account, role, joins_at)?;
            }
            let act = author.act(Action::MemberJoin, &subject);
            act.with("invitation", json!(invitation.public_id))
                .append(tx)?;
            Ok(true)
        })
        .await?;
    Ok(is_first.then_some((user, account)))
}

/// Whether an account can have members: it may be closed at this moment. Locks its row.
fn is_there(tx: &mut store::Tx<'_>, account: i64) -> store::Result<bool> {
    store::accounts::lock(tx, account)?;
    let row = store::accounts::find(tx, account)?;
    Ok(row.is_some_and(|row| row.status != AccountStatus::Closed))
}

enum Changed {
    Yes,
    LastOwner,
    Absent,
}

/// Changes a member's role.
pub async fn set_role(app: &App, caller: &SignedIn, member: &str, role: &str) -> Result<()> {
    caller.may_own()?;
    let role = read_role(role)?;
    change(app, caller, member, Some(role)).await
}

/// Removes a member from the account; members may always remove themselves.
pub async fn remove(app: &App, caller: &SignedIn, member: &str) -> Result<()> {
    if member != caller.user.public_id {
        caller.may_own()?;
    }
    change(app, caller, member, None).await
}

async fn change(
    app: &App,
    caller: &SignedIn,
    member: &str,
    role: Option<MemberRole>,
) -> Result<()> {
    let (account, member, now) = (caller.account.id, member.to_owned(), app.now());
    let author = Author::new(app, &caller.user.public_id);
    let subject = caller.account.public_id.clone();
    let changed = app
        .write(account, move |tx| {
            store::accounts::lock(tx, account)?;
            let owners = store::users::owners(tx, account)?;
            let members = store::users::members(tx, account)?;
            let Some(found) = members.iter().find(|known| known.public_id == member) else {
                return Ok(Changed::Absent);
            };
            if found.role == MemberRole::Owner && role != Some(MemberRole::Owner) && owners <= 1 {
                return Ok(Changed::LastOwner);
            }
            let action = if let Some(role) = role {
                store::users::put_member(tx, found.user_id, account, role, now)?;
                if role < keys::MAKES_KEYS {
                    let (member, because) = ((found.user_id, account), RevokedBecause::RoleChanged);
                    keys::revoke_of_member(tx, member, because, &author, now)?;
                }
                Action::MemberRole
            } else {
                store::users::remove_member(tx, found.user_id, account)?;
                let (member, because) = ((found.user_id, account), RevokedBecause::MemberLeft);
                keys::revoke_of_member(tx, member, because, &author, now)?;
                Action::MemberRemove
            };
            author
                .act(action, &subject)
                .with("member", json!(member))
                .with("role", json!(role.map(MemberRole::word)))
                .append(tx)?;
            Ok(Changed::Yes)
        })
        .await?;
    app.keys.clear();
    match changed {
        Changed::Yes => Ok(()),
        Changed::LastOwner => Err(Error::conflict(
            "last_owner",
            "An account needs at least one owner. Make someone else an owner first, or close the \
             account.",
        )),
        Changed::Absent => Err(Error::not_found("There is no such member.")),
    }
}
