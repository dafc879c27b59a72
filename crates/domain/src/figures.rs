//! The figures of the business, as values.

use crate::money::{Credits, MinorUnits, share_of};
use crate::time::Timestamp;

/// The span that rates are taken over.
pub const DAYS: i64 = 30;

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The size of the part.
    pub part: i64,
    /// The whole; nothing can be said of none.
    pub whole: i64,
}

impl Share {
    /// In hundredths of a percent, rounded half up; `None` of nothing.
    pub fn basis_points(self) -> Option<i64> {
        (self.whole > 0).then(|| share_of(10_000, self.part, self.whole))
    }

    /// As a ratio for Prometheus: `0.9720`.
    pub fn ratio(self) -> Option<String> {
        let points = self.basis_points()?;
        Some(format!("{}.{:04}", points / 10_000, points % 10_000))
    }
}

/// The numbers, as of `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// When they were read, by the billing clock.
    pub at: Timestamp,
    /// Where the span of the rates begins.
    pub from: Timestamp,
    /// Payments that went through, of those that are decided.
    pub payments: Share,
    /// Events that were processed or are not ours, of those that are decided.
    pub webhooks: Share,
    /// Events that wait for a person.
    pub events_parked: i64,
    /// Accounts with a wallet.
    pub wallets: i64,
    /// What an account has on average, debt counted against it.
    pub balance: Credits,
    /// Accounts that subscribed when the span began and do not now.
    pub churn: Share,
    /// Accounts that paid in the span.
    pub paying: i64,
    /// What they paid less what was paid back.
    pub revenue: MinorUnits,
    /// Revenue of the span per account that paid.
    pub arpu: Option<MinorUnits>,
    /// What running subscriptions pay in a month.
    pub mrr: MinorUnits,
    /// How many subscriptions are running.
    pub subscriptions: i64,
    /// Credits of completed top-ups, by the transactions and by the ledger.
    pub bought: (Credits, Credits),
}
