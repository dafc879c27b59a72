//! An account as it stands now: plan, credits, usage. What pages and answers show.

use domain::ledger::Lot;
use domain::money::Credits;
use domain::plan::Plan;
use domain::time::Timestamp;

use crate::app::App;
use crate::http::error::Result;

/// See the module.
#[derive(Clone, Debug)]
pub struct View {
    /// The plan.
    pub plan: Plan,
    /// Credits in all lots.
    pub posted: Credits,
    /// Pinned by holds.
    pub held: Credits,
    /// Debt.
    pub debt: Credits,
    /// What may be spent now.
    pub available: Credits,
    /// Lots with credits left.
    pub lots: Vec<Lot>,
    /// Calls that count against the plan's limit.
    pub calls_this_period: i64,
    /// Credits charged since the first of the month, UTC.
    pub used_this_month: Credits,
    /// When the wallet last moved.
    pub updated_at: Timestamp,
}

impl View {
    /// Lots with credits left, in the order they are spent: the one order in which every answer
    /// and page lists them.
    pub fn lots_in_order(&self) -> Vec<&Lot> {
        let mut lots: Vec<&Lot> = self
            .lots
            .iter()
            .filter(|lot| lot.remaining().is_positive())
            .collect();
        lots.sort_by_key(|lot| lot.order());
        lots
    }
}

/// The account now. Time passes first: what is due expires, and the allowance that is due comes,
/// so the answer is what the next call would meet.
pub async fn view(app: &App, account: i64) -> Result<View> {
    let now = app.now();
    let rules = app.rules();
    let due = app
        .read(move |tx| {
            let wallet = store::ledger::wallet(tx, account)?;
            Ok(store::ledger::is_due(wallet.as_ref(), now))
        })
        .await?;
    if due {
        let rules = rules.clone();
        app.write(account, move |tx| {
            store::ledger::settle(tx, &rules, account, now).map(|_| ())
        })
        .await?;
    }
    app.read(move |tx| {
        let ledger = store::ledger::loaded(tx, account)?;
        let plan = store::ledger::plan(tx, &rules, account, now)?;
        let month = now.month_start();
        let (_, used) = store::ledger::used_between(tx, account, month.day(), now.day() + 1)?;
        let wallet = store::ledger::wallet(tx, account)?;
        Ok(View {
            plan,
            posted: ledger.wallet.posted,
            held: ledger.wallet.held,
            debt: ledger.wallet.debt,
            available: ledger.available(now),
            calls_this_period: ledger.calls_this_period(),
            lots: ledger.lots.into_values().collect(),
            used_this_month: Credits::from_micros(used),
            updated_at: wallet.map_or(now, |wallet| wallet.updated_at),
        })
    })
    .await
}
