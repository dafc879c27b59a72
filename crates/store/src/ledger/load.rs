//! Loads what the commands of an account require.

use std::collections::BTreeSet;

use domain::ledger::{Command, Hold, Ledger, Request};
use domain::time::Timestamp;

use super::limits;
use super::loaded::Loaded;
use super::rows::{
    allowance_families, entry_by_key, hold, live_lots, lot_by_number, lot_family, pending_holds,
};
use super::wallet::{first_wallet, from_stored, lock_wallet, wallet};
use crate::db::Tx;
use crate::error::Result;

/// Loads the account's wallet (locking it on PostgreSQL), its grants with credits left, and what
/// `requests` name.
pub(super) fn load(tx: &mut Tx<'_>, account: i64, requests: &[&Request]) -> Result<Loaded> {
    let stored = lock_wallet(tx, account)?;
    let mut loaded = match stored {
        Some(stored) => from_stored(account, stored)?,
        None => first_wallet(account),
    };
    if !loaded.is_new {
        for lot in live_lots(tx, account)? {
            loaded.ledger.lots.insert(lot.id, lot);
        }
        load_named(tx, &mut loaded.ledger, requests)?;
        load_limits(tx, &mut loaded)?;
    }
    Ok(loaded)
}

/// Costs nothing for an account without limits: its wallet row has their number.
fn load_limits(tx: &mut Tx<'_>, loaded: &mut Loaded) -> Result<()> {
    if loaded.watch.limits > 0 {
        let rows = limits::rows(tx, loaded.ledger.account)?;
        loaded.ledger.limits = rows.into_iter().map(|row| row.limit).collect();
    }
    Ok(())
}

/// Loads what [`read_only`] loads, and what `requests` name, to preview their outcome.
pub(super) fn read_only_for(
    tx: &mut Tx<'_>,
    account: i64,
    requests: &[&Request],
) -> Result<Loaded> {
    let mut loaded = read_only(tx, account)?;
    if !loaded.is_new {
        load_named(tx, &mut loaded.ledger, requests)?;
    }
    Ok(loaded)
}

/// Loads what [`load`] loads, for a reader: it takes no lock and creates no row.
pub(super) fn read_only(tx: &mut Tx<'_>, account: i64) -> Result<Loaded> {
    let Some(stored) = wallet(tx, account)? else {
        return Ok(first_wallet(account));
    };
    let mut loaded = from_stored(account, stored)?;
    for lot in live_lots(tx, account)? {
        loaded.ledger.lots.insert(lot.id, lot);
    }
    load_limits(tx, &mut loaded)?;
    Ok(loaded)
}

fn load_named(tx: &mut Tx<'_>, ledger: &mut Ledger, requests: &[&Request]) -> Result<()> {
    let mut keys = BTreeSet::new();
    let mut holds = BTreeSet::new();
    let mut sources = BTreeSet::new();
    for request in requests {
        keys.extend(request.key.as_ref().map(|key| key.key.as_str()));
        match &request.command {
            Command::Capture { hold, .. } | Command::Release { hold } => {
                holds.insert(hold.as_str());
            }
            Command::Grant(new) => {
                sources.insert(new.source_key.as_str());
                sources.extend(new.parent.as_deref());
            }
            Command::Adjust { source_key, .. }
            | Command::Void { source_key }
            | Command::Clawback { source_key, .. }
            | Command::Freeze { source_key, .. } => {
                sources.insert(source_key.as_str());
            }
            Command::Authorize { .. }
            | Command::Debit { .. }
            | Command::Forgive { .. }
            | Command::Settle => {}
        }
    }
    for key in keys {
        if let Some(entry) = entry_by_key(tx, ledger.account, key)? {
            ledger.answered.insert(key.to_owned(), entry);
        }
    }
    for id in holds {
        if let Some(hold) = hold(tx, ledger.account, id)? {
            load_pinned(tx, ledger, &hold)?;
            ledger.holds.insert(hold.id.clone(), hold);
        }
    }
    for source in sources {
        load_family(tx, ledger, source)?;
    }
    Ok(())
}

/// Loads the allowances that a reversal concerns with what belongs to them, as far as they aren't
/// loaded yet.
pub(super) fn load_allowances(
    tx: &mut Tx<'_>,
    ledger: &mut Ledger,
    since: Timestamp,
) -> Result<()> {
    for lot in allowance_families(tx, ledger.account, since)? {
        ledger.lots.entry(lot.id).or_insert(lot);
    }
    Ok(())
}

/// Loads a grant with its bonus grants and what it carried over, as far as they aren't loaded yet.
fn load_family(tx: &mut Tx<'_>, ledger: &mut Ledger, source_key: &str) -> Result<()> {
    for lot in lot_family(tx, ledger.account, source_key)? {
        ledger.lots.entry(lot.id).or_insert(lot);
    }
    Ok(())
}

/// Loads the grants that a hold pinned: those of a late capture or a settled hold may have no
/// credits left.
fn load_pinned(tx: &mut Tx<'_>, ledger: &mut Ledger, hold: &Hold) -> Result<()> {
    for (lot, _) in &hold.pins {
        if !ledger.lots.contains_key(lot)
            && let Some(found) = lot_by_number(tx, ledger.account, *lot)?
        {
            ledger.lots.insert(*lot, found);
        }
    }
    Ok(())
}

/// Loads all pending holds, before what is due is settled.
pub(super) fn load_pending_holds(tx: &mut Tx<'_>, ledger: &mut Ledger) -> Result<()> {
    for hold in pending_holds(tx, ledger.account)? {
        load_pinned(tx, ledger, &hold)?;
        ledger.holds.entry(hold.id.clone()).or_insert(hold);
    }
    Ok(())
}
