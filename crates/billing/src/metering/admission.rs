//! Whether an account could spend credits now, without spending any.

use domain::ledger::{Refusal, Spender, WalletStatus};
use domain::money::Credits;

use crate::app::App;
use crate::error::Result;
use crate::summary::View;

/// What would refuse a call of `cost` now, in the order the ledger judges it.
pub async fn refusal_now(
    app: &App,
    account: i64,
    view: &View,
    cost: Credits,
    spender: Spender,
) -> Result<Option<Refusal>> {
    let now = app.now();
    let (wallet, over_limit) = app
        .read(move |tx| {
            let ledger = store::ledger::loaded(tx, account)?;
            let over_limit = ledger.limit_refusal(spender, cost, now);
            Ok((store::ledger::wallet(tx, account)?, over_limit))
        })
        .await?;
    let status = wallet.and_then(|wallet| WalletStatus::from_word(&wallet.status));
    let status = status.unwrap_or_default();
    let limit = view.plan.calls_limit;
    let (needed, available) = (cost, view.available);
    Ok(if status != WalletStatus::Active {
        Some(Refusal::NotActive { status })
    } else if view.debt.is_positive() {
        let debt = view.debt;
        Some(Refusal::Debt { debt, needed })
    } else if let Some(limit) = limit.filter(|limit| view.calls_this_period >= *limit) {
        Some(Refusal::PlanLimit {
            limit,
            needed,
            available,
        })
    } else if over_limit.is_some() {
        over_limit
    } else if needed > available {
        Some(Refusal::InsufficientCredits { needed, available })
    } else {
        None
    })
}
