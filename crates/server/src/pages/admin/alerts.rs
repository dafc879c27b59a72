//! `/admin/alerts`: what needs an operator, or did.

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;
use store::alerts::Alert;

use super::{ROWS, address, operator_shell, page_of, set};
use crate::actors::Operator;
use crate::api::lists::PageParams;
use crate::app::App;
use crate::http::error::HttpResult;
use crate::http::middleware::RequestId;
use crate::pages::components::{Action, Badge, Pager, Tab};
use crate::pages::format::When;
use crate::pages::icons::Icon;
use crate::pages::layout::{Nav, Shell};
use crate::pages::{format, serve};

/// The list of incidents.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/alerts.html")]
pub struct AlertsPage {
    /// The frame.
    pub shell: Shell,
    /// By state.
    pub tabs: Vec<Tab>,
    /// Newest first.
    pub rows: Vec<AlertRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One incident.
#[derive(Clone, Debug)]
pub struct AlertRow {
    /// What is wrong.
    pub summary: String,
    /// The rule, and what it is about.
    pub rule: String,
    /// When it was found.
    pub opened: When,
    /// When it was over.
    pub closed: Option<When>,
    /// Open, known or over.
    pub badge: Badge,
    /// Says that the reader knows, where nobody does yet.
    pub acknowledge: Option<Action>,
}

impl AlertsPage {
    /// None, some, the worst texts.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::pages::samples::{self, EVIL, LONG, NOW};

        let row = |summary: &str, is_open: bool| AlertRow {
            summary: summary.to_owned(),
            rule: if is_open { "parked" } else { "stripe_errors" }.to_owned(),
            opened: format::moment(NOW),
            closed: (!is_open).then(|| format::moment(NOW)),
            badge: if is_open {
                Badge::bad("Open")
            } else {
                Badge::ok("Over")
            },
            acknowledge: is_open.then(|| acknowledge_action("alr_1", summary)),
        };
        let typical = AlertsPage {
            shell: samples::admin(Nav::AdminAlerts),
            tabs: tabs(""),
            rows: vec![
                row(
                    "Accounts or events were given up and wait for a person.",
                    true,
                ),
                row("Many calls to Stripe failed.", false),
            ],
            pager: Pager::default(),
        };
        let empty = AlertsPage {
            rows: Vec::new(),
            ..typical.clone()
        };
        let worst = AlertsPage {
            shell: samples::worst(Nav::AdminAlerts),
            rows: vec![row(&format!("{LONG} {EVIL}"), true); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}

/// The list as it is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    state: String,
}

/// `GET /admin/alerts`.
pub async fn show(
    State(app): State<App>,
    operator: Operator,
    Query(search): Query<Search>,
    Query(page): Query<PageParams>,
) -> HttpResult<Html<String>> {
    let before = page.after::<1>()?.map(|[id]| id);
    let (wanted, limit) = (search.clone(), i64::try_from(ROWS + 1).unwrap_or(i64::MAX));
    let mut rows = app
        .read(move |tx| store::alerts::list(tx, set(&wanted.state), before, limit))
        .await?;
    let here = address("/admin/alerts", &[("state", &search.state)]);
    let pager = page_of(&mut rows, &here, before.is_none(), |row| vec![row.id]);
    let may_act = operator.may_act().is_ok();
    serve::html(&AlertsPage {
        shell: operator_shell(&app, &operator.0, Nav::AdminAlerts),
        tabs: tabs(&search.state),
        rows: rows.iter().map(|row| shown(row, may_act)).collect(),
        pager,
    })
}

fn tabs(current: &str) -> Vec<Tab> {
    let tab = |(label, state): (&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address("/admin/alerts", &[("state", state)]),
        current: state == current,
    };
    [("All", ""), ("Open", "open"), ("Over", "closed")]
        .into_iter()
        .map(tab)
        .collect()
}

fn shown(row: &Alert, may_act: bool) -> AlertRow {
    let is_open = row.state == "open";
    let is_known = row.acknowledged_at.is_some();
    AlertRow {
        summary: row.summary.clone(),
        rule: format!("{} {}", row.rule, row.subject).trim().to_owned(),
        opened: format::moment(row.opened_at.micros()),
        closed: row.closed_at.map(|at| format::moment(at.micros())),
        badge: match (is_open, is_known) {
            (false, _) => Badge::ok("Over"),
            (true, true) => Badge::warn("Open, known"),
            (true, false) if row.severity == "critical" => Badge::bad("Open, critical"),
            (true, false) => Badge::bad("Open"),
        },
        acknowledge: (is_open && !is_known && may_act)
            .then(|| acknowledge_action(&row.public_id, &row.summary)),
    }
}

fn acknowledge_action(id: &str, summary: &str) -> Action {
    let action = Action::post("Acknowledge", format!("/admin/alerts/{id}/acknowledge"));
    let mut action = action.small();
    action.spoken = Some(format!("this: {summary}"));
    action
}

/// `POST /admin/alerts/{id}/acknowledge`.
pub async fn acknowledge(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
) -> HttpResult<Redirect> {
    operator.may_act()?;
    crate::api::alerts::know(&app, &id, &operator.0.public_id, &request_id).await?;
    Ok(Redirect::to("/admin/alerts"))
}
