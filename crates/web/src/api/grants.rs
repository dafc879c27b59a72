//! Grants: where an account's credits came from and how they were used.

use axum::extract::State;
use axum::response::Response;
use billing::app::App;
use billing::exact::Exact;
use billing::export::csv::{Cell, Column};
use billing::summary::{View, view_with};
use domain::ledger::Lot;
use domain::ledger::grant::id_of;
use domain::time::Timestamp;
use serde::Serialize;
use store::Tx;
use utoipa::ToSchema;

use crate::api::metered::{AccountParam, ListsOf};
use crate::http::error::HttpResult;
use crate::lists::{List, Page, PageParams, Shown, count};

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
    /// The credits that were granted.
    amount: Exact,
    /// The credits that were spent.
    used: Exact,
    /// Credits that ended unspent.
    expired: Exact,
    /// The credits that a reversed payment took back.
    clawed: Exact,
    /// Credits pinned by holds.
    held: Exact,
    /// What is left of it.
    remaining: Exact,
    /// The smaller is spent first.
    priority: i64,
    /// The grant it belongs to.
    parent: Option<String>,
    /// The credits can be spent from this time on.
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
    const COLUMNS: &'static [Column<Grant>] = &[
        ("id", |grant| Cell::plain(&grant.id)),
        ("kind", |grant| Cell::plain(grant.kind)),
        ("state", |grant| Cell::plain(grant.state)),
        ("amount", |grant| Cell::number(grant.amount.0)),
        ("used", |grant| Cell::number(grant.used.0)),
        ("expired", |grant| Cell::number(grant.expired.0)),
        ("clawed", |grant| Cell::number(grant.clawed.0)),
        ("held", |grant| Cell::number(grant.held.0)),
        ("remaining", |grant| Cell::number(grant.remaining.0)),
        ("effective_at", |grant| Cell::plain(&grant.effective_at)),
        ("expires_at", |grant| Cell::maybe(grant.expires_at.as_ref())),
    ];
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
    ListsOf(account): ListsOf,
    list: List<1>,
) -> HttpResult<Response> {
    let (now, limit) = (app.now(), list.limit_of_file()?);
    let before = list.before().unwrap_or(i64::MAX);
    // Due expiries and allowances are applied before reading.
    let read =
        move |tx: &mut Tx<'_>, _: &View| store::ledger::grants(tx, account, before, count(limit));
    let (_, rows) = view_with(&app, account, read).await?;
    let page = Page::of(rows, limit, |row| [row.id], |row| Grant::of(row, now));
    Ok(list.answer(page))
}
