//! `/admin/accounts`: searches accounts.

use axum::extract::State;
use axum::response::Html;
use billing::actors::Operator;
use billing::app::App;
use domain::figures;
use domain::money::Credits;
use domain::time::Timestamp;
use serde::Deserialize;
use store::accounts::Account;
use views::admin::accounts::{AccountRow, AccountsPage, tabs};
use views::admin::parts::{address, set};
use views::layout::Nav;
use views::{format, labels};

use crate::frame;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::lists::List;
use crate::pages::admin::{ROWS_READ, operator_shell, page_of};

/// The search form as submitted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    view: String,
}

/// Accounts of a view, newest first: the rows behind the figures of the overview.
fn listed(
    tx: &mut store::Tx<'_>,
    search: &Search,
    now: Timestamp,
    before: Option<i64>,
    limit: i64,
) -> store::Result<Vec<Account>> {
    let from = now.plus_days(-figures::DAYS);
    let numbers = match search.view.as_str() {
        "subscribed" => store::metrics::subscribed(tx, now, before, limit)?,
        "churned" => store::metrics::churned(tx, from, now, before, limit)?,
        _ => return store::accounts::list(tx, set(&search.q), before, limit),
    };
    let mut accounts = Vec::new();
    for number in numbers {
        accounts.extend(store::accounts::find(tx, number)?);
    }
    Ok(accounts)
}

/// `GET /admin/accounts`.
pub async fn show(
    State(app): State<App>,
    Operator(operator): Operator,
    Params(search): Params<Search>,
    list: List<1>,
) -> HttpResult<Html<String>> {
    let before = list.before();
    let (wanted, now) = (search.clone(), app.now());
    let mut rows = app
        .read(move |tx| {
            let accounts = listed(tx, &wanted, now, before, ROWS_READ)?;
            let mut rows = Vec::new();
            for account in accounts {
                let available = store::ledger::loaded(tx, account.id)?.available(now);
                rows.push((account, available));
            }
            Ok(rows)
        })
        .await?;
    let here = address(
        "/admin/accounts",
        &[("q", &search.q), ("view", &search.view)],
    );
    let pager = page_of(&mut rows, &here, before.is_none(), |(account, _)| {
        vec![account.id]
    });
    let catalog = app.catalog();
    let row = |(account, available): &(Account, Credits)| AccountRow {
        href: format!("/admin/accounts/{}", account.public_id),
        name: account.name.clone(),
        email: account.email.clone().unwrap_or_default(),
        plan: catalog.tier(&account.subscription_tier).map_or_else(
            || account.subscription_tier.clone(),
            |tier| tier.title.clone(),
        ),
        badge: labels::subscription_badge(account.subscription_status.word()),
        available: format::credits(available.micros()),
    };
    frame::html(&AccountsPage {
        shell: operator_shell(&app, &operator, Nav::AdminAccounts),
        tabs: tabs(&search.view),
        q: search.q,
        rows: rows.iter().map(row).collect(),
        pager,
    })
}
