//! What operators do on an account's page. Each act is asked for on a page of its own that says what
//! it comes to; the post that follows carries a name for the attempt, so a double click acts once.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use domain::ledger::{Command, Request};
use domain::money::Credits;
use serde::Deserialize;
use store::accounts::Account;

use super::account::{AdjustForm, adjust_refused};
use super::operator_shell;
use super::parts::{Field, FieldKind, FormPage};
use crate::api::accounts::{self, ByHand, adjust_credits};
use crate::app::App;
use crate::http::callers::{Operator, Visitor};
use crate::http::error::{Error, Result};
use crate::http::idempotency::Key;
use crate::http::params::Params;
use crate::operators;
use crate::pages::components::{Action, Choice, Fact, Prose};
use crate::pages::layout::Nav;
use crate::pages::serve::Fields;
use crate::pages::{format, serve};
use crate::sync;

fn home(account: &Account) -> String {
    format!("/admin/accounts/{}", account.public_id)
}

fn done(account: &Account, what: &str) -> Response {
    Redirect::to(&format!("{}?done={what}", home(account))).into_response()
}

/// A form about an account.
fn form(
    app: &App,
    operator: &Visitor,
    account: &Account,
    title: impl Into<String>,
    label: impl Into<String>,
    action: &str,
) -> FormPage {
    let shell = operator_shell(app, operator, Nav::AdminAccounts);
    let crumb = (account.name.clone(), home(account));
    let action = format!("{}/{action}", home(account));
    FormPage::new(shell, crumb, title, label, action)
}

/// A form again, with what is wrong at its field; other errors go on.
fn again(error: Error, page: impl FnOnce((String, String)) -> FormPage) -> Result<Response> {
    let field = error.0.extra.get("field").and_then(|field| field.as_str());
    match field.map(str::to_owned) {
        Some(field) if error.0.code == "invalid_field" => {
            let page = page((field, error.0.detail.clone()));
            serve::page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        _ => Err(error),
    }
}

fn by_hand(app: &App, operator: &Visitor, reason: &str, note: &str, tells: bool) -> ByHand {
    ByHand {
        actor: operator.public_id.clone(),
        reason: reason.to_owned(),
        note: Some(note.trim().to_owned()).filter(|note| !note.is_empty()),
        credits_max: operator.credits_max(app),
        tells,
    }
}

/// An adjustment as it is typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Adjusting {
    /// Signed.
    pub credits: String,
    /// One of the reasons.
    pub reason: String,
    /// In words.
    pub note: String,
    tell: String,
    attempt: String,
    confirm: String,
}

/// `POST /admin/accounts/{id}/credits`: says what an adjustment comes to; with `confirm` makes it.
pub async fn adjust(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Fields(typed): Fields<Adjusting>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let credits = match read(&typed) {
        Ok(credits) => credits,
        Err(form) => return adjust_refused(&app, &operator, &account, *form).await,
    };
    if typed.confirm.is_empty() {
        return review(&app, &operator, &account, &typed, credits).await;
    }
    let tells = !typed.tell.is_empty();
    let by_hand = by_hand(&app, &operator, &typed.reason, &typed.note, tells);
    let key = Key::read(&typed.attempt)?;
    match adjust_credits(&app, &account, key, credits, &by_hand).await {
        Ok(_) => Ok(done(&account, "adjusted")),
        Err(error) if error.0.code == "insufficient_credits" => {
            let form = beyond(&app, &account, &typed).await?;
            adjust_refused(&app, &operator, &account, form).await
        }
        Err(error) => Err(error),
    }
}

/// What was typed, or the form with what is wrong.
fn read(typed: &Adjusting) -> std::result::Result<Credits, Box<AdjustForm>> {
    let form = AdjustForm::typed(typed);
    let text = typed.credits.trim().replace('\u{2212}', "-");
    let text = text.strip_prefix('+').unwrap_or(&text);
    let credits = Credits::parse(text)
        .ok()
        .filter(|credits| *credits != Credits::ZERO);
    let note_error = match typed.note.trim().chars().count() {
        0 => Some("Say what a colleague should know, such as a ticket's number.".to_owned()),
        1..=500 => None,
        _ => Some("A note has at most 500 characters.".to_owned()),
    };
    match (credits, &note_error) {
        (Some(credits), None) => Ok(credits),
        (credits, _) => Err(Box::new(AdjustForm {
            credits_error: credits.is_none().then(|| {
                "Enter credits to add, or with a minus sign to take: 250, -20.5.".to_owned()
            }),
            note_error,
            ..form
        })),
    }
}

/// An adjustment below what is available, told at its field.
async fn beyond(app: &App, account: &Account, typed: &Adjusting) -> Result<AdjustForm> {
    let available = crate::account::view(app, account.id).await?.available;
    let asked = Credits::parse(typed.credits.trim()).unwrap_or(Credits::ZERO);
    let (left, lowest) = (available + asked, -available);
    Ok(AdjustForm {
        credits_error: Some(format!(
            "That would leave {}. The lowest you can enter is {}.",
            format::credits(left.micros()),
            format::credits(lowest.micros())
        )),
        ..AdjustForm::typed(typed)
    })
}

async fn review(
    app: &App,
    operator: &Visitor,
    account: &Account,
    typed: &Adjusting,
    credits: Credits,
) -> Result<Response> {
    let view = crate::account::view(app, account.id).await?;
    if -credits > view.available {
        let form = beyond(app, account, typed).await?;
        return adjust_refused(app, operator, account, form).await;
    }
    let (id, now) = (account.id, app.now());
    let request = Request::internal(Command::Adjust {
        amount: credits,
        source_key: "adjust:look".to_owned(),
    });
    let (available, debt) = app
        .read(move |tx| {
            let mut ledger = store::ledger::loaded(tx, id)?;
            let refused = ledger.apply(&request, now).is_err();
            Ok((!refused).then(|| (ledger.available(now), ledger.wallet.debt)))
        })
        .await?
        .ok_or_else(|| Error::conflict("refused", "The ledger refuses this adjustment."))?;
    let change = format::credits_change(credits.micros());
    let show = |credits: Credits| format::credits(credits.micros());
    let tell = if typed.tell.is_empty() {
        "no"
    } else {
        "yes, by mail"
    };
    let attempt = if typed.attempt.is_empty() {
        app.new_id("att")
    } else {
        typed.attempt.clone()
    };
    let page = FormPage {
        text: Prose::new(
            "It is one more entry of the journal: nothing is overwritten, and an opposite entry \
             undoes it.",
        ),
        facts: vec![
            Fact::total("Change", change.clone()),
            Fact::new("Available now", show(view.available)),
            Fact::new("Available afterwards", show(available)),
            Fact::new("Debt afterwards", show(debt)),
            Fact::new("Reason", typed.reason.clone()),
            Fact::new("Note", typed.note.trim()),
            Fact::new("They are told", tell),
        ],
        hidden: vec![
            ("credits", credits.to_string()),
            ("reason", typed.reason.clone()),
            ("note", typed.note.clone()),
            ("tell", typed.tell.clone()),
            ("attempt", attempt),
            ("confirm", "yes".to_owned()),
        ],
        danger: credits < Credits::ZERO,
        ..form(
            app,
            operator,
            account,
            format!("Adjust by {change} credits?"),
            format!("Adjust by {change}"),
            "credits",
        )
    };
    Ok(serve::html(&page)?.into_response())
}

/// Which entry is undone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Undoing {
    entry: i64,
}

/// `GET /admin/accounts/{id}/undo?entry=`: the opposite of an adjustment, to be confirmed.
pub async fn undo(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Params(undoing): Params<Undoing>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let (number, seq) = (account.id, undoing.entry);
    let entry = app
        .read(move |tx| store::ledger::entry(tx, number, seq))
        .await?;
    let entry = entry.filter(super::journal::is_adjustment);
    let entry = entry.ok_or_else(|| Error::not_found("There is no such adjustment."))?;
    let typed = Adjusting {
        credits: (-entry.posted_delta).to_string(),
        reason: "correction".to_owned(),
        note: format!("Undoes entry {seq}"),
        tell: "yes".to_owned(),
        // The same entry is undone once.
        attempt: format!("undo:{seq}"),
        confirm: String::new(),
    };
    review(&app, &operator, &account, &typed, -entry.posted_delta).await
}

/// `POST /admin/accounts/{id}/sync`: makes our rows agree with Stripe now.
pub async fn sync_now(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let report = sync::account(&app, account.id).await?;
    let detail = serde_json::json!({ "changes": report.changes.len() }).to_string();
    let (subject, actor, now) = (account.public_id.clone(), operator.public_id, app.now());
    app.write(account.id, move |tx| {
        let action = "account.sync";
        store::audit_log::append(tx, &actor, action, &subject, &detail, None, now).map(|_| ())
    })
    .await?;
    let what = if report.changes.is_empty() {
        "agreed"
    } else {
        "synced"
    };
    Ok(done(&account, what))
}

/// What the forms below send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Acting {
    reason: String,
    note: String,
    tier: String,
    until: String,
    status: String,
    grant: i64,
    credits: String,
    attempt: String,
}

fn reasons(current: &str) -> Field {
    let choices = FieldKind::Choice(AdjustForm::reasons(current));
    Field::new("reason", "Reason", choices, "")
}

fn note(value: &str) -> Field {
    Field::new("note", "Note for colleagues", FieldKind::Words(3), value)
        .hint("Kept beside the journal; it can be erased.")
}

/// `GET /admin/accounts/{id}/forgive`
pub async fn ask_forgive(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let attempt = app.new_id("att");
    let page = forgive_page(&app, &operator, &account, &Acting::default(), attempt).await?;
    Ok(serve::html(&page)?.into_response())
}

async fn forgive_page(
    app: &App,
    operator: &Visitor,
    account: &Account,
    typed: &Acting,
    attempt: String,
) -> Result<FormPage> {
    let debt = crate::account::view(app, account.id).await?.debt;
    if !debt.is_positive() {
        return Err(Error::conflict("no_debt", "This account has no debt."));
    }
    let credits = if typed.credits.is_empty() {
        debt.to_string()
    } else {
        typed.credits.clone()
    };
    let text = "Credits of a payment that went back were spent before; they are owed. What is \
                forgiven is not taken from the next credits.";
    Ok(FormPage {
        text: text.into(),
        facts: vec![Fact::new("Debt", format::credits(debt.micros()))],
        fields: vec![
            Field::new(
                "credits",
                "Credits to forgive",
                FieldKind::Line("text"),
                &credits,
            )
            .required(),
            reasons(&typed.reason),
            note(&typed.note),
        ],
        hidden: vec![("attempt", attempt)],
        ..form(
            app,
            operator,
            account,
            "Forgive debt?",
            "Forgive the debt",
            "forgive",
        )
    })
}

/// `POST /admin/accounts/{id}/forgive`
pub async fn forgive(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Fields(typed): Fields<Acting>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let amount = Credits::parse(typed.credits.trim()).ok();
    let amount = amount.filter(|amount| amount.is_positive());
    let by_hand = by_hand(&app, &operator, &typed.reason, &typed.note, false);
    let forgiven = match amount {
        Some(amount) => operators::forgive(&app, &account, amount, &typed.attempt, &by_hand).await,
        None => Err(Error::field("credits", "Enter credits such as 120.")),
    };
    let error = match forgiven {
        Ok(_) => return Ok(done(&account, "forgiven")),
        Err(error) if error.0.code == "debt_exceeded" => Error::field("credits", error.0.detail),
        Err(error) => error,
    };
    let attempt = typed.attempt.clone();
    let page = forgive_page(&app, &operator, &account, &typed, attempt).await?;
    again(error, |wrong| with_error(page, &wrong))
}

fn with_error(mut page: FormPage, wrong: &(String, String)) -> FormPage {
    let fields = page.fields.into_iter();
    page.fields = fields.map(|field| field.error(Some(wrong))).collect();
    page
}

/// `GET /admin/accounts/{id}/void?grant=`
pub async fn ask_void(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Params(typed): Params<Acting>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let (number, lot) = (account.id, typed.grant);
    let grant = app
        .read(move |tx| Ok(store::ledger::grants(tx, number, lot.saturating_add(1), 1)?.pop()))
        .await?;
    let grant = grant.filter(|grant| grant.lot == lot && !grant.voided);
    let grant = grant.ok_or_else(|| Error::not_found("There is no such grant."))?;
    let left = grant.amount - grant.used - grant.expired - grant.clawed - grant.held;
    let page = FormPage {
        text: "What is left of it ends now; what holds have set aside may still be captured."
            .into(),
        facts: vec![
            Fact::new("Grant", format!("{}, entry {lot}", grant.kind)),
            Fact::new("Granted", format::credits(grant.amount)),
            Fact::total("Ends", format::credits(left)),
        ],
        fields: vec![reasons("correction"), note("")],
        hidden: vec![("grant", lot.to_string())],
        danger: true,
        ..form(
            &app,
            &operator,
            &account,
            "End this grant?",
            "End the grant",
            "void",
        )
    };
    Ok(serve::html(&page)?.into_response())
}

/// `POST /admin/accounts/{id}/void`
pub async fn void(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Fields(typed): Fields<Acting>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let by_hand = by_hand(&app, &operator, &typed.reason, &typed.note, false);
    operators::void(&app, &account, typed.grant, &by_hand).await?;
    Ok(done(&account, "voided"))
}

/// `GET /admin/accounts/{id}/plan`
pub async fn ask_plan(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let page = plan_page(&app, &operator, &account, &Acting::default());
    Ok(serve::html(&page)?.into_response())
}

fn plan_page(app: &App, operator: &Visitor, account: &Account, typed: &Acting) -> FormPage {
    let catalog = app.catalog();
    let own = ("".to_owned(), "As subscribed: no plan by hand".to_owned());
    let tiers = catalog
        .tiers
        .iter()
        .map(|tier| (tier.name.clone(), tier.title.clone()));
    let all: Vec<(String, String)> = std::iter::once(own).chain(tiers).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let current = account.tier_override.clone().unwrap_or_default();
    let chosen = if typed.tier.is_empty() {
        &current
    } else {
        &typed.tier
    };
    let text = "A plan by hand stands over the subscription's and every sync leaves it alone. It \
                charges nothing and cancels nothing at Stripe.";
    let mut facts = vec![Fact::new(
        "By hand now",
        match current.as_str() {
            "" => "none",
            tier => tier,
        },
    )];
    facts.extend(
        account
            .tier_override_reason
            .as_deref()
            .map(|why| Fact::new("Because", why)),
    );
    facts.extend(
        account
            .tier_override_until
            .map(|at| Fact::new("Until", Prose::default().time(format::day(at.micros())))),
    );
    FormPage {
        text: text.into(),
        facts,
        fields: vec![
            Field::new(
                "tier",
                "Plan",
                FieldKind::Choice(Choice::list(&all, chosen)),
                "",
            ),
            Field::new(
                "until",
                "Until (empty: for good)",
                FieldKind::Line("date"),
                &typed.until,
            ),
            Field::reason(&typed.reason),
        ],
        ..form(
            app,
            operator,
            account,
            "Set the plan by hand",
            "Set the plan",
            "plan",
        )
    }
}

/// `POST /admin/accounts/{id}/plan`
pub async fn plan(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Fields(typed): Fields<Acting>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    match set_plan(&app, &operator, &account, &typed).await {
        Ok(()) => Ok(done(&account, "plan")),
        Err(error) => again(error, |wrong| {
            with_error(plan_page(&app, &operator, &account, &typed), &wrong)
        }),
    }
}

async fn set_plan(app: &App, by: &Visitor, account: &Account, typed: &Acting) -> Result<()> {
    let until = match typed.until.trim() {
        "" => None,
        text => {
            let day = domain::time::parse(text);
            let wrong = || Error::field("until", "Write the day as 2026-11-30.");
            // The last day counts whole.
            Some(day.ok_or_else(wrong)?.plus_days(1))
        }
    };
    let reason = operators::reason(&typed.reason)?;
    let tier = Some(typed.tier.clone()).filter(|tier| !tier.is_empty());
    let tier = tier.map(|tier| (tier, until));
    operators::set_tier(app, account, tier, &reason, &by.public_id).await
}

/// `GET /admin/accounts/{id}/status`
pub async fn ask_status(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let page = status_page(&app, &operator, &account, &Acting::default());
    Ok(serve::html(&page)?.into_response())
}

fn status_page(app: &App, operator: &Visitor, account: &Account, typed: &Acting) -> FormPage {
    let is_active = account.status == "active";
    let (title, label, to) = if is_active {
        ("Suspend this account?", "Suspend the account", "suspended")
    } else {
        ("Let this account go on?", "Let it go on", "active")
    };
    let text = if is_active {
        "Its calls are refused from now on. Its subscription at Stripe goes on and charges: cancel \
         it apart if it should end. Nothing is taken."
    } else {
        "Its calls are answered again, with the credits it has."
    };
    FormPage {
        text: text.into(),
        fields: vec![Field::reason(&typed.reason)],
        hidden: vec![("status", to.to_owned())],
        danger: is_active,
        ..form(app, operator, account, title, label, "status")
    }
}

/// `POST /admin/accounts/{id}/status`
pub async fn status(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<String>,
    Fields(typed): Fields<Acting>,
) -> Result<Response> {
    let account = accounts::named(&app, &id).await?;
    let suspended = match typed.status.as_str() {
        "suspended" => true,
        "active" => false,
        _ => return Err(Error::field("status", "status is suspended or active.")),
    };
    let set = async {
        let reason = operators::reason(&typed.reason)?;
        operators::set_suspended(&app, &account, suspended, &reason, &operator.public_id).await
    };
    match set.await {
        Ok(()) => Ok(done(
            &account,
            if suspended { "suspended" } else { "resumed" },
        )),
        Err(error) => again(error, |wrong| {
            with_error(status_page(&app, &operator, &account, &typed), &wrong)
        }),
    }
}

/// What an account's page offers an operator, by their role.
pub fn offered(operator: &Operator, account: &Account, has_debt: bool) -> Vec<Action> {
    use crate::http::roles::Right;
    let home = home(account);
    let offer = |right, action: Action| operator.may(right).then_some(action);
    let to = |label: &str, path: &str| Action::link(label, format!("{home}/{path}"));
    let is_active = account.status == "active";
    let status = if is_active { "Suspend" } else { "Let go on" };
    let all = [
        offer(
            Right::Replay,
            Action::post("Sync from Stripe", format!("{home}/sync")),
        ),
        offer(Right::Money, to("Forgive debt", "forgive")).filter(|_| has_debt),
        offer(Right::Manage, to("Plan by hand", "plan")),
        offer(Right::Manage, to(status, "status")).filter(|_| account.status != "closed"),
    ];
    all.into_iter().flatten().collect()
}
