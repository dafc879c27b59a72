//! Creates users, sessions and sign-in links, and finds accounts by name, for the
//! commands.

use billing::app::App;
use billing::error::{Error, Result};
use billing::people::sign_in::open_session;
use billing::people::users;
use billing::secrets::{hash, new_secret};
use domain::people::UserRole;
use domain::time::Timestamp;
use store::login_links::LinkKind;
use web::sign_in::cookies;

/// Returns the row ids of the user with this email address and of the user's first account. Creates
/// the user if it doesn't exist, and sets its role if one is given. The address counts as verified.
pub async fn user(app: &App, email: &str, role: Option<UserRole>) -> Result<(i64, i64)> {
    let user = users::ensure(app, email, role.unwrap_or(UserRole::User), true).await?;
    let wanted = role.filter(|role| *role != user.role);
    let found = app
        .db
        .write(0, move |tx| {
            if let Some(role) = wanted {
                store::users::set_role(tx, user.id, role)?;
            }
            let memberships = store::users::memberships(tx, user.id)?;
            let account = memberships
                .first()
                .ok_or(store::Error::NotFound)?
                .account_id;
            Ok((user.id, account))
        })
        .await?;
    Ok(found)
}

/// Opens a session for a user and returns the value of its `Cookie` header.
pub async fn session_cookie(app: &App, user: i64) -> Result<String> {
    let token = open_session(app, user, "command line").await?;
    let name = cookies::name(app, cookies::SESSION);
    Ok(format!("{name}={token}"))
}

/// Creates a link that signs `email` in once, within `minutes`.
pub async fn login_link(app: &App, email: &str, minutes: i64) -> Result<String> {
    let email = users::read_email(email)?;
    let token = new_secret(&*app.rng);
    let url = format!("{}/api/auth/link/{token}", app.settings.service.base_url);
    let now: Timestamp = app.real_now();
    let until = now.plus_seconds(minutes * 60);
    app.db
        .write(0, move |tx| {
            let link = (LinkKind::Printed, hash(&token));
            store::login_links::insert(tx, (link.0, &link.1), &email, None, None, now, until)
                .map(|_| ())
        })
        .await?;
    Ok(url)
}

/// Finds an account by its id, the host application's id for it, its Stripe customer or a user's
/// email address.
pub async fn account(app: &App, name: &str) -> Result<store::accounts::Account> {
    let wanted = name.trim().to_owned();
    let found = app
        .read(move |tx| {
            if let Some(account) = store::accounts::named(tx, &wanted)? {
                return Ok(Some(account));
            }
            if let Some(account) = store::accounts::of_customer(tx, &wanted)? {
                return Ok(Some(account));
            }
            let Some(user) = store::users::by_email(tx, &wanted.to_lowercase())? else {
                return Ok(None);
            };
            match store::users::memberships(tx, user.id)?.first() {
                Some(membership) => store::accounts::find(tx, membership.account_id),
                None => Ok(None),
            }
        })
        .await?;
    found.ok_or_else(|| Error::not_found(format!("There is no account {name}.")))
}
