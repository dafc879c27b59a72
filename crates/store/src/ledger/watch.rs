//! Tracks a wallet's level as its credits change, so that crossing a threshold is recorded in the
//! same commit; background jobs send the notifications and buy credits later.
//!
//! Only spending by calls is recorded as a crossing: not a refund, a dispute, an adjustment, a void,
//! an expiry or the turn of the period (G6).

use domain::ledger::{Command, Entry, EntryKind, Refusal, Request};
use domain::money::Credits;
use domain::time::Timestamp;

use super::Decision;
use super::loaded::{Loaded, Watch, measure};
use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

/// Records a threshold crossing. Once the level has risen again, the next crossing is recorded;
/// most commands change nothing here and write nothing.
pub(super) fn note(
    tx: &mut Tx<'_>,
    loaded: &Loaded,
    entries: &[Entry],
    now: Timestamp,
) -> Result<()> {
    let (before, measure) = (&loaded.watch, measure(&loaded.ledger, now));
    let calls = entries
        .iter()
        .filter(|entry| matches!(entry.kind, EntryKind::Debit | EntryKind::Capture));
    let spent: Credits = calls.map(|entry| -entry.posted_delta).sum();
    let level = before.level(measure);
    // The level without the calls of this commit: what else fell crosses nothing.
    let is_by_calls = level > before.level(measure + spent);
    let is_low = before.topup_below.is_some_and(|below| measure < below);
    let after = Watch {
        low_level: level,
        low_due: (level > before.low_level && is_by_calls)
            || (level == before.low_level && before.low_due),
        topup_due: is_low && (before.topup_due || spent.is_positive()),
        ..*before
    };
    if after == *before {
        return Ok(());
    }
    tx.execute(
        "update wallet
            set low_level = $2,
                low_due = $3,
                low_seq = case when $3 = 1 and low_due = 0 then $4 else low_seq end,
                topup_due = $5
          where account_id = $1",
        args![
            loaded.ledger.account,
            after.low_level.number(),
            after.low_due,
            loaded.ledger.wallet.seq,
            after.topup_due,
        ],
    )?;
    Ok(())
}

/// Records that calls were refused for lack of credits below the threshold for automatic top-up:
/// they would have been spending.
pub(super) fn note_refused(
    tx: &mut Tx<'_>,
    loaded: &Loaded,
    requests: &[&Request],
    decisions: &[Decision],
    now: Timestamp,
) -> Result<()> {
    let is_low = loaded
        .watch
        .topup_below
        .is_some_and(|below| measure(&loaded.ledger, now) < below);
    if !is_low || loaded.watch.topup_due {
        return Ok(());
    }
    let mut calls = requests.iter().zip(decisions);
    let is_refused = calls.any(|(request, decision)| {
        let is_call = matches!(
            request.command,
            Command::Authorize { .. } | Command::Debit { .. }
        );
        is_call && matches!(decision, Err(Refusal::InsufficientCredits { .. }))
    });
    if is_refused {
        tx.execute(
            "update wallet set topup_due = 1 where account_id = $1 and topup_due = 0",
            args![loaded.ledger.account],
        )?;
    }
    Ok(())
}

pub use super::loaded::LOW_BELOW_DEFAULT;
pub use super::thresholds::{set_thresholds, thresholds};

record! {
    /// A wallet that crossed its threshold, which was not reported yet.
    pub struct Crossing {
        /// The number of the account.
        pub account_id: i64,
        /// Whether no credits are left.
        pub is_gone: bool,
        /// The threshold that was crossed, in micro-credits.
        pub low_below: Option<i64>,
        /// The number of the journal entry that crossed it, which identifies the crossing.
        pub seq: i64,
    }
}

/// Crossings to report, of accounts with numbers above `after`.
pub fn crossings(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<Crossing>> {
    tx.query(
        "select account_id, low_level = 2, low_below, coalesce(low_seq, 0)
           from wallet
          where low_due > 0
            and account_id > $1
          order by account_id
          limit $2",
        args![after, limit],
    )
}

/// Records that the crossing was reported. `false` if the wallet recovered or crossed again in the
/// meantime.
pub fn mark_notified(tx: &mut Tx<'_>, account: i64, seq: i64) -> Result<bool> {
    let changed = tx.execute(
        "update wallet
            set low_due = 0
          where account_id = $1
            and low_due > 0
            and coalesce(low_seq, 0) = $2",
        args![account, seq],
    )?;
    Ok(changed > 0)
}
