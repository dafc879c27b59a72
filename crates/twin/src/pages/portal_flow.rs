//! The pages of portal sessions that lead to one task, and what follows it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::format::{day, money, per};
use super::{message, not_found, page, refused, see_other};
use crate::app::App;
use crate::core::{AfterFlow, FlowView, PayError, PlanChangeView, PortalTask, PortalView};

pub(super) const UNKNOWN: &str = "This portal session doesn't exist.";

#[derive(Template)]
#[template(path = "portal_confirm.html")]
struct ConfirmPage {
    sentence: String,
    lines: Vec<(&'static str, String)>,
    action: String,
    back_url: String,
}

pub(super) fn address(session: &str) -> String {
    format!("/p/session/{session}")
}

pub(super) fn view_of(app: &App, session: &str) -> Option<PortalView> {
    app.read(|core| core.portal_view(session))
}

/// Redirects to the portal or to what follows the task of the session, or shows why the action
/// failed.
pub(super) fn after<T>(app: &App, done: Result<T, PayError>, session: &str) -> Response {
    let here = address(session);
    match done {
        Ok(_) => {
            let view = view_of(app, session);
            let elsewhere = view.and_then(|view| match view.flow.as_ref()?.after {
                AfterFlow::Redirect(_) => instead_of_homepage(&view, &here),
                _ => None,
            });
            elsewhere.unwrap_or_else(|| see_other(&here))
        }
        Err(error) => refused(&error, &here),
    }
}

/// Where a session leads instead of the homepage of the portal, if it leads elsewhere.
pub(super) fn instead_of_homepage(view: &PortalView, here: &str) -> Option<Response> {
    let flow = view.flow.as_ref()?;
    if !flow.is_done {
        return Some(see_other(&page_of(flow, here)));
    }
    match &flow.after {
        AfterFlow::Homepage => None,
        AfterFlow::Redirect(url) => Some(see_other(url)),
        AfterFlow::Confirmation(said) => {
            let text = said
                .as_deref()
                .unwrap_or("You don't need to do anything else.");
            let link = view.return_url.as_deref().map(|url| (url, "Return"));
            Some(message(StatusCode::OK, title_of(flow.task), text, link))
        }
    }
}

/// The page of a task.
fn page_of(flow: &FlowView, here: &str) -> String {
    let about = |step: &str| {
        let subscription = flow.subscription.as_deref().unwrap_or_default();
        format!("{here}/{step}?subscription={subscription}")
    };
    match flow.task {
        PortalTask::UpdateCard => format!("{here}/card"),
        PortalTask::Cancel | PortalTask::Resume => about("cancel"),
        PortalTask::SwitchPlan => about("plan"),
        PortalTask::ConfirmChange => format!("{here}/confirm"),
    }
}

fn title_of(task: PortalTask) -> &'static str {
    match task {
        PortalTask::UpdateCard => "Your card was updated",
        PortalTask::Cancel => "Your plan was canceled",
        PortalTask::Resume => "Your plan continues",
        PortalTask::SwitchPlan | PortalTask::ConfirmChange => "Your plan was updated",
    }
}

/// Where a session leads instead of the page of another task.
pub(super) fn instead_of(
    view: &PortalView,
    task: PortalTask,
    subscription: Option<&str>,
    here: &str,
) -> Option<Response> {
    let flow = view.flow.as_ref()?;
    (!flow.allows(task, subscription)).then(|| see_other(here))
}

/// Where the page of a task leads back to: the portal, or the merchant if the session leads to this
/// task only.
pub(super) fn back_of(view: &PortalView, here: &str) -> String {
    match &view.flow {
        Some(flow) if !flow.is_done => view.return_url.clone().unwrap_or_default(),
        _ => here.to_owned(),
    }
}

/// `GET /p/session/{session}/confirm`
pub(crate) async fn ask_confirm(State(app): State<App>, Path(session): Path<String>) -> Response {
    let Some(view) = view_of(&app, &session) else {
        return not_found(UNKNOWN);
    };
    let here = address(&session);
    if let Some(response) = instead_of(&view, PortalTask::ConfirmChange, None, &here) {
        return response;
    }
    match view.flow.as_ref().and_then(|flow| flow.change.as_ref()) {
        Some(change) => page(StatusCode::OK, &confirm_page(change, &view, &here)),
        None => see_other(&here),
    }
}

fn confirm_page(change: &PlanChangeView, view: &PortalView, here: &str) -> ConfirmPage {
    let sentence = match change.starts_at {
        Some(at) => format!("The change takes effect on {}.", day(at)),
        None => "The change takes effect immediately.".to_owned(),
    };
    let interval = per(Some(&change.interval), change.interval_count);
    let price = format!("{}{interval}", money(change.amount, &change.currency));
    let mut lines = vec![
        ("Current plan", change.old_name.clone()),
        ("New plan", change.name.clone()),
        ("Quantity", change.quantity.to_string()),
        ("Price", price),
    ];
    if let Some(name) = &change.discount {
        lines.push(("Discount", name.clone()));
    }
    ConfirmPage {
        sentence,
        lines,
        action: format!("{here}/confirm"),
        back_url: back_of(view, here),
    }
}

/// `POST /p/session/{session}/confirm`
pub(crate) async fn confirm(State(app): State<App>, Path(session): Path<String>) -> Response {
    let done = app.change(|core, now| core.portal_confirm(&session, now));
    after(&app, done, &session)
}
