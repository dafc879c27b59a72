//! Transactions: the records of money.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use billing::actors::Reader;
use billing::app::App;
use billing::error::{Error, Result};
use domain::time::Timestamp;
use serde::Deserialize;
use store::transactions::{Cursor, Filter, Transaction as Row};
use utoipa::IntoParams;

use crate::api::metered::AccountParam;
use crate::http::accept::wants_csv;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::lists::{CSV_ROWS_MAX, Page, PageParams, count};
use crate::rows::transaction::Transaction;

/// The types of a transaction.
const TYPES: [&str; 6] = [
    "SUBSCRIPTION_PAYMENT",
    "SUBSCRIPTION_UPGRADE",
    "SUBSCRIPTION_DOWNGRADE",
    "SUBSCRIPTION_CANCEL",
    "CREDIT_TOPUP",
    "REFUND",
];

/// Its statuses.
const STATUSES: [&str; 5] = ["PENDING", "COMPLETED", "FAILED", "REFUNDED", "CANCELLED"];

/// Which transactions.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// One type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// One status.
    status: Option<String>,
    /// Happened at or after: a date or a moment.
    from: Option<String>,
    /// Happened before; a date counts whole.
    to: Option<String>,
}

impl Wanted {
    /// The bounds, checked.
    fn bounds(&self) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        one_of("type", self.kind.as_deref(), &TYPES)?;
        one_of("status", self.status.as_deref(), &STATUSES)?;
        let from = read_moment("from", self.from.as_deref(), 0)?;
        let until = read_moment("to", self.to.as_deref(), 1)?;
        Ok((from, until))
    }
}

fn one_of(field: &str, word: Option<&str>, words: &[&str]) -> Result<()> {
    if word.is_none_or(|word| words.contains(&word)) {
        return Ok(());
    }
    let detail = format!("{field} is one of {}.", words.join(", "));
    Err(Error::field(field, detail))
}

/// A moment as it stands, or a date `days` later.
fn read_moment(field: &str, text: Option<&str>, days: i64) -> Result<Option<Timestamp>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let moment = domain::time::parse(text)
        .ok_or_else(|| Error::field(field, format!("{field} is a date or a moment.")))?;
    let is_date = !text.contains('T');
    Ok(Some(if is_date {
        moment.plus_days(days)
    } else {
        moment
    }))
}

/// A page of transactions; of all accounts without one.
pub(crate) async fn page(
    app: &App,
    account: Option<i64>,
    search: Option<String>,
    wanted: &Wanted,
    params: &PageParams,
    is_csv: bool,
) -> Result<Page<Transaction>> {
    let (from, until) = wanted.bounds()?;
    let limit = if is_csv {
        CSV_ROWS_MAX
    } else {
        params.limit()?
    };
    let after = params.after()?.map_or(Cursor::START, |[at, id]| Cursor {
        occurred_at: Timestamp::from_micros(at),
        id,
    });
    let (kind, status) = (wanted.kind.clone(), wanted.status.clone());
    let rows = app
        .read(move |tx| {
            let filter = Filter {
                account_id: account,
                kind: kind.as_deref(),
                status: status.as_deref(),
                from,
                until,
                search: search.as_deref(),
            };
            let rows = store::transactions::list(tx, &filter, after, count(limit))?;
            let names = billing::accounts::names::names(tx, rows.iter().map(|row| row.account_id))?;
            Ok(rows
                .into_iter()
                .map(|row| (names.get(&row.account_id).cloned(), row))
                .collect::<Vec<_>>())
        })
        .await?;
    let place = |(_, row): &(Option<String>, Row)| [row.occurred_at.micros(), row.id];
    Ok(Page::of(rows, limit, place, |(name, row)| {
        Transaction::of(row, name.filter(|_| account.is_none()))
    }))
}

/// An account's transactions, the latest first; CSV by `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/v1/transactions",
    operation_id = "listTransactions",
    tag = "account",
    params(PageParams, Wanted, AccountParam),
    responses(
        (status = 200, body = Page<Transaction>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Reader,
    headers: HeaderMap,
    Params(params): Params<PageParams>,
    Params(wanted): Params<Wanted>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Response> {
    caller.may_list()?;
    let account = caller.account(&app, query.account.as_deref()).await?;
    let is_csv = wants_csv(&headers);
    let page = page(&app, Some(account), None, &wanted, &params, is_csv).await?;
    Ok(page.answer(is_csv))
}
