//! `/admin/transactions`: all payments, refunds and plan changes.

use axum::extract::{Path, State};
use axum::response::{Html, Redirect, Response};
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::error::Error;
use billing::export::csv::{Cell, Column, Csv};
use billing::export::table;
use billing::operators::saved_searches;
use domain::amounts;
use domain::catalog::Catalog;
use domain::money::MinorUnits;
use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;
use serde::Deserialize;
use store::Tx;
use store::accounts::Account;
use store::operator_views::View;
use store::transactions::{Cursor, Sum, Transaction};
use views::admin::parts::{address, set};
use views::admin::transactions::{
    AdminTransaction, Filters, TransactionsPage, ViewForm, refund_link,
};
use views::components::{Action, Stat, Tab};
use views::layout::Nav;
use views::{format, labels};

use crate::http::error::HttpResult;
use crate::http::form::Fields;
use crate::http::params::Params;
use crate::lists::List;
use crate::pages::admin::{ROWS_READ, accounts, operator_shell, page_of};
use crate::pages::billing::history;
use crate::rows::money::of_row;
use crate::{files, frame};

/// The search form as submitted.
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

/// The search, parsed from the form.
#[derive(Clone, Debug)]
struct Query {
    search: Search,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Search {
    /// The fields that are set, as a query string.
    fn query(&self) -> String {
        let whole = self.address("");
        whole.trim_start_matches('?').to_owned()
    }

    /// The URL of this search, as a page or a file.
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

    /// The search with its dates parsed, or a message if they are invalid.
    fn read(&self) -> std::result::Result<Query, String> {
        let day = |text: &str| match set(text) {
            None => Ok(None),
            Some(text) => domain::time::parse(text)
                .map(Some)
                .ok_or_else(|| format!("{text} is not a day. Enter it as 2026-11-30.")),
        };
        let from = day(&self.from)?;
        let until = day(&self.to)?.map(|last| last.plus_days(1));
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            return Err("The first day is after the last day.".to_owned());
        }
        Ok(Query {
            search: self.clone(),
            from,
            until,
        })
    }
}

impl Query {
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

const HERE: &str = "/admin/transactions";

/// `GET /admin/transactions`.
pub async fn show(
    State(app): State<App>,
    operator: Operator,
    Params(search): Params<Search>,
    List { after, .. }: List<2>,
) -> HttpResult<Html<String>> {
    let here = search.address(HERE);
    let (wanted, error) = match search.read() {
        Ok(wanted) => (Some(wanted), None),
        Err(error) => (None, Some(error)),
    };
    let user = operator.0.id;
    let (mut rows, sums, views) = app
        .read(move |tx| {
            let views = store::operator_views::of_user(tx, user)?;
            let Some(wanted) = &wanted else {
                return Ok((Vec::new(), Vec::new(), views));
            };
            // Only the first page shows totals, since they read every matching row.
            let sums = match after {
                None => store::transactions::sums(tx, &wanted.filter())?,
                Some(_) => Vec::new(),
            };
            Ok((look(tx, wanted, after, ROWS_READ)?, sums, views))
        })
        .await?;
    let pager = page_of(&mut rows, &here, after.is_none(), |row| place(row).into());
    let (catalog, query) = (app.catalog(), search.query());
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
    let may_refund = operator.may(Right::Money);
    let has_csv = operator.may(Right::Export) && !rows.is_empty();
    frame::html(&TransactionsPage {
        shell: operator_shell(&app, &operator.0, Nav::AdminTransactions),
        stats: totals(&sums),
        tabs: tabs(&query, &views),
        view: view_form(query, &views),
        filters,
        csv: has_csv.then(|| ("Export CSV".to_owned(), csv)),
        rows: rows
            .iter()
            .map(|listed| shown(&catalog, listed, may_refund))
            .collect(),
        pager,
    })
}

/// The sums of the transactions found, by currency.
fn totals(sums: &[Sum]) -> Vec<Stat> {
    let mut currencies: Vec<&str> = sums.iter().map(|sum| sum.currency.as_str()).collect();
    currencies.dedup();
    let of = |code: &str| {
        let money = |minor| amounts::amount(of_row(minor, code));
        let count = |rows: &[&Sum]| {
            let count: i64 = rows.iter().map(|sum| sum.count).sum();
            format::counted(count.unsigned_abs(), "row", "rows")
        };
        let ours = |wanted: &dyn Fn(&Sum) -> bool| -> Vec<&Sum> {
            let rows = sums.iter().filter(|sum| sum.currency == code);
            rows.filter(|sum| wanted(sum)).collect()
        };
        let paid = ours(&|sum| sum.kind.is_payment() && sum.status.is_paid());
        let failed = ours(&|sum| sum.kind.is_payment() && sum.status == TransactionStatus::Failed);
        let back = ours(&|sum| {
            sum.kind == TransactionType::Refund && sum.status == TransactionStatus::Completed
        });
        let amount = |rows: &[&Sum]| rows.iter().map(|sum| sum.amount_minor).sum::<i64>();
        let stat = |name: &str, rows: &[&Sum]| Stat::new(name, money(amount(rows)), count(rows));
        [
            stat("Paid", &paid),
            stat("Refunded", &back),
            stat("Failed", &failed),
        ]
    };
    currencies.into_iter().flat_map(of).collect()
}

/// `GET /admin/transactions.csv`: all transactions found, latest first, without a row limit.
pub async fn csv(
    State(app): State<App>,
    _operator: Operator,
    Params(search): Params<Search>,
) -> HttpResult<Response> {
    let wanted = search.read().map_err(|error| Error::field("from", error))?;
    // `None` stands for the header row, which precedes the first page.
    let first: Option<Option<[i64; 2]>> = None;
    Ok(files::file(
        "transactions.csv",
        table::CSV,
        first,
        move |after| {
            let (app, wanted) = (app.clone(), wanted.clone());
            async move {
                let Some(after) = after else {
                    return Ok(Some((Csv::of(COLUMNS).into_text(), Some(None))));
                };
                let rows = app
                    .read(move |tx| look(tx, &wanted, after, table::PAGE))
                    .await?;
                let Some(last) = rows.last() else {
                    return Ok(None);
                };
                let mut csv = Csv::empty();
                rows.iter().for_each(|row| csv.add(COLUMNS, row));
                Ok(Some((csv.into_text(), Some(Some(place(last))))))
            }
        },
    ))
}

const COLUMNS: &[Column<Listed>] = &[
    ("date", |listed| {
        Cell::plain(listed.row.occurred_at.rfc3339())
    }),
    ("id", |listed| Cell::text(&listed.row.public_id)),
    ("account", |listed| {
        Cell::maybe(listed.account.as_ref().map(|account| &account.public_id))
    }),
    ("type", |listed| Cell::text(listed.row.kind.word())),
    ("status", |listed| Cell::text(listed.row.status.word())),
    ("amount", |listed| {
        Cell::plain(listed.money(listed.row.amount_minor).decimal_text())
    }),
    ("currency", |listed| Cell::plain(&listed.row.currency)),
    ("refunded", |listed| {
        Cell::plain(listed.money(listed.row.refunded_minor).decimal_text())
    }),
    ("description", |listed| {
        Cell::maybe(listed.row.description.as_ref())
    }),
    ("payment_intent", |listed| {
        Cell::maybe(listed.row.stripe_payment_intent_id.as_ref())
    }),
    ("session", |listed| {
        Cell::maybe(listed.row.stripe_checkout_session_id.as_ref())
    }),
    ("invoice", |listed| {
        Cell::maybe(listed.row.stripe_invoice_id.as_ref())
    }),
    ("refund", |listed| {
        Cell::maybe(listed.row.stripe_refund_id.as_ref())
    }),
];

/// A transaction and its account.
struct Listed {
    row: Transaction,
    account: Option<Account>,
}

impl Listed {
    fn money(&self, minor: i64) -> MinorUnits {
        of_row(minor, &self.row.currency)
    }
}

/// A search to save.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NewView {
    name: String,
    query: String,
}

/// `POST /admin/transactions/views`: saves a search under a name, for this operator.
pub async fn save_view(
    State(app): State<App>,
    Operator(operator): Operator,
    Fields(new): Fields<NewView>,
) -> HttpResult<Redirect> {
    let name = saved_searches::read_name(&new.name)?;
    // Parsed and rebuilt, so that the saved query can only be one of our searches.
    let search: Search = serde_json::from_value(
        form_urlencoded::parse(new.query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    )
    .map_err(|_| Error::field("query", "That is not a search."))?;
    let to = search.address(HERE);
    saved_searches::save(&app, operator.id, name, search.query()).await?;
    Ok(Redirect::to(&to))
}

/// `POST /admin/transactions/views/{id}/remove`
pub async fn remove_view(
    State(app): State<App>,
    Operator(operator): Operator,
    Path(id): Path<i64>,
) -> HttpResult<Redirect> {
    saved_searches::remove(&app, operator.id, id).await?;
    Ok(Redirect::to(HERE))
}

/// The cursor position of a row in the list.
fn place(listed: &Listed) -> [i64; 2] {
    [listed.row.occurred_at.micros(), listed.row.id]
}

/// The transactions that a search finds, with their accounts.
fn look(
    tx: &mut Tx<'_>,
    wanted: &Query,
    after: Option<[i64; 2]>,
    limit: i64,
) -> store::Result<Vec<Listed>> {
    let [at, id] = after.unwrap_or([i64::MAX, i64::MAX]);
    let cursor = Cursor {
        occurred_at: Timestamp::from_micros(at),
        id,
    };
    let rows = store::transactions::list(tx, &wanted.filter(), cursor, limit)?;
    let accounts = accounts(tx, rows.iter().map(|row| row.account_id))?;
    let rows = rows.into_iter();
    let listed = rows.map(|row| Listed {
        account: accounts.get(&row.account_id).cloned(),
        row,
    });
    Ok(listed.collect())
}

fn tabs(query: &str, views: &[View]) -> Vec<Tab> {
    let ours = [
        ("All", ""),
        ("Failed", "type=PAYMENT&status=FAILED"),
        ("Pending", "status=PENDING"),
        ("Disputed", "status=DISPUTED"),
        ("Refunds", "type=REFUND"),
    ];
    let tab = |label: &str, of: &str| Tab {
        label: label.to_owned(),
        count: None,
        href: if of.is_empty() {
            HERE.to_owned()
        } else {
            format!("{HERE}?{of}")
        },
        current: query == of,
    };
    let ours = ours.into_iter().map(|(label, of)| tab(label, of));
    ours.chain(views.iter().map(|view| tab(&view.name, &view.query)))
        .collect()
}

fn view_form(query: String, views: &[View]) -> ViewForm {
    let shown = views.iter().find(|view| view.query == query);
    let remove = shown.map(|view| {
        let label = format!("Remove the view {}", view.name);
        Action::post(label, format!("{HERE}/views/{}/remove", view.id)).small()
    });
    ViewForm {
        query: if remove.is_some() {
            String::new()
        } else {
            query
        },
        remove,
    }
}

fn shown(catalog: &Catalog, listed: &Listed, may_refund: bool) -> AdminTransaction {
    let (row, account) = (&listed.row, listed.account.as_ref());
    let signed = if row.kind == TransactionType::Refund {
        -row.amount_minor
    } else {
        row.amount_minor
    };
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
        email: account
            .and_then(|account| account.email.clone())
            .unwrap_or_default(),
        kind: labels::transaction_kind(row.kind.word()).to_owned(),
        title: history::transaction_title(catalog, row),
        amount: amounts::amount(listed.money(signed)),
        badge: history::transaction_badge(row),
        note: row.failure.clone().unwrap_or_default(),
        refund: (may_refund && crate::pages::admin::account::is_refundable(row))
            .then(|| refund_link(&row.public_id)),
    }
}
