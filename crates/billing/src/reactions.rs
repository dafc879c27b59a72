//! Reactions to the journal, in the commit that writes an entry: the host application is told of
//! added credits, and automatic top-up is switched off when credits are taken back (G6).

use std::sync::Arc;

use domain::ledger::{Entry, EntryKind};
use domain::letters::Letter;
use domain::time::{Clock, Timestamp};
use store::Tx;
use store::auto_topup::{self, AutoTopupState};
use store::ledger::{Listener, watch};

use crate::{letters, notices};

/// The ledger's listener.
pub fn listener(clock: Arc<dyn Clock>) -> Listener {
    Listener::new(move |tx, entry| {
        if entry.posted_delta.is_positive() {
            notices::granted(tx, entry, clock.now())?;
        }
        taken_back(tx, entry, clock.now())
    })
}

/// A refund, a dispute, or an adjustment below the threshold must not be bought back with the
/// customer's card.
fn taken_back(tx: &mut Tx<'_>, entry: &Entry, real_now: Timestamp) -> store::Result<()> {
    let account = entry.account;
    let reason = match entry.kind {
        EntryKind::Clawback => "a payment was refunded or reversed",
        EntryKind::Freeze => "a payment is disputed",
        EntryKind::Adjust if is_below(tx, account, entry.at)? => "support took credits back",
        _ => return Ok(()),
    };
    let key = format!("{account}:entry:{}", entry.seq);
    stop_auto_topup(tx, account, &key, reason, (entry.at, real_now))
}

fn is_below(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> store::Result<bool> {
    let Some(below) = watch::thresholds(tx, account)?.1 else {
        return Ok(false);
    };
    Ok(store::ledger::loaded(tx, account)?.available(now) < below)
}

/// Switches automatic top-up off, if it is on or waiting, and notifies the payers once. `key` names
/// the event; the times are those of the billing clock and the security clock.
pub fn stop_auto_topup(
    tx: &mut Tx<'_>,
    account: i64,
    key: &str,
    reason: &str,
    (now, real_now): (Timestamp, Timestamp),
) -> store::Result<()> {
    if auto_topup::stop(tx, account, AutoTopupState::Off, reason, now)? {
        let letter = Letter::AutoTopupOff {
            reason: reason.to_owned(),
        };
        let key = format!("auto-topup-off:{key}");
        letters::notify_payers(tx, account, &key, &letter, real_now)?;
    }
    Ok(())
}
