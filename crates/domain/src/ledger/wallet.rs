//! The sums of an account's journal, and what its plan allows.

use crate::money::Credits;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// Whether an account may spend.
    #[derive(Default)]
    pub enum WalletStatus {
        /// It may spend.
        #[default]
        Active = "active",
        /// An operator suspended it.
        Frozen = "frozen",
        /// It was deleted; only its accounting records remain.
        Closed = "closed",
    }
}

/// The sums of one account's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    /// Credits in all grants.
    pub posted: Credits,
    /// Credits pinned by pending holds.
    pub held: Credits,
    /// Clawed-back credits that could not be collected.
    pub debt: Credits,
    /// The number of the last journal entry.
    pub seq: i64,
    /// The hash of the last journal entry.
    pub hash: [u8; 32],
    /// How many holds are pending.
    pub open_holds: i64,
    /// The plan period that `period_calls` counts toward.
    pub period_start: Timestamp,
    /// Calls authorized in that period, excluding released ones.
    pub period_calls: i64,
}

impl Wallet {
    /// Counts an authorized call in its plan period; a new period starts at one.
    pub(super) fn count_call(&mut self, period_start: Timestamp) {
        if period_start != self.period_start {
            self.period_start = period_start;
            self.period_calls = 0;
        }
        self.period_calls += 1;
    }

    /// A call that wasn't charged doesn't count; a late capture of an expired hold counts it again.
    pub(super) fn recount_call(&mut self, period_start: Timestamp, captured: bool, late: bool) {
        if period_start != self.period_start {
            return;
        }
        match (captured, late) {
            (true, true) => self.period_calls += 1,
            (true, false) => {}
            // If a plan ended and started again, the count was reset and no longer includes earlier
            // holds.
            (false, _) => self.period_calls = (self.period_calls - 1).max(0),
        }
    }
}

/// What the account's plan allows now: an input of the ledger, not derived from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The start of the current plan period.
    pub period_start: Timestamp,
    /// Calls allowed per period; `None` for no limit.
    pub calls_limit: Option<i64>,
    /// Whether the account may spend at all.
    pub status: WalletStatus,
}

/// The turn of a plan's period: it ended, and the renewal that follows it has not been settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The end of the old period.
    pub at: Timestamp,
    /// The time until which the old period's allowance may still be spent.
    pub until: Timestamp,
}
