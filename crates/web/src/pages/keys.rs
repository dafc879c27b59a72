//! `/dashboard/keys`: API keys. A key's secret is shown once, when it is created.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use billing::accounts::limits;
use billing::accounts::limits::SpendLimit;
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Result};
use billing::keys::{make, revoke};
use billing::summary::{View, view_with};
use domain::ledger::LimitScope;
use serde::Deserialize;
use store::Tx;
use store::api_keys::{ApiKey, KeyScope, RevokedBecause};
use views::components::{Badge, Choice};
use views::confirm::ConfirmPage;
use views::format;
use views::keys::{KEYS, KeyForm, KeyLimit, KeyRow, KeysPage, NewKey};
use views::layout::Nav;
use views::settings::NewLimit;

use crate::frame::{account_shell, html, page, redirect};
use crate::http::error::{HttpResult, status_of};
use crate::http::form::{Fields, is_correctable};
use crate::pages::settings;
use crate::pages::settings::{LimitForm, limit_text};

/// `GET /dashboard/keys`
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    page(StatusCode::OK, &list(&app, &caller).await?)
}

/// The key to create.
#[derive(Debug, Deserialize)]
pub struct NewKeyForm {
    name: String,
    scope: Option<String>,
}

/// `POST /dashboard/keys`: creates a key and shows its secret in this response only, which is why
/// it doesn't redirect.
pub async fn create(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<NewKeyForm>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let account = match form.scope.as_deref().unwrap_or("meter") {
        "meter" => Some(caller.account.id),
        "server" if caller.user.may_make_server_keys() => None,
        "server" => {
            let detail = "Only administrators can create server keys.";
            return Err(Error::forbidden("not_an_operator", detail).into());
        }
        _ => return Err(Error::field("scope", "scope must be meter or server.").into()),
    };
    // A form that is submitted twice, by a second click or a reload, creates one key.
    if is_taken(&app, &caller, &form.name).await? {
        let detail = "Another key already has this name.";
        return refused(&app, &caller, form, Error::conflict("name_taken", detail)).await;
    }
    let (key, secret) = match make(&app, account, &form.name, &caller.user.public_id).await {
        Ok(made) => made,
        Err(error) if is_correctable(&error) => return refused(&app, &caller, form, error).await,
        Err(error) => return Err(error.into()),
    };
    let mut shown = list(&app, &caller).await?;
    let example = example(&app, &caller, account, &secret);
    let name = key.name;
    shown.created = Some(NewKey {
        name,
        secret,
        example,
    });
    page(StatusCode::OK, &shown)
}

/// `GET /dashboard/keys/{id}/revoke`: asks for confirmation.
pub async fn ask(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let key = find(&app, &caller, &id).await?;
    let used = match key.last_used_at {
        Some(at) => format!("It was last used on {}.", format::moment(at.micros()).text),
        None => "It was never used.".to_owned(),
    };
    let shell = account_shell(&app, &caller, Nav::Keys);
    let view = ConfirmPage::revoke_key(shell, &key.public_id, &key.name, &used);
    Ok(html(&view)?.into_response())
}

/// `POST /dashboard/keys/{id}/revoke`: the key stops working immediately.
pub async fn end(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    caller.may_pay()?;
    let key = find(&app, &caller, &id).await?;
    revoke(&app, key.account_id, &key.public_id, &caller.user.public_id).await?;
    Ok(redirect(&caller, KEYS))
}

/// `POST /dashboard/keys/limits`: sets a spending limit for one of the keys.
pub async fn limit(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<LimitForm>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let Some(error) = settings::set_limit(&app, &caller, &form).await? else {
        return Ok(redirect(&caller, &format!("{KEYS}#h-keys")).into_response());
    };
    let mut shown = list(&app, &caller).await?;
    if let Some(limits) = &mut shown.new_limit {
        form.refuse(limits, &error);
    }
    page(status_of(error.0.kind), &shown)
}

/// `POST /dashboard/keys/limits/{id}/remove`
pub async fn remove_limit(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    caller.may_pay()?;
    limits::remove(&app, caller.account.id, &id, &caller.user.public_id).await?;
    Ok(redirect(&caller, &format!("{KEYS}#h-keys")))
}

/// The account's keys; administrators also see the host application's.
fn look(tx: &mut Tx<'_>, account: i64, is_admin: bool) -> store::Result<Vec<ApiKey>> {
    let mut keys = store::api_keys::of_account(tx, account)?;
    if is_admin {
        keys.extend(store::api_keys::of_host(tx)?);
        keys.sort_by_key(|key| std::cmp::Reverse(key.id));
    }
    Ok(keys)
}

async fn keys(app: &App, caller: &SignedIn) -> Result<Vec<ApiKey>> {
    let (account, is_admin) = (caller.account.id, caller.user.may_make_server_keys());
    app.read(move |tx| look(tx, account, is_admin)).await
}

/// A key that isn't revoked.
async fn find(app: &App, caller: &SignedIn, id: &str) -> Result<ApiKey> {
    let mut keys = keys(app, caller).await?.into_iter();
    let key = keys.find(|key| key.public_id == id && key.revoked_at.is_none());
    key.ok_or_else(|| Error::not_found("There is no such active key."))
}

async fn is_taken(app: &App, caller: &SignedIn, name: &str) -> Result<bool> {
    let keys = keys(app, caller).await?;
    let mut live = keys.iter().filter(|key| key.revoked_at.is_none());
    Ok(live.any(|key| key.name == name.trim()))
}

async fn list(app: &App, caller: &SignedIn) -> HttpResult<KeysPage> {
    let (account, is_admin, now) = (
        caller.account.id,
        caller.user.may_make_server_keys(),
        app.now(),
    );
    let read = move |tx: &mut Tx<'_>, _: &View| {
        let keys = look(tx, account, is_admin)?;
        Ok((keys, limits::look(tx, account, now)?))
    };
    let (_, (rows, set)) = view_with(app, account, read).await?;
    let full = caller.may_pay().err().map(|error| error.0.detail.clone());
    Ok(KeysPage {
        shell: account_shell(app, caller, Nav::Keys),
        created: None,
        keys: rows.iter().map(|key| key_row(key, &set)).collect(),
        new_limit: full.is_none().then(|| new_limit(&rows)).flatten(),
        form: KeyForm::empty(caller.user.may_make_server_keys()),
        full,
    })
}

/// The form again, with what was typed and the error.
async fn refused(
    app: &App,
    caller: &SignedIn,
    form: NewKeyForm,
    error: Error,
) -> HttpResult<Response> {
    let mut shown = list(app, caller).await?;
    shown.form.name = form.name;
    shown.form.name_error = Some(error.0.detail.clone());
    page(status_of(error.0.kind), &shown)
}

/// An example of a first call with the new key.
fn example(app: &App, caller: &SignedIn, account: Option<i64>, secret: &str) -> String {
    let base = &app.settings.service.base_url;
    let body = match account {
        Some(_) => "{\"credits\": 1}".to_owned(),
        None => format!(
            "{{\"account\": \"{}\", \"credits\": 1}}",
            caller.account.public_id
        ),
    };
    format!(
        "curl -X POST {base}/api/v1/debits \\\n  -H \"Authorization: Bearer {secret}\" \\\n  \
         -H \"Idempotency-Key: first-call\" \\\n  -H \"Content-Type: application/json\" \\\n  \
         -d '{body}'"
    )
}

/// A key's spending limit as the page shows it.
fn key_limit(limit: &SpendLimit) -> KeyLimit {
    KeyLimit {
        id: limit.id.clone(),
        limit: limit_text(limit),
        left: format::credits(limit.left.0.micros()),
    }
}

/// An empty limit form that offers the active keys that spend for this account.
fn new_limit(keys: &[ApiKey]) -> Option<NewLimit> {
    let live = keys.iter().filter(|key| key.revoked_at.is_none());
    let own = live.filter(|key| key.account_id.is_some());
    let subjects: Vec<Choice> = own
        .map(|key| Choice {
            value: format!("key:{}", key.public_id),
            label: format!("{} ({}\u{2026})", key.name, key.prefix),
            selected: false,
        })
        .collect();
    (!subjects.is_empty()).then(|| NewLimit::new(subjects))
}

/// A key and its limits as a table row.
fn key_row(key: &ApiKey, limits: &[SpendLimit]) -> KeyRow {
    let own = limits.iter().filter(|limit| {
        limit.scope == LimitScope::Key && limit.subject.as_ref() == Some(&key.public_id)
    });
    let is_live = key.revoked_at.is_none();
    let scope = match key.scope {
        KeyScope::Meter => "Spend credits",
        KeyScope::Server => "Act for any account",
    };
    KeyRow {
        id: key.public_id.clone(),
        name: key.name.clone(),
        prefix: format!("{}\u{2026}", key.prefix),
        scope: scope.to_owned(),
        created: format::day(key.created_at.micros()),
        last_used: key.last_used_at.map(|at| format::moment(at.micros())),
        badge: match (is_live, key.revoked_because) {
            (true, _) => Badge::ok("Active"),
            (false, Some(RevokedBecause::MemberLeft)) => Badge::warn("Stopped: its creator left"),
            (false, Some(RevokedBecause::RoleChanged)) => {
                Badge::warn("Stopped: its creator's role changed")
            }
            (false, _) => Badge::plain("Revoked"),
        },
        active: is_live,
        limits: own.map(key_limit).collect(),
    }
}
