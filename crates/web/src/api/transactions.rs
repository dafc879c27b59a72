//! Transactions: payments and refunds.

use axum::extract::State;
use axum::response::Response;
use billing::accounts::names::names;
use billing::app::App;
use billing::error::{Error, Result};
use domain::time::Timestamp;
use serde::Deserialize;
use store::Tx;
use store::transactions::{Cursor, Filter, Transaction as Row};
use utoipa::IntoParams;

use crate::api::metered::{AccountParam, ListsOf};
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::lists::{List, Page, PageParams, count};
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

/// The statuses of a transaction.
const STATUSES: [&str; 5] = ["PENDING", "COMPLETED", "FAILED", "REFUNDED", "CANCELLED"];

/// The query parameters that filter transactions.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Returns only transactions of this type: `SUBSCRIPTION_PAYMENT`, `SUBSCRIPTION_UPGRADE`,
    /// `SUBSCRIPTION_DOWNGRADE`, `SUBSCRIPTION_CANCEL`, `CREDIT_TOPUP` or `REFUND`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Returns only transactions in this status: `PENDING`, `COMPLETED`, `FAILED`, `REFUNDED` or
    /// `CANCELLED`.
    status: Option<String>,
    /// Returns only transactions at or after this date or RFC 3339 time.
    from: Option<String>,
    /// Returns only transactions before this RFC 3339 time. A date includes the whole day.
    to: Option<String>,
}

impl Query {
    /// The time range of the transactions to list.
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

/// Parses a timestamp as is, or a date, to which `days` are added.
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

/// A page of transactions of the account that `whose` finds; of all accounts if that is `None`.
pub(crate) async fn page<F>(
    app: &App,
    mut whose: F,
    search: Option<String>,
    query: Query,
    list: &List<2>,
) -> Result<Page<Transaction>>
where
    F: FnMut(&mut Tx<'_>) -> store::Result<Result<Option<i64>>> + Send + 'static,
{
    let ((from, until), limit) = (query.bounds()?, list.limit_of_file()?);
    let after = list.after.map_or(Cursor::START, |[at, id]| Cursor {
        occurred_at: Timestamp::from_micros(at),
        id,
    });
    let read = app.read(move |tx| {
        let account_id = match whose(tx)? {
            Ok(account) => account,
            Err(error) => return Ok(Err(error)),
        };
        let filter = Filter {
            account_id,
            kind: query.kind.as_deref(),
            status: query.status.as_deref(),
            from,
            until,
            search: search.as_deref(),
        };
        let rows = store::transactions::list(tx, &filter, after, count(limit))?;
        // Only operators see the account of a transaction.
        let of_all = rows.iter().filter(|_| account_id.is_none());
        let names = names(tx, of_all.map(|row| row.account_id))?;
        Ok(Ok((rows, names)))
    });
    let (rows, names) = read.await??;
    let place = |row: &Row| [row.occurred_at.micros(), row.id];
    Ok(Page::of(rows, limit, place, |row| {
        let name = names.get(&row.account_id).cloned();
        Transaction::of(row, name)
    }))
}

/// Lists an account's transactions, newest first. Returns CSV if the `Accept` header is `text/csv`.
#[utoipa::path(
    get,
    path = "/api/v1/transactions",
    operation_id = "listTransactions",
    tag = "account",
    params(PageParams, Query, AccountParam),
    responses(
        (status = 200, body = Page<Transaction>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn list(
    State(app): State<App>,
    ListsOf(account): ListsOf,
    list: List<2>,
    Params(query): Params<Query>,
) -> HttpResult<Response> {
    let whose = move |_: &mut Tx<'_>| Ok(Ok(Some(account)));
    let page = page(&app, whose, None, query, &list).await?;
    Ok(list.answer(page))
}
