//! `/admin/transactions`: all payments, refunds and plan changes.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{Html, Response};
use domain::catalog::Catalog;
use domain::money::{Currency, MinorUnits};
use domain::time::Timestamp;
use serde::Deserialize;
use store::accounts::Account;
use store::transactions::{Cursor, Transaction};

use super::{ROWS, address, operator_shell, page_of, set};
use crate::api::lists::{CSV_ROWS_MAX, Cell, Csv, PageParams};
use crate::app::App;
use crate::http::callers::Operator;
use crate::http::error::Result;
use crate::pages::billing::state;
use crate::pages::components::{Badge, Banner, Choice, Pager, Stat, Tab};
use crate::pages::format::When;
use crate::pages::icons::Icon;
use crate::pages::layout::Nav;
use crate::pages::layout::Shell;
use crate::pages::{format, serve, words};

/// The list of transactions with its search and filters.
#[derive(Clone, Debug, Template)]
#[template(path = "admin/transactions.html")]
pub struct TransactionsPage {
    /// The frame.
    pub shell: Shell,
    /// What the last audit found.
    pub banners: Vec<Banner>,
    /// MRR, ARPU, churn, success rates; empty leaves the strip out.
    pub stats: Vec<Stat>,
    /// Saved views.
    pub tabs: Vec<Tab>,
    /// The filters as they stand.
    pub filters: Filters,
    /// Newest first.
    pub rows: Vec<AdminTransaction>,
    /// Older ones.
    pub pager: Pager,
    /// What is shown, as a file: the words and the address.
    pub csv: Option<(String, String)>,
}

/// The search form; every field is sent as it is named.
#[derive(Clone, Debug)]
pub struct Filters {
    /// `q`: mail, name or any Stripe id.
    pub q: String,
    /// `type`
    pub types: Vec<Choice>,
    /// `status`
    pub statuses: Vec<Choice>,
    /// `from`, a date: "2026-11-01".
    pub from: String,
    /// `to`, a date.
    pub to: String,
    /// What is wrong with what was typed.
    pub error: Option<String>,
}

impl Filters {
    /// The form with the current choice of each list selected.
    pub fn new(q: &str, kind: &str, status: &str, from: &str, to: &str) -> Self {
        let types = [
            ("", "Any type"),
            ("SUBSCRIPTION_PAYMENT", "Subscription"),
            ("SUBSCRIPTION_UPGRADE", "Upgrade"),
            ("SUBSCRIPTION_DOWNGRADE", "Downgrade"),
            ("SUBSCRIPTION_CANCEL", "Cancellation"),
            ("CREDIT_TOPUP", "Credit top-up"),
            ("REFUND", "Refund"),
        ];
        let statuses = [
            ("", "Any status"),
            ("PENDING", "Pending"),
            ("COMPLETED", "Completed"),
            ("FAILED", "Failed"),
            ("REFUNDED", "Refunded"),
            ("CANCELLED", "Cancelled"),
        ];
        Self {
            q: q.to_owned(),
            types: Choice::list(&types, kind),
            statuses: Choice::list(&statuses, status),
            from: from.to_owned(),
            to: to.to_owned(),
            error: None,
        }
    }
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct AdminTransaction {
    /// When, to the second.
    pub when: When,
    /// Stripe's id, or ours where Stripe has none.
    pub id: String,
    /// The account's name.
    pub account: String,
    /// The account's page.
    pub account_href: String,
    /// The account's mail address.
    pub mail: String,
    /// "Credit top-up"
    pub kind: String,
    /// "5,000 credits"
    pub title: String,
    /// Signed.
    pub amount: String,
    /// The status.
    pub badge: Badge,
    /// Why it is so: "insufficient_funds, retry 24 Nov".
    pub note: String,
}

impl TransactionsPage {
    /// None, a page of them, a filter that is wrong, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::pages::components::{Action, Kind};
    use crate::pages::format;
    use crate::pages::layout::Nav;
    use crate::pages::samples::{self, EVIL, LONG, NOW};

    pub fn all() -> Vec<(&'static str, TransactionsPage)> {
        let empty = TransactionsPage {
            rows: Vec::new(),
            stats: Vec::new(),
            banners: Vec::new(),
            pager: Pager::default(),
            csv: None,
            filters: Filters {
                error: Some("The first day lies after the last.".to_owned()),
                ..Filters::new("nobody", "REFUND", "FAILED", "2026-11-30", "2026-11-01")
            },
            ..typical()
        };
        let worst = TransactionsPage {
            shell: samples::worst(Nav::AdminTransactions),
            filters: Filters::new("\"><script>", EVIL, EVIL, EVIL, EVIL),
            rows: vec![evil(); 30],
            ..typical()
        };
        vec![("empty", empty), ("typical", typical()), ("worst", worst)]
    }

    fn typical() -> TransactionsPage {
        let found = Banner::new(
            Kind::Bad,
            "2 payments do not match Stripe",
            "The 13:00 audit found one paid session without credits and one amount that differs. \
             Nothing was changed.",
        );
        let tab = |label: &str, count: &str, href: &str| Tab {
            label: label.to_owned(),
            count: Some(count.to_owned()),
            href: href.to_owned(),
            current: label == "All",
        };
        let row =
            |id: &str, account: &str, kind: &str, title: &str, cents, badge: Badge, note: &str| {
                AdminTransaction {
                    when: format::second(NOW),
                    id: id.to_owned(),
                    account: account.to_owned(),
                    account_href: "/admin/accounts/acc_1".to_owned(),
                    mail: "maya@acme.example".to_owned(),
                    kind: kind.to_owned(),
                    title: title.to_owned(),
                    amount: format::money(cents, "usd", 2),
                    badge,
                    note: note.to_owned(),
                }
            };
        TransactionsPage {
            shell: samples::admin(Nav::AdminTransactions),
            banners: vec![found.with(Action::link(
                "Review 2 mismatches",
                "/admin/transactions?view=mismatch",
            ))],
            stats: vec![
                Stat::new("MRR", "$8,412", "Up 3.1% in 30 days"),
                Stat::new("ARPU", "$21.90", "384 paying accounts"),
                Stat::new("Churn", "2.3%", "Down 0.4 points"),
                Stat::new("Payment success", "97.2%", "Target above 95%"),
                Stat::new("Webhook success", "99.98%", "p95 38 ms, target 500 ms"),
            ],
            tabs: vec![
                tab("All", "1,284", "/admin/transactions"),
                tab("Pending", "3", "/admin/transactions?status=PENDING"),
                tab("Failed", "22", "/admin/transactions?status=FAILED"),
                tab("Refunds", "18", "/admin/transactions?type=REFUND"),
            ],
            filters: Filters::new("", "", "", "2026-11-01", ""),
            rows: vec![
                row(
                    "cs_test_a1Qm",
                    "Maya Kim",
                    "Credit top-up",
                    "5,000 credits",
                    500,
                    Badge::info("Pending"),
                    "Waiting for Stripe, 2 min",
                ),
                row(
                    "in_1QNd8x",
                    "Jonas Weber",
                    "Upgrade",
                    "Pro to Pro Plus",
                    2300,
                    Badge::ok("Completed"),
                    "",
                ),
                row(
                    "in_1QNcPo",
                    "Priya Nair",
                    "Subscription",
                    "Pro, 22 Nov to 22 Dec",
                    1900,
                    Badge::bad("Failed"),
                    "insufficient_funds, retry 24 Nov",
                ),
                row(
                    "re_3QNbTz",
                    "Chen Wei",
                    "Refund",
                    "10,000 credits",
                    -1000,
                    Badge::plain("Refunded"),
                    "by olga: duplicate purchase",
                ),
                row(
                    "sub_1QLx9v",
                    "Amara Obi",
                    "Cancellation",
                    "Pro, ends 30 Nov",
                    0,
                    Badge::warn("Scheduled"),
                    "reason: too expensive",
                ),
            ],
            pager: Pager {
                summary: "50 of 1,284 transactions".to_owned(),
                newest: Some("/admin/transactions".to_owned()),
                older: Some("/admin/transactions?after=txn_50".to_owned()),
            },
            csv: Some((
                "Export CSV (1,284)".to_owned(),
                "/admin/transactions.csv".to_owned(),
            )),
        }
    }

    fn evil() -> AdminTransaction {
        AdminTransaction {
            when: format::second(i64::MAX),
            id: format!("cs_test_{}", "x".repeat(58)),
            account: format!("{LONG} {EVIL}"),
            account_href: "/\"><script>".to_owned(),
            mail: EVIL.to_owned(),
            kind: EVIL.to_owned(),
            title: EVIL.to_owned(),
            amount: format::money(i64::MIN, "kwd", 3),
            badge: Badge::bad(EVIL),
            note: EVIL.to_owned(),
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
    status: String,
    from: String,
    to: String,
}

/// What is looked for, read from the form.
#[derive(Clone, Debug)]
struct Wanted {
    search: Search,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Search {
    /// The address of this search, as a page or a file.
    fn address(&self, path: &str) -> String {
        let parts = [
            ("q", self.q.as_str()),
            ("type", &self.kind),
            ("status", &self.status),
            ("from", &self.from),
            ("to", &self.to),
        ];
        address(path, &parts)
    }

    /// The search with its days read; a sentence where they make no sense.
    fn read(&self) -> std::result::Result<Wanted, String> {
        let day = |text: &str| match set(text) {
            None => Ok(None),
            Some(text) => domain::time::parse(text)
                .map(Some)
                .ok_or_else(|| format!("{text} is not a day; write it as 2026-11-30.")),
        };
        let from = day(&self.from)?;
        let until = day(&self.to)?.map(|last| last.plus_days(1));
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            return Err("The first day lies after the last.".to_owned());
        }
        Ok(Wanted {
            search: self.clone(),
            from,
            until,
        })
    }
}

impl Wanted {
    fn filter(&self) -> store::transactions::Filter<'_> {
        store::transactions::Filter {
            account_id: None,
            kind: set(&self.search.kind),
            status: set(&self.search.status),
            from: self.from,
            until: self.until,
            search: set(&self.search.q),
        }
    }
}

/// `GET /admin/transactions`.
pub async fn show(
    State(app): State<App>,
    Operator(operator): Operator,
    Query(search): Query<Search>,
    Query(page): Query<PageParams>,
) -> Result<Html<String>> {
    let after = page.after::<2>()?;
    let here = search.address("/admin/transactions");
    let (mut rows, accounts, error) = match search.read() {
        Ok(wanted) => {
            let (rows, accounts) = read(&app, wanted, after, ROWS + 1).await?;
            (rows, accounts, None)
        }
        Err(error) => (Vec::new(), HashMap::new(), Some(error)),
    };
    let pager = page_of(&mut rows, &here, after.is_none(), |row| {
        vec![row.occurred_at.micros(), row.id]
    });
    let catalog = app.catalog();
    let csv = search.address("/admin/transactions.csv");
    let filters = Filters {
        error,
        ..Filters::new(
            &search.q,
            &search.kind,
            &search.status,
            &search.from,
            &search.to,
        )
    };
    serve::html(&TransactionsPage {
        shell: operator_shell(&app, &operator, Nav::AdminTransactions),
        banners: Vec::new(),
        stats: Vec::new(),
        tabs: tabs(&search),
        filters,
        csv: (!rows.is_empty()).then(|| ("Export CSV".to_owned(), csv)),
        rows: rows
            .iter()
            .map(|row| shown(&catalog, row, &accounts))
            .collect(),
        pager,
    })
}

/// `GET /admin/transactions.csv`: what the search finds, newest first.
pub async fn csv(
    State(app): State<App>,
    Operator(_): Operator,
    Query(search): Query<Search>,
) -> Result<Response> {
    let wanted = search
        .read()
        .map_err(|error| crate::http::error::Error::field("from", error))?;
    let (rows, accounts) = read(&app, wanted, None, CSV_ROWS_MAX).await?;
    let columns = [
        "date",
        "id",
        "account",
        "type",
        "status",
        "amount",
        "currency",
        "refunded",
        "description",
        "payment_intent",
        "session",
        "invoice",
        "refund",
    ];
    let mut csv = Csv::new(&columns);
    for row in &rows {
        let account = accounts.get(&row.account_id);
        let money = |minor| money_of(row, minor).decimal_text();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let cells = [
            row.occurred_at.rfc3339(),
            row.public_id.clone(),
            account
                .map(|account| account.public_id.clone())
                .unwrap_or_default(),
            row.kind.clone(),
            row.status.clone(),
            money(row.amount_minor),
            row.currency.clone(),
            money(row.refunded_minor),
            text(&row.description),
            text(&row.stripe_payment_intent_id),
            text(&row.stripe_checkout_session_id),
            text(&row.stripe_invoice_id),
            text(&row.stripe_refund_id),
        ];
        csv.row(
            &cells
                .iter()
                .map(|cell| Cell::Text(cell))
                .collect::<Vec<_>>(),
        );
    }
    Ok(csv.answer("transactions", None))
}

async fn read(
    app: &App,
    wanted: Wanted,
    after: Option<[i64; 2]>,
    limit: usize,
) -> Result<(Vec<Transaction>, HashMap<i64, Account>)> {
    let newest = [i64::MAX, i64::MAX];
    let [at, id] = after.unwrap_or(newest);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    app.read(move |tx| {
        let cursor = Cursor {
            occurred_at: Timestamp::from_micros(at),
            id,
        };
        let rows = store::transactions::list(tx, &wanted.filter(), cursor, limit)?;
        let mut accounts = HashMap::new();
        for row in &rows {
            if !accounts.contains_key(&row.account_id)
                && let Some(account) = store::accounts::find(tx, row.account_id)?
            {
                accounts.insert(account.id, account);
            }
        }
        Ok((rows, accounts))
    })
    .await
}

fn tabs(search: &Search) -> Vec<Tab> {
    let views = [
        ("All", ""),
        ("Failed", "FAILED"),
        ("Pending", "PENDING"),
        ("Refunded", "REFUNDED"),
    ];
    let tab = |(label, status): (&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: Search {
            status: status.to_owned(),
            ..search.clone()
        }
        .address("/admin/transactions"),
        current: search.status == status,
    };
    views.into_iter().map(tab).collect()
}

fn money_of(row: &Transaction, minor: i64) -> MinorUnits {
    MinorUnits::new(
        minor,
        Currency::parse(&row.currency).unwrap_or(Currency::USD),
    )
}

fn shown(
    catalog: &Catalog,
    row: &Transaction,
    accounts: &HashMap<i64, Account>,
) -> AdminTransaction {
    let account = accounts.get(&row.account_id);
    let signed = if row.kind == "REFUND" {
        -row.amount_minor
    } else {
        row.amount_minor
    };
    let currency = money_of(row, 0).currency;
    let stripe_id = [
        &row.stripe_payment_intent_id,
        &row.stripe_refund_id,
        &row.stripe_invoice_id,
        &row.stripe_checkout_session_id,
    ];
    let id = stripe_id
        .into_iter()
        .flatten()
        .next()
        .unwrap_or(&row.public_id);
    AdminTransaction {
        when: format::second(row.occurred_at.micros()),
        id: id.clone(),
        account: account.map_or_else(String::new, |account| account.name.clone()),
        account_href: account.map_or_else(
            || "/admin/accounts".to_owned(),
            |account| format!("/admin/accounts/{}", account.public_id),
        ),
        mail: account
            .and_then(|account| account.email.clone())
            .unwrap_or_default(),
        kind: words::transaction_kind(&row.kind).to_owned(),
        title: state::transaction_title(catalog, row),
        amount: format::money(signed, currency.code(), currency.exponent()),
        badge: state::transaction_badge(row),
        note: row.failure.clone().unwrap_or_default(),
    }
}
