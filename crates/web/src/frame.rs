//! Turns a view into a response: fills the layout for the current visitor and renders templates.

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use billing::actors::{SignedIn, Visitor};
use billing::app::App;
use billing::error::{BILLING_OFF, Error, inactive};
use views::Template;
use views::components::{Action, Banner, Kind};
use views::error::ErrorPage;
use views::layout::{AccountLink, Nav, Page, Shell, TestMode, Viewer, initials};
use views::links::Links;

use crate::http::callers::ACCOUNT_CHOICE;
use crate::http::error::{HttpError, HttpResult};

/// The page, rendered as HTML.
pub fn html(page: &impl Page) -> HttpResult<Html<String>> {
    Ok(page.html().map(Html).map_err(Error::bug)?)
}

/// Links for the caller's pages. If the caller has several accounts, they name the current one.
fn links(caller: &SignedIn) -> Links {
    match caller.places.len() {
        0 | 1 => Links::default(),
        _ => Links::for_account(&caller.account.public_id),
    }
}

/// Redirects to another page about the caller's account.
pub fn redirect(caller: &SignedIn, path: &str) -> Redirect {
    Redirect::to(&links(caller).to(path))
}

/// A fragment of a page, rendered without layout, for other sites to embed.
pub fn part(part: &impl Template) -> HttpResult<Html<String>> {
    Ok(part.render().map(Html).map_err(Error::bug)?)
}

/// A rendered page with its own status, such as a refused form or a missing object.
pub fn page(status: StatusCode, page: &impl Page) -> HttpResult<Response> {
    Ok((status, html(page)?).into_response())
}

/// The layout of a page that doesn't require a sign-in.
pub fn public_shell(app: &App, visitor: Option<&Visitor>, active: Nav) -> Shell {
    let product = &app.settings.service.name;
    let mut shell = match visitor {
        Some(visitor) => Shell::signed_in(product, viewer(visitor, &visitor.name, ""), active),
        None => Shell::public(product).at(active),
    };
    dress(app, &mut shell);
    shell
}

/// The layout of a page about an account.
pub fn account_shell(app: &App, caller: &SignedIn, active: Nav) -> Shell {
    let mut viewer = viewer(&caller.user, &caller.account.name, caller.role.word());
    viewer.accounts = accounts(caller);
    let mut shell = Shell::signed_in(&app.settings.service.name, viewer, active);
    dress(app, &mut shell);
    shell.links = links(caller);
    shell.billing_enabled = app.settings.billing.is_on_for(&caller.account);
    if let Some(told) = inactive(caller.account.status) {
        let title = format!("This account is {}", caller.account.status);
        shell.flash = Some(Banner::new(Kind::Bad, title, told));
    }
    shell
}

/// Maximum number of accounts in the menu; the members page lists the others.
const MENU_ACCOUNTS_MAX: usize = 8;

/// The accounts to choose from, if the caller has several.
fn accounts(caller: &SignedIn) -> Vec<AccountLink> {
    if caller.places.len() < 2 {
        return Vec::new();
    }
    let link = |place: &store::users::Place| AccountLink {
        name: place.name.clone(),
        href: format!("/dashboard?account={}", place.public_id),
        current: place.account_id == caller.account.id,
    };
    let mut links: Vec<AccountLink> = caller.places.iter().map(link).collect();
    // The current account is always shown.
    links.sort_by_key(|link| !link.current);
    links.truncate(MENU_ACCOUNTS_MAX);
    links
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
        email: visitor.email.clone(),
        initials: initials(&visitor.name),
        role: role.to_owned(),
        is_admin: visitor.is_operator(),
        events_failed: 0,
        accounts: Vec::new(),
    }
}

/// What every layout shows: whether billing is on, the docs link, and the test mode notice.
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

/// An error page. Its links keep the account that the request named, if any.
pub fn error_page(
    app: &App,
    error: &HttpError,
    account: Option<String>,
    request_id: &str,
) -> String {
    let problem = &error.error.0;
    let advice = advice(error.status.as_u16(), problem.code);
    let mut shell = Shell::public(&app.settings.service.name);
    shell.links = account.map_or_else(Links::default, Links::for_account);
    dress(app, &mut shell);
    if problem.code == BILLING_OFF {
        let page = ErrorPage::billing_is_off(shell).request(request_id);
        return page.html().unwrap_or_else(|_| problem.detail.clone());
    }
    let page = ErrorPage::new(
        shell,
        error.status.as_u16(),
        problem.code,
        error.title,
        problem.detail.clone(),
    )
    .request(request_id);
    let mut page = page;
    page.advice = advice.to_owned();
    page.actions = match problem.code {
        ACCOUNT_CHOICE => choices(&error.error),
        code => vec![way_on(app, code).primary()],
    };
    page.html().unwrap_or_else(|_| problem.detail.clone())
}

/// Advice on an error, by its code if that is more specific than its status.
fn advice(status: u16, code: &str) -> &'static str {
    match (status, code) {
        (403, "cross_site") => "Go back to our site and try again there.",
        (403, "not_an_operator" | "role" | "viewer_only" | "credits_limit") => "Ask an admin.",
        (403, _) => "Ask an owner of this account.",
        (404, _) => "Check the address, or start from your billing page.",
        (409, _) => "Reload the page to see the current state, then try again.",
        (429, _) => "Wait a moment, then try again.",
        (502..=504, _) => "Nothing was charged. Try again in a moment.",
        (500, _) => "Try again. If it keeps failing, send us the request id.",
        _ => "Go back, correct it and try again.",
    }
}

/// Links to the accounts that a refused request could have meant.
fn choices(error: &Error) -> Vec<Action> {
    let accounts = error.0.fields.get("accounts");
    let accounts = accounts.and_then(serde_json::Value::as_array);
    let link = |account: &serde_json::Value| {
        let (id, name) = (account["id"].as_str()?, account["name"].as_str()?);
        let href = format!("/dashboard?account={id}");
        Some(Action::link(format!("Continue as {name}"), href))
    };
    accounts.into_iter().flatten().filter_map(link).collect()
}

fn way_on(app: &App, code: &str) -> Action {
    match code {
        "link_over" => Action::link("Request a new link", "/login"),
        _ if app.settings.billing.enabled => Action::link("Go to billing", "/dashboard/billing"),
        _ => Action::link("Go to usage", "/dashboard/usage"),
    }
}
