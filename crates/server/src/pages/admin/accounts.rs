//! `/admin/accounts`: find an account.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::money::Credits;
use domain::time::Timestamp;
use serde::Deserialize;
use store::accounts::Account;

use super::{ROWS, address, operator_shell, page_of, set};
use crate::actors::Operator;
use crate::api::lists::PageParams;
use crate::app::App;
use crate::figures;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::pages::components::{Badge, Pager, Tab};
use crate::pages::icons::Icon;
use crate::pages::layout::Nav;
use crate::pages::layout::Shell;
use crate::pages::{format, serve, words};

/// The list of accounts with its search.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/accounts.html")]
pub struct AccountsPage {
    /// The frame.
    pub shell: Shell,
    /// All, those that subscribe, those that left.
    pub tabs: Vec<Tab>,
    /// The search, as typed (`q`): mail, name or any id.
    pub q: String,
    /// Newest first.
    pub rows: Vec<AccountRow>,
    /// Older ones.
    pub pager: Pager,
}

/// One account.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Its page.
    pub href: String,
    /// Its name.
    pub name: String,
    /// Its owner's mail address.
    pub mail: String,
    /// "Pro"
    pub plan: String,
    /// The subscription's state.
    pub badge: Badge,
    /// Credits available.
    pub available: String,
}

impl AccountsPage {
    /// None, some, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::pages::format;
        use crate::pages::layout::Nav;
        use crate::pages::samples::{self, EVIL, LONG};

        let row = |name: &str, mail: &str, plan: &str, badge: Badge, available: &str| AccountRow {
            href: "/admin/accounts/acc_1".to_owned(),
            name: name.to_owned(),
            mail: mail.to_owned(),
            plan: plan.to_owned(),
            badge,
            available: available.to_owned(),
        };
        let typical = Self {
            shell: samples::admin(Nav::AdminAccounts),
            tabs: tabs(""),
            q: String::new(),
            rows: vec![
                row(
                    "Acme Robotics",
                    "maya@acme.example",
                    "Pro",
                    Badge::ok("Active"),
                    "1,228",
                ),
                row(
                    "Lumen",
                    "priya@lumen.example",
                    "Pro",
                    Badge::bad("Payment failed"),
                    "0",
                ),
            ],
            pager: Pager {
                summary: "2 accounts".to_owned(),
                ..Pager::default()
            },
        };
        let empty = Self {
            q: "nobody".to_owned(),
            rows: Vec::new(),
            ..typical.clone()
        };
        let long = format!("{LONG} {EVIL}");
        let most = format::credits(i64::MAX);
        let worst = Self {
            shell: samples::worst(Nav::AdminAccounts),
            q: "\"><script>".to_owned(),
            rows: vec![row(&long, EVIL, EVIL, Badge::bad(EVIL), &most); 50],
            ..typical.clone()
        };
        vec![("empty", empty), ("typical", typical), ("worst", worst)]
    }
}

/// The search as it is sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    q: String,
    view: String,
}

fn tabs(current: &str) -> Vec<Tab> {
    let views = [
        ("All", ""),
        ("Subscribed", "subscribed"),
        ("Left in 30 days", "churned"),
    ];
    let tab = |(label, view): (&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address("/admin/accounts", &[("view", view)]),
        current: current == view,
    };
    views.into_iter().map(tab).collect()
}

/// Accounts of a view, newest first: the rows behind the numbers of the overview.
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
    Params(page): Params<PageParams>,
) -> HttpResult<Html<String>> {
    let before = page.after::<1>()?.map(|[id]| id);
    let (wanted, now) = (search.clone(), app.now());
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    let mut rows = app
        .read(move |tx| {
            let accounts = listed(tx, &wanted, now, before, limit)?;
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
        mail: account.email.clone().unwrap_or_default(),
        plan: catalog.tier(&account.subscription_tier).map_or_else(
            || account.subscription_tier.clone(),
            |tier| tier.title.clone(),
        ),
        badge: words::subscription_badge(&account.subscription_status),
        available: format::credits(available.micros()),
    };
    serve::html(&AccountsPage {
        shell: operator_shell(&app, &operator, Nav::AdminAccounts),
        tabs: tabs(&search.view),
        q: search.q,
        rows: rows.iter().map(row).collect(),
        pager,
    })
}
