//! `/` and `/dashboard`: redirects to the visitor's start page.

use axum::extract::State;
use axum::response::Redirect;
use billing::actors::SignedIn;
use billing::app::App;

use crate::frame::redirect;
use crate::http::callers::MaybeVisitor;
use crate::http::error::HttpResult;

/// `GET /`: the prices for visitors who aren't signed in, the account for others.
pub async fn show(State(app): State<App>, MaybeVisitor(visitor): MaybeVisitor) -> Redirect {
    match visitor {
        None => Redirect::to("/pricing"),
        Some(_) => Redirect::to(home(app.settings.billing.enabled)),
    }
}

/// `GET /dashboard`: the first page of the account; without a session, the sign-in.
pub async fn dashboard(State(app): State<App>, caller: SignedIn) -> HttpResult<Redirect> {
    let home = home(app.settings.billing.is_on_for(&caller.account));
    Ok(redirect(&caller, home))
}

fn home(is_on: bool) -> &'static str {
    if is_on {
        "/dashboard/billing"
    } else {
        "/dashboard/usage"
    }
}
