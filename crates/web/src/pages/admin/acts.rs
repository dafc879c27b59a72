//! What operators do on an account's page. Each act is asked for on a page of its own that says what
//! it comes to; the post that follows carries a name for the attempt, so a double click acts once.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use billing::accounts::names;
use billing::actors::{Operator, Visitor};
use billing::app::App;
use billing::error::{Error, Result};
use billing::idempotency::Key;
use billing::operators::credits::ByHand;
use billing::operators::{accounts, credits, reason};
use domain::money::Credits;
use serde::Deserialize;
use store::accounts::Account;
use views::admin::account::AdjustForm;
use views::admin::parts::{Field, FieldKind, FormPage};
use views::components::{Choice, Fact, Prose};
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::{HttpError, HttpResult};
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::admin::account::{limit, page};
use crate::pages::admin::offered::home;
use crate::pages::admin::operator_shell;
use crate::site::Site;

/// An operator before the account of the address: what every act on it begins with.
pub struct Desk {
    app: App,
    operator: Visitor,
    account: Account,
}

impl FromRequestParts<Site> for Desk {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let Operator(operator) = Operator::from_request_parts(parts, site).await?;
        let id = Path::<String>::from_request_parts(parts, site).await;
        let Path(id) = id.map_err(|_| Error::not_found("There is no such account."))?;
        Ok(Desk {
            app: site.app.clone(),
            operator,
            account: names::named(&site.app, &id).await?,
        })
    }
}

impl Desk {
    /// A form about the account. It carries a name for the attempt: the one it came with, or a new.
    fn form(&self, words: (&str, &str), action: &str, attempt: &str) -> FormPage {
        let (title, label) = words;
        let home = home(&self.account);
        let shell = operator_shell(&self.app, &self.operator, Nav::AdminAccounts);
        let crumb = (self.account.name.clone(), home.clone());
        let attempt = match attempt {
            "" => self.app.new_id("att"),
            known => known.to_owned(),
        };
        let mut page = FormPage::new(shell, crumb, title, label, format!("{home}/{action}"));
        page.hidden = vec![("attempt", attempt)];
        page
    }

    fn by_hand(&self, reason: &str, note: &str, tells: bool) -> ByHand {
        ByHand {
            actor: self.operator.public_id.clone(),
            reason: reason.to_owned(),
            note: Some(note.trim().to_owned()).filter(|note| !note.is_empty()),
            credits_max: self.operator.credits_max(&self.app),
            tells,
        }
    }

    fn done(&self, what: &str) -> Response {
        Redirect::to(&format!("{}?done={what}", home(&self.account))).into_response()
    }

    /// Back to the account after an act; the form again, with what is wrong at its field, after a
    /// wrong value. Other errors are passed on.
    async fn after<T>(
        &self,
        acted: Result<T>,
        what: &str,
        page: impl Future<Output = Result<FormPage>>,
    ) -> HttpResult<Response> {
        let error = match acted {
            Ok(_) => return Ok(self.done(what)),
            Err(error) => error,
        };
        let field = error.0.fields.get("field").and_then(|field| field.as_str());
        let Some(field) = field.map(str::to_owned).filter(|_| is_of_field(&error)) else {
            return Err(error.into());
        };
        let (wrong, mut page) = ((field, error.0.detail.clone()), page.await?);
        let fields = page.fields.into_iter();
        page.fields = fields.map(|field| field.error(Some(&wrong))).collect();
        frame::page(StatusCode::UNPROCESSABLE_ENTITY, &page)
    }
}

/// Whether another value in its field would fix it.
fn is_of_field(error: &Error) -> bool {
    matches!(error.0.code, "invalid_field" | "debt_exceeded")
}

fn shown(page: &FormPage) -> HttpResult<Response> {
    Ok(frame::html(page)?.into_response())
}

/// An adjustment as it is typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Adjusting {
    /// The amount, with its sign.
    pub credits: String,
    /// The reason, one of the known ones.
    pub reason: String,
    /// The note in words.
    pub note: String,
    tell: String,
    attempt: String,
    confirm: String,
}

/// `POST /admin/accounts/{id}/credits`: says what an adjustment comes to; with `confirm` makes it.
pub async fn adjust(desk: Desk, Fields(typed): Fields<Adjusting>) -> HttpResult<Response> {
    let amount = match read(&typed) {
        Ok(amount) => amount,
        Err(form) => return adjust_refused(&desk.app, &desk.operator, &desk.account, *form).await,
    };
    if typed.confirm.is_empty() {
        return review(&desk, &typed, amount).await;
    }
    let by_hand = desk.by_hand(&typed.reason, &typed.note, !typed.tell.is_empty());
    let key = Key::read(&typed.attempt)?;
    match credits::adjust(&desk.app, &desk.account, key, amount, &by_hand).await {
        Ok(_) => Ok(desk.done("adjusted")),
        Err(error) if error.0.code == "insufficient_credits" => refused(&desk, &typed).await,
        Err(error) => Err(error.into()),
    }
}

/// What was typed, or the form with what is wrong.
fn read(typed: &Adjusting) -> std::result::Result<Credits, Box<AdjustForm>> {
    let form = adjust_form(typed);
    let text = typed.credits.trim().replace('\u{2212}', "-");
    let text = text.strip_prefix('+').unwrap_or(&text);
    let credits = Credits::parse(text)
        .ok()
        .filter(|credits| *credits != Credits::ZERO);
    let note_error = match typed.note.trim().chars().count() {
        0 => Some("Add a note for colleagues, for example a ticket number.".to_owned()),
        1..=500 => None,
        _ => Some("A note can have at most 500 characters.".to_owned()),
    };
    match (credits, &note_error) {
        (Some(credits), None) => Ok(credits),
        (credits, _) => Err(Box::new(AdjustForm {
            credits_error: credits.is_none().then(|| {
                "Enter credits to add, or a negative number to take away: 250, -20.5.".to_owned()
            }),
            note_error,
            ..form
        })),
    }
}

/// An adjustment below what is available, refused at its field.
async fn refused(desk: &Desk, typed: &Adjusting) -> HttpResult<Response> {
    let view = billing::summary::view(&desk.app, desk.account.id).await?;
    let asked = Credits::parse(typed.credits.trim()).unwrap_or(Credits::ZERO);
    let (left, lowest) = (view.available + asked, -view.available);
    let form = AdjustForm {
        credits_error: Some(format!(
            "That would leave {}. The lowest you can enter is {}.",
            format::credits(left.micros()),
            format::credits(lowest.micros())
        )),
        ..adjust_form(typed)
    };
    adjust_refused(&desk.app, &desk.operator, &desk.account, form).await
}

async fn review(desk: &Desk, typed: &Adjusting, amount: Credits) -> HttpResult<Response> {
    let (app, account) = (&desk.app, &desk.account);
    let view = billing::summary::view(app, account.id).await?;
    if -amount > view.available {
        return refused(desk, typed).await;
    }
    let (available, debt) = credits::look(app, account, amount).await?;
    let change = format::credits_change(amount.micros());
    let show = |credits: Credits| format::credits(credits.micros());
    let tell = if typed.tell.is_empty() {
        "no"
    } else {
        "yes, by email"
    };
    let title = format!("Adjust by {change} credits?");
    let label = format!("Adjust by {change}");
    let mut page = desk.form((&title, &label), "credits", &typed.attempt);
    page.text =
        "This adds one journal entry. Nothing is overwritten, and an opposite entry undoes it."
            .into();
    page.facts = vec![
        Fact::total("Change", change),
        Fact::new("Available now", show(view.available)),
        Fact::new("Available afterwards", show(available)),
        Fact::new("Debt afterwards", show(debt)),
        Fact::new("Reason", typed.reason.clone()),
        Fact::new("Note", typed.note.trim()),
        Fact::new("Notify customer", tell),
    ];
    page.hidden.extend([
        ("credits", amount.to_string()),
        ("reason", typed.reason.clone()),
        ("note", typed.note.clone()),
        ("tell", typed.tell.clone()),
        ("confirm", "yes".to_owned()),
    ]);
    page.danger = amount < Credits::ZERO;
    shown(&page)
}

/// Which entry is undone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Undoing {
    entry: i64,
}

/// `GET /admin/accounts/{id}/undo?entry=`: the opposite of an adjustment, to be confirmed.
pub async fn undo(desk: Desk, Params(undoing): Params<Undoing>) -> HttpResult<Response> {
    let (number, seq) = (desk.account.id, undoing.entry);
    let entry = desk
        .app
        .read(move |tx| store::ledger::entry(tx, number, seq))
        .await?;
    let entry = entry.filter(crate::pages::admin::journal::is_adjustment);
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
    review(&desk, &typed, -entry.posted_delta).await
}

/// `POST /admin/accounts/{id}/sync`: makes our rows agree with Stripe now.
pub async fn sync_now(desk: Desk) -> HttpResult<Response> {
    let actor = &desk.operator.public_id;
    let report = accounts::sync(&desk.app, &desk.account, actor).await?;
    let what = if report.changes.is_empty() {
        "agreed"
    } else {
        "synced"
    };
    Ok(desk.done(what))
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
        .hint("Kept beside the journal. It can be erased.")
}

/// `GET /admin/accounts/{id}/forgive`
pub async fn ask_forgive(desk: Desk) -> HttpResult<Response> {
    shown(&forgive_page(&desk, &Acting::default()).await?)
}

async fn forgive_page(desk: &Desk, typed: &Acting) -> Result<FormPage> {
    let debt = billing::summary::view(&desk.app, desk.account.id)
        .await?
        .debt;
    if !debt.is_positive() {
        return Err(Error::conflict("no_debt", "This account has no debt."));
    }
    let amount = match typed.credits.as_str() {
        "" => debt.to_string(),
        typed => typed.to_owned(),
    };
    let words = ("Forgive debt?", "Forgive the debt");
    let mut page = desk.form(words, "forgive", &typed.attempt);
    page.text = "Credits of a refunded or disputed payment were already spent, so the account \
                 owes them. Forgiven credits won't be taken from future credits."
        .into();
    page.facts = vec![Fact::new("Debt", format::credits(debt.micros()))];
    let line = FieldKind::Line("text");
    page.fields = vec![
        Field::new("credits", "Credits to forgive", line, &amount).required(),
        reasons(&typed.reason),
        note(&typed.note),
    ];
    Ok(page)
}

/// `POST /admin/accounts/{id}/forgive`
pub async fn forgive(desk: Desk, Fields(typed): Fields<Acting>) -> HttpResult<Response> {
    let forgiven = async {
        let amount = Credits::parse(typed.credits.trim()).ok();
        let amount = amount.filter(|amount| amount.is_positive());
        let wrong = || Error::field("credits", "Enter credits, for example 120.");
        let amount = amount.ok_or_else(wrong)?;
        let by_hand = desk.by_hand(&typed.reason, &typed.note, false);
        let key = Key::read(&typed.attempt)?;
        credits::forgive(&desk.app, &desk.account, key, Some(amount), &by_hand).await
    };
    let again = forgive_page(&desk, &typed);
    desk.after(forgiven.await, "forgiven", again).await
}

/// `GET /admin/accounts/{id}/void?grant=`
pub async fn ask_void(desk: Desk, Params(typed): Params<Acting>) -> HttpResult<Response> {
    shown(&void_page(&desk, &typed).await?)
}

async fn void_page(desk: &Desk, typed: &Acting) -> Result<FormPage> {
    let (number, lot) = (desk.account.id, typed.grant);
    let grant = desk
        .app
        .read(move |tx| Ok(store::ledger::grants(tx, number, lot.saturating_add(1), 1)?.pop()))
        .await?;
    let grant = grant.filter(|grant| grant.lot == lot && !grant.voided);
    let grant = grant.ok_or_else(|| Error::not_found("There is no such grant."))?;
    let left = grant.amount - grant.used - grant.expired - grant.clawed - grant.held;
    let words = ("End this grant?", "End the grant");
    let mut page = desk.form(words, "void", &typed.attempt);
    page.text = "Its remaining credits expire now. Credits held by calls in progress can still be \
         captured."
        .into();
    page.facts = vec![
        Fact::new("Grant", format!("{}, entry {lot}", grant.kind)),
        Fact::new("Granted", format::credits(grant.amount)),
        Fact::total("Ends", format::credits(left)),
    ];
    let reason = match typed.reason.as_str() {
        "" => "correction",
        typed => typed,
    };
    page.fields = vec![reasons(reason), note(&typed.note)];
    page.hidden.push(("grant", lot.to_string()));
    page.danger = true;
    Ok(page)
}

/// `POST /admin/accounts/{id}/void`
pub async fn void(desk: Desk, Fields(typed): Fields<Acting>) -> HttpResult<Response> {
    let ended = async {
        let by_hand = desk.by_hand(&typed.reason, &typed.note, true);
        let key = Key::read(&typed.attempt)?;
        let grant = domain::ledger::grant::id_of(typed.grant);
        credits::void(&desk.app, &desk.account, key, &grant, &by_hand).await
    };
    let again = void_page(&desk, &typed);
    desk.after(ended.await, "voided", again).await
}

/// `GET /admin/accounts/{id}/plan`
pub async fn ask_plan(desk: Desk) -> HttpResult<Response> {
    shown(&plan_page(&desk, &Acting::default()))
}

fn plan_page(desk: &Desk, typed: &Acting) -> FormPage {
    let (account, catalog) = (&desk.account, desk.app.catalog());
    let own = ("".to_owned(), "As subscribed: no override".to_owned());
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
    let mut facts = vec![Fact::new(
        "Current override",
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
    let words = ("Override plan", "Set override");
    let mut page = desk.form(words, "plan", &typed.attempt);
    page.text = "The override replaces the subscription's plan here and survives syncs. It \
                 charges nothing and cancels nothing at Stripe."
        .into();
    page.facts = facts;
    let (tiers, day) = (
        FieldKind::Choice(Choice::list(&all, chosen)),
        FieldKind::Line("date"),
    );
    page.fields = vec![
        Field::new("tier", "Plan", tiers, ""),
        Field::new("until", "Until (leave empty for no end)", day, &typed.until),
        Field::reason(&typed.reason),
    ];
    page
}

/// `POST /admin/accounts/{id}/plan`
pub async fn plan(desk: Desk, Fields(typed): Fields<Acting>) -> HttpResult<Response> {
    let set = set_plan(&desk, &typed).await;
    desk.after(set, "plan", async { Ok(plan_page(&desk, &typed)) })
        .await
}

async fn set_plan(desk: &Desk, typed: &Acting) -> Result<()> {
    let until = match typed.until.trim() {
        "" => None,
        text => {
            let day = domain::time::parse(text);
            let wrong = || Error::field("until", "Enter the day as 2026-11-30.");
            // The last day counts whole.
            Some(day.ok_or_else(wrong)?.plus_days(1))
        }
    };
    let reason = reason::read_reason(&typed.reason)?;
    let tier = Some(typed.tier.clone()).filter(|tier| !tier.is_empty());
    let tier = tier.map(|tier| (tier, until));
    let actor = &desk.operator.public_id;
    accounts::set_tier(&desk.app, &desk.account, tier, &reason, actor).await
}

/// `GET /admin/accounts/{id}/status`
pub async fn ask_status(desk: Desk) -> HttpResult<Response> {
    shown(&status_page(&desk, &Acting::default()))
}

fn status_page(desk: &Desk, typed: &Acting) -> FormPage {
    let is_active = desk.account.status == "active";
    let (words, to) = if is_active {
        (
            ("Suspend this account?", "Suspend the account"),
            "suspended",
        )
    } else {
        (
            ("Reactivate this account?", "Reactivate the account"),
            "active",
        )
    };
    let text = if is_active {
        "Its calls are refused from now on. The Stripe subscription keeps charging; cancel it \
         separately. No credits are taken."
    } else {
        "Its calls are answered again, using the credits it has."
    };
    let mut page = desk.form(words, "status", &typed.attempt);
    page.text = text.into();
    page.fields = vec![Field::reason(&typed.reason)];
    page.hidden.push(("status", to.to_owned()));
    page.danger = is_active;
    page
}

/// `POST /admin/accounts/{id}/status`
pub async fn status(desk: Desk, Fields(typed): Fields<Acting>) -> HttpResult<Response> {
    let (suspended, what) = match typed.status.as_str() {
        "suspended" => (true, "suspended"),
        "active" => (false, "resumed"),
        _ => return Err(Error::field("status", "status must be suspended or active.").into()),
    };
    let set = async {
        let reason = reason::read_reason(&typed.reason)?;
        let actor = &desk.operator.public_id;
        accounts::set_suspended(&desk.app, &desk.account, suspended, &reason, actor).await
    };
    let again = async { Ok(status_page(&desk, &typed)) };
    desk.after(set.await, what, again).await
}

/// The page again, with what is wrong in the form that adjusts credits.
pub async fn adjust_refused(
    app: &App,
    operator: &Visitor,
    account: &Account,
    form: AdjustForm,
) -> HttpResult<Response> {
    let mut page = page(app, &Operator(operator.clone()), account).await?;
    page.adjust = Some(AdjustForm {
        attempt: app.new_id("att"),
        limit: limit(app, operator),
        ..form
    });
    Ok(frame::page(StatusCode::UNPROCESSABLE_ENTITY, &page)?.into_response())
}

/// The form as it was typed.
fn adjust_form(typed: &Adjusting) -> AdjustForm {
    AdjustForm {
        credits: typed.credits.clone(),
        reasons: AdjustForm::reasons(&typed.reason),
        note: typed.note.clone(),
        ..AdjustForm::empty("")
    }
}
