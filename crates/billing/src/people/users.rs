//! Users and their accounts: a new user gets a personal account.

use domain::people::{MemberRole, UserRole};
use domain::plan::AccountKind;
use domain::time::Timestamp;
use store::users::User;

use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Author, HOST};
use crate::people::identity;
use crate::people::identity::Person;

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
/// operators must sign in with our own link. `external_id` names the user before the address does.
pub async fn hand_over(app: &App, external_id: Option<&str>, email: &str) -> Result<i64> {
    let user = of_host(app, external_id, email).await?;
    let user = user.ok_or_else(|| {
        let detail = "Another user of the application has this email address here. The application \
                      must first give that user's account its new address.";
        Error::conflict("email_taken", detail)
    })?;
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
    let user = come_in(app, None, email, role, is_verified).await?;
    user.ok_or_else(|| Error::bug("an address alone is no one else's"))
}

/// The user of the host application's session: `external_id` names the user before the address does.
/// `None` if the address belongs to another user of the host application.
pub async fn of_host(app: &App, external_id: Option<&str>, email: &str) -> Result<Option<User>> {
    come_in(app, external_id, email, UserRole::User, true).await
}

async fn come_in(
    app: &App,
    external_id: Option<&str>,
    email: &str,
    role: UserRole,
    is_verified: bool,
) -> Result<Option<User>> {
    let email = read_email(email)?;
    let role = match first_role(app, &email) {
        UserRole::User => role,
        listed => listed,
    };
    let person = Person {
        external_id: external_id.map(str::to_owned),
        email,
        role,
        ids: (app.new_id("usr"), app.new_id("acc")),
        free_tier: app.catalog().free().name.clone(),
        author: Author::new(app, HOST),
    };
    let (now, rules) = (app.now(), app.rules());
    app.write(0, move |tx| {
        let Some(user) = identity::enter(tx, &rules, &person, now)? else {
            return Ok(None);
        };
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
        Ok(Some(user))
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
    let user = identity::user_of(tx, email, (user_id, role), now)?;
    identity::lock(tx, &user)?;
    store::users::put_member(tx, user.id, account, MemberRole::Owner, now)?;
    Ok(Some(user))
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
