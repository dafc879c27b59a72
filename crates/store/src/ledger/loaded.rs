//! An account's ledger in memory, with what the store keeps besides it.

use domain::ledger::Ledger;
use domain::money::Credits;
use domain::time::Timestamp;

/// The threshold below which a new account is notified that its credits run low, until it sets
/// another.
pub const LOW_BELOW_DEFAULT: Credits = Credits::new(50);

/// Enough.
const LEVEL_ENOUGH: i64 = 0;

/// Below the threshold.
const LEVEL_LOW: i64 = 1;

/// Nothing left.
const LEVEL_GONE: i64 = 2;

/// An account's ledger with what the store keeps besides it.
pub(super) struct Loaded {
    pub(super) ledger: Ledger,
    /// The time until which the stored answer of the plan holds.
    pub(super) plan_valid_until: Timestamp,
    /// Whether the wallet row must be written although no entry was.
    pub(super) is_changed: bool,
    /// Whether the wallet row is to be made.
    pub(super) is_new: bool,
    /// What is watched for when credits move.
    pub(super) watch: Watch,
}

/// What is watched for, as the wallet's row has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) limits: i64,
    pub(super) low_below: Option<Credits>,
    pub(super) low_level: i64,
    pub(super) low_due: bool,
    pub(super) topup_below: Option<Credits>,
    pub(super) topup_due: bool,
}

impl Default for Watch {
    /// A new wallet has nothing, and no one is notified of that.
    fn default() -> Watch {
        Watch {
            limits: 0,
            low_below: Some(LOW_BELOW_DEFAULT),
            low_level: LEVEL_GONE,
            low_due: false,
            topup_below: None,
            topup_due: false,
        }
    }
}

/// What is watched: credits that may be spent, those that calls in progress set aside included. So
/// a hold that is given back crosses nothing.
pub(super) fn measure(ledger: &Ledger, now: Timestamp) -> Credits {
    ledger.available(now) + ledger.wallet.held
}

pub(super) fn level(watch: &Watch, measure: Credits) -> i64 {
    if !measure.is_positive() {
        LEVEL_GONE
    } else if watch.low_below.is_some_and(|below| measure < below) {
        LEVEL_LOW
    } else {
        LEVEL_ENOUGH
    }
}
