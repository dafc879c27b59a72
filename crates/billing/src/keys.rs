//! API keys: creating, finding and revoking them.

use store::api_keys::{ApiKey, KeyScope, NewApiKey};

use crate::actors::KEY_PREFIX;
use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::secrets::{hash, new_secret};
use crate::text::read_name;

/// Maximum number of active keys of an account, and of the host application.
pub const KEYS_MAX: usize = 100;

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
    // The key cache can't hold this secret as absent, since it was never sent before.
    let row = row.ok_or_else(|| {
        let detail = format!("You can have at most {KEYS_MAX} active keys. Revoke one first.");
        Error::conflict("too_many_keys", detail)
    })?;
    Ok((row, secret))
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
