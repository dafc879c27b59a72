//! Unfinished requests to Stripe: trying one again, and ending one that was settled another way.

use axum::extract::Path;
use axum::response::Response;
use billing::error::Result;
use billing::operators::{reason, unfinished};
use views::admin::parts::{Field, FormPage};

use super::{Acting, OperatorRequest, shown};
use crate::http::error::HttpResult;
use crate::http::form::Fields;

/// `POST /admin/accounts/{id}/requests/{request}/retry`
pub async fn retry(
    request: OperatorRequest,
    Path((_, name)): Path<(String, String)>,
) -> HttpResult<Response> {
    let actor = &request.operator.public_id;
    let is_done = unfinished::retry(&request.app, &request.account, &name, actor).await?;
    Ok(request.done(if is_done { "finished" } else { "delayed" }))
}

/// `GET /admin/accounts/{id}/requests/{request}/dismiss`
pub async fn ask_dismiss(
    request: OperatorRequest,
    Path((_, name)): Path<(String, String)>,
) -> HttpResult<Response> {
    shown(&dismiss_page(&request, &name, &Acting::default()))
}

fn dismiss_page(request: &OperatorRequest, name: &str, typed: &Acting) -> FormPage {
    let words = ("Was it settled another way?", "End the request");
    let action = format!("requests/{name}/dismiss");
    let mut page = request.form(words, &action, &typed.attempt);
    page.text = "It is not tried again. Only do this after the customer has their money, or when \
                 nothing is owed any more."
        .into();
    page.fields = vec![Field::reason(&typed.reason)];
    page.danger = true;
    page
}

/// `POST /admin/accounts/{id}/requests/{request}/dismiss`
pub async fn dismiss(
    request: OperatorRequest,
    Path((_, name)): Path<(String, String)>,
    Fields(typed): Fields<Acting>,
) -> HttpResult<Response> {
    let ended: Result<()> = async {
        let reason = reason::read_reason(&typed.reason)?;
        let actor = &request.operator.public_id;
        unfinished::dismiss(&request.app, &request.account, &name, &reason, actor).await
    }
    .await;
    let again = async { Ok(dismiss_page(&request, &name, &typed)) };
    request.after(ended, "settled", again).await
}
