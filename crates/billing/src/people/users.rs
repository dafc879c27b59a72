//! Users and their accounts: a new user gets a personal account.

use domain::people::{MemberRole, UserRole};
use domain::plan::AccountKind;
use domain::time::Timestamp;
use store::accounts::{Account, NewAccount};
use store::users::User;

use crate::app::App;
use crate::error::{Error, Result};

/// Maximum length of an email address (RFC 5321).
const EMAIL_BYTES_MAX: usize = 254;

/// Validates an email address and normalizes it as it is stored: trimmed, lower case.
pub fn read_email(text: &str) -> Result<String> {
    let email = text.trim().to_lowercase();
    let plain = email.len() <= EMAIL_BYTES_MAX
        && email.chars().all(|c| !c.is_whitespace() && !c.is_control())
        && email.split_once('@').is_some_and(|(local, host)| {
            !local.is_empty() && host.contains('.') && !host.starts_with('.') && !host.contains('@')
        });
    if plain && email.parse::<lettre::Address>().is_ok() {
        Ok(email)
    } else {
        Err(Error::field(
            "email",
            "Enter an email address like name@example.com.",
        ))
    }
}

/// The user of an email address that was just verified, created with a personal account if new.
/// Verifying the address starts the free allowance (seed 21.3).
pub async fn sign_in(app: &App, email: &str) -> Result<i64> {
    let user = ensure(app, email, UserRole::User, true).await?;
    if user.disabled_at.is_some() {
        return Err(disabled());
    }
    Ok(user.id)
}

/// The user that the host application hands over. This never makes anyone an operator, and
/// operators must sign in with our own link.
pub async fn hand_over(app: &App, email: &str) -> Result<i64> {
    let user = ensure(app, email, UserRole::User, true).await?;
    if user.disabled_at.is_some() {
        return Err(disabled());
    }
    if user.role.is_operator() {
        let detail = "Operators sign in with an email link.";
        return Err(Error::forbidden("operator_by_link", detail));
    }
    Ok(user.id)
}

fn disabled() -> Error {
    Error::forbidden("user_disabled", "This user was disabled by an operator.")
}

/// The user of an email address, created if new. A new user whose address is listed as an
/// administrator's gets that role.
pub async fn ensure(app: &App, email: &str, role: UserRole, is_verified: bool) -> Result<User> {
    let email = read_email(email)?;
    let role = match first_role(app, &email) {
        UserRole::User => role,
        listed => listed,
    };
    let (user_id, account_id) = (app.new_id("usr"), app.new_id("acc"));
    let tier = app.catalog().free().name.clone();
    let (now, rules) = (app.now(), app.rules());
    app.write(0, move |tx| {
        let new = New {
            user: &user_id,
            account: &account_id,
            email: &email,
            role,
            tier: &tier,
        };
        let user = find_or_insert(tx, &new, now)?;
        if is_verified {
            // Organizations get no free allowance, since otherwise users could create many.
            let places = store::users::places(tx, user.id)?.into_iter();
            let own = places.filter(|place| {
                place.kind == AccountKind::Personal && place.role == MemberRole::Owner
            });
            for account in own.map(|place| place.account_id) {
                if store::accounts::verify_email(tx, account, now)? {
                    // The free month starts now, not with the next period.
                    store::ledger::settle(tx, &rules, account, now)?;
                }
            }
        }
        Ok(user)
    })
    .await
}

/// Makes the user with this email address the owner of an account without one: the host application
/// says whose account it is, and the user finds it when signing in. A new user gets this account
/// and no other. Returns the new owner, if any.
pub fn own(
    tx: &mut store::Tx<'_>,
    account: i64,
    email: &str,
    (user_id, role): (&str, UserRole),
    now: Timestamp,
) -> store::Result<Option<User>> {
    if store::users::owners(tx, account)? > 0 {
        return Ok(None);
    }
    let user = match store::users::by_email(tx, email)? {
        Some(user) => Some(user),
        None => store::users::insert(tx, user_id, email, local_part(email), role, now)?,
    };
    if let Some(user) = &user {
        store::users::put_member(tx, user.id, account, MemberRole::Owner, now)?;
    }
    Ok(user)
}

/// The role of a new user; administrators are listed in the settings.
pub fn first_role(app: &App, email: &str) -> UserRole {
    let mut admins = app.settings.session.admins.iter();
    if admins.any(|admin| admin.eq_ignore_ascii_case(email)) {
        UserRole::Admin
    } else {
        UserRole::User
    }
}

fn local_part(email: &str) -> &str {
    email.split('@').next().unwrap_or(email)
}

struct New<'a> {
    user: &'a str,
    account: &'a str,
    email: &'a str,
    role: UserRole,
    tier: &'a str,
}

fn find_or_insert(tx: &mut store::Tx<'_>, new: &New<'_>, now: Timestamp) -> store::Result<User> {
    let name = local_part(new.email);
    let user = match store::users::by_email(tx, new.email)? {
        // An existing user who no longer belongs to any account gets a personal one.
        Some(user) if store::users::places(tx, user.id)?.is_empty() => user,
        Some(user) => return Ok(user),
        None => match store::users::insert(tx, new.user, new.email, name, new.role, now)? {
            Some(user) => user,
            None => return store::users::by_email(tx, new.email)?.ok_or(store::Error::NotFound),
        },
    };
    let account: Account = store::accounts::insert(
        tx,
        &NewAccount {
            public_id: new.account,
            external_id: None,
            kind: AccountKind::Personal,
            name,
            email: Some(new.email),
            tier: new.tier,
            email_verified_at: None,
        },
        now,
    )?;
    store::users::put_member(tx, user.id, account.id, MemberRole::Owner, now)?;
    Ok(user)
}
