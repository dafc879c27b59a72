//! `/admin/events`: everything Stripe has sent, and what became of it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use domain::time::Timestamp;
use serde::Deserialize;
use store::accounts::Account;
use store::events::Event;

use super::{ROWS, address, operator_shell, page_of, set};
use crate::actors::Operator;
use crate::actors::roles::Right;
use crate::api::lists::PageParams;
use crate::app::App;
use crate::figures::{self, Figures};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::operators;
use crate::pages::components::{Action, Badge, Choice, Pager, Stat, Tab};
use crate::pages::confirm::ConfirmPage;
use crate::pages::format::When;
use crate::pages::icons::Icon;
use crate::pages::layout::Nav;
use crate::pages::layout::Shell;
use crate::pages::{format, serve, words};

/// The list of webhook events.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/events.html")]
pub struct EventsPage {
    /// The frame.
    pub shell: Shell,
    /// Last event, received, processed, latency, bad signatures; empty leaves the strip out.
    pub stats: Vec<Stat>,
    /// By state.
    pub tabs: Vec<Tab>,
    /// The search, as typed (`q`): event id, object id or account.
    pub q: String,
    /// `type`
    pub types: Vec<Choice>,
    /// Newest first.
    pub rows: Vec<EventRow>,
    /// Older ones.
    pub pager: Pager,
    /// Replays what failed, where something did.
    pub replay_failed: Option<Action>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Stripe's id of it.
    pub id: String,
    /// `checkout.session.completed`
    pub kind: String,
    /// The object it is about: `cs_test_c9Hd`.
    pub object: String,
    /// Whose it is: the name and the page; none while that is not known.
    pub account: Option<(String, String)>,
    /// When it came.
    pub received: When,
    /// How often it was tried.
    pub tries: String,
    /// Its state.
    pub badge: Badge,
}

impl EventRow {
    fn href(&self) -> String {
        format!("/admin/events/{}", self.id)
    }
}

impl EventsPage {
    /// None yet, a page of them, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::pages::layout::Nav;
    use crate::pages::samples::{self, EVIL, LONG, NOW};
    use crate::pages::{format, words};

    pub fn all() -> Vec<(&'static str, EventsPage)> {
        let empty = EventsPage {
            stats: Vec::new(),
            rows: Vec::new(),
            replay_failed: None,
            pager: Pager::default(),
            ..typical()
        };
        let evil = EventRow {
            id: "\"><script>".to_owned(),
            kind: format!("{LONG}.{EVIL}"),
            object: EVIL.to_owned(),
            account: Some((EVIL.to_owned(), "/\"><script>".to_owned())),
            received: format::second(i64::MAX),
            tries: format::count(u64::MAX),
            badge: Badge::bad(EVIL),
        };
        let worst = EventsPage {
            shell: samples::worst(Nav::AdminEvents),
            q: "\"><script>".to_owned(),
            types: Choice::list(&[(EVIL, EVIL)], EVIL),
            rows: vec![evil; 50],
            ..typical()
        };
        vec![("empty", empty), ("typical", typical()), ("worst", worst)]
    }

    fn typical() -> EventsPage {
        let row = |id: &str, kind: &str, object: &str, state: &str, tries: &str| EventRow {
            id: id.to_owned(),
            kind: kind.to_owned(),
            object: object.to_owned(),
            account: Some((
                "Acme Robotics".to_owned(),
                "/admin/accounts/acc_1".to_owned(),
            )),
            received: format::second(NOW),
            tries: tries.to_owned(),
            badge: words::event_badge(state),
        };
        let tab = |label: &str, count: &str, state: &str| Tab {
            label: label.to_owned(),
            count: Some(count.to_owned()),
            href: format!("/admin/events{state}"),
            current: state.is_empty(),
        };
        EventsPage {
            shell: samples::admin(Nav::AdminEvents),
            stats: vec![
                Stat::new("Last event", "14 s", "ago"),
                Stat::new("Received, 24 hours", "3,911", "5 duplicates, no effect"),
                Stat::new("Processed first time", "99.98%", "2 not done"),
                Stat::new("Time to process, p95", "38 ms", "Target 500 ms"),
                Stat::new("Bad signatures", "0", "Refused with 400"),
            ],
            tabs: vec![
                tab("All", "3,911", ""),
                tab("Failed", "1", "?state=failed"),
                tab("Retrying", "1", "?state=retrying"),
                tab("Ignored", "212", "?state=ignored"),
            ],
            q: String::new(),
            types: Choice::list(&[("", "Any type"), ("invoice.paid", "invoice.paid")], ""),
            rows: vec![
                row(
                    "evt_1QNdTwK2",
                    "checkout.session.completed",
                    "cs_test_a1Qm",
                    "processed",
                    "1",
                ),
                row(
                    "evt_1QNd8zR7",
                    "customer.subscription.updated",
                    "sub_1QLx9v",
                    "retrying",
                    "3",
                ),
                row(
                    "evt_1QNcAaJ4",
                    "checkout.session.completed",
                    "cs_test_c9Hd",
                    "failed",
                    "8",
                ),
                EventRow {
                    account: None,
                    ..row(
                        "evt_1QNXjzC8",
                        "customer.updated",
                        "cus_RGk2",
                        "ignored",
                        "1",
                    )
                },
            ],
            pager: Pager {
                summary: "50 of 3,911 events".to_owned(),
                newest: None,
                older: Some("/admin/events?after=evt_50".to_owned()),
            },
            replay_failed: Some(
                Action::link("Replay failed (2)", "/admin/events/replay").primary(),
            ),
        }
    }
}

/// The search as it is sent.
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
    Params(page): Params<PageParams>,
) -> HttpResult<Html<String>> {
    let before = page.after::<1>()?.map(|[n]| n);
    let (wanted, limit) = (search.clone(), i64::try_from(ROWS + 1).unwrap_or(i64::MAX));
    let figures = figures::of(&app).await?;
    let now = app.real_now();
    let (mut rows, accounts, counts, latest) = app
        .read(move |tx| {
            let filter = store::events::Filter {
                state: set(&wanted.state),
                kind: set(&wanted.kind),
                account_id: None,
                about: set(&wanted.q),
                from: wanted.from(),
            };
            let rows = store::events::list(tx, &filter, before, limit)?;
            let mut accounts = HashMap::new();
            for id in rows.iter().filter_map(|row| row.account_id) {
                if let Some(account) = store::accounts::find(tx, id)? {
                    accounts.insert(id, account);
                }
            }
            let counts = store::events::count_by_state(tx)?;
            Ok((rows, accounts, counts, store::events::latest(tx)?))
        })
        .await?;
    let pager = page_of(&mut rows, &search.address(), before.is_none(), |row| {
        vec![row.n]
    });
    let failed = counts.iter().find(|(state, _)| state == "parked");
    let failed = failed.map_or(0, |(_, count)| *count).unsigned_abs();
    let label = format!("Replay failed ({failed})");
    let all = Action::link(label, "/admin/events/replay").icon(Icon::Replay);
    serve::html(&EventsPage {
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
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
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
        Stat::new("Decided, 30 days", count(share.whole), ""),
        Stat::new("Processed", percent, "of those"),
        Stat::new("Wait for a person", count(figures.events_parked), ""),
    ]
}

/// `GET /admin/events/replay`: asks before everything that failed is taken up again, and says what
/// that is.
pub async fn ask_replay(
    State(app): State<App>,
    Operator(operator): Operator,
) -> HttpResult<Html<String>> {
    let (failed, parked) = app
        .read(|tx| {
            let failed = operators::failed(tx)?;
            Ok((
                failed,
                store::sync::parked(tx, operators::EVENTS_MAX)?.len(),
            ))
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
    serve::html(&ConfirmPage {
        text: format!(
            "Each is taken up again: its account is fetched from Stripe and made to agree. What is \
             right already stays as it is. {} whose sync was given up {} tried again too.",
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
    operators::replay_failed(&app, &operator.public_id).await?;
    Ok(Redirect::to("/admin/events").into_response())
}

fn tabs(search: &Search, counts: &[(String, i64)]) -> Vec<Tab> {
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
            .find(|(known, _)| known == state)
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
    let handled = stripe::HANDLED_EVENTS.iter().map(|kind| (*kind, *kind));
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
        tries: format::count(row.attempts.unsigned_abs()),
        badge: words::event_badge(&row.state),
    }
}
