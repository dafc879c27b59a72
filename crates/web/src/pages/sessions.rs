//! `/dashboard/sessions`: the reader's sessions, and how to end them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use billing::actors::{SignedIn, Visitor};
use billing::app::App;
use billing::people::sessions::{ThisSession, end_one, end_others, of};
use views::components::Badge;
use views::format;
use views::layout::Nav;
use views::sessions::{SESSIONS, SessionRow, SessionsPage, end_action, end_others_action};

use crate::frame::{account_shell, page};
use crate::http::error::HttpResult;

/// `GET /dashboard/sessions`
pub async fn show(
    State(app): State<App>,
    caller: SignedIn,
    this: ThisSession,
) -> HttpResult<Response> {
    let rows = of(&app, caller.user.id, this).await?;
    let row = |(session, is_this): (store::sessions::Session, bool)| SessionRow {
        agent: in_short(&session.user_agent),
        badge: is_this.then(|| Badge::accent("This device")),
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

/// The browser's name from its user agent; the whole user agent if the browser is unknown.
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
