//! Small parts of pages for other sites to put into theirs: HTML without a frame, styled by
//! whoever shows it. A host application fetches them with its server key, a browser with its
//! session.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::time::Timestamp;
use serde::Deserialize;

use super::billing::state::{self, CreditState};
use super::chart::Chart;
use super::components::Prose;
use super::invoices::{self, InvoiceRow};
use super::serve::html;
use super::{format, usage};
use crate::account::{View, view};
use crate::actors::Reader;
use crate::app::App;
use crate::error::Result;
use crate::http::error::HttpResult;
use crate::http::params::Params;

/// Credits that end within so many days are said to.
const EXPIRING_DAYS: i64 = 14;
/// Days of the chart.
const CHART_DAYS: i64 = 30;

/// Which account, and where a list goes on.
#[derive(Debug, Deserialize)]
pub struct Asked {
    account: Option<String>,
    after: Option<String>,
}

/// The account a fragment is about. A key that only meters sees none of it.
async fn account(app: &App, caller: &Reader, asked: &Asked) -> Result<i64> {
    caller.may_list()?;
    caller.account(app, asked.account.as_deref()).await
}

/// `GET /fragments/credit-balance`
pub async fn balance(
    State(app): State<App>,
    caller: Reader,
    Params(asked): Params<Asked>,
) -> HttpResult<Html<String>> {
    let account = account(&app, &caller, &asked).await?;
    let (view, now) = (view(&app, account).await?, app.now());
    let week = app
        .read(move |tx| store::ledger::used_between(tx, account, now.day() - 6, now.day() + 1))
        .await?
        .1;
    let origin = &app.settings.service.base_url;
    html(&CreditBalance {
        available: format::credits(view.available.micros()),
        held: view
            .held
            .is_positive()
            .then(|| format::credits(view.held.micros())),
        expiring: expiring(&view, now),
        state: match state::credit_state(&view, week) {
            CreditState::Fine => None,
            CreditState::Low => Some("Low".to_owned()),
            CreditState::Empty => Some("Empty".to_owned()),
            CreditState::Debt => Some("Debt".to_owned()),
        },
        add_url: format!("{origin}/dashboard/billing/credits"),
    })
}

/// "500 expire on 15 Dec 2026": what ends soon, on the next day on which something does.
fn expiring(view: &View, now: Timestamp) -> Option<Prose> {
    let ending = view
        .lots
        .iter()
        .filter(|lot| lot.remaining().is_positive())
        .filter_map(|lot| Some((lot.expires_at?, lot.remaining())))
        .filter(|(at, _)| *at < now.plus_days(EXPIRING_DAYS));
    let soonest = ending.clone().map(|(at, _)| at).min()?;
    let left: domain::money::Credits = ending
        .filter(|(at, _)| at.day() == soonest.day())
        .map(|(_, left)| left)
        .sum();
    let left = format::credits(left.micros());
    Some(Prose::new(format!("{left} expire on ")).time(format::day(soonest.micros())))
}

/// `GET /fragments/payment-method`
pub async fn payment_method(
    State(app): State<App>,
    caller: Reader,
    Params(asked): Params<Asked>,
) -> HttpResult<Html<String>> {
    let account = account(&app, &caller, &asked).await?;
    let card = app
        .read(move |tx| store::payment_methods::of_account(tx, account))
        .await?;
    let shown = card.map(|card| state::method(&card, app.now()));
    let warning = "Update this card to keep your plan.";
    html(&PaymentMethodFragment {
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

/// `GET /fragments/invoice-list`; `after` goes on behind an invoice.
pub async fn invoice_list(
    State(app): State<App>,
    caller: Reader,
    Params(asked): Params<Asked>,
) -> HttpResult<Html<String>> {
    let account = account(&app, &caller, &asked).await?;
    let listed = invoices::read(&app, account, asked.after).await?;
    html(&InvoiceList {
        rows: listed.rows,
        last: listed.last,
    })
}

/// `GET /fragments/usage-chart`
pub async fn usage_chart(
    State(app): State<App>,
    caller: Reader,
    Params(asked): Params<Asked>,
) -> HttpResult<Html<String>> {
    let account = account(&app, &caller, &asked).await?;
    let (from, to) = (app.now().day() - CHART_DAYS + 1, app.now().day());
    let rows = app
        .read(move |tx| store::ledger::usage_by_day(tx, account, from))
        .await?;
    html(&UsageChart {
        chart: usage::chart("lbx-use", "Credits used per day", &rows, from, to),
    })
}

/// The balance of an account.
#[derive(Clone, Debug, Template)]
#[template(path = "fragments/credit_balance.html")]
pub struct CreditBalance {
    /// "1,228"
    pub available: String,
    /// "12"; none when nothing is held.
    pub held: Option<String>,
    /// "500 expire on 15 Dec 2026"; none when nothing expires soon.
    pub expiring: Option<Prose>,
    /// Credits are low or gone: the word that says so.
    pub state: Option<String>,
    /// The credits page, a whole address.
    pub add_url: String,
}

/// The card on file.
#[derive(Clone, Debug, Template)]
#[template(path = "fragments/payment_method.html")]
pub struct PaymentMethodFragment {
    /// "Visa ending 4242"; none says that there is no card.
    pub name: Option<String>,
    /// "Expires 08/2028"
    pub expires: String,
    /// It expires within 30 days, or has: what to do about it.
    pub warning: Option<String>,
    /// The billing page, a whole address.
    pub update_url: String,
}

/// The invoices of an account.
#[derive(Clone, Debug, Template)]
#[template(path = "fragments/invoice_list.html")]
pub struct InvoiceList {
    /// Newest first.
    pub rows: Vec<InvoiceRow>,
    /// The invoice to ask for older ones `after`; none when there are none.
    pub last: Option<String>,
}

/// What an account used, drawn, with the numbers as a table.
#[derive(Clone, Debug, Template)]
#[template(path = "fragments/usage_chart.html")]
pub struct UsageChart {
    /// None while nothing was used.
    pub chart: Option<Chart>,
}

impl InvoiceList {
    /// Some, none, and markup.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let some = Self {
            rows: invoices::sample_rows(),
            last: Some("in_3".to_owned()),
        };
        let none = Self {
            rows: Vec::new(),
            last: None,
        };
        let mut worst = some.clone();
        worst.rows[0].number = super::samples::EVIL.to_owned();
        worst.last = Some("\"><script>".to_owned());
        vec![("some", some), ("none", none), ("worst", worst)]
    }
}

impl UsageChart {
    /// A month, and nothing.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let month = Self {
            chart: Some(super::billing::sample_chart()),
        };
        vec![("month", month), ("nothing", Self { chart: None })]
    }
}

impl CreditBalance {
    /// Plenty, low, and markup.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use super::samples::{EVIL, day};

        let plenty = Self {
            available: "12,228".to_owned(),
            held: None,
            expiring: None,
            state: None,
            add_url: "https://billing.example/dashboard/billing/credits".to_owned(),
        };
        let low = Self {
            available: "1,228".to_owned(),
            held: Some("12".to_owned()),
            expiring: Some(Prose::new("500 expire on ").time(day(7))),
            state: Some("Low".to_owned()),
            ..plenty.clone()
        };
        let worst = Self {
            held: Some(EVIL.to_owned()),
            state: Some(EVIL.to_owned()),
            add_url: "https://x.example/\"><script>".to_owned(),
            ..low.clone()
        };
        vec![("plenty", plenty), ("low", low), ("worst", worst)]
    }
}

impl PaymentMethodFragment {
    /// A card, one that expires, none.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let card = Self {
            name: Some("Visa ending 4242".to_owned()),
            expires: "Expires 08/2028".to_owned(),
            warning: None,
            update_url: "https://billing.example/dashboard/billing".to_owned(),
        };
        let expiring = Self {
            warning: Some("This card expires soon. Update it to keep your plan.".to_owned()),
            ..card.clone()
        };
        let none = Self {
            name: None,
            ..card.clone()
        };
        vec![("card", card), ("expiring", expiring), ("none", none)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_a_part_of_a_page_without_style_script_or_power_of_markup() {
        let balances = CreditBalance::samples()
            .into_iter()
            .map(|(_, part)| part.render());
        let methods = PaymentMethodFragment::samples()
            .into_iter()
            .map(|(_, part)| part.render());

        let invoices = InvoiceList::samples()
            .into_iter()
            .map(|(_, part)| part.render());
        let charts = UsageChart::samples()
            .into_iter()
            .map(|(_, part)| part.render());

        let all = balances.chain(methods).chain(invoices).chain(charts);
        for html in all.map(Result::unwrap) {
            assert!(html.starts_with("<section class=\"lbx-"), "{html}");
            for never in ["<html", "style=", "<script", "<img"] {
                assert!(!html.contains(never), "{html}");
            }
        }
    }

    #[test]
    fn the_balance_tells_what_is_held_and_what_expires_soon() {
        let (_, low) = CreditBalance::samples().remove(1);

        let html = low.render().unwrap();

        assert!(
            html.contains("12 held") && html.contains("500 expire on"),
            "{html}"
        );
    }
}
