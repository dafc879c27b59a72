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

/// A grant of credits, and how they were used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The id of the grant (`grant_...`), unique within the account.
    id: String,
    /// The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or
    /// `reinstatement`.
    kind: &'static str,
    /// The state of the grant: `scheduled`, `active`, `frozen`, `exhausted`, `expired` or `voided`.
    state: &'static str,
    /// The number of credits granted.
    amount: Exact,
    /// The number of credits spent, on calls or on debt.
    used: Exact,
    /// The number of credits that expired unspent.
    expired: Exact,
    /// The number of credits taken back, because a payment was reversed or the grant was voided.
    clawed: Exact,
    /// The number of credits set aside by pending holds.
    held: Exact,
    /// The number of credits left, including those held.
    remaining: Exact,
    /// The order in which grants are spent: the lowest number first.
    priority: i64,
    /// The id of the grant that this one belongs to, such as the purchase that earned a bonus; null
    /// if there is none.
    parent: Option<String>,
    /// The time from which the credits can be spent (RFC 3339, UTC).
    effective_at: String,
    /// The time at which unspent credits expire (RFC 3339, UTC), or null for never.
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

/// Lists an account's grants, newest first. Returns CSV if the `Accept` header is `text/csv`.
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
    let limit = list.limit_of_file()?;
    let before = list.before().unwrap_or(i64::MAX);
    // Due expiries and allowances are applied before reading.
    let read =
        move |tx: &mut Tx<'_>, _: &View| store::ledger::grants(tx, account, before, count(limit));
    let (view, rows) = view_with(&app, account, read).await?;
    let page = Page::of(rows, limit, |row| [row.id], |row| Grant::of(row, view.at));
    Ok(list.answer(page))
}
