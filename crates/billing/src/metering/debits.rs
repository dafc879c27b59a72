//! Debits: calls authorized and charged in one step, individually or in a batch.

use std::collections::{HashMap, hash_map};

use domain::ledger::{Command, Outcome, Refusal};
use serde_json::json;

use crate::actors::KeyCaller;
use crate::app::App;
use crate::error::{Error, Result};
use crate::idempotency::Key;
use crate::metering::{Attempt, MeteredCall, answered};

/// Maximum number of debits in a batch.
const BATCH_MAX: usize = 1_000;

/// Maximum number of a batch's debits queued at the ledger at once, to leave room for other
/// callers.
const AT_ONCE_MAX: usize = 250;

/// Charges one call. A ledger refusal is returned as the error.
pub async fn debit(app: &App, caller: &KeyCaller, key: Key, call: &MeteredCall) -> Result<Outcome> {
    let account = caller.account(app, call.account.as_deref()).await?;
    attempt(app, caller, key, call)?.make(app, account).await
}

/// A debit as a ledger command.
fn attempt(app: &App, caller: &KeyCaller, key: Key, call: &MeteredCall) -> Result<Attempt> {
    call.require_cost()?;
    let endpoint = call.endpoint()?.unwrap_or_default();
    let terms = ("debit", &[&*endpoint][..]);
    call.attempt(app, caller, key, terms, |price| Command::Debit {
        amount: price.credits,
    })
}

/// One debit of a batch.
#[derive(Debug)]
pub struct BatchItem {
    /// The debit's own idempotency key, as the caller sent it.
    pub key: Option<String>,
    /// What to charge, or why it could not be read.
    pub call: Result<MeteredCall>,
}

/// Charges up to 1,000 calls, each under its own key, in the given order. Returns each debit's key
/// and outcome; a refused debit doesn't stop the others.
pub async fn debit_batch(
    app: &App,
    caller: &KeyCaller,
    items: Vec<BatchItem>,
) -> Result<Vec<(Option<String>, Result<Outcome>)>> {
    if items.len() > BATCH_MAX {
        let detail = format!("A batch has at most {BATCH_MAX} debits.");
        return Err(Error::field("debits", detail));
    }
    let mut accounts = HashMap::new();
    let mut names = HashMap::new();
    let mut results = Vec::with_capacity(items.len());
    let mut items = items.into_iter();
    loop {
        let mut waiting = Vec::with_capacity(AT_ONCE_MAX.min(items.len()));
        for item in items.by_ref().take(AT_ONCE_MAX) {
            let prepared = prepare(app, caller, &mut accounts, item.key.as_deref(), item.call);
            // Calling `ledger` queues the command, so an account's debits keep their order.
            let sent = prepared
                .await
                .map(|(account, Attempt { request, unpriced })| {
                    let answer = app.db.ledger(app.rules(), account, request, app.now());
                    (account, answer, unpriced)
                });
            waiting.push((item.key, sent));
        }
        if waiting.is_empty() {
            return Ok(results);
        }
        for (key, sent) in waiting {
            let outcome = match sent {
                Ok((account, answer, unpriced)) => match answer.await {
                    Ok(Ok(outcome)) => answered(unpriced, outcome),
                    Ok(Err(refusal)) => Err(refused(app, &mut names, account, &refusal).await),
                    Err(error) => Err(Error::from(error)),
                },
                Err(error) => Err(error),
            };
            results.push((key, outcome));
        }
    }
}

/// The account and command of one debit of a batch; each account's id is looked up once.
async fn prepare(
    app: &App,
    caller: &KeyCaller,
    accounts: &mut HashMap<Option<String>, i64>,
    key: Option<&str>,
    call: Result<MeteredCall>,
) -> Result<(i64, Attempt)> {
    let call = call?;
    let key = key.ok_or_else(|| {
        let detail = "Each debit of a batch has a key of its own, the same on a retry.";
        Error::bad_request("idempotency_key_required", detail).with("field", json!("key"))
    })?;
    let key = Key::read(key)?;
    let account = if let Some(known) = accounts.get(&call.account) {
        *known
    } else {
        let found = caller.account(app, call.account.as_deref()).await?;
        accounts.insert(call.account.clone(), found);
        found
    };
    Ok((account, attempt(app, caller, key, &call)?))
}

/// The error for a refused debit of a batch; each account's public id is looked up once.
async fn refused(
    app: &App,
    names: &mut HashMap<i64, String>,
    account: i64,
    refusal: &Refusal,
) -> Error {
    let name = match names.entry(account) {
        hash_map::Entry::Occupied(known) => known.into_mut(),
        hash_map::Entry::Vacant(place) => match app.public_id(account).await {
            Ok(name) => place.insert(name),
            Err(error) => return error,
        },
    };
    Error::refused(refusal, &app.links_of(name))
}
