//! Spend limits: what an account, one of its keys or one of its members may spend in a window.
//!
//! A limit counts what was charged in its window and what pending holds set aside now. It is
//! checked in the same step as the hold or debit it limits, so simultaneous calls can't exceed it
//! together.

use super::Ledger;
use crate::money::Credits;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// Whose spending is limited.
    pub enum LimitScope {
        /// The spending of the whole account.
        Account = "account",
        /// The spending of one API key.
        Key = "key",
        /// The spending of all API keys that one member created.
        Member = "member",
    }
}

words! {
    /// How long a limit counts before it resets.
    pub enum LimitWindow {
        /// A UTC day.
        Day = "day",
        /// A UTC calendar month.
        Month = "month",
        /// It never resets: everything ever spent counts.
        Lifetime = "lifetime",
    }
}

impl LimitWindow {
    /// The start of the window that contains `at`.
    pub fn start(self, at: Timestamp) -> Timestamp {
        match self {
            LimitWindow::Day => Timestamp::default().plus_days(at.day()),
            LimitWindow::Month => at.month_start(),
            LimitWindow::Lifetime => Timestamp::default(),
        }
    }

    /// The end of the window that began at `start`; `None` for a lifetime.
    pub fn end(self, start: Timestamp) -> Option<Timestamp> {
        match self {
            LimitWindow::Day => Some(start.plus_days(1)),
            LimitWindow::Month => Some(start.plus_months(1)),
            LimitWindow::Lifetime => None,
        }
    }
}

/// A limit on spending, and how much of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of the limit in the store.
    pub id: i64,
    /// Whose spending is limited.
    pub scope: LimitScope,
    /// The number of the API key or member; 0 for the account.
    pub subject: i64,
    /// How long the limit counts before it resets.
    pub window: LimitWindow,
    /// The most that may be charged and set aside in a window.
    pub cap: Credits,
    /// The start of the window that `used` counts toward.
    pub window_start: Timestamp,
    /// Credits that were charged in that window.
    pub used: Credits,
    /// Credits that pending holds set aside, whenever they were authorized.
    pub held: Credits,
}

impl Limit {
    /// A new limit with nothing counted.
    pub fn new(
        id: i64,
        scope: LimitScope,
        subject: i64,
        window: LimitWindow,
        cap: Credits,
    ) -> Limit {
        Limit {
            id,
            scope,
            subject,
            window,
            cap,
            window_start: Timestamp::default(),
            used: Credits::ZERO,
            held: Credits::ZERO,
        }
    }

    /// Starts the window that contains `now`, unless it is already the current one.
    pub fn roll(&mut self, now: Timestamp) {
        let start = self.window.start(now);
        if start > self.window_start {
            self.window_start = start;
            self.used = Credits::ZERO;
        }
    }

    /// What may still be spent under the limit at `now`; zero when the cap was lowered below what
    /// is used.
    pub fn left(&self, now: Timestamp) -> Credits {
        let mut current = self.clone();
        current.roll(now);
        let left = current.cap.saturating_sub(current.used);
        left.saturating_sub(current.held).max(Credits::ZERO)
    }

    /// The name of the limit in API responses: `key_day`.
    pub fn name(&self) -> String {
        format!("{}_{}", self.scope.word(), self.window.word())
    }

    /// The time at which its window ends and it resets; `None` for a lifetime.
    pub fn resets_at(&self) -> Option<Timestamp> {
        self.window.end(self.window_start)
    }

    fn bounds(&self, spender: Spender) -> bool {
        match self.scope {
            LimitScope::Account => true,
            LimitScope::Key => spender.key == Some(self.subject),
            LimitScope::Member => spender.member == Some(self.subject),
        }
    }
}

/// The spender: an API key, and the member who created it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spender {
    /// The number of the API key.
    pub key: Option<i64>,
    /// The number of the member.
    pub member: Option<i64>,
}

/// The first of `limits`, rolled to `now`, that a call of `needed` would exceed.
pub(super) fn first_broken(
    limits: &[Limit],
    spender: Spender,
    needed: Credits,
    now: Timestamp,
) -> Option<Limit> {
    let is_broken = |limit: &&Limit| limit.bounds(spender) && needed > limit.left(now);
    let mut limit = limits.iter().find(is_broken)?.clone();
    limit.roll(now);
    Some(limit)
}

impl Ledger {
    /// What a capture may take beyond its hold, which the limits also restrict. The hold still
    /// counts as set aside, so its `pinned` credits are replaced by those charged, `from_pins`.
    pub(super) fn left_beyond(
        &self,
        spender: Spender,
        pinned: Credits,
        from_pins: Credits,
        now: Timestamp,
    ) -> Option<Credits> {
        let room = |limit: &Limit| {
            let mut limit = limit.clone();
            limit.roll(now);
            let held = limit.held.saturating_sub(pinned);
            let left = limit.cap.saturating_sub(limit.used);
            let after = left.saturating_sub(from_pins).saturating_sub(held);
            after.max(Credits::ZERO)
        };
        self.limits
            .iter()
            .filter(|limit| limit.bounds(spender))
            .map(room)
            .min()
    }

    /// Counts the credits that a new hold sets aside.
    pub(super) fn limits_hold(&mut self, spender: Spender, amount: Credits, at: Timestamp) {
        self.count(spender, amount, Credits::ZERO, at);
    }

    /// Counts the credits that a debit charges.
    pub(super) fn limits_debit(&mut self, spender: Spender, amount: Credits, at: Timestamp) {
        self.count(spender, Credits::ZERO, amount, at);
    }

    /// Counts what a settlement charges, and stops counting `pinned` as set aside.
    pub(super) fn limits_settle(
        &mut self,
        spender: Spender,
        pinned: Credits,
        charged: Credits,
        at: Timestamp,
    ) {
        self.count(spender, -pinned, charged, at);
    }

    fn count(&mut self, spender: Spender, held: Credits, used: Credits, at: Timestamp) {
        for limit in &mut self.limits {
            if limit.bounds(spender) {
                limit.roll(at);
                limit.held = limit.held.saturating_add(held);
                limit.used = limit.used.saturating_add(used);
                self.changes.limits.insert(limit.id);
            }
        }
    }
}
