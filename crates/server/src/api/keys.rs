//! API keys: made, listed, revoked. The secret is shown once; only its hash is kept.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::api_keys::{ApiKey, NewApiKey};
use utoipa::ToSchema;

use super::lists::{CSV_ROWS_MAX, Cell, Csv, Page, PageParams, Shown, wants_csv};
use super::metered::AccountParam;
use crate::actors::{KEY_PREFIX, Reader};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::HttpResult;
use crate::http::json::Body;
use crate::http::params::Params;
use crate::secrets::hash;
use crate::secrets::new_secret;

/// Live keys of one account, and of the host application.
pub const KEYS_MAX: usize = 100;
/// Longest name of a key.
const NAME_CHARS_MAX: usize = 100;
/// Characters of the secret that stay known, to tell keys apart.
const PREFIX_CHARS: usize = 14;

/// A key as it is shown: without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// `key_...`
    id: String,
    /// What its owner calls it.
    name: String,
    /// The beginning of the secret.
    prefix: String,
    /// `meter` spends for its account; `server` acts for any account.
    scope: String,
    /// `test` or `live`.
    mode: String,
    /// When it was made.
    created_at: String,
    /// When it was last used, to the minute or so.
    last_used_at: Option<String>,
    /// Since when it opens nothing.
    revoked_at: Option<String>,
}

impl From<ApiKey> for Key {
    fn from(row: ApiKey) -> Key {
        Key {
            id: row.public_id,
            name: row.name,
            prefix: row.prefix,
            scope: row.scope,
            mode: row.mode,
            created_at: row.created_at.rfc3339(),
            last_used_at: row.last_used_at.map(Timestamp::rfc3339),
            revoked_at: row.revoked_at.map(Timestamp::rfc3339),
        }
    }
}

impl Shown for Key {
    const NAME: &'static str = "keys";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "prefix",
        "scope",
        "mode",
        "created_at",
        "last_used_at",
        "revoked_at",
    ];

    fn write(&self, csv: &mut Csv) {
        csv.row(&[
            Cell::Plain(&self.id),
            Cell::Text(&self.name),
            Cell::Plain(&self.prefix),
            Cell::Plain(&self.scope),
            Cell::Plain(&self.mode),
            Cell::Plain(&self.created_at),
            Cell::Plain(self.last_used_at.as_deref().unwrap_or("")),
            Cell::Plain(self.revoked_at.as_deref().unwrap_or("")),
        ]);
    }
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MadeKey {
    /// The key itself; never shown again.
    secret: String,
    /// What is shown of it from now on.
    #[serde(flatten)]
    key: Key,
}

/// An account's keys, the newest first, revoked ones too. As CSV with `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/v1/keys",
    tag = "account",
    params(PageParams, AccountParam),
    responses((status = 200, body = Page<Key>), (status = 401), (status = 403), (status = 404))
)]
pub async fn list(
    State(app): State<App>,
    caller: Reader,
    headers: HeaderMap,
    Params(page): Params<PageParams>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Response> {
    let owner = owner(&app, &caller, query.account.as_deref()).await?;
    let is_csv = wants_csv(&headers);
    let limit = if is_csv { CSV_ROWS_MAX } else { page.limit()? };
    let after = page.after::<1>()?;
    let rows = app
        .read(move |tx| match owner {
            Some(account) => store::api_keys::of_account(tx, account),
            None => store::api_keys::of_host(tx),
        })
        .await?;
    let rows = rows
        .into_iter()
        .filter(|row| after.is_none_or(|[after]| row.id < after));
    let rows: Vec<ApiKey> = rows.take(limit + 1).collect();
    Ok(Page::of(rows, limit, |row| [row.id], Key::from).answer(is_csv))
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// What to call it.
    name: String,
    /// `meter` without; `server` only for administrators and server keys.
    scope: Option<String>,
    /// The account it spends for, where a server key makes it.
    account: Option<String>,
}

/// Makes a key and shows its secret, this once.
#[utoipa::path(
    post,
    path = "/api/v1/keys",
    tag = "account",
    params(AccountParam),
    request_body = NewKey,
    responses(
        (status = 201, body = MadeKey), (status = 400), (status = 401), (status = 403),
        (status = 404), (status = 409, description = "Too many keys")
    )
)]
pub async fn create(
    State(app): State<App>,
    caller: Reader,
    Params(query): Params<AccountParam>,
    Body(body): Body<NewKey>,
) -> HttpResult<Response> {
    let account = match body.scope.as_deref().unwrap_or("meter") {
        "meter" => {
            caller.may_manage()?;
            let named = body.account.as_deref().or(query.account.as_deref());
            Some(caller.account(&app, named).await?)
        }
        "server" => {
            may_make_server_keys(&caller)?;
            None
        }
        _ => return Err(Error::field("scope", "scope is meter or server.").into()),
    };
    let (row, secret) = make(&app, account, &body.name, &caller.actor()).await?;
    let made = MadeKey {
        secret,
        key: row.into(),
    };
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Revokes a key: it opens nothing within a second.
#[utoipa::path(
    delete,
    path = "/api/v1/keys/{id}",
    tag = "account",
    params(("id" = String, Path, description = "The key"), AccountParam),
    responses((status = 200, body = Key), (status = 401), (status = 403), (status = 404))
)]
pub async fn delete(
    State(app): State<App>,
    caller: Reader,
    Path(id): Path<String>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Json<Key>> {
    caller.may_manage()?;
    let owner = owner(&app, &caller, query.account.as_deref()).await?;
    let revoked = revoke(&app, owner, &id, &caller.actor()).await?;
    Ok(Json(revoked.into()))
}

/// Whose keys: an account's; without one named, a server key means the host application's.
async fn owner(app: &App, caller: &Reader, named: Option<&str>) -> Result<Option<i64>> {
    caller.may_list()?;
    match (caller, named) {
        (Reader::Key(_), None) => Ok(None),
        _ => caller.account(app, named).await.map(Some),
    }
}

fn may_make_server_keys(caller: &Reader) -> Result<()> {
    let may = match caller {
        Reader::Key(key) => key.account.is_none(),
        Reader::User(signed_in) => signed_in.user.role == "admin",
    };
    if may {
        return Ok(());
    }
    let detail = "Only administrators and server keys make server keys.";
    Err(Error::forbidden("not_an_operator", detail))
}

/// Makes a key for an account, or for the host application without one. Answers it and its secret,
/// which is not kept.
pub async fn make(
    app: &App,
    account: Option<i64>,
    name: &str,
    actor: &str,
) -> Result<(ApiKey, String)> {
    let name = read_name(name)?;
    let mode = if app.settings.stripe.is_live() {
        "live"
    } else {
        "test"
    };
    let secret = format!("{KEY_PREFIX}{mode}_{}", new_secret(&*app.chance));
    let (public_id, prefix) = (app.new_id("key"), secret[..PREFIX_CHARS].to_owned());
    let (digest, actor, now) = (hash(&secret), actor.to_owned(), app.now());
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
                scope: if account.is_some() { "meter" } else { "server" },
                mode,
                created_by: &actor,
            };
            let row = store::api_keys::insert(tx, &new, now)?;
            store::audit_log::append(tx, &actor, "key.create", &row.public_id, "{}", None, now)?;
            Ok(Some(row))
        })
        .await?;
    // A lookup of this secret cannot have been remembered as absent: it was never said before.
    let row = row.ok_or_else(|| {
        let detail = format!("At most {KEYS_MAX} keys may be live; revoke one first.");
        Error::conflict("too_many_keys", detail)
    })?;
    Ok((row, secret))
}

/// Revokes a key of an account, or of the host application without one.
pub async fn revoke(app: &App, account: Option<i64>, id: &str, actor: &str) -> Result<ApiKey> {
    let (id, actor, now) = (id.to_owned(), actor.to_owned(), app.now());
    let revoked = app
        .write(account.unwrap_or(0), move |tx| {
            let revoked = match account {
                Some(account) => store::api_keys::revoke(tx, account, &id, now)?,
                None => store::api_keys::revoke_of_host(tx, &id, now)?,
            };
            if revoked.is_some() {
                store::audit_log::append(tx, &actor, "key.revoke", &id, "{}", None, now)?;
            }
            Ok(revoked)
        })
        .await?;
    app.keys.clear();
    revoked.ok_or_else(|| Error::not_found("There is no such live key."))
}

fn read_name(name: &str) -> Result<String> {
    let name = name.trim();
    let chars = name.chars().count();
    if (1..=NAME_CHARS_MAX).contains(&chars) && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    let detail = format!("A name has 1 to {NAME_CHARS_MAX} characters.");
    Err(Error::field("name", detail))
}
