//! `/admin/refunds/{payment}`: previews a refund, then makes it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use billing::actors::{Operator, Visitor};
use billing::app::App;
use billing::error::{Error, INVALID_FIELD};
use billing::operators::refunds::{self, NewRefund, Preview};
use domain::amounts::amount as shown;
use serde::Deserialize;
use views::admin::parts::{Field, FieldKind, FormPage};
use views::components::{Banner, Choice, Fact, Kind, Prose};
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::admin::operator_shell;

const REASONS: [(&str, &str); 3] = [
    ("requested_by_customer", "The customer asked"),
    ("duplicate", "Paid twice"),
    ("fraudulent", "Fraud"),
];

/// The form as submitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    amount: String,
    reason: String,
    note: String,
    review: String,
    attempt: String,
    refunded: String,
    credit_note: String,
}

/// `GET /admin/refunds/{payment}`: the form; with `review`, the preview of the refund.
pub async fn ask(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(payment): Path<String>,
    Params(typed): Params<Typed>,
) -> HttpResult<Response> {
    page(&app, &operator, &payment, &typed).await
}

async fn page(app: &App, operator: &Visitor, payment: &str, typed: &Typed) -> HttpResult<Response> {
    let before = refunds::before(app, payment).await?;
    let (wrong, look) = match before.preview(Some(&typed.amount)) {
        Ok(look) => (None, look),
        // An invalid amount is reported at its field, with the preview of a full refund.
        Err(error) if error.0.code == INVALID_FIELD => {
            let wrong = ("amount".to_owned(), error.0.detail);
            (Some(wrong), before.preview(None)?)
        }
        Err(error) => return Err(error.into()),
    };
    let is_review = !typed.review.is_empty() && wrong.is_none();
    let shell = operator_shell(app, operator, Nav::AdminTransactions);
    let crumb = (
        look.account.name.clone(),
        format!("/admin/accounts/{}", look.account.public_id),
    );
    let here = format!("/admin/refunds/{}", look.payment.public_id);
    let form = FormPage {
        text: about(&look),
        banners: note(&look),
        ..FormPage::new(shell, crumb, "", "", here)
    };
    let form = if is_review {
        review(app, form, &look, typed)
    } else {
        questions(form, &look, typed, wrong.as_ref())
    };
    let status = if wrong.is_some() { 422 } else { 200 };
    let status = axum::http::StatusCode::from_u16(status).map_err(Error::bug)?;
    frame::page(status, &form)
}

fn about(look: &Preview) -> Prose {
    let description = look.payment.description.clone().unwrap_or_default();
    Prose::new(format!("{description}, {} paid on ", shown(look.paid)))
        .time(format::day(look.payment.occurred_at.micros()))
        .text(", ")
        .code(
            look.payment
                .stripe_payment_intent_id
                .clone()
                .unwrap_or_default(),
        )
        .text(".")
}

fn note(look: &Preview) -> Vec<Banner> {
    let note = look
        .note
        .map(|note| Banner::new(Kind::Info, "To know", note));
    note.into_iter().collect()
}

fn questions(
    form: FormPage,
    look: &Preview,
    typed: &Typed,
    wrong: Option<&(String, String)>,
) -> FormPage {
    let amount = if typed.amount.is_empty() {
        look.left().decimal_text()
    } else {
        typed.amount.clone()
    };
    let label = format!("Amount, up to {}", shown(look.left()));
    // Only a plan's payment has an invoice that a credit note can correct.
    let has_invoice = look.payment.stripe_invoice_id.is_some();
    let credit_note = Field::new(
        "credit_note",
        "Write a credit note for the invoice",
        FieldKind::Checkbox(!typed.credit_note.is_empty()),
        "1",
    );
    FormPage {
        title: "Refund a payment".to_owned(),
        label: "Preview refund".to_owned(),
        method: "get",
        hidden: vec![("review", "1".to_owned())],
        fields: vec![
            Field::new("amount", label, FieldKind::Input("text"), &amount)
                .required()
                .error(wrong),
            Field::new(
                "reason",
                "Reason",
                FieldKind::Select(Choice::list(&REASONS, &typed.reason)),
                "",
            ),
            Field::new(
                "note",
                "Note for colleagues (optional)",
                FieldKind::Textarea(3),
                &typed.note,
            ),
        ]
        .into_iter()
        .chain(has_invoice.then_some(credit_note))
        .collect(),
        ..form
    }
}

fn review(app: &App, form: FormPage, look: &Preview, typed: &Typed) -> FormPage {
    let credits = |credits: domain::money::Credits| format::credits(credits.micros());
    let back = shown(look.money_back);
    FormPage {
        title: format!("Refund {back}?"),
        label: format!("Refund {back}"),
        danger: true,
        facts: vec![
            Fact::new("Paid", shown(look.paid)),
            Fact::new("Already refunded", shown(look.refunded)),
            Fact::total("Refund amount", back),
            Fact::new("Credits taken", credits(look.credits_taken)),
            Fact::new("Available afterwards", credits(look.available_after)),
            Fact::new("Debt afterwards", credits(look.debt_after)),
        ],
        hidden: vec![
            ("amount", look.money_back.decimal_text()),
            ("reason", typed.reason.clone()),
            ("note", typed.note.clone()),
            ("refunded", look.refunded.decimal_text()),
            ("credit_note", typed.credit_note.clone()),
            ("attempt", app.new_id("att")),
        ],
        ..form
    }
}

/// `POST /admin/refunds/{payment}`: makes the previewed refund, once.
pub async fn make(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(payment): Path<String>,
    Fields(typed): Fields<Typed>,
) -> HttpResult<Response> {
    if typed.attempt.is_empty() || typed.refunded.is_empty() {
        // Nothing is refunded that wasn't previewed first.
        let typed = Typed {
            review: "1".to_owned(),
            ..typed
        };
        return page(&app, &operator, &payment, &typed).await;
    }
    let ask = NewRefund {
        payment,
        amount: Some(typed.amount),
        reason: typed.reason,
        note: Some(typed.note),
        refunded: Some(typed.refunded),
        credit_note: !typed.credit_note.is_empty(),
        actor: operator.public_id,
    };
    let made = refunds::make(&app, &ask, &typed.attempt).await?;
    let to = format!("/admin/accounts/{}?done=refunded", made.account.public_id);
    Ok(Redirect::to(&to).into_response())
}
