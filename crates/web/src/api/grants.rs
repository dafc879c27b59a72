//! Grants: where an account's credits came from and what became of them.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use billing::actors::Reader;
use billing::app::App;
use billing::exact::Exact;
use billing::export::csv::{Cell, Csv};
use billing::summary::view;
use domain::ledger::Lot;
use domain::ledger::grant::id_of;
use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::metered::AccountParam;
use crate::http::accept::wants_csv;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::lists::{CSV_ROWS_MAX, Page, PageParams, Shown};

/// Credits put in together, and what became of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// `grant_...`, unique within the account.
    id: String,
    /// `purchase`, `allowance`, `promo` and the like.
    kind: &'static str,
    /// `scheduled`, `active`, `frozen`, `exhausted`, `expired` or `voided`.
    state: &'static str,
    /// Credits granted.
    amount: Exact,
    /// Credits spent.
    used: Exact,
    /// Credits that ended unspent.
    expired: Exact,
    /// Credits taken back.
    clawed: Exact,
    /// Credits pinned by holds.
    held: Exact,
    /// What is left of it.
    remaining: Exact,
    /// The smaller is spent first.
    priority: i64,
    /// The grant it belongs to.
    parent: Option<String>,
    /// Not spendable before.
    effective_at: String,
    /// Not spendable from then on.
    expires_at: Option<String>,
}

impl Grant {
    fn of(row: Lot, now: Timestamp) -> Grant {
        Grant {
            id: id_of(row.id),
            state: row.state(now).word(),
            remaining: Exact(row.remaining()),
            kind: row.kind.word(),
            amount: Exact(row.amount),
            used: Exact(row.used),
            expired: Exact(row.expired),
            clawed: Exact(row.clawed_back),
            held: Exact(row.held),
            priority: row.priority,
            parent: row.parent.map(id_of),
            effective_at: row.effective_at.rfc3339(),
            expires_at: row.expires_at.map(Timestamp::rfc3339),
        }
    }
}

impl Shown for Grant {
    const NAME: &'static str = "grants";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "amount",
        "used",
        "expired",
        "clawed",
        "held",
        "remaining",
        "effective_at",
        "expires_at",
    ];

    fn write(&self, csv: &mut Csv) {
        let amounts = [
            self.amount,
            self.used,
            self.expired,
            self.clawed,
            self.held,
            self.remaining,
        ];
        let amounts = amounts.map(|amount| amount.0.to_string());
        let mut cells = vec![
            Cell::Plain(&self.id),
            Cell::Plain(self.kind),
            Cell::Plain(self.state),
        ];
        cells.extend(amounts.iter().map(|amount| Cell::Plain(amount)));
        cells.push(Cell::Plain(&self.effective_at));
        cells.push(Cell::maybe(self.expires_at.as_ref()));
        csv.row(&cells);
    }
}

/// An account's grants, the newest first; CSV by `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/v1/grants",
    operation_id = "listGrants",
    tag = "account",
    params(PageParams, AccountParam),
    responses(
        (status = 200, body = Page<Grant>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn list(
    State(app): State<App>,
    caller: Reader,
    headers: HeaderMap,
    Params(params): Params<PageParams>,
    Params(query): Params<AccountParam>,
) -> HttpResult<Response> {
    caller.may_list()?;
    let account = caller.account(&app, query.account.as_deref()).await?;
    let is_csv = wants_csv(&headers);
    let limit = if is_csv {
        CSV_ROWS_MAX
    } else {
        params.limit()?
    };
    let before = params.after()?.map_or(i64::MAX, |[lot]| lot);
    // Time passes first: what is due expires, and the allowance that is due comes.
    view(&app, account).await?;
    let read = crate::lists::count(limit);
    let rows = app
        .read(move |tx| store::ledger::grants(tx, account, before, read))
        .await?;
    let now = app.now();
    let page = Page::of(rows, limit, |row| [row.id], |row| Grant::of(row, now));
    Ok(page.answer(is_csv))
}
