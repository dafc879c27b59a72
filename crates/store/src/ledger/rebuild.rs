//! Rebuilds the rows that are derived from the journal.

use domain::ledger::{Hold, HoldState, Ledger, Limit};
use domain::time::Timestamp;

use super::{Rules, limits, load, read, save};
use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// The number of journal entries in memory at once.
const PAGE: i64 = 1_000;
/// An expired hold may be captured for a day; after two days it is final.
const EXPIRED_HOLD_DAYS_KEPT: i64 = 2;

/// Rewrites an account's wallet, grants, holds, usage and limits from its journal, whatever they
/// contained. The journal itself is only read: the caller has verified it.
pub fn rebuild(tx: &mut Tx<'_>, rules: &Rules, account: i64, now: Timestamp) -> Result<()> {
    let mut loaded = load::load(tx, account, &[])?;
    let mut ledger = Ledger::new(account, loaded.ledger.terms);
    ledger.limits = limits::rows(tx, account)?
        .into_iter()
        .map(|row| uncounted(&row.limit))
        .collect();
    for statement in [
        "delete from credit_grant where account_id = $1",
        "delete from hold where account_id = $1",
        "delete from usage_day where account_id = $1",
        "delete from usage_meter_day where account_id = $1",
    ] {
        tx.execute(statement, args![account])?;
    }
    replay(tx, &mut ledger)?;
    for limit in &ledger.limits {
        limits::save(tx, limit, now)?;
    }
    loaded.ledger = ledger;
    // The plan's limits and what is due are computed again.
    loaded.plan_valid_until = Timestamp::from_micros(0);
    save::save_wallet(tx, &loaded, now)?;
    super::settle(tx, rules, account, now).map(|_| ())
}

fn replay(tx: &mut Tx<'_>, ledger: &mut Ledger) -> Result<()> {
    loop {
        let page = read::journal_after(tx, ledger.account, ledger.wallet.seq, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        let until = last.at.plus_days(-EXPIRED_HOLD_DAYS_KEPT);
        for entry in &page {
            ledger.replay(entry);
            ledger.wallet.hash = entry.hash;
            save::count_usage(tx, entry)?;
        }
        let changes = ledger.take_changes();
        for id in &changes.lots {
            save::save_lot(tx, ledger.account, &ledger.lots[id])?;
        }
        for id in &changes.holds {
            save::save_hold(tx, ledger.account, &ledger.holds[id])?;
        }
        ledger.holds.retain(|_, hold| !is_settled(hold, until));
    }
}

/// Whether no later entry can change the hold.
fn is_settled(hold: &Hold, until: Timestamp) -> bool {
    match hold.state {
        HoldState::Captured | HoldState::Released => true,
        HoldState::Expired => hold.resolved_at.is_some_and(|at| at < until),
        HoldState::Pending => false,
    }
}

fn uncounted(limit: &Limit) -> Limit {
    Limit::new(
        limit.id,
        limit.scope,
        limit.subject,
        limit.window,
        limit.cap,
    )
}
