//! An account's ledger in memory, with what the store keeps besides it.

use domain::ledger::Ledger;
use domain::money::Credits;
use domain::time::Timestamp;

/// The default threshold below which an account is notified of low credits.
pub const LOW_BELOW_DEFAULT: Credits = Credits::new(50);

/// How much of an account's credits is left; the number is stored in the wallet row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// The credits reach the threshold.
    Enough = 0,
    /// The credits are below the threshold.
    Low = 1,
    /// No credits are left.
    Gone = 2,
}

impl Level {
    pub(super) fn number(self) -> i64 {
        self as i64
    }

    pub(super) fn from_number(number: i64) -> Option<Level> {
        [Level::Enough, Level::Low, Level::Gone]
            .into_iter()
            .find(|level| level.number() == number)
    }
}

/// An account's ledger with what the store keeps besides it.
pub(super) struct Loaded {
    pub(super) ledger: Ledger,
    /// The time until which the stored plan is valid.
    pub(super) plan_valid_until: Timestamp,
    /// Whether the wallet row must be written although there is no new entry.
    pub(super) is_changed: bool,
    /// Whether the wallet row has to be created.
    pub(super) is_new: bool,
    /// The thresholds and notification state.
    pub(super) watch: Watch,
}

/// Thresholds and notification state, as stored in the wallet row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) limits: i64,
    pub(super) low_below: Option<Credits>,
    pub(super) low_level: Level,
    pub(super) low_due: bool,
    pub(super) topup_below: Option<Credits>,
    pub(super) topup_due: bool,
}

impl Default for Watch {
    /// A new wallet has no credits, and no one is notified of that.
    fn default() -> Watch {
        Watch {
            limits: 0,
            low_below: Some(LOW_BELOW_DEFAULT),
            low_level: Level::Gone,
            low_due: false,
            topup_below: None,
            topup_due: false,
        }
    }
}

/// The amount compared with the thresholds: available credits plus those set aside by calls in
/// progress. So releasing a hold never crosses a threshold.
pub(super) fn measure(ledger: &Ledger, now: Timestamp) -> Credits {
    ledger.available(now) + ledger.wallet.held
}

impl Watch {
    /// The level of a wallet with `measure` credits.
    pub(super) fn level(&self, measure: Credits) -> Level {
        if !measure.is_positive() {
            Level::Gone
        } else if self.low_below.is_some_and(|below| measure < below) {
            Level::Low
        } else {
            Level::Enough
        }
    }
}
