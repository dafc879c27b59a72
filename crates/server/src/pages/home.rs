//! `/` and `/dashboard`: where somebody who names no page goes.

use axum::extract::State;
use axum::response::Redirect;

use crate::app::App;
use crate::http::callers::MaybeVisitor;

/// `GET /`: strangers see what is sold, the others their account.
pub async fn show(State(app): State<App>, MaybeVisitor(visitor): MaybeVisitor) -> Redirect {
    match visitor {
        None => Redirect::to("/pricing"),
        Some(_) => dashboard(State(app)).await,
    }
}

/// `GET /dashboard`
pub async fn dashboard(State(app): State<App>) -> Redirect {
    let is_on = app.settings.billing.enabled;
    Redirect::to(if is_on {
        "/dashboard/billing"
    } else {
        "/dashboard/usage"
    })
}
