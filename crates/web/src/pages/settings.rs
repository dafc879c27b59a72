//! `/dashboard/settings`: email preferences, the low-credit threshold, automatic top-up and
//! spending limits.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use billing::accounts::limits::SpendLimit;
use billing::accounts::preferences::{AutoChange, Change, Preferences};
use billing::accounts::{limits, preferences};
use billing::actors::SignedIn;
use billing::app::App;
use billing::error::{Error, Kind, Result};
use billing::summary::{View, view_with};
use domain::catalog::Catalog;
use domain::ledger::{LimitScope, LimitWindow};
use domain::letters;
use domain::letters::NOTICES;
use domain::money::{Credits, MinorUnits};
use serde::Deserialize;
use store::Tx;
use store::api_keys::ApiKey;
use store::auto_topup::AutoTopupState;
use store::users::Member;
use views::components::{Badge, Choice};
use views::credits::AutoTopUp;
use views::layout::Nav;
use views::settings::{EmailSetting, LimitRow, NewLimit, SETTINGS, SettingsPage};
use views::{format, offer};

use crate::frame::{account_shell, page, redirect};
use crate::http::error::{HttpResult, status_of};
use crate::http::form::{Fields, is_correctable, refusal};

/// Thresholds that the form offers, in credits.
const THRESHOLDS: [i64; 5] = [100, 500, 1_000, 2_500, 10_000];

/// `GET /dashboard/settings`
pub async fn show(State(app): State<App>, caller: SignedIn) -> HttpResult<Response> {
    page(StatusCode::OK, &settings(&app, &caller).await?)
}

/// `POST /dashboard/settings`: saves email preferences and the threshold. Browsers don't send
/// unchecked boxes.
pub async fn save(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<HashMap<String, String>>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let typed = form.get("low").map(|text| text.trim()).unwrap_or_default();
    let is_on = |name: &str| form.contains_key(name);
    let notices = NOTICES.map(|notice| (notice.name.to_owned(), is_on(notice.name)));
    let saved = async {
        let change = Change {
            notices: notices.into(),
            low_below: Some(read_low(typed)?),
            auto: None,
        };
        apply(&app, &caller, change).await
    };
    let is_wrong = |error: &Error| error.0.kind == Kind::BadRequest;
    let Some(error) = refusal(saved.await, is_wrong)? else {
        return Ok(redirect(&caller, SETTINGS).into_response());
    };
    let mut shown = settings(&app, &caller).await?;
    for notice in &mut shown.emails {
        notice.is_on = is_on(notice.name);
    }
    shown.low = typed.to_owned();
    shown.low_error = Some(error.0.detail.clone());
    page(status_of(error.0.kind), &shown)
}

fn read_low(typed: &str) -> Result<Option<Credits>> {
    if typed.is_empty() {
        return Ok(None);
    }
    let read = read_credits("low", typed)?;
    if read.is_positive() {
        return Ok(Some(read));
    }
    let detail = "Enter a threshold above 0 credits, or leave it empty for no email.";
    Err(Error::field("low", detail))
}

fn read_credits(field: &str, typed: &str) -> Result<Credits> {
    let plain: String = typed.chars().filter(|c| *c != ',').collect();
    Credits::parse(plain.trim()).map_err(|_| {
        let detail = "Enter a number of credits, for example 500, with at most six decimals.";
        Error::field(field, detail)
    })
}

async fn apply(app: &App, caller: &SignedIn, change: Change) -> Result<()> {
    let (account, user) = (caller.account.id, caller.user.id);
    let actor = &caller.user.public_id;
    preferences::change(app, account, user, actor, change)
        .await
        .map(|_| ())
}

/// The fields of the automatic top-up form.
#[derive(Debug, Deserialize)]
pub struct AutoForm {
    threshold: Option<String>,
    pack: Option<String>,
    cap: Option<String>,
    act: Option<String>,
}

/// `POST /dashboard/billing/auto-top-up`: enables, changes or disables automatic top-up.
pub async fn auto(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<AutoForm>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let read = match form.act.as_deref() {
        Some("off") => Ok(AutoChange::Off),
        _ => read_auto(&app.catalog(), &form),
    };
    let saved = async {
        let change = Change {
            auto: Some(read?),
            ..Change::default()
        };
        apply(&app, &caller, change).await
    };
    let has_field = |error: &Error| error.0.fields.contains_key("field");
    let Some(error) = refusal(saved.await, has_field)? else {
        return Ok(redirect(&caller, SETTINGS).into_response());
    };
    let mut shown = settings(&app, &caller).await?;
    if let Some(auto) = &mut shown.auto {
        *auto = auto_refused(auto.clone(), &form, &error);
    }
    page(status_of(error.0.kind), &shown)
}

fn read_auto(catalog: &Catalog, form: &AutoForm) -> Result<AutoChange> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let pack = text(&form.pack)
        .parse()
        .map_err(|_| Error::field("pack", "Choose one of the packs."))?;
    Ok(AutoChange::On {
        threshold: read_credits("threshold", &text(&form.threshold))?,
        pack,
        month_max_minor: preferences::read_money("monthlyMax", &text(&form.cap), catalog)?,
    })
}

/// The automatic top-up card with the current settings.
pub(crate) fn auto_top_up(app: &App, chosen: &Preferences) -> AutoTopUp {
    let (catalog, auto) = (app.catalog(), &chosen.auto);
    let threshold = auto.threshold.unwrap_or(Credits::new(THRESHOLDS[2]));
    let pack = auto.pack.unwrap_or_else(|| dear_pack(&catalog));
    let cap = auto
        .month_max
        .unwrap_or_else(|| MinorUnits::new(first_cap(&catalog), catalog.currency));
    let badge = match auto.state {
        AutoTopupState::On => Badge::ok("On"),
        AutoTopupState::Waiting => Badge::warn("Waiting"),
        _ if auto.reason.is_some() => Badge::bad("Stopped"),
        AutoTopupState::Off => Badge::plain("Off"),
    };
    let reason = auto.reason.as_ref().map(|reason| {
        let what = match auto.state {
            AutoTopupState::Waiting => "It waits, because",
            _ => "It was turned off because",
        };
        format!("{what} {reason}.")
    });
    let no_card =
        "You have no saved card yet. Add one on the billing page under Manage subscription.";
    AutoTopUp {
        badge,
        is_on: auto.state != AutoTopupState::Off,
        reason: reason.or_else(|| (!auto.has_card).then(|| no_card.to_owned())),
        thresholds: thresholds(threshold),
        packs: packs(&catalog, pack),
        cap: cap.decimal_text(),
        currency: catalog.currency.code().to_ascii_uppercase(),
        spent: match auto.spent.amount {
            0 => String::new(),
            _ => format!("{} of the cap used this month.", offer::money(auto.spent)),
        },
        error: None,
    }
}

/// The card with what was typed and the error.
fn auto_refused(card: AutoTopUp, form: &AutoForm, error: &Error) -> AutoTopUp {
    let detail = error.0.detail.clone();
    let field = error.0.fields.get("field").and_then(|field| field.as_str());
    let id = match field {
        Some("monthlyMax") => "cap",
        Some("threshold") => "threshold",
        _ => "pack",
    };
    let choose = |mut choices: Vec<Choice>, typed: &Option<String>| {
        let known = choices.iter().any(|c| Some(&c.value) == typed.as_ref());
        for choice in choices.iter_mut().filter(|_| known) {
            choice.selected = Some(&choice.value) == typed.as_ref();
        }
        choices
    };
    AutoTopUp {
        cap: form.cap.clone().unwrap_or_default(),
        thresholds: choose(card.thresholds, &form.threshold),
        packs: choose(card.packs, &form.pack),
        error: Some((id.to_owned(), detail)),
        ..card
    }
}

/// The pack that is preselected: the second largest.
fn dear_pack(catalog: &Catalog) -> i64 {
    let place = catalog.packs.len().saturating_sub(2);
    catalog.packs.get(place).map_or(0, |pack| pack.credits)
}

/// The suggested monthly cap: five times the price of the most expensive pack, in minor units.
fn first_cap(catalog: &Catalog) -> i64 {
    let dearest = catalog.packs.iter().map(|pack| pack.price.amount).max();
    dearest.unwrap_or(0).saturating_mul(5)
}

fn thresholds(current: Credits) -> Vec<Choice> {
    let mut all: Vec<Credits> = THRESHOLDS.map(Credits::new).into();
    if !all.contains(&current) {
        all.push(current);
        all.sort();
    }
    let choice = |credits: &Credits| Choice {
        value: credits.to_string(),
        label: format::credits_worded(credits.micros()),
        selected: *credits == current,
    };
    all.iter().map(choice).collect()
}

fn packs(catalog: &Catalog, current: i64) -> Vec<Choice> {
    let choice = |pack: &domain::catalog::Pack| Choice {
        value: pack.credits.to_string(),
        label: format!(
            "{} for {}",
            format::count(pack.credits.unsigned_abs()),
            offer::money(pack.price)
        ),
        selected: pack.credits == current,
    };
    catalog.packs.iter().map(choice).collect()
}

/// The fields of the spending limit form.
#[derive(Debug, Deserialize)]
pub struct LimitForm {
    pub(super) subject: String,
    pub(super) window: String,
    pub(super) credits: String,
}

impl LimitForm {
    /// Shows the form again with what was typed and the error.
    pub(super) fn refuse(&self, limit: &mut NewLimit, error: &Error) {
        limit.error = Some((limit_field(error).to_owned(), error.0.detail.clone()));
        limit.credits.clone_from(&self.credits);
        for choice in &mut limit.subjects {
            choice.selected = choice.value == self.subject;
        }
        for choice in &mut limit.windows {
            choice.selected = choice.value == self.window;
        }
    }
}

/// Sets the limit from a form; returns the error if the form is to show it.
pub(super) async fn set_limit(
    app: &App,
    caller: &SignedIn,
    form: &LimitForm,
) -> Result<Option<Error>> {
    let set = async {
        let actor = &caller.user.public_id;
        limits::set(app, caller.account.id, read_limit(form)?, actor).await
    };
    refusal(set.await, is_correctable)
}

/// `POST /dashboard/settings/limits`
pub async fn limit(
    State(app): State<App>,
    caller: SignedIn,
    Fields(form): Fields<LimitForm>,
) -> HttpResult<Response> {
    caller.may_pay()?;
    let Some(error) = set_limit(&app, &caller, &form).await? else {
        return Ok(redirect(&caller, &format!("{SETTINGS}#limits")).into_response());
    };
    let mut shown = settings(&app, &caller).await?;
    form.refuse(&mut shown.new_limit, &error);
    page(status_of(error.0.kind), &shown)
}

/// The field of the limit form that an error is about.
fn limit_field(error: &Error) -> &'static str {
    match error.0.fields.get("field").and_then(|field| field.as_str()) {
        Some("subject" | "scope") => "subject",
        Some("window") => "window",
        _ => "credits",
    }
}

/// Parses the subject: `account`, `key:key_...` or `member:usr_...`.
fn read_limit(form: &LimitForm) -> Result<limits::Definition> {
    let (scope, subject) = match form.subject.split_once(':') {
        Some((scope, subject)) => (scope, Some(subject.to_owned())),
        None => (form.subject.as_str(), None),
    };
    Ok(limits::Definition {
        scope: limits::read_scope(scope)?,
        subject,
        window: limits::read_window(&form.window)?,
        cap: limits::read_cap(read_credits("credits", &form.credits)?)?,
    })
}

/// `POST /dashboard/settings/limits/{id}/remove`
pub async fn remove_limit(
    State(app): State<App>,
    caller: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    caller.may_pay()?;
    limits::remove(&app, caller.account.id, &id, &caller.user.public_id).await?;
    Ok(redirect(&caller, &format!("{SETTINGS}#limits")))
}

/// What the page reads from the database.
struct Read {
    chosen: Preferences,
    limits: Vec<SpendLimit>,
    keys: Vec<ApiKey>,
    members: Vec<Member>,
}

async fn settings(app: &App, caller: &SignedIn) -> Result<SettingsPage> {
    let account = caller.account.id;
    let (now, currency) = (app.now(), app.catalog().currency);
    let read = move |tx: &mut Tx<'_>, _: &View| {
        Ok(Read {
            chosen: preferences::look(tx, account, now, currency)?,
            limits: limits::look(tx, account, now)?,
            keys: store::api_keys::of_account(tx, account)?,
            members: store::users::members(tx, account)?,
        })
    };
    let (_, read) = view_with(app, account, read).await?;
    let chosen = read.chosen;
    let read_only = caller.may_pay().err().map(|error| error.0.detail.clone());
    let may_buy = app.settings.billing.is_on_for(&caller.account) && read_only.is_none();
    let notice = |(notice, is_on): &(letters::Notice, bool)| EmailSetting {
        name: notice.name,
        title: notice.title.to_owned(),
        is_on: *is_on,
    };
    Ok(SettingsPage {
        shell: account_shell(app, caller, Nav::Settings),
        emails: chosen.notices.iter().map(notice).collect(),
        low: chosen
            .low_below
            .map(|low| low.to_string())
            .unwrap_or_default(),
        low_error: None,
        auto: may_buy.then(|| auto_top_up(app, &chosen)),
        limits: read.limits.iter().map(limit_row).collect(),
        new_limit: NewLimit::new(subjects(&read.keys, &read.members)),
        read_only,
        data: caller.may_own().is_ok().then(|| {
            format!(
                "/api/v1/account/export?account={}",
                caller.account.public_id
            )
        }),
    })
}

fn subjects(keys: &[ApiKey], members: &[Member]) -> Vec<Choice> {
    let choice = |value: String, label: String| Choice {
        value,
        label,
        selected: false,
    };
    let mut all = vec![Choice {
        selected: true,
        ..choice("account".to_owned(), "The whole account".to_owned())
    }];
    let live = keys.iter().filter(|key| key.revoked_at.is_none());
    all.extend(live.map(|key| {
        choice(
            format!("key:{}", key.public_id),
            format!("Key {} ({}\u{2026})", key.name, key.prefix),
        )
    }));
    all.extend(members.iter().map(|member| {
        let label = format!("Keys made by {}", member.email);
        choice(format!("member:{}", member.public_id), label)
    }));
    all
}

/// For example "1,000 credits a day".
pub(crate) fn limit_text(row: &SpendLimit) -> String {
    let per = match row.window {
        LimitWindow::Day => "a day",
        LimitWindow::Month => "a month",
        LimitWindow::Lifetime => "in all",
    };
    format!("{} {per}", format::credits_worded(row.credits.0.micros()))
}

/// A limit as a table row.
fn limit_row(row: &SpendLimit) -> LimitRow {
    let name = row.name.clone().unwrap_or_default();
    let subject = match row.scope {
        LimitScope::Key => format!("Key {name}"),
        LimitScope::Member => format!("Keys made by {name}"),
        LimitScope::Account => "The whole account".to_owned(),
    };
    let credits = |credits: Credits| format::credits(credits.micros());
    let resets = row.resets_at.as_deref().and_then(domain::time::parse);
    LimitRow {
        id: row.id.clone(),
        subject,
        limit: limit_text(row),
        used: credits(row.used.0),
        held: Some(credits(row.held.0)).filter(|_| row.held.0.is_positive()),
        left: credits(row.left.0),
        resets: resets.map_or_else(|| "Never".to_owned(), |at| format::day(at.micros()).text),
    }
}
