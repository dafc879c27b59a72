//! Debits: a call authorized and charged in one step.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use billing::actors::KeyCaller;
use billing::app::App;
use billing::error::{Error, Result};
use billing::exact::Exact;
use billing::idempotency::Key;
use billing::metering::MeteredCall;
use billing::metering::debits::{BatchItem, debit, debit_batch};
use domain::ledger::{Body as EntryBody, Entry, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::metered::answer;
use crate::http::error::{HttpError, HttpResult, ProblemBody};
use crate::http::json::{Body, parse};
use crate::http::request_id::RequestId;

/// What to charge: `credits`, or `units` of an `operation`; one `call` without either.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewDebit {
    /// The account, by our id or the host application's. A server key must name it.
    account: Option<String>,
    /// An operation of the catalog.
    operation: Option<String>,
    /// Units of it; 1 without.
    units: Option<i64>,
    /// Credits, with at most six decimals.
    #[schema(value_type = Option<f64>)]
    credits: Option<Box<RawValue>>,
    /// The caller's name for what it meters.
    endpoint: Option<String>,
    /// In a batch: the debit's own idempotency key.
    key: Option<String>,
}

/// A charged call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Debit {
    /// `deb_...`: its place in the account's journal, and the beginning of that entry's hash.
    id: String,
    /// What was charged.
    credits: Exact,
    /// The operation that priced it.
    operation: Option<String>,
    /// Units of it.
    units: Option<i64>,
    /// What may be spent after it.
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
                units: entry.context.units,
                available: Exact(outcome.available),
            }),
            _ => Err(Error::bug("a debit was answered by another entry")),
        }
    }
}

fn id_of(entry: &Entry) -> String {
    format!("deb_{}_{}", entry.seq, hex::encode(&entry.hash[..8]))
}

impl From<NewDebit> for MeteredCall {
    fn from(body: NewDebit) -> MeteredCall {
        MeteredCall {
            account: body.account,
            operation: body.operation,
            units: body.units,
            credits: body.credits,
            endpoint: body.endpoint,
        }
    }
}

/// Charges a call.
#[utoipa::path(
    post,
    path = "/api/v1/debits",
    operation_id = "createDebit",
    tag = "metering",
    params(("Idempotency-Key" = String, Header, description = "The caller's name for this attempt")),
    request_body = NewDebit,
    responses(
        (status = 201, body = Debit), (status = 400), (status = 401),
        (status = 402, description = "Not enough credits, debt, or the plan's limit"),
        (status = 404), (status = 409, description = "The key was used for another request"),
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
    let outcome = debit(&app, &caller, key, &body.into()).await?;
    let debit = Debit::of(&outcome)?;
    let cost = debit.credits.0;
    Ok(answer(StatusCode::CREATED, &outcome, cost, &debit))
}

/// Debits to charge together. One that is refused does not stop the others.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewBatch {
    /// At most 1,000, each with its `key`.
    #[schema(value_type = Vec<NewDebit>)]
    debits: Vec<Box<RawValue>>,
}

/// What became of each debit, in the order they were sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    results: Vec<BatchResult>,
}

/// The answer a debit would have had alone, with its status.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// Charged.
    Charged(BatchCharged),
    /// A problem as a single debit is answered with.
    #[schema(value_type = Object)]
    Refused(ProblemBody),
}

/// A debit that was charged.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchCharged {
    /// 201.
    status: u16,
    /// The debit's key.
    key: String,
    /// Whether this repeats an earlier answer.
    replayed: bool,
    /// The debit.
    #[serde(flatten)]
    debit: Debit,
}

/// Charges up to 1,000 calls, each under its own key.
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
            call: Ok(body.into()),
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
