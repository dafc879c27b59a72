//! Whether an account could spend credits now, without spending any.

use domain::ledger::{Refusal, Spender};
use domain::money::Credits;

use crate::app::App;
use crate::error::Result;

/// What would refuse a call of `cost` now, by the rule with which the ledger admits calls. Read the
/// account's view first: it lets time pass, so that this judges what the next call would meet.
pub async fn refusal_now(
    app: &App,
    account: i64,
    cost: Credits,
    spender: Spender,
) -> Result<Option<Refusal>> {
    let now = app.now();
    app.read(move |tx| {
        let ledger = store::ledger::loaded(tx, account)?;
        Ok(ledger.admission(spender, now).refusal(cost, now))
    })
    .await
}
