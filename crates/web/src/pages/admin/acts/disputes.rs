//! Deciding whether a plan continues after the dispute about its payment was lost.

use axum::response::Response;
use billing::error::{Error, Result};
use billing::operators::disputes;
use serde::Deserialize;
use store::disputes::Decision;
use views::admin::parts::{Field, FieldKind, FormPage};
use views::components::{Choice, Fact};

use super::{OperatorRequest, shown};
use crate::http::error::HttpResult;
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::rows::money::of_row;

const CHOICES: [(&str, &str); 2] = [
    ("keep", "Keep the plan"),
    ("end", "End the plan now, without a refund"),
];

/// The fields of the form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Deciding {
    dispute: String,
    plan: String,
}

/// `GET /admin/accounts/{id}/dispute?dispute=`
pub async fn ask_dispute(
    request: OperatorRequest,
    Params(typed): Params<Deciding>,
) -> HttpResult<Response> {
    shown(&page(&request, &typed).await?)
}

async fn page(request: &OperatorRequest, typed: &Deciding) -> Result<FormPage> {
    let (account, id) = (request.account.id, typed.dispute.clone());
    let found = request
        .app
        .read(move |tx| store::disputes::find(tx, account, &id))
        .await?;
    let found = found.filter(|dispute| dispute.decision() == Some(Decision::Asked));
    let dispute = found.ok_or_else(|| Error::not_found("There is nothing to decide here."))?;
    let words = ("Does the plan continue?", "Record the decision");
    let mut page = request.form(words, "dispute", "");
    page.text =
        "The bank took the payment back, and its credits were taken back with it. The plan \
                 continues until you decide, and Stripe renews it."
            .into();
    let lost = of_row(dispute.amount_minor, &dispute.currency);
    page.facts = vec![
        Fact::new("Dispute", dispute.dispute_id.clone()),
        Fact::new("Lost", domain::amounts::amount(lost)),
    ];
    let choices = FieldKind::Select(Choice::list(&CHOICES, &typed.plan));
    page.fields = vec![Field::new("plan", "Decision", choices, "")];
    page.hidden.push(("dispute", dispute.dispute_id));
    Ok(page)
}

/// `POST /admin/accounts/{id}/dispute`
pub async fn dispute(
    request: OperatorRequest,
    Fields(typed): Fields<Deciding>,
) -> HttpResult<Response> {
    let (account, dispute) = (request.account.id, typed.dispute.clone());
    let found = request
        .app
        .read(move |tx| store::disputes::find(tx, account, &dispute))
        .await?;
    found.ok_or_else(|| Error::not_found("There is nothing to decide here."))?;
    let actor = (request.operator.public_id.as_str(), "");
    let decided = disputes::decide(&request.app, &typed.dispute, &typed.plan, actor).await;
    request
        .after(decided, "decided", page(&request, &typed))
        .await
}
