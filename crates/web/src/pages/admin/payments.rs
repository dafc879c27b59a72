//! `/admin/payments/{payment}`: decides what a payment was for that brought neither credits nor a
//! plan. The effect is previewed first.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use billing::actors::{Operator, Visitor};
use billing::app::App;
use billing::error::{Error, Result};
use billing::operators::payments::{self, Decision, OpenPayment};
use domain::amounts::amount as shown;
use serde::Deserialize;
use views::admin::parts::{Field, FieldKind, FormPage};
use views::components::{Choice, Fact, Prose};
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::pages::admin::operator_shell;

/// Values of the form's field besides `pack:CREDITS`.
const PROPOSED: &str = "proposed";
const OTHER: &str = "other";
const ACCEPT: &str = "accept";

/// The form as submitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    decision: String,
    review: String,
}

/// `GET /admin/payments/{payment}`: the form; with `review`, what the decision does.
pub async fn ask(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(payment): Path<String>,
    Params(typed): Params<Typed>,
) -> HttpResult<Response> {
    let open = payments::find(&app, &payment).await?;
    let form = form(&app, &operator, &open);
    let page = if typed.review.is_empty() {
        questions(&app, form, &open)
    } else {
        review(form, &open, &decision(&app, &open, &typed)?, &typed)
    };
    frame::page(StatusCode::OK, &page)
}

/// `POST /admin/payments/{payment}`: carries the decision out.
pub async fn decide(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(payment): Path<String>,
    Fields(typed): Fields<Typed>,
) -> HttpResult<Response> {
    let open = payments::find(&app, &payment).await?;
    let decision = decision(&app, &open, &typed)?;
    payments::decide(&app, &open, &decision, &operator.public_id).await?;
    let to = format!("/admin/accounts/{}?done=recorded", open.account.public_id);
    Ok(Redirect::to(&to).into_response())
}

fn decision(app: &App, open: &OpenPayment, typed: &Typed) -> Result<Decision> {
    let unknown = || Error::field("decision", "Choose what the payment was for.");
    match typed.decision.as_str() {
        PROPOSED => open.proposed.map(Decision::Pack).ok_or_else(unknown),
        OTHER => Ok(Decision::OtherProduct),
        ACCEPT => Ok(Decision::Accept),
        pack => {
            let credits = pack
                .strip_prefix("pack:")
                .and_then(|text| text.parse().ok());
            Ok(Decision::Pack(payments::pack(
                app,
                credits.ok_or_else(unknown)?,
            )?))
        }
    }
}

fn form(app: &App, operator: &Visitor, open: &OpenPayment) -> FormPage {
    let shell = operator_shell(app, operator, Nav::AdminTransactions);
    let crumb = (
        open.account.name.clone(),
        format!("/admin/accounts/{}", open.account.public_id),
    );
    let here = format!("/admin/payments/{}", open.row.public_id);
    FormPage {
        text: Prose::new(format!("{} paid on ", shown(open.paid())))
            .time(format::day(open.row.occurred_at.micros()))
            .text(", ")
            .code(&open.payment)
            .text(". It brought neither credits nor a plan."),
        ..FormPage::new(shell, crumb, "", "", here)
    }
}

fn questions(app: &App, form: FormPage, open: &OpenPayment) -> FormPage {
    let mut choices: Vec<(String, String)> = Vec::new();
    if let Some(sold) = open.proposed {
        let credits = format::credits(sold.credits.micros());
        choices.push((
            PROPOSED.to_owned(),
            format!("{credits} credits, as Stripe says"),
        ));
    }
    for pack in app.catalog().packs {
        let credits = format::count(pack.credits.unsigned_abs());
        let price = shown(pack.price);
        choices.push((
            format!("pack:{}", pack.credits),
            format!("The pack of {credits} credits, sold for {price}"),
        ));
    }
    choices.push((OTHER.to_owned(), "Another product".to_owned()));
    choices.push((ACCEPT.to_owned(), "Ours, without credits".to_owned()));
    let choices: Vec<(&str, &str)> = choices
        .iter()
        .map(|(value, label)| (value.as_str(), label.as_str()))
        .collect();
    FormPage {
        title: "What was this payment for?".to_owned(),
        label: "Preview".to_owned(),
        method: "get",
        hidden: vec![("review", "1".to_owned())],
        fields: vec![
            Field::new(
                "decision",
                "It was for",
                FieldKind::Select(Choice::list(&choices, "")),
                "",
            )
            .required(),
        ],
        ..form
    }
}

fn review(form: FormPage, open: &OpenPayment, decision: &Decision, typed: &Typed) -> FormPage {
    let effect = match decision {
        Decision::Pack(_) => "Grant the credits",
        Decision::OtherProduct => "Record it as another product's",
        Decision::Accept => "Accept it without credits",
    };
    FormPage {
        title: format!("{effect}?"),
        label: effect.to_owned(),
        facts: vec![
            Fact::new("Paid", shown(open.paid())),
            Fact::new("The payment", decision.text()),
        ],
        hidden: vec![("decision", typed.decision.clone())],
        ..form
    }
}
