//! API keys: creating, finding and revoking them.

use domain::people::MemberRole;
use domain::time::Timestamp;
use serde_json::json;
use store::api_keys::{ApiKey, KeyScope, NewApiKey, RevokedBecause};

use crate::actors::{KEY_PREFIX, access};
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::secrets::{hash, new_secret};
use crate::text::read_name;

/// Maximum number of active keys of an account, and of the host application.
pub const KEYS_MAX: usize = 100;

/// The lowest role of a member who may create keys.
pub const MAKES_KEYS: MemberRole = MemberRole::Billing;

/// Maximum length of a key's name.
const NAME_CHARS_MAX: usize = 100;

/// Number of the secret's characters that are stored, to tell keys apart.
const PREFIX_CHARS: usize = 14;

/// Creates a key for an account, or for the host application if there is none. Returns it with its
/// secret, which isn't stored.
pub async fn make(
    app: &App,
    account: Option<i64>,
    name: &str,
    actor: &str,
) -> Result<(ApiKey, String)> {
    let name = read_name(name, NAME_CHARS_MAX)?;
    let mode = app.settings.stripe.mode();
    let secret = format!("{KEY_PREFIX}{mode}_{}", new_secret(&*app.rng));
    let (public_id, prefix) = (app.new_id("key"), secret[..PREFIX_CHARS].to_owned());
    let (digest, author, now) = (hash(&secret), Author::new(app, actor), app.now());
    let row = app
        .write(account.unwrap_or(0), move |tx| {
            if let Some(account) = account
                && let Some(refusal) = refusal(tx, account, author.actor())?
            {
                return Ok(Err(refusal));
            }
            let keys = match account {
                Some(account) => store::api_keys::of_account(tx, account)?,
                None => store::api_keys::of_host(tx)?,
            };
            if keys.iter().filter(|key| key.revoked_at.is_none()).count() >= KEYS_MAX {
                return Ok(Err(too_many()));
            }
            let new = NewApiKey {
                public_id: &public_id,
                account_id: account,
                name: &name,
                prefix: &prefix,
                secret_hash: &digest,
                scope: if account.is_some() {
                    KeyScope::Meter
                } else {
                    KeyScope::Server
                },
                mode,
                created_by: author.actor(),
            };
            let row = store::api_keys::insert(tx, &new, now)?;
            author.act(Action::KeyCreate, &row.public_id).append(tx)?;
            Ok(Ok(row))
        })
        .await?;
    // The key cache can't hold this secret as absent, since it was never sent before.
    Ok((row?, secret))
}

fn too_many() -> Error {
    let detail = format!("You can have at most {KEYS_MAX} active keys. Revoke one first.");
    Error::conflict("too_many_keys", detail)
}

/// Why `actor` gets no key of this account: it isn't active, or the member may no longer create
/// keys. The account's row stays locked, so that no member is removed meanwhile.
fn refusal(tx: &mut store::Tx<'_>, account: i64, actor: &str) -> store::Result<Option<Error>> {
    store::accounts::lock(tx, account)?;
    let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
    if let Err(refusal) = access::ask_active(row.status) {
        return Ok(Some(refusal));
    }
    let Some(user) = store::users::by_public_id(tx, actor)? else {
        return Ok(None);
    };
    let held = store::users::role_in(tx, user.id, account)?;
    Ok(match held {
        Some(held) => access::ask(MAKES_KEYS, held).err(),
        None => Some(Error::not_found("There is no such account.")),
    })
}

/// Revokes the account's keys that a member created, since they left or may no longer create keys.
/// Server keys belong to the host application, and stay.
pub(crate) fn revoke_of_member(
    tx: &mut store::Tx<'_>,
    (user, account): (i64, i64),
    because: RevokedBecause,
    author: &Author,
    now: Timestamp,
) -> store::Result<()> {
    for key in store::api_keys::revoke_of_member(tx, user, account, because, now)? {
        let act = author.act(Action::KeyRevoke, &key);
        act.with("because", json!(because)).append(tx)?;
    }
    Ok(())
}

/// What the holder of a key that was revoked is told.
pub fn told(key: &ApiKey) -> &'static str {
    match key.revoked_because {
        Some(RevokedBecause::MemberLeft) => {
            "This API key has stopped: the member who created it no longer belongs to the account. \
             Create a new one."
        }
        Some(RevokedBecause::RoleChanged) => {
            "This API key has stopped: the member who created it may no longer create keys. Create \
             a new one."
        }
        Some(RevokedBecause::AccountClosed) => {
            "This API key has stopped: its account was closed. Nothing is spent or charged."
        }
        None => "Invalid API key: it was revoked.",
    }
}

/// Revokes a key of an account, or of the host application if there is none.
pub async fn revoke(app: &App, account: Option<i64>, id: &str, actor: &str) -> Result<ApiKey> {
    let (id, author, now) = (id.to_owned(), Author::new(app, actor), app.now());
    let revoked = app
        .write(account.unwrap_or(0), move |tx| {
            let revoked = match account {
                Some(account) => store::api_keys::revoke(tx, account, &id, now)?,
                None => store::api_keys::revoke_of_host(tx, &id, now)?,
            };
            if revoked.is_some() {
                author.act(Action::KeyRevoke, &id).append(tx)?;
            }
            Ok(revoked)
        })
        .await?;
    app.keys.clear();
    revoked.ok_or_else(|| Error::not_found("There is no such active key."))
}

/// One of the account's keys; revoked ones are included, since their usage remains.
pub async fn key_of(app: &App, account: i64, id: &str) -> Result<store::api_keys::ApiKey> {
    let id = id.to_owned();
    let found = app
        .read(move |tx| store::api_keys::of_account_named(tx, account, &id))
        .await?;
    found.ok_or_else(no_such_key)
}

/// The 404 error for a key that the account doesn't have.
pub fn no_such_key() -> Error {
    let detail = "This account has no key with that id.";
    Error::not_found(detail).with("field", serde_json::json!("key"))
}
