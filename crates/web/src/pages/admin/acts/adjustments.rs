//! Credits added or removed by an operator, and undoing such an adjustment.

use super::{OperatorRequest, shown};
use crate::frame;
use crate::http::error::HttpResult;
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::admin::account::{limit, page};
use axum::http::StatusCode;
use axum::response::Response;
use billing::actors::{Operator, Visitor};
use billing::app::App;
use billing::error::{Error, INSUFFICIENT_CREDITS};
use billing::idempotency::Key;
use billing::operators::credits;
use billing::summary::{View, view_with};
use domain::ledger::Ledger;
use domain::money::Credits;
use serde::Deserialize;
use store::Tx;
use store::accounts::Account;
use views::admin::account::AdjustForm;
use views::components::Fact;
use views::{format, labels};

/// The adjustment form as submitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Adjusting {
    /// The credits, signed: negative to remove.
    pub credits: String,
    /// The reason's code, one of a fixed list.
    pub reason: String,
    /// The operator's note.
    pub note: String,
    tell: String,
    attempt: String,
    confirm: String,
}

/// `POST /admin/accounts/{id}/credits`: previews an adjustment; with `confirm`, makes it.
pub async fn adjust(
    request: OperatorRequest,
    Fields(typed): Fields<Adjusting>,
) -> HttpResult<Response> {
    let amount = match read(&typed) {
        Ok(amount) => amount,
        Err(form) => {
            return adjust_refused(&request.app, &request.operator, &request.account, *form).await;
        }
    };
    if typed.confirm.is_empty() {
        let account = request.account.id;
        let read = move |tx: &mut Tx<'_>, _: &View| store::ledger::loaded(tx, account);
        let (view, ledger) = view_with(&request.app, account, read).await?;
        return review(&request, &typed, amount, &view, ledger).await;
    }
    let by_hand = request.justification(&typed.reason, &typed.note, !typed.tell.is_empty());
    let key = Key::read(&typed.attempt)?;
    match credits::adjust(&request.app, &request.account, key, amount, &by_hand).await {
        Ok(_) => Ok(request.done("adjusted")),
        Err(error) if error.0.code == INSUFFICIENT_CREDITS => {
            let view = billing::summary::view(&request.app, request.account.id).await?;
            refused(&request, &typed, &view).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The credits that were typed, or the form with its errors.
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

/// Refuses, at its field, an adjustment that would remove more than is available.
async fn refused(
    request: &OperatorRequest,
    typed: &Adjusting,
    view: &View,
) -> HttpResult<Response> {
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
    adjust_refused(&request.app, &request.operator, &request.account, form).await
}

async fn review(
    request: &OperatorRequest,
    typed: &Adjusting,
    amount: Credits,
    view: &View,
    ledger: Ledger,
) -> HttpResult<Response> {
    let (app, account) = (&request.app, &request.account);
    if -amount > view.available {
        return refused(request, typed, view).await;
    }
    let left = credits::left(ledger, amount, app.now())
        .map_err(|refusal| Error::refused(&refusal, &app.links_of(&account.public_id)))?;
    let change = format::credits_change(amount.micros());
    let show = |credits: Credits| format::credits(credits.micros());
    let tell = if typed.tell.is_empty() {
        "no"
    } else {
        "yes, by email"
    };
    let title = format!("Adjust by {change} credits?");
    let label = format!("Adjust by {change}");
    let mut page = request.form((&title, &label), "credits", &typed.attempt);
    page.text =
        "This adds one journal entry. Nothing is overwritten, and an opposite entry undoes it."
            .into();
    page.facts = vec![
        Fact::total("Change", change),
        Fact::new("Available now", show(view.available)),
        Fact::new("Available afterwards", show(left.available)),
        Fact::new("Debt afterwards", show(left.debt)),
        Fact::new("Reason", labels::adjustment_reason(&typed.reason)),
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

/// The entry to undo.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Undoing {
    entry: i64,
}

/// `GET /admin/accounts/{id}/undo?entry=`: asks to confirm the opposite of an adjustment.
pub async fn undo(
    request: OperatorRequest,
    Params(undoing): Params<Undoing>,
) -> HttpResult<Response> {
    let (number, seq) = (request.account.id, undoing.entry);
    let read = move |tx: &mut Tx<'_>, _: &View| {
        let entry = store::ledger::entry(tx, number, seq)?;
        Ok((entry, store::ledger::loaded(tx, number)?))
    };
    let (view, (entry, ledger)) = view_with(&request.app, number, read).await?;
    let entry = entry.filter(crate::pages::admin::journal::is_adjustment);
    let entry = entry.ok_or_else(|| Error::not_found("There is no such adjustment."))?;
    let typed = Adjusting {
        credits: (-entry.posted_delta).to_string(),
        reason: "correction".to_owned(),
        note: format!("Undoes entry {seq}"),
        tell: "yes".to_owned(),
        // An entry is undone at most once.
        attempt: format!("undo:{seq}"),
        confirm: String::new(),
    };
    review(&request, &typed, -entry.posted_delta, &view, ledger).await
}

/// The account's page again, with the errors of the adjustment form.
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
    frame::page(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// The form with what was typed.
fn adjust_form(typed: &Adjusting) -> AdjustForm {
    AdjustForm {
        credits: typed.credits.clone(),
        reasons: AdjustForm::reasons(&typed.reason),
        note: typed.note.clone(),
        ..AdjustForm::empty("")
    }
}
