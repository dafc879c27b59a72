//! From a view to an answer: the frame filled from who is looking, and templates rendered.

use askama::Template;
use axum::response::Html;

use super::components::Action;
use super::error::ErrorPage;
use super::layout::{Nav, Shell, TestMode, Viewer, initials};
use crate::app::App;
use crate::http::callers::{SignedIn, Visitor};
use crate::http::error::{Error, Result};

/// A rendered page.
pub fn html(page: &impl Template) -> Result<Html<String>> {
    page.render().map(Html).map_err(Error::bug)
}

/// The frame of a page for anybody.
pub fn public_shell(app: &App, visitor: Option<&Visitor>, active: Nav) -> Shell {
    let product = &app.settings.service.name;
    let mut shell = match visitor {
        Some(visitor) => Shell::signed_in(product, viewer(visitor, &visitor.name, ""), active),
        None => Shell::public(product).at(active),
    };
    dress(app, &mut shell);
    shell
}

/// The frame of a page about an account.
pub fn account_shell(app: &App, caller: &SignedIn, active: Nav) -> Shell {
    let viewer = viewer(&caller.user, &caller.account.name, &caller.role);
    let mut shell = Shell::signed_in(&app.settings.service.name, viewer, active);
    dress(app, &mut shell);
    shell
}

fn viewer(visitor: &Visitor, account_name: &str, role: &str) -> Viewer {
    let role = match role {
        "owner" => "Owner",
        "billing" => "Billing",
        "member" => "Member",
        _ if visitor.is_operator() => "Operator",
        _ => "",
    };
    Viewer {
        account_name: account_name.to_owned(),
        mail: visitor.email.clone(),
        initials: initials(&visitor.name),
        role: role.to_owned(),
        is_admin: visitor.is_operator(),
        events_failed: 0,
    }
}

/// What every frame shows: the flag, and that no real money moves.
fn dress(app: &App, shell: &mut Shell) {
    shell.billing_enabled = app.settings.billing.enabled;
    shell.docs_url = Some("/docs".to_owned());
    if app.settings.stripe.is_live() {
        return;
    }
    shell.test_mode = Some(match &app.twin_url {
        Some(twin) => TestMode {
            text: "Test mode: payments go to the built-in Stripe twin. No card is charged."
                .to_owned(),
            link: Some(("Open the twin".to_owned(), format!("{twin}/_twin"))),
        },
        None => TestMode {
            text: "Test mode: Stripe's test keys are in use. No card is charged.".to_owned(),
            link: None,
        },
    });
}

/// The page of an error.
pub fn error_page(app: &App, error: &Error, request_id: &str) -> String {
    let problem = &error.0;
    let advice = match problem.status.as_u16() {
        403 => "Go back to our own page and try it there.",
        404 => "Check the address, or start from your billing page.",
        409 => "Look at your billing page: it shows how things stand.",
        429 => "Wait a moment, then try again.",
        502..=504 => "Nothing was charged. Try again in a moment.",
        500 => "Try again; if it stays, tell us the request id.",
        _ => "Go back, correct it and try again.",
    };
    let mut shell = Shell::public(&app.settings.service.name);
    dress(app, &mut shell);
    let page = ErrorPage::new(
        shell,
        problem.status.as_u16(),
        problem.code,
        problem.title,
        problem.detail.clone(),
    )
    .request(request_id);
    let mut page = page;
    page.advice = advice.to_owned();
    page.actions = vec![Action::link("Go to billing", "/dashboard/billing").primary()];
    page.render().unwrap_or_else(|_| problem.detail.clone())
}
