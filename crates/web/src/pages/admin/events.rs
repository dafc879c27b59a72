//! `/admin/events`: all webhook events from Stripe, and their outcome.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::books::figures;
use billing::operators::accounts::EVENTS_MAX;
use billing::operators::events;
use domain::figures::Figures;
use domain::time::Timestamp;
use serde::Deserialize;
use store::Tx;
use store::accounts::Account;
use store::events::{Event, EventState};
use views::admin::events::{EventRow, EventsPage};
use views::admin::parts::{address, set};
use views::components::{Action, Choice, Stat, Tab};
use views::confirm::ConfirmPage;
use views::icons::Icon;
use views::layout::Nav;
use views::{format, labels};

use crate::frame;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::lists::List;
use crate::pages::admin::{ROWS_READ, accounts, operator_shell, page_of};

/// The search form as submitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    #[serde(rename = "type")]
    kind: String,
    state: String,
    from: String,
}

impl Search {
    fn from(&self) -> Option<Timestamp> {
        set(&self.from).and_then(domain::time::parse)
    }

    fn address(&self) -> String {
        let parts = [
            ("q", self.q.as_str()),
            ("type", &self.kind),
            ("state", &self.state),
            ("from", &self.from),
        ];
        address("/admin/events", &parts)
    }
}

/// `GET /admin/events`.
pub async fn show(
    State(app): State<App>,
    operator: Operator,
    Params(search): Params<Search>,
    list: List<1>,
) -> HttpResult<Html<String>> {
    let before = list.before();
    let wanted = search.clone();
    let now = app.real_now();
    let read = move |tx: &mut Tx<'_>| {
        let filter = store::events::Filter {
            state: set(&wanted.state),
            kind: set(&wanted.kind),
            account_id: None,
            about: set(&wanted.q),
            from: wanted.from(),
        };
        let rows = store::events::list(tx, &filter, before, ROWS_READ)?;
        let accounts = accounts(tx, rows.iter().filter_map(|row| row.account_id))?;
        let counts = store::events::count_by_state(tx)?;
        Ok((rows, accounts, counts, store::events::latest(tx)?))
    };
    let (figures, read) = figures::of_with(&app, read).await?;
    let (mut rows, accounts, counts, latest) = read;
    let pager = page_of(&mut rows, &search.address(), before.is_none(), |row| {
        vec![row.n]
    });
    let failed = counts
        .iter()
        .find(|(state, _)| *state == EventState::Parked);
    let failed = failed.map_or(0, |(_, count)| *count).unsigned_abs();
    let label = format!("Replay failed ({failed})");
    let all = Action::link(label, "/admin/events/replay").icon(Icon::Replay);
    frame::html(&EventsPage {
        shell: operator_shell(&app, &operator.0, Nav::AdminEvents),
        stats: stats(&figures, latest.as_ref(), now),
        tabs: tabs(&search, &counts),
        q: search.q.clone(),
        types: types(&search.kind),
        rows: rows.iter().map(|row| shown(row, &accounts)).collect(),
        pager,
        replay_failed: operator
            .may(Right::Replay)
            .then_some(all)
            .filter(|_| failed > 0),
    })
}

fn stats(figures: &Figures, latest: Option<&Event>, now: Timestamp) -> Vec<Stat> {
    let Some(latest) = latest else {
        return Vec::new();
    };
    let seconds = (now.seconds() - latest.received_at.seconds()).max(0);
    let age = match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    };
    let share = figures.webhooks;
    let percent = share.basis_points().map_or_else(
        || "\u{2013}".to_owned(),
        |points| format!("{}.{:02}%", points / 100, points % 100),
    );
    let count = |number: i64| format::count(number.unsigned_abs());
    vec![
        Stat::new("Last event", age, "ago"),
        Stat::new("Handled, last 30 days", count(share.whole), ""),
        Stat::new("Processed", percent, "of those"),
        Stat::new("Needs attention", count(figures.events_parked), ""),
    ]
}

/// `GET /admin/events/replay`: lists the failed events and asks to confirm before all are retried.
pub async fn ask_replay(
    State(app): State<App>,
    Operator(operator): Operator,
) -> HttpResult<Html<String>> {
    let (failed, parked) = app
        .read(|tx| {
            let failed = events::failed(tx)?;
            Ok((failed, store::sync::parked(tx, EVENTS_MAX)?.len()))
        })
        .await?;
    let count = failed.len() as u64;
    let title = format!(
        "Replay {}?",
        format::counted(count, "failed event", "failed events")
    );
    let points = failed
        .iter()
        .take(10)
        .map(|event| format!("{}, {}", event.kind, event.event_id))
        .chain((count > 10).then(|| format!("and {} more", count - 10)))
        .collect();
    let shell = operator_shell(&app, &operator, Nav::AdminEvents);
    let back = Action::link("Not now", "/admin/events");
    frame::html(&ConfirmPage {
        text: format!(
            "Each is retried: we fetch its account from Stripe and update it to match. Accounts \
             that already match don't change. {} whose sync failed {} retried too.",
            format::counted(parked as u64, "account", "accounts"),
            if parked == 1 { "is" } else { "are" }
        )
        .into(),
        points,
        ..ConfirmPage::new(shell, title, "Replay them", "/admin/events/replay", back)
    })
}

/// `POST /admin/events/replay`
pub async fn replay_all(
    State(app): State<App>,
    Operator(operator): Operator,
) -> HttpResult<Response> {
    events::replay_failed(&app, &operator.public_id).await?;
    Ok(Redirect::to("/admin/events").into_response())
}

fn tabs(search: &Search, counts: &[(EventState, i64)]) -> Vec<Tab> {
    let states = [
        ("All", ""),
        ("Waiting", "received"),
        ("Without account", "unmatched"),
        ("Parked", "parked"),
        ("Processed", "done"),
        ("Ignored", "ignored"),
    ];
    let tab = |(label, state): (&str, &str)| {
        let count = counts
            .iter()
            .find(|(known, _)| known.word() == state)
            .map_or(0, |(_, count)| *count);
        Tab {
            label: label.to_owned(),
            count: (!state.is_empty()).then(|| format::count(count.unsigned_abs())),
            href: Search {
                state: state.to_owned(),
                ..search.clone()
            }
            .address(),
            current: search.state == state,
        }
    };
    states.into_iter().map(tab).collect()
}

fn types(current: &str) -> Vec<Choice> {
    let handled = billing::sync::HANDLED_EVENTS
        .iter()
        .map(|kind| (*kind, *kind));
    let all: Vec<(&str, &str)> = std::iter::once(("", "Any type")).chain(handled).collect();
    Choice::list(&all, current)
}

fn shown(row: &Event, accounts: &HashMap<i64, Account>) -> EventRow {
    let account = row.account_id.and_then(|id| accounts.get(&id));
    EventRow {
        id: row.event_id.clone(),
        kind: row.kind.clone(),
        object: row.object_id.clone().unwrap_or_default(),
        account: account.map(|a| (a.name.clone(), format!("/admin/accounts/{}", a.public_id))),
        received: format::second(row.received_at.micros()),
        attempts: format::count(row.attempts.unsigned_abs()),
        badge: labels::event_badge(row.state.word()),
    }
}
