//! HTML fragments for other sites to embed, without layout and styled by the site that shows them.
//! A host application fetches them with its server key, a browser with its session.

use axum::extract::State;
use axum::response::Html;
use billing::app::App;
use billing::summary::{View, view_with};
use domain::time::Timestamp;
use serde::Deserialize;
use store::Tx;
use views::components::Prose;
use views::format;
use views::fragments::{CreditBalance, InvoiceList, PaymentMethodFragment, UsageChart};

use crate::api::metered::ListsOf;
use crate::frame::part;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::standing::CreditState;
use crate::pages::usage;
use crate::pages::{invoices, standing};

/// Credits that expire within so many days are mentioned.
const EXPIRING_DAYS: i64 = 14;

/// Days in the chart.
const CHART_DAYS: i64 = 30;

/// The item after which the next page of a list begins.
#[derive(Debug, Deserialize)]
pub struct Query {
    after: Option<String>,
}

/// `GET /fragments/credit-balance`
pub async fn balance(
    State(app): State<App>,
    ListsOf(account): ListsOf,
) -> HttpResult<Html<String>> {
    let now = app.now();
    let read = move |tx: &mut Tx<'_>, _: &View| usage::spent_in_week(tx, account, now.day());
    let (view, week) = view_with(&app, account, read).await?;
    let origin = &app.settings.service.base_url;
    part(&CreditBalance {
        available: format::credits(view.available.micros()),
        held: view
            .held
            .is_positive()
            .then(|| format::credits(view.held.micros())),
        expiring: expiring(&view, now),
        state: match standing::credit_state(&view, week) {
            CreditState::Fine => None,
            CreditState::Low => Some("Low".to_owned()),
            CreditState::Empty => Some("Empty".to_owned()),
            CreditState::Debt => Some("Debt".to_owned()),
        },
        add_url: format!("{origin}/dashboard/billing/credits"),
    })
}

/// "500 expire on 15 Dec 2026": the credits that expire on the next day on which any do.
fn expiring(view: &View, now: Timestamp) -> Option<Prose> {
    let (soonest, left) = standing::ending(view, now.plus_days(EXPIRING_DAYS))?;
    let left = format::credits(left.micros());
    Some(Prose::new(format!("{left} expire on ")).time(format::day(soonest.micros())))
}

/// `GET /fragments/payment-method`
pub async fn payment_method(
    State(app): State<App>,
    ListsOf(account): ListsOf,
) -> HttpResult<Html<String>> {
    let card = app
        .read(move |tx| store::payment_methods::of_account(tx, account))
        .await?;
    let shown = card.map(|card| standing::method(&card, app.now()));
    let warning = "Update this card to keep your plan.";
    part(&PaymentMethodFragment {
        warning: shown
            .as_ref()
            .filter(|method| method.expiring)
            .map(|_| warning.to_owned()),
        expires: shown
            .as_ref()
            .map_or_else(String::new, |method| method.expires.clone()),
        name: shown.map(|method| method.name),
        update_url: format!("{}/dashboard/billing", app.settings.service.base_url),
    })
}

/// `GET /fragments/invoice-list`; `after` is the invoice to continue after.
pub async fn invoice_list(
    State(app): State<App>,
    ListsOf(account): ListsOf,
    Params(query): Params<Query>,
) -> HttpResult<Html<String>> {
    let listed = invoices::read(&app, account, query.after).await?;
    part(&InvoiceList {
        rows: listed.rows,
        last: listed.last,
    })
}

/// `GET /fragments/usage-chart`
pub async fn usage_chart(
    State(app): State<App>,
    ListsOf(account): ListsOf,
) -> HttpResult<Html<String>> {
    let (from, to) = (app.now().day() - CHART_DAYS + 1, app.now().day());
    let rows = app
        .read(move |tx| store::ledger::usage_by_day(tx, account, None, from, to + 1))
        .await?;
    part(&UsageChart {
        chart: crate::pages::usage_chart::chart("lbx-use", "Credits used per day", &rows, from, to),
    })
}
