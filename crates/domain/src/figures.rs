//! The key figures of the business, as values.

use crate::money::{Credits, MinorUnits, share_of};
use crate::time::Timestamp;

/// The number of days over which rates are computed.
pub const DAYS: i64 = 30;

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The size of the part.
    pub part: i64,
    /// The size of the whole; a share of zero has no ratio.
    pub whole: i64,
}

impl Share {
    /// The share in hundredths of a percent, rounded half up; `None` when the whole is zero.
    pub fn basis_points(self) -> Option<i64> {
        (self.whole > 0).then(|| share_of(10_000, self.part, self.whole))
    }

    /// The share as a ratio for Prometheus: `0.9720`.
    pub fn ratio(self) -> Option<String> {
        let points = self.basis_points()?;
        Some(format!("{}.{:04}", points / 10_000, points % 10_000))
    }
}

/// The figures, as of `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// When they were computed, by the billing clock.
    pub at: Timestamp,
    /// The start of the period over which rates are computed.
    pub from: Timestamp,
    /// The start of that period for events, which arrive by the system clock.
    pub events_from: Timestamp,
    /// Succeeded payments, out of those with a final outcome.
    pub payments: Share,
    /// Events that were processed or don't concern us, out of those with a final outcome.
    pub webhooks: Share,
    /// Events that need manual review.
    pub events_parked: i64,
    /// Accounts with a wallet.
    pub wallets: i64,
    /// The average balance of an account, less its debt.
    pub balance: Credits,
    /// Accounts that subscribed at the start of the period and no longer do.
    pub churn: Share,
    /// Accounts that paid within the period.
    pub paying: i64,
    /// What they paid, less refunds, without tax.
    pub revenue: MinorUnits,
    /// Revenue per paying account in the period.
    pub arpu: Option<MinorUnits>,
    /// Monthly recurring revenue of the running subscriptions.
    pub mrr: MinorUnits,
    /// How many subscriptions are running.
    pub subscriptions: i64,
    /// Credits of completed top-ups: according to the transactions, and according to the ledger.
    pub bought: (Credits, Credits),
}
