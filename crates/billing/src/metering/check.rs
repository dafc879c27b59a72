//! The check that a gateway makes before it forwards a call.

use domain::ledger::Command;
use domain::money::Credits;

use crate::actors::KeyCaller;
use crate::app::App;
use crate::error::Result;
use crate::idempotency::Key;
use crate::metering::MeteredCall;

/// A call that was charged.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// What the call cost.
    pub cost: Credits,
    /// Credits that can be spent now.
    pub available: Credits,
    /// Whether this is a replay of an earlier request.
    pub replayed: bool,
}

/// Charges the call under `key`. A refusal is returned as the error.
pub async fn check(
    app: &App,
    caller: &KeyCaller,
    key: Key,
    call: &MeteredCall,
) -> Result<Admitted> {
    let account = caller.account(app, call.account.as_deref()).await?;
    let attempt = call.attempt(app, caller, key, ("check", &[]), |price| Command::Debit {
        amount: price.credits,
    });
    let outcome = attempt?.make(app, account).await?;
    // A replay returns what the call cost at the time, even if the price has changed.
    let entry = outcome.entry.as_ref();
    Ok(Admitted {
        cost: entry.map_or(Credits::ZERO, domain::ledger::Entry::charged),
        available: outcome.available,
        replayed: outcome.replayed,
    })
}
