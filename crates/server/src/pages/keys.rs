//! `/dashboard/keys`: API keys. A key is shown once, when it is made.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use store::api_keys::ApiKey;

use super::components::{Action, Badge, Choice};
use super::confirm::ConfirmPage;
use super::format::{self, When};
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::serve::{Fields, account_shell, html, page};
use super::settings::{self, LimitForm};
use crate::actors::SignedIn;
use crate::api::keys::{make, revoke};
use crate::api::limits::{self, SpendLimit};
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::{HttpResult, status_of};

/// This page.
const KEYS: &str = "/dashboard/keys";

/// `GET /dashboard/keys`
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    page(StatusCode::OK, &list(&app, &caller).await?)
}

/// The key to make.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    name: String,
    scope: Option<String>,
}

/// `POST /dashboard/keys`: makes a key and shows its secret on this answer alone, which is why it
/// does not redirect.
pub async fn create(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<Wanted>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let account = match form.scope.as_deref().unwrap_or("meter") {
        "meter" => Some(caller.account.id),
        "server" if may_make_server_keys(&caller) => None,
        "server" => {
            let detail = "Only administrators make server keys.";
            return Err(Error::forbidden("not_an_operator", detail).into());
        }
        _ => return Err(Error::field("scope", "scope is meter or server.").into()),
    };
    // A form that is sent twice, by a second click or a reload, makes one key.
    if is_taken(&app, &caller, &form.name).await? {
        let detail = "Another key has this name already.";
        return refused(&app, &caller, form, Error::conflict("name_taken", detail)).await;
    }
    let (key, secret) = match make(&app, account, &form.name, &caller.user.public_id).await {
        Ok(made) => made,
        Err(error) if error.0.kind.is_client_error() => {
            return refused(&app, &caller, form, error).await;
        }
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

/// `GET /dashboard/keys/{id}/revoke`: asks once more.
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

/// `POST /dashboard/keys/{id}/revoke`: the key opens nothing from now on.
pub async fn end(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    caller.may_pay()?;
    let key = find(&app, &caller, &id).await?;
    revoke(&app, key.account_id, &key.public_id, &caller.user.public_id).await?;
    Ok(Redirect::to(KEYS))
}

/// `POST /dashboard/keys/limits`: bounds what one of the keys may spend.
pub async fn limit(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<LimitForm>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let set = match settings::read_limit(&form) {
        Ok(wanted) => {
            let actor = &caller.user.public_id;
            limits::set(&app, caller.account.id, wanted, actor).await
        }
        Err(error) => Err(error),
    };
    let error = match set {
        Ok(_) => return Ok(Redirect::to(&format!("{KEYS}#h-keys")).into_response()),
        Err(error) if error.0.kind.is_client_error() => error,
        Err(error) => return Err(error.into()),
    };
    let mut shown = list(&app, &caller).await?;
    if let Some(limits) = &mut shown.limits {
        limits.refuse(&form, &error);
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
    Ok(Redirect::to(&format!("{KEYS}#h-keys")))
}

/// Keys that act for any account are made by administrators alone.
fn may_make_server_keys(caller: &SignedIn) -> bool {
    caller.user.role == "admin"
}

/// The account's keys; administrators also see the host application's.
async fn keys(app: &App, caller: &SignedIn) -> Result<Vec<ApiKey>> {
    let (account, is_admin) = (caller.account.id, may_make_server_keys(caller));
    app.read(move |tx| {
        let mut keys = store::api_keys::of_account(tx, account)?;
        if is_admin {
            keys.extend(store::api_keys::of_host(tx)?);
            keys.sort_by_key(|key| std::cmp::Reverse(key.id));
        }
        Ok(keys)
    })
    .await
}

/// A key that still opens something.
async fn find(app: &App, caller: &SignedIn, id: &str) -> Result<ApiKey> {
    let mut keys = keys(app, caller).await?.into_iter();
    let key = keys.find(|key| key.public_id == id && key.revoked_at.is_none());
    key.ok_or_else(|| Error::not_found("There is no such live key."))
}

async fn is_taken(app: &App, caller: &SignedIn, name: &str) -> Result<bool> {
    let keys = keys(app, caller).await?;
    let mut live = keys.iter().filter(|key| key.revoked_at.is_none());
    Ok(live.any(|key| key.name == name.trim()))
}

async fn list(app: &App, caller: &SignedIn) -> HttpResult<KeysPage> {
    let rows = keys(app, caller).await?;
    let set = limits::of_account(app, caller.account.id).await?;
    let full = caller.may_pay().err().map(|error| error.0.detail.clone());
    Ok(KeysPage {
        shell: account_shell(app, caller, Nav::Keys),
        created: None,
        keys: rows.iter().map(|key| KeyRow::of(key, &set)).collect(),
        limits: full.is_none().then(|| LimitKey::of(&rows)).flatten(),
        form: KeyForm::empty(may_make_server_keys(caller)),
        full,
    })
}

/// The form again, with what was typed and why it was not enough.
async fn refused(app: &App, caller: &SignedIn, form: Wanted, error: Error) -> HttpResult<Response> {
    let mut shown = list(app, caller).await?;
    shown.form.name = form.name;
    shown.form.name_error = Some(error.0.detail.clone());
    page(status_of(error.0.kind), &shown)
}

/// A first call with the new key.
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

/// The list of keys, the form for a new one, and the new one itself.
#[derive(Clone, Debug, Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    /// The frame.
    pub shell: Shell,
    /// The key that was just made; never shown again.
    pub created: Option<NewKey>,
    /// The keys, newest first.
    pub keys: Vec<KeyRow>,
    /// The form.
    pub form: KeyForm,
    /// The form that bounds a key; none where there is no key to bound, or nobody to do it.
    pub limits: Option<LimitKey>,
    /// Why no more keys can be made, when they cannot.
    pub full: Option<String>,
}

/// A key that was just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// The key itself: "lbx_test_...".
    pub secret: String,
    /// A call that uses it, to try at once.
    pub example: String,
}

/// One key.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id, in the addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The part of it that is no secret: "lbx_test_8fK2…".
    pub prefix: String,
    /// What it may do, in words: "Spend credits".
    pub scope: String,
    /// When it was made.
    pub created: When,
    /// When it was last used.
    pub last_used: Option<When>,
    /// "Active", "Revoked".
    pub badge: Badge,
    /// It can still be revoked.
    pub active: bool,
    /// What it may spend.
    pub limits: Vec<KeyLimit>,
}

/// What a key may spend in a window.
#[derive(Clone, Debug)]
pub struct KeyLimit {
    /// Its id, in the addresses.
    pub id: String,
    /// "500 credits a day"
    pub most: String,
    /// "350"
    pub left: String,
}

impl KeyLimit {
    fn of(limit: &SpendLimit) -> Self {
        Self {
            id: limit.id.clone(),
            most: settings::most(limit),
            left: format::credits(limit.left.0.micros()),
        }
    }

    fn remove(&self) -> Action {
        Action::post("Remove", format!("{KEYS}/limits/{}/remove", self.id))
            .small()
            .spoken(format!("the limit of {}", self.most))
    }
}

/// The form that bounds a key.
#[derive(Clone, Debug)]
pub struct LimitKey {
    /// The keys that can be bounded (`subject`).
    pub subjects: Vec<Choice>,
    /// How long it counts (`window`).
    pub windows: Vec<Choice>,
    /// The most, as typed.
    pub credits: String,
    /// The field that is wrong, and why.
    pub error: Option<(String, String)>,
}

impl LimitKey {
    /// The empty form, for the live keys that spend for this account.
    fn of(keys: &[ApiKey]) -> Option<Self> {
        let live = keys.iter().filter(|key| key.revoked_at.is_none());
        let own = live.filter(|key| key.account_id.is_some());
        let subjects: Vec<Choice> = own
            .map(|key| Choice {
                value: format!("key:{}", key.public_id),
                label: format!("{} ({}\u{2026})", key.name, key.prefix),
                selected: false,
            })
            .collect();
        (!subjects.is_empty()).then(|| Self {
            subjects,
            windows: settings::windows(),
            credits: String::new(),
            error: None,
        })
    }

    /// What was typed, and why it was not enough.
    fn refuse(&mut self, form: &LimitForm, error: &Error) {
        self.error = Some((
            settings::limit_field(error).to_owned(),
            error.0.detail.clone(),
        ));
        self.credits.clone_from(&form.credits);
        for choice in &mut self.subjects {
            choice.selected = choice.value == form.subject;
        }
        for choice in &mut self.windows {
            choice.selected = choice.value == form.window;
        }
    }
}

/// The form for a new key.
#[derive(Clone, Debug)]
pub struct KeyForm {
    /// The name, as typed.
    pub name: String,
    /// What is wrong with it.
    pub name_error: Option<String>,
    /// What the key may do (`scope`).
    pub scopes: Vec<Choice>,
}

impl KeyForm {
    /// The empty form. Only those who run the host application get the `server` scope offered.
    pub fn empty(may_make_server_keys: bool) -> Self {
        let all = [
            ("meter", "Spend credits (meter)"),
            ("server", "Any account (server)"),
        ];
        let offered = if may_make_server_keys {
            &all[..]
        } else {
            &all[..1]
        };
        Self {
            name: String::new(),
            name_error: None,
            scopes: Choice::list(offered, "meter"),
        }
    }
}

impl KeyRow {
    fn of(key: &ApiKey, limits: &[SpendLimit]) -> Self {
        let own = limits
            .iter()
            .filter(|limit| limit.scope == "key" && limit.subject.as_ref() == Some(&key.public_id));
        let is_live = key.revoked_at.is_none();
        let scope = match key.scope.as_str() {
            "meter" => "Spend credits",
            "server" => "Act for any account",
            other => other,
        };
        Self {
            id: key.public_id.clone(),
            name: key.name.clone(),
            prefix: format!("{}\u{2026}", key.prefix),
            scope: scope.to_owned(),
            created: format::day(key.created_at.micros()),
            last_used: key.last_used_at.map(|at| format::moment(at.micros())),
            badge: if is_live {
                Badge::ok("Active")
            } else {
                Badge::plain("Revoked")
            },
            active: is_live,
            limits: own.map(KeyLimit::of).collect(),
        }
    }

    fn revoke(&self) -> Action {
        Action::link("Revoke", format!("/dashboard/keys/{}/revoke", self.id))
            .small()
            .spoken(&self.name)
    }
}

impl KeysPage {
    /// No keys, some, a new one, a refused name, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::super::format;
    use super::super::layout::Nav;
    use super::super::samples::{self, EVIL, LONG, NOW, day};
    use super::*;

    pub fn all() -> Vec<(&'static str, KeysPage)> {
        let typical = || KeysPage {
            shell: samples::customer_in_test_mode(Nav::Keys),
            created: None,
            keys: vec![
                key("key_1", "prod-web", "Spend credits", true),
                key("key_2", "host-application", "Act for any account", true),
                key("key_3", "old-laptop", "Spend credits", false),
            ],
            form: KeyForm::empty(true),
            limits: Some(bound()),
            full: None,
        };
        let empty = KeysPage {
            keys: Vec::new(),
            form: KeyForm::empty(false),
            limits: None,
            ..typical()
        };
        let created = KeysPage {
            created: Some(NewKey {
                name: "prod-web".to_owned(),
                secret: "lbx_test_8fK2mN4pQ6rS8tV0wX2yZ4aB6cD8eF0g".to_owned(),
                example: "curl -X POST http://127.0.0.1:3000/api/v1/debits \\\n  -H \"Authorization: Bearer lbx_test_8fK2mN4pQ6rS8tV0wX2yZ4aB6cD8eF0g\" \\\n  -H \"Idempotency-Key: first-call\" \\\n  -H \"Content-Type: application/json\" \\\n  -d '{\"credits\": 1}'".to_owned(),
            }),
            ..typical()
        };
        let refused = KeysPage {
            form: KeyForm {
                name: "prod-web".to_owned(),
                name_error: Some("Another key has this name already.".to_owned()),
                ..KeyForm::empty(true)
            },
            ..typical()
        };
        let limit_refused = KeysPage {
            limits: Some(LimitKey {
                credits: "-1".to_owned(),
                error: Some((
                    "credits".to_owned(),
                    "credits is between 0 and 9.".to_owned(),
                )),
                ..bound()
            }),
            ..typical()
        };
        let worst = KeysPage {
            shell: samples::worst(Nav::Keys),
            created: Some(NewKey {
                name: EVIL.to_owned(),
                secret: "x".repeat(200),
                example: EVIL.to_owned(),
            }),
            keys: vec![key("\"><script>", &format!("{LONG} {EVIL}"), EVIL, true); 50],
            form: KeyForm {
                name: EVIL.to_owned(),
                name_error: Some(EVIL.to_owned()),
                ..KeyForm::empty(true)
            },
            limits: Some(LimitKey {
                subjects: Choice::list(&[("\"><script>", EVIL)], ""),
                credits: EVIL.to_owned(),
                error: Some(("credits".to_owned(), EVIL.to_owned())),
                ..bound()
            }),
            full: Some(EVIL.to_owned()),
        };
        vec![
            ("empty", empty),
            ("typical", typical()),
            ("created", created),
            ("refused", refused),
            ("limit-refused", limit_refused),
            ("worst", worst),
        ]
    }

    fn bound() -> LimitKey {
        let keys = [("key:key_1", "prod-web (lbx_test_8fK2\u{2026})")];
        LimitKey {
            subjects: Choice::list(&keys, ""),
            windows: settings::windows(),
            credits: String::new(),
            error: None,
        }
    }

    fn key(id: &str, name: &str, scope: &str, active: bool) -> KeyRow {
        KeyRow {
            id: id.to_owned(),
            name: name.to_owned(),
            prefix: "lbx_test_8fK2\u{2026}".to_owned(),
            scope: scope.to_owned(),
            created: day(-30),
            last_used: active.then(|| format::moment(NOW)),
            badge: if active {
                Badge::ok("Active")
            } else {
                Badge::plain("Revoked")
            },
            active,
            limits: match (active, scope) {
                (true, "Act for any account") | (false, _) => Vec::new(),
                (true, _) => vec![KeyLimit {
                    id: "limit_1".to_owned(),
                    most: "500 credits a day".to_owned(),
                    left: "350".to_owned(),
                }],
            },
        }
    }
}
