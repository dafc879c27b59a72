//! Debits: a call authorized and charged in one step.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use billing::actors::KeyCaller;
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::{Exact, ExactUnits};
use billing::idempotency::Key;
use billing::metering::MeteredCall;
use billing::metering::debits::{BatchItem, debit, debit_batch};
use domain::ledger::{Body as EntryBody, Entry, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::metered::{UnitsUsed, answer, read_units};
use crate::http::error::{HttpError, HttpResult, ProblemBody};
use crate::http::json::{Body, parse};
use crate::http::request_id::RequestId;

/// A charge: either `credits`, or `units` of an `operation`. One of `credits` and `operation` is
/// required; one default call is `{"operation": "call"}`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewDebit {
    /// The account: its `acc_...` id, or the host application's id for it. Required with a server
    /// key; a meter key charges its own account.
    account: Option<String>,
    /// The name of an operation in the catalog.
    operation: Option<String>,
    /// What the call used of the operation: a number of units, or for an operation with several
    /// meters, the units of each. The default is 1, for an operation with one rate.
    #[schema(value_type = Option<UnitsUsed>)]
    units: Option<Box<RawValue>>,
    /// The number of credits to charge: a positive number with at most six decimals. It can't be
    /// combined with `operation` or `units`.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// Your name for what is metered, up to 200 characters.
    endpoint: Option<String>,
    /// The idempotency key of a debit in a batch, where it is required. A single debit has its key
    /// in the `Idempotency-Key` header instead.
    key: Option<String>,
}

/// A call that was charged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Debit {
    /// The id of the debit (`deb_...`), made of its position in the account's journal and the start
    /// of the entry's hash.
    id: String,
    /// The number of credits charged.
    credits: Exact,
    /// The operation that determined the price, or null if the request named `credits`.
    operation: Option<String>,
    /// The units charged, or null if the request named `credits`.
    units: Option<ExactUnits>,
    /// The credits available to spend after the debit.
    available: Exact,
}

impl Debit {
    /// The response from a journal entry: the same the first time and on every replay.
    fn of(outcome: &Outcome) -> Result<Debit> {
        match &outcome.entry {
            Some(entry) if matches!(entry.body, EntryBody::Debit { .. }) => Ok(Debit {
                id: id_of(entry),
                credits: Exact(entry.charged()),
                operation: entry.context.operation.clone(),
                units: entry.context.units.clone().map(ExactUnits),
                available: Exact(outcome.available),
            }),
            _ => Err(Error::bug("a debit was answered by another entry")),
        }
    }
}

fn id_of(entry: &Entry) -> String {
    format!("deb_{}_{}", entry.seq, hex::encode(&entry.hash[..8]))
}

impl TryFrom<NewDebit> for MeteredCall {
    type Error = Error;

    fn try_from(body: NewDebit) -> Result<MeteredCall> {
        Ok(MeteredCall {
            units: read_units(body.units.as_deref())?,
            account: body.account,
            operation: body.operation,
            credits: body.credits,
            endpoint: body.endpoint,
            max: false,
        })
    }
}

/// Charges a call in one step, without a hold.
#[utoipa::path(
    post,
    path = "/api/v1/debits",
    operation_id = "createDebit",
    tag = "metering",
    params((
        "Idempotency-Key" = String, Header,
        description = "A key that is unique to this request and the same when it is retried"
    )),
    request_body = NewDebit,
    responses(
        (status = 201, body = Debit), (status = 400), (status = 401),
        (
            status = 402,
            description = "Not enough credits, outstanding debt, or a plan or spending limit"
        ),
        (status = 404),
        (status = 409, description = "The idempotency key was used for a different request"),
        (status = 503)
    )
)]
pub async fn create(
    State(app): State<App>,
    caller: KeyCaller,
    key: Key,
    Body(body): Body<NewDebit>,
) -> HttpResult<Response> {
    if body.key.is_some() {
        let detail = "A single debit has its key in the Idempotency-Key header.";
        return Err(Error::field("key", detail).into());
    }
    let outcome = debit(&app, &caller, key, &body.try_into()?).await?;
    let debit = Debit::of(&outcome)?;
    let cost = debit.credits.0;
    Ok(answer(StatusCode::CREATED, &outcome, cost, &debit))
}

/// Debits to charge in one request. If one is refused, the others aren't affected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBatch {
    /// Up to 1,000 debits, each with its own `key`.
    #[schema(value_type = Vec<NewDebit>)]
    debits: Vec<Box<RawValue>>,
}

/// The results of a batch of debits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// One result for each debit, in the order in which they were sent.
    results: Vec<BatchResult>,
}

/// The result of one debit: what a single debit would have returned, with its status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// The debit was charged.
    Charged(BatchCharged),
    /// The debit was refused. The problem is the one that a single debit returns, with the debit's
    /// `key`.
    #[schema(value_type = Object)]
    Refused(ProblemBody),
}

/// A debit of a batch that was charged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchCharged {
    /// The HTTP status: always 201.
    status: u16,
    /// The idempotency key of the debit.
    key: String,
    /// Whether this is the response to an earlier request with the same key.
    replayed: bool,
    /// The debit that was charged.
    #[serde(flatten)]
    debit: Debit,
}

/// Charges up to 1,000 calls in one request. Each debit has its own idempotency key and is charged
/// or refused separately.
#[utoipa::path(
    post,
    path = "/api/v1/debits/batch",
    operation_id = "createDebitBatch",
    tag = "metering",
    request_body = NewBatch,
    responses((status = 200, body = Batch), (status = 400), (status = 401), (status = 413))
)]
pub async fn batch(
    State(app): State<App>,
    caller: KeyCaller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Body(body): Body<NewBatch>,
) -> HttpResult<Json<Batch>> {
    let items = body.debits.iter().map(|raw| read(raw)).collect();
    let outcomes = debit_batch(&app, &caller, items).await?.into_iter();
    let results = outcomes.map(|(key, outcome)| result(key, outcome, &request_id));
    Ok(Json(Batch {
        results: results.collect(),
    }))
}

/// Parses one debit of a batch; its key is kept so that a refusal can name it.
fn read(raw: &RawValue) -> BatchItem {
    match parse::<NewDebit>(raw.get().as_bytes()) {
        Ok(mut body) => BatchItem {
            key: body.key.take(),
            call: body.try_into(),
        },
        Err(error) => BatchItem {
            key: None,
            call: Err(error),
        },
    }
}

fn result(key: Option<String>, outcome: Result<Outcome>, request_id: &str) -> BatchResult {
    let debit = outcome.and_then(|outcome| Ok((Debit::of(&outcome)?, outcome.replayed)));
    match debit {
        Ok((debit, replayed)) => BatchResult::Charged(BatchCharged {
            status: StatusCode::CREATED.as_u16(),
            key: key.unwrap_or_default(),
            replayed,
            debit,
        }),
        Err(error) => {
            if let Some(cause) = &error.0.cause {
                tracing::error!(code = error.0.code, cause, "A debit of a batch failed");
            }
            BatchResult::Refused(HttpError::from(error.with("key", json!(key))).body(request_id))
        }
    }
}
