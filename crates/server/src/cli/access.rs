//! Creates users, sessions, sign-in links and API keys, and finds accounts by name, for the
//! commands.

use billing::actors::KEY_PREFIX;
use billing::app::App;
use billing::error::{Error, Result};
use billing::people::sign_in::open_session;
use billing::people::users;
use billing::secrets::{hash, new_secret};
use domain::time::Timestamp;
use store::api_keys::NewApiKey;
use web::sign_in::cookies;

/// How many bytes of a key's secret are stored as readable text, so that its owner can recognize
/// it.
const PREFIX_BYTES: usize = 16;

/// Returns the row ids of the user with this email address and of the user's first account. Creates
/// the user if it doesn't exist, and sets its role if one is given. The address counts as verified.
pub async fn user(app: &App, email: &str, role: Option<&str>) -> Result<(i64, i64)> {
    let user = users::ensure(app, email, role.unwrap_or("user"), true).await?;
    let wanted = role.filter(|role| *role != user.role).map(str::to_owned);
    let found = app
        .db
        .write(0, move |tx| {
            if let Some(role) = &wanted {
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
            store::login_links::insert(tx, &hash(&token), &email, None, None, now, until)
                .map(|_| ())
        })
        .await?;
    Ok(url)
}

/// Creates an API key: of scope `meter` for an account, of scope `server` without one. Returns the
/// secret, of which only a hash is stored.
pub async fn api_key(app: &App, account: Option<i64>, name: &str) -> Result<String> {
    let mode = if app.settings.stripe.is_live() {
        "live"
    } else {
        "test"
    };
    let secret = format!("{KEY_PREFIX}{mode}_{}", new_secret(&*app.rng));
    let public_id = app.new_id("key");
    let (key, name, now) = (secret.clone(), name.to_owned(), app.now());
    app.db
        .write(account.unwrap_or(0), move |tx| {
            let new = NewApiKey {
                public_id: &public_id,
                account_id: account,
                name: &name,
                prefix: &key[..PREFIX_BYTES],
                secret_hash: &hash(&key),
                scope: if account.is_some() { "meter" } else { "server" },
                mode,
                created_by: "cli",
            };
            store::api_keys::insert(tx, &new, now).map(|_| ())
        })
        .await?;
    Ok(secret)
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
