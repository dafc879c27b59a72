//! Operators' lists across accounts: transactions, accounts, webhook events and the audit log.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use billing::accounts::names::{names, searched};
use billing::actors::Operator;
use billing::app::App;
use billing::export::csv::{Cell, Column};
use billing::operators::events::{no_event, replay};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::Tx;
use store::events::Event as Row;
use utoipa::{IntoParams, ToSchema};

use crate::api::accounts::Account;
use crate::api::transactions;
use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::http::request_id::RequestId;
use crate::lists::{List, Page, PageParams, Shown, count};
use crate::rows::act::Act;
use crate::rows::transaction::Transaction;

/// What a list is searched for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// One account, by our id or the host application's.
    account: Option<String>,
    /// Part of an id, a name, an address or a description.
    q: Option<String>,
}

/// Transactions of all accounts, the latest first; CSV by `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/admin/transactions",
    operation_id = "listAllTransactions",
    tag = "admin",
    params(PageParams, transactions::Query, Search),
    responses(
        (status = 200, body = Page<Transaction>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn list_transactions(
    State(app): State<App>,
    _operator: Operator,
    list: List<2>,
    Params(query): Params<transactions::Query>,
    Params(Search { account, q }): Params<Search>,
) -> HttpResult<Response> {
    let whose = move |tx: &mut Tx<'_>| searched(tx, account.as_deref());
    let page = transactions::page(&app, whose, q, query, &list).await?;
    Ok(list.answer(page))
}

/// Accounts, the newest first.
#[utoipa::path(
    get,
    path = "/api/admin/accounts",
    operation_id = "listAccounts",
    tag = "admin",
    params(PageParams, Search),
    responses((status = 200, body = Page<Account>), (status = 400), (status = 401), (status = 403))
)]
pub async fn list_accounts(
    State(app): State<App>,
    _operator: Operator,
    list: List<1>,
    Params(search): Params<Search>,
) -> HttpResult<Json<Page<Account>>> {
    let (limit, before) = (list.limit()?, list.before());
    let wanted = search.q.or(search.account);
    let rows = app
        .read(move |tx| store::accounts::list(tx, wanted.as_deref(), before, count(limit)))
        .await?;
    Ok(Json(Page::of(rows, limit, |row| [row.id], Account::from)))
}

/// One of Stripe's events as it arrived, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Stripe's id of the event: `evt_...`.
    id: String,
    /// `invoice.paid` and the like.
    #[serde(rename = "type")]
    kind: String,
    /// `received`, `done`, `ignored`, `parked` or `unmatched`.
    state: &'static str,
    /// Whose it is, when that is known.
    account: Option<String>,
    /// What it is about: `invoice`.
    object_type: Option<String>,
    /// Stripe's id of the object, such as `in_...`.
    object_id: Option<String>,
    /// The customer, when it names one.
    customer_id: Option<String>,
    /// Whether it is about real money.
    livemode: bool,
    /// The version its payload is written in.
    api_version: Option<String>,
    /// How many attempts failed.
    attempts: i64,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// What came of it.
    outcome: Option<String>,
    /// When it happened, by Stripe.
    created_at: String,
    /// When we received the event.
    received_at: String,
    /// When it is tried again.
    next_attempt_at: Option<String>,
    /// When it was settled.
    processed_at: Option<String>,
    /// Its body, for as long as it is kept; only when one event is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    payload: Option<Box<RawValue>>,
}

impl Event {
    fn of(row: Row, account: Option<String>) -> Event {
        Event {
            id: row.event_id,
            kind: row.kind,
            state: row.state.word(),
            account,
            object_type: row.object_type,
            object_id: row.object_id,
            customer_id: row.customer_id,
            livemode: row.livemode,
            api_version: row.api_version,
            attempts: row.attempts,
            last_error: row.last_error,
            outcome: row.outcome,
            created_at: row.created_at.rfc3339(),
            received_at: row.received_at.rfc3339(),
            next_attempt_at: row.next_attempt_at.map(Timestamp::rfc3339),
            processed_at: row.processed_at.map(Timestamp::rfc3339),
            payload: None,
        }
    }
}

impl Shown for Event {
    const NAME: &'static str = "events";
    const COLUMNS: &'static [Column<Event>] = &[
        ("id", |event| Cell::text(&event.id)),
        ("type", |event| Cell::text(&event.kind)),
        ("state", |event| Cell::plain(event.state)),
        ("account", |event| Cell::maybe(event.account.as_ref())),
        ("object", |event| Cell::maybe(event.object_id.as_ref())),
        ("attempts", |event| Cell::number(event.attempts)),
        ("last_error", |event| Cell::maybe(event.last_error.as_ref())),
        ("outcome", |event| Cell::maybe(event.outcome.as_ref())),
        ("created_at", |event| Cell::plain(&event.created_at)),
        ("received_at", |event| Cell::plain(&event.received_at)),
        ("processed_at", |event| {
            Cell::maybe(event.processed_at.as_ref())
        }),
    ];
}

/// Which events to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events in this state.
    state: Option<String>,
    /// Only events of this type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// One object or customer at Stripe, or one event.
    about: Option<String>,
    /// One account, by our id or the host application's.
    account: Option<String>,
}

/// Stripe's events, the latest first; CSV by `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/admin/events",
    operation_id = "listEvents",
    tag = "admin",
    params(PageParams, EventsQuery),
    responses(
        (status = 200, body = Page<Event>), (status = 400), (status = 401), (status = 403),
        (status = 404)
    )
)]
pub async fn list_events(
    State(app): State<App>,
    _operator: Operator,
    list: List<1>,
    Params(query): Params<EventsQuery>,
) -> HttpResult<Response> {
    let (limit, before) = (list.limit()?, list.before());
    let read = app.read(move |tx| {
        let account_id = match searched(tx, query.account.as_deref())? {
            Ok(account) => account,
            Err(error) => return Ok(Err(error)),
        };
        let filter = store::events::Filter {
            state: query.state.as_deref(),
            kind: query.kind.as_deref(),
            account_id,
            about: query.about.as_deref(),
            from: None,
        };
        let rows = store::events::list(tx, &filter, before, count(limit))?;
        let names = names(tx, rows.iter().filter_map(|row| row.account_id))?;
        Ok(Ok((rows, names)))
    });
    let (rows, names) = read.await??;
    let page = Page::of(
        rows,
        limit,
        |row| [row.n],
        |row| {
            let name = row.account_id.and_then(|id| names.get(&id).cloned());
            Event::of(row, name)
        },
    );
    Ok(list.answer(page))
}

/// One of Stripe's events with its body.
#[utoipa::path(
    get,
    path = "/api/admin/events/{id}",
    operation_id = "getEvent",
    tag = "admin",
    params(("id" = String, Path, description = "The event")),
    responses((status = 200, body = Event), (status = 401), (status = 403), (status = 404))
)]
pub async fn show_event(
    State(app): State<App>,
    _operator: Operator,
    Path(id): Path<String>,
) -> HttpResult<Json<Event>> {
    let found = app
        .read(move |tx| {
            let Some(row) = store::events::find(tx, &id)? else {
                return Ok(None);
            };
            let body = store::events::payload(tx, row.n)?;
            let names = names(tx, row.account_id.into_iter())?;
            let mut event = Event::of(row, names.into_values().next());
            event.payload = body.and_then(|body| serde_json::from_slice(&body).ok());
            Ok(Some(event))
        })
        .await?;
    Ok(found.map(Json).ok_or_else(no_event)?)
}

/// Takes an event up again, as if it had just arrived. Doing it twice changes nothing more.
#[utoipa::path(
    post,
    path = "/api/admin/events/{id}/replay",
    operation_id = "replayEvent",
    tag = "admin",
    params(("id" = String, Path, description = "The event")),
    responses((status = 200, body = Event), (status = 401), (status = 403), (status = 404))
)]
pub async fn replay_event(
    State(app): State<App>,
    operator: Operator,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<String>,
) -> HttpResult<Json<Event>> {
    let (row, account) = replay(&app, &id, &operator.0.public_id, Some(&request_id)).await?;
    Ok(Json(Event::of(row, account)))
}

/// Which acts to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActsQuery {
    /// Only acts of this actor.
    actor: Option<String>,
    /// Only acts of this kind.
    action: Option<String>,
    /// On one account or event.
    subject: Option<String>,
}

/// What operators did, the latest first; CSV by `Accept: text/csv`.
#[utoipa::path(
    get,
    path = "/api/admin/audit",
    operation_id = "listAuditLog",
    tag = "admin",
    params(PageParams, ActsQuery),
    responses((status = 200, body = Page<Act>), (status = 400), (status = 401), (status = 403))
)]
pub async fn list_acts(
    State(app): State<App>,
    _operator: Operator,
    list: List<1>,
    Params(query): Params<ActsQuery>,
) -> HttpResult<Response> {
    let (limit, before) = (list.limit()?, list.before());
    let rows = app
        .read(move |tx| {
            store::audit_log::list(
                tx,
                query.subject.as_deref(),
                query.actor.as_deref(),
                query.action.as_deref(),
                before,
                count(limit),
            )
        })
        .await?;
    let page = Page::of(rows, limit, |row| [row.id], Act::from);
    Ok(list.answer(page))
}
