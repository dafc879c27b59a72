//! Operator actions on an account's page. Each has a page that previews its effect and asks for
//! confirmation; the POST carries an idempotency key, so a double click acts once.

mod adjustments;
mod disputes;
mod requests;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use billing::actors::Visitor;
use billing::app::App;
use billing::error::{DEBT_EXCEEDED, Error, INVALID_FIELD, Result};
use billing::idempotency::Key;
use billing::operators::credits::Justification;
use billing::operators::{accounts, credits, reason};
use domain::money::Credits;
use domain::plan::AccountStatus;
use serde::Deserialize;
use store::accounts::Account;
use views::admin::account::AdjustForm;
use views::admin::parts::{Field, FieldKind, FormPage};
use views::components::{Choice, Fact, Prose};
use views::layout::Nav;
use views::{format, labels, offer};

use crate::frame;
use crate::http::callers::OnAccount;
use crate::http::error::{HttpError, HttpResult};
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::admin::offered::home;
use crate::pages::admin::operator_shell;
use crate::site::Site;

pub use adjustments::{adjust, undo};
pub use disputes::{ask_dispute, dispute};
pub use requests::{ask_dismiss, dismiss, retry};

/// An operator and the account in the path: what every action requires.
pub struct OperatorRequest {
    app: App,
    operator: Visitor,
    account: Account,
}

impl FromRequestParts<Site> for OperatorRequest {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> HttpResult<Self> {
        let OnAccount { operator, account } = OnAccount::from_request_parts(parts, site).await?;
        Ok(OperatorRequest {
            app: site.app.clone(),
            operator: operator.0,
            account,
        })
    }
}

impl OperatorRequest {
    /// A form about the account, with the given idempotency key or a new one.
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

    fn justification(&self, reason: &str, note: &str, notifies: bool) -> Justification {
        Justification {
            actor: self.operator.public_id.clone(),
            reason: reason.to_owned(),
            note: Some(note.trim().to_owned()).filter(|note| !note.is_empty()),
            credits_max: self.operator.credits_max(&self.app),
            notifies,
        }
    }

    fn done(&self, what: &str) -> Response {
        Redirect::to(&format!("{}?done={what}", home(&self.account))).into_response()
    }

    /// Redirects to the account after an action; after an invalid value, shows the form again with
    /// the error at its field. Other errors are passed on.
    async fn after<T>(
        &self,
        acted: Result<T>,
        what: &str,
        page: impl Future<Output = Result<FormPage>>,
    ) -> HttpResult<Response> {
        let Err(error) = acted else {
            return Ok(self.done(what));
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

/// Whether the error is about the value of a field.
fn is_of_field(error: &Error) -> bool {
    matches!(error.0.code, INVALID_FIELD | DEBT_EXCEEDED)
}

fn shown(page: &FormPage) -> HttpResult<Response> {
    Ok(frame::html(page)?.into_response())
}

/// `POST /admin/accounts/{id}/sync`: makes our rows agree with Stripe now.
pub async fn sync_now(request: OperatorRequest) -> HttpResult<Response> {
    let actor = &request.operator.public_id;
    let report = accounts::sync(&request.app, &request.account, actor).await?;
    let what = if report.changes.is_empty() {
        "agreed"
    } else {
        "synced"
    };
    Ok(request.done(what))
}

/// The fields that the forms below submit.
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
    let choices = FieldKind::Select(AdjustForm::reasons(current));
    Field::new("reason", "Reason", choices, "")
}

fn note(value: &str) -> Field {
    Field::new("note", "Note for colleagues", FieldKind::Textarea(3), value)
        .hint("Kept beside the journal. It can be erased.")
}

/// `GET /admin/accounts/{id}/forgive`
pub async fn ask_forgive(request: OperatorRequest) -> HttpResult<Response> {
    shown(&forgive_page(&request, &Acting::default()).await?)
}

async fn forgive_page(request: &OperatorRequest, typed: &Acting) -> Result<FormPage> {
    let debt = billing::summary::view(&request.app, request.account.id)
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
    let mut page = request.form(words, "forgive", &typed.attempt);
    page.text = "Credits of a refunded or disputed payment were already spent, so the account \
                 owes them. Forgiven credits won't be taken from future credits."
        .into();
    page.facts = vec![Fact::new("Debt", format::credits(debt.micros()))];
    let line = FieldKind::Input("text");
    page.fields = vec![
        Field::new("credits", "Credits to forgive", line, &amount).required(),
        reasons(&typed.reason),
        note(&typed.note),
    ];
    Ok(page)
}

/// `POST /admin/accounts/{id}/forgive`
pub async fn forgive(
    request: OperatorRequest,
    Fields(typed): Fields<Acting>,
) -> HttpResult<Response> {
    let forgiven = async {
        let amount = Credits::parse(typed.credits.trim()).ok();
        let amount = amount.filter(|amount| amount.is_positive());
        let wrong = || Error::field("credits", "Enter credits, for example 120.");
        let amount = amount.ok_or_else(wrong)?;
        let by_hand = request.justification(&typed.reason, &typed.note, false);
        let key = Key::read(&typed.attempt)?;
        credits::forgive(&request.app, &request.account, key, Some(amount), &by_hand).await
    };
    let again = forgive_page(&request, &typed);
    request.after(forgiven.await, "forgiven", again).await
}

/// `GET /admin/accounts/{id}/void?grant=`
pub async fn ask_void(
    request: OperatorRequest,
    Params(typed): Params<Acting>,
) -> HttpResult<Response> {
    shown(&void_page(&request, &typed).await?)
}

async fn void_page(request: &OperatorRequest, typed: &Acting) -> Result<FormPage> {
    let (number, lot) = (request.account.id, typed.grant);
    let grant = request
        .app
        .read(move |tx| Ok(store::ledger::grants(tx, number, lot.saturating_add(1), 1)?.pop()))
        .await?;
    let grant = grant.filter(|grant| grant.id == lot && !grant.voided);
    let grant = grant.ok_or_else(|| Error::not_found("There is no such grant."))?;
    let words = ("End this grant?", "End the grant");
    let mut page = request.form(words, "void", &typed.attempt);
    page.text = "Its remaining credits expire now. Credits held by calls in progress can still be \
         captured."
        .into();
    page.facts = vec![
        Fact::new(
            "Grant",
            format!("{}, entry {lot}", labels::grant_kind(grant.kind)),
        ),
        Fact::new("Granted", format::credits(grant.amount.micros())),
        Fact::total("Ends", format::credits(grant.unheld().micros())),
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
pub async fn void(request: OperatorRequest, Fields(typed): Fields<Acting>) -> HttpResult<Response> {
    let ended = async {
        let by_hand = request.justification(&typed.reason, &typed.note, true);
        let key = Key::read(&typed.attempt)?;
        let grant = domain::ledger::grant::id_of(typed.grant);
        credits::void(&request.app, &request.account, key, &grant, &by_hand).await
    };
    let again = void_page(&request, &typed);
    request.after(ended.await, "voided", again).await
}

/// `GET /admin/accounts/{id}/plan`
pub async fn ask_plan(request: OperatorRequest) -> HttpResult<Response> {
    shown(&plan_page(&request, &Acting::default()))
}

fn plan_page(request: &OperatorRequest, typed: &Acting) -> FormPage {
    let (account, catalog) = (&request.account, request.app.catalog());
    let own = (String::new(), "As subscribed: no override".to_owned());
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
            "" => "None".to_owned(),
            tier => offer::title(&catalog, tier),
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
    let mut page = request.form(words, "plan", &typed.attempt);
    page.text = "The override replaces the subscription's plan here and survives syncs. It \
                 charges nothing and cancels nothing at Stripe."
        .into();
    page.facts = facts;
    let (tiers, day) = (
        FieldKind::Select(Choice::list(&all, chosen)),
        FieldKind::Input("date"),
    );
    page.fields = vec![
        Field::new("tier", "Plan", tiers, ""),
        Field::new("until", "Until (leave empty for no end)", day, &typed.until),
        Field::reason(&typed.reason),
    ];
    page
}

/// `POST /admin/accounts/{id}/plan`
pub async fn plan(request: OperatorRequest, Fields(typed): Fields<Acting>) -> HttpResult<Response> {
    let set = set_plan(&request, &typed).await;
    request
        .after(set, "plan", async { Ok(plan_page(&request, &typed)) })
        .await
}

async fn set_plan(request: &OperatorRequest, typed: &Acting) -> Result<()> {
    let until = match typed.until.trim() {
        "" => None,
        text => {
            let day = domain::time::parse(text);
            let wrong = || Error::field("until", "Enter the day as 2026-11-30.");
            // The override includes the last day.
            Some(day.ok_or_else(wrong)?.plus_days(1))
        }
    };
    let reason = reason::read_reason(&typed.reason)?;
    let tier = Some(typed.tier.clone()).filter(|tier| !tier.is_empty());
    let tier = tier.map(|tier| (tier, until));
    let actor = &request.operator.public_id;
    accounts::set_tier(&request.app, &request.account, tier, &reason, actor).await
}

/// `GET /admin/accounts/{id}/status`
pub async fn ask_status(request: OperatorRequest) -> HttpResult<Response> {
    shown(&status_page(&request, &Acting::default()))
}

fn status_page(request: &OperatorRequest, typed: &Acting) -> FormPage {
    let is_active = request.account.status == AccountStatus::Active;
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
        "Its calls are refused and it is charged nothing from now on: the collection of its plan is \
         paused at Stripe, and unpaid invoices are voided. No credits are taken, and nothing is \
         refunded."
    } else {
        "Its calls are answered again, using the credits it has, and its plan is charged from the \
         next renewal on."
    };
    let mut page = request.form(words, "status", &typed.attempt);
    page.text = text.into();
    page.fields = vec![Field::reason(&typed.reason)];
    page.hidden.push(("status", to.to_owned()));
    page.danger = is_active;
    page
}

/// `POST /admin/accounts/{id}/status`
pub async fn status(
    request: OperatorRequest,
    Fields(typed): Fields<Acting>,
) -> HttpResult<Response> {
    let (suspended, what) = match AccountStatus::from_word(&typed.status) {
        Some(AccountStatus::Suspended) => (true, "suspended"),
        Some(AccountStatus::Active) => (false, "resumed"),
        _ => return Err(Error::field("status", "status must be suspended or active.").into()),
    };
    let set = async {
        let reason = reason::read_reason(&typed.reason)?;
        let actor = &request.operator.public_id;
        accounts::set_suspended(&request.app, &request.account, suspended, &reason, actor).await
    };
    let again = async { Ok(status_page(&request, &typed)) };
    let set = set.await;
    let what = match &set {
        Ok(false) if suspended => "suspended-here",
        Ok(false) => "resumed-here",
        _ => what,
    };
    request.after(set, what, again).await
}
