//! API keys: creating, finding and revoking them.

use store::api_keys::{ApiKey, KeyScope, NewApiKey};

use crate::actors::KEY_PREFIX;
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::secrets::{hash, new_secret};
use crate::text::read_name;

/// Live keys of one account, and of the host application.
pub const KEYS_MAX: usize = 100;

/// Longest name of a key.
const NAME_CHARS_MAX: usize = 100;

/// Characters of the secret that stay known, to tell keys apart.
const PREFIX_CHARS: usize = 14;

/// Makes a key for an account, or for the host application without one. Answers it and its secret,
/// which is not kept.
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
            let keys = match account {
                Some(account) => store::api_keys::of_account(tx, account)?,
                None => store::api_keys::of_host(tx)?,
            };
            if keys.iter().filter(|key| key.revoked_at.is_none()).count() >= KEYS_MAX {
                return Ok(None);
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
            Ok(Some(row))
        })
        .await?;
    // A lookup of this secret cannot have been remembered as absent: it was never said before.
    let row = row.ok_or_else(|| {
        let detail = format!("You can have at most {KEYS_MAX} active keys. Revoke one first.");
        Error::conflict("too_many_keys", detail)
    })?;
    Ok((row, secret))
}

/// Revokes a key of an account, or of the host application without one.
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

/// One of the account's keys, revoked ones too: their usage stays.
pub async fn key_of(app: &App, account: i64, id: &str) -> Result<store::api_keys::ApiKey> {
    let id = id.to_owned();
    let found = app
        .read(move |tx| store::api_keys::of_account_named(tx, account, &id))
        .await?;
    found.ok_or_else(no_such_key)
}

/// 404: a key was named that the account does not have.
pub fn no_such_key() -> Error {
    let detail = "This account has no key with that id.";
    Error::not_found(detail).with("field", serde_json::json!("key"))
}
