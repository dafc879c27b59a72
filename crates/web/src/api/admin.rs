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

/// The query parameters that search a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// The account: its `acc_...` id, or the host application's id for it.
    account: Option<String>,
    /// Text to search for in ids, names, email addresses and descriptions.
    q: Option<String>,
}

/// Lists the transactions of all accounts, newest first. Returns CSV if the `Accept` header is
/// `text/csv`.
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

/// Lists accounts, newest first.
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

/// A webhook event from Stripe and the result of processing it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Stripe's id of the event (`evt_...`).
    id: String,
    /// The type of the event, such as `invoice.paid`.
    #[serde(rename = "type")]
    kind: String,
    /// The state of the event: `received`, `done`, `ignored`, `parked` or `unmatched`.
    state: &'static str,
    /// The id of the account that the event belongs to (`acc_...`), or null if it is not known.
    account: Option<String>,
    /// The type of the Stripe object that the event is about, such as `invoice`; null if there is
    /// none.
    object_type: Option<String>,
    /// Stripe's id of that object, such as `in_...`; null if there is none.
    object_id: Option<String>,
    /// Stripe's id of the customer that the event names, or null if it names none.
    customer_id: Option<String>,
    /// Whether the event is about real money, not Stripe's test mode.
    livemode: bool,
    /// The Stripe API version of the payload, or null if it is not known.
    api_version: Option<String>,
    /// The number of failed attempts to process the event.
    attempts: i64,
    /// Why the last attempt failed, or null if none did.
    last_error: Option<String>,
    /// The result of processing the event, or null if there is none yet.
    outcome: Option<String>,
    /// The time at which the event happened, on Stripe's clock (RFC 3339, UTC).
    created_at: String,
    /// The time at which the event was received (RFC 3339, UTC).
    received_at: String,
    /// The time of the next attempt (RFC 3339, UTC), or null if none is scheduled.
    next_attempt_at: Option<String>,
    /// The time at which processing finished (RFC 3339, UTC), or null if it has not.
    processed_at: Option<String>,
    /// The event as Stripe sent it. Present only for a single event, and while it is stored.
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

/// The query parameters that filter events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Returns only events in this state: `received`, `done`, `ignored`, `parked` or `unmatched`.
    state: Option<String>,
    /// Returns only events of this type, such as `invoice.paid`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Returns only events about this Stripe object or customer, or the event with this id.
    about: Option<String>,
    /// Returns only events of this account: its `acc_...` id, or the host application's id for it.
    account: Option<String>,
}

/// Lists webhook events from Stripe, newest first. Returns CSV if the `Accept` header is
/// `text/csv`.
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

/// Returns a webhook event from Stripe, with its payload.
#[utoipa::path(
    get,
    path = "/api/admin/events/{id}",
    operation_id = "getEvent",
    tag = "admin",
    params(("id" = String, Path, description = "The id of the event")),
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

/// Processes a webhook event from Stripe again, as if it had just arrived. Repeating this changes
/// nothing further.
#[utoipa::path(
    post,
    path = "/api/admin/events/{id}/replay",
    operation_id = "replayEvent",
    tag = "admin",
    params(("id" = String, Path, description = "The id of the event")),
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

/// The query parameters that filter the audit log.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActsQuery {
    /// Returns only actions of this actor: the id of a user or API key, or `cli`.
    actor: Option<String>,
    /// Returns only actions with this name, such as `credits.adjust`.
    action: Option<String>,
    /// Returns only actions on this subject: the id of an account, an event or the like.
    subject: Option<String>,
}

/// Lists the audit log, newest first. Returns CSV if the `Accept` header is `text/csv`.
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
