//! Transactions: the records of money.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::money::{Currency, MinorUnits};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::transactions::{Cursor, Filter, Transaction as Row};
use utoipa::{IntoParams, ToSchema};

use super::lists::{CSV_ROWS_MAX, Cell, Csv, Page, PageParams, Shown, wants_csv};
use super::metered::AccountParam;
use crate::actors::Reader;
use crate::app::App;
use crate::error::{Error, Result};
use crate::http::error::HttpResult;
use crate::http::json::Exact;
use crate::http::params::Params;

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

/// One record of money.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// `txn_...`
    id: String,
    /// Whose it is, in operators' lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// `CREDIT_TOPUP`, `SUBSCRIPTION_PAYMENT`, `REFUND` and the like.
    #[serde(rename = "type")]
    kind: String,
    /// `PENDING`, `COMPLETED`, `FAILED`, `REFUNDED` or `CANCELLED`.
    status: String,
    /// Decimal text, such as `19.00`.
    amount: String,
    /// In lower case.
    currency: String,
    /// What of it was paid back.
    refunded: String,
    /// `subscription` or `credit_topup`.
    product_type: String,
    /// The tier that was paid for.
    tier: Option<String>,
    /// The credits that were paid for.
    credits: Option<Exact>,
    /// For people.
    description: Option<String>,
    /// Why it failed.
    failure: Option<String>,
    /// Where its receipt is.
    receipt_url: Option<String>,
    /// `pi_...`
    stripe_payment_intent_id: Option<String>,
    /// `in_...`
    stripe_invoice_id: Option<String>,
    /// When it happened, by Stripe.
    occurred_at: String,
}

impl Transaction {
    /// A row as it is shown; `account` only to operators.
    pub fn of(row: Row, account: Option<String>) -> Transaction {
        let currency = Currency::parse(&row.currency).unwrap_or(Currency::USD);
        let money = |minor| MinorUnits::new(minor, currency).decimal_text();
        Transaction {
            id: row.public_id,
            account,
            kind: row.kind,
            status: row.status,
            amount: money(row.amount_minor),
            currency: row.currency,
            refunded: money(row.refunded_minor),
            product_type: row.product_type,
            tier: row.subscription_tier,
            credits: row.credits_purchased_micros.map(Exact::micros),
            description: row.description,
            failure: row.failure,
            receipt_url: row.receipt_url,
            stripe_payment_intent_id: row.stripe_payment_intent_id,
            stripe_invoice_id: row.stripe_invoice_id,
            occurred_at: row.occurred_at.rfc3339(),
        }
    }
}

impl Shown for Transaction {
    const NAME: &'static str = "transactions";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "account",
        "occurred_at",
        "type",
        "status",
        "amount",
        "currency",
        "refunded",
        "tier",
        "credits",
        "description",
        "payment_intent",
        "invoice",
    ];

    fn write(&self, csv: &mut Csv) {
        let credits = self.credits.map(|credits| credits.0.to_string());
        csv.row(&[
            Cell::Text(&self.id),
            Cell::maybe(self.account.as_ref()),
            Cell::Plain(&self.occurred_at),
            Cell::Text(&self.kind),
            Cell::Text(&self.status),
            Cell::Plain(&self.amount),
            Cell::Plain(&self.currency),
            Cell::Plain(&self.refunded),
            Cell::maybe(self.tier.as_ref()),
            Cell::Plain(credits.as_deref().unwrap_or("")),
            Cell::maybe(self.description.as_ref()),
            Cell::maybe(self.stripe_payment_intent_id.as_ref()),
            Cell::maybe(self.stripe_invoice_id.as_ref()),
        ]);
    }
}

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
pub(super) async fn page(
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
            let names = super::admin::names(tx, rows.iter().map(|row| row.account_id))?;
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

/// Rows to read: one more than are shown tells whether there are more.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// An account's transactions, the latest first; CSV by `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/v1/transactions",
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
