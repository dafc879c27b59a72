//! `/dashboard/sessions`: where the reader is signed in, and the end of it.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};

use super::components::{Action, Badge};
use super::format::{self, When};
use super::icons::Icon;
use super::layout::{Nav, Shell};
use super::serve::{account_shell, page};
use crate::actors::{SignedIn, Visitor};
use crate::api::sessions::{ThisSession, end_one, end_others, of};
use crate::app::App;
use crate::http::error::HttpResult;

/// This page.
const SESSIONS: &str = "/dashboard/sessions";

/// The signed-in places.
#[derive(Clone, Debug, Template)]
#[template(path = "sessions.html")]
pub struct SessionsPage {
    /// The frame.
    pub shell: Shell,
    /// The latest seen first.
    pub rows: Vec<SessionRow>,
    /// Ends all others; none when there are none.
    pub end_others: Option<Action>,
}

/// One signed-in place.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// What the browser calls itself, in short.
    pub agent: String,
    /// "This one"; none for the others.
    pub badge: Option<Badge>,
    /// When it began.
    pub began: When,
    /// When it was last seen.
    pub seen: When,
    /// Ends it; none for this one, which is signed out.
    pub end: Option<Action>,
}

/// `GET /dashboard/sessions`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    this: ThisSession,
) -> HttpResult<Response> {
    let rows = of(&app, caller.user.id, this).await?;
    let row = |(session, is_this): (store::sessions::Session, bool)| SessionRow {
        agent: in_short(&session.user_agent),
        badge: is_this.then(|| Badge::accent("This one")),
        began: format::moment(session.created_at.micros()),
        seen: format::moment(session.last_seen_at.micros()),
        end: (!is_this).then(|| end_action(session.id)),
    };
    let rows: Vec<SessionRow> = rows.into_iter().map(row).collect();
    let has_others = rows.iter().any(|row| row.end.is_some());
    let view = SessionsPage {
        shell: account_shell(&app, &caller, Nav::Sessions),
        end_others: has_others.then(end_others_action),
        rows,
    };
    page(StatusCode::OK, &view)
}

fn end_action(id: i64) -> Action {
    Action::post("End", format!("{SESSIONS}/ses_{id}/end")).small()
}

fn end_others_action() -> Action {
    Action::post("End all others", format!("{SESSIONS}/end-others"))
}

/// A browser's name out of what it says of itself; the whole of it where none is known.
fn in_short(agent: &str) -> String {
    let browsers = [
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ];
    let known = |list: &[(&str, &'static str)]| {
        let found = list.iter().find(|(mark, _)| agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    match (known(&browsers), known(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if agent.is_empty() => "Unknown".to_owned(),
        (None, None) => agent.chars().take(60).collect(),
    }
}

/// `POST /dashboard/sessions/{id}/end`
pub async fn end(
    State(app): State<App>,
    user: Visitor,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    end_one(&app, user.id, &id).await?;
    Ok(Redirect::to(SESSIONS))
}

/// `POST /dashboard/sessions/end-others`
pub async fn others(
    State(app): State<App>,
    user: Visitor,
    this: ThisSession,
) -> HttpResult<Redirect> {
    end_others(&app, user.id, this).await?;
    Ok(Redirect::to(SESSIONS))
}

impl SessionsPage {
    /// One place, several, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use super::samples::{self, EVIL, NOW};

        let row = |agent: &str, is_this: bool| SessionRow {
            agent: agent.to_owned(),
            badge: is_this.then(|| Badge::accent("This one")),
            began: format::moment(NOW),
            seen: format::moment(NOW),
            end: (!is_this).then(|| end_action(7)),
        };
        let one = Self {
            shell: samples::customer(Nav::Sessions),
            rows: vec![row("Firefox on Linux", true)],
            end_others: None,
        };
        let several = Self {
            rows: vec![
                row("Firefox on Linux", true),
                row("Chrome on Android", false),
            ],
            end_others: Some(end_others_action()),
            ..one.clone()
        };
        let worst = Self {
            shell: samples::worst(Nav::Sessions),
            rows: vec![row(EVIL, false); 30],
            end_others: Some(end_others_action()),
        };
        vec![("one", one), ("several", several), ("worst", worst)]
    }
}

#[cfg(test)]
mod tests {
    use super::in_short;

    #[test]
    fn a_browser_is_named_in_few_words() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert_eq!(in_short(firefox), "Firefox on Linux");
        assert_eq!(in_short("curl/8.5.0"), "curl");
        assert_eq!(in_short(""), "Unknown");
        assert_eq!(in_short("test"), "test");
    }
}
