//! Grants in memory: their fields, their remaining credits and their states.

use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;
use crate::words::words;

/// The number of a grant within its account: the `seq` of the journal entry that made it.
pub type LotId = i64;

words! {
    /// The origin of a grant's credits.
    pub enum GrantKind {
        /// Bought in a pack.
        Purchase = "purchase",
        /// Added as a bonus to a purchase; expires and is clawed back with it.
        Bonus = "bonus",
        /// A tier's monthly credits.
        Allowance = "allowance",
        /// Given by the operator for a limited time.
        Promo = "promo",
        /// An operator corrected the balance upward.
        Adjustment = "adjustment",
        /// Carried over from an allowance into the next period.
        Rollover = "rollover",
        /// Returned after the reversal of a payment was itself reversed.
        Reinstatement = "reinstatement",
    }
}

impl GrantKind {
    /// The order in which grants are spent, smaller numbers first. Expiring and free credits are
    /// spent before purchased ones (`ledger.md`, Order).
    pub const fn default_priority(self) -> i64 {
        match self {
            GrantKind::Rollover => 5,
            GrantKind::Allowance => 10,
            GrantKind::Promo | GrantKind::Bonus => 20,
            GrantKind::Adjustment => 30,
            GrantKind::Purchase | GrantKind::Reinstatement => 50,
        }
    }

    /// Whether the credits came with a payment; all others are given.
    pub const fn is_bought(self) -> bool {
        matches!(
            self,
            GrantKind::Purchase | GrantKind::Bonus | GrantKind::Reinstatement
        )
    }
}

words! {
    /// The state of a grant at a point in time. Where several apply, the first of these counts.
    pub enum LotState {
        /// An operator ended the grant.
        Voided = "voided",
        /// Its expiry time has passed.
        Expired = "expired",
        /// Its payment is disputed.
        Frozen = "frozen",
        /// Its start time has not been reached.
        Scheduled = "scheduled",
        /// No credits remain in it.
        Exhausted = "exhausted",
        /// Calls may draw on it.
        Active = "active",
    }
}

impl LotState {
    /// Whether a call may draw on a grant in this state, as far as credits remain.
    pub const fn is_spendable(self) -> bool {
        matches!(self, LotState::Active | LotState::Exhausted)
    }

    /// Whether the grant has ended permanently.
    pub const fn has_ended(self) -> bool {
        matches!(self, LotState::Voided | LotState::Expired)
    }
}

/// Credits that were granted together: the grant, how its credits were used, and when it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The number of the grant within its account.
    pub id: LotId,
    /// What the credits were granted for.
    pub kind: GrantKind,
    /// The key that makes the grant unique: at most one grant per key.
    pub source_key: String,
    /// The grant that this one belongs to, as a bonus belongs to its purchase.
    pub parent: Option<LotId>,
    /// Credits that were granted.
    pub amount: Credits,
    /// Credits spent, on calls or on debt.
    pub used: Credits,
    /// Credits that expired unspent.
    pub expired: Credits,
    /// Credits clawed back because their payment was reversed.
    pub clawed_back: Credits,
    /// Credits pinned by pending holds.
    pub held: Credits,
    /// How much of `amount` was reversed with its payment so far, including what became debt.
    pub reversed: Credits,
    /// The order in which grants are spent: smaller numbers first.
    pub priority: i64,
    /// The time from which the credits may be spent.
    pub effective_at: Timestamp,
    /// The time at which unspent credits expire; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The time until which an allowance outlasts its expiry, because the renewal that follows it
    /// has not been settled.
    pub kept_until: Option<Timestamp>,
    /// Whether its payment is disputed.
    pub frozen: bool,
    /// Whether an operator ended the grant.
    pub voided: bool,
    /// What was paid for it, excluding tax.
    pub paid: Option<MinorUnits>,
}

impl Lot {
    /// Credits neither spent, expired nor clawed back.
    pub fn remaining(&self) -> Credits {
        self.amount - self.used - self.expired - self.clawed_back
    }

    /// Remaining credits that no hold has pinned.
    pub fn unheld(&self) -> Credits {
        self.remaining() - self.held
    }

    /// The state of the grant at `now`: the single rule for pages, the API and the ledger itself.
    pub fn state(&self, now: Timestamp) -> LotState {
        if self.voided {
            LotState::Voided
        } else if self.is_expired(now) {
            LotState::Expired
        } else if self.frozen {
            LotState::Frozen
        } else if self.effective_at > now {
            LotState::Scheduled
        } else if self.remaining() == Credits::ZERO {
            LotState::Exhausted
        } else {
            LotState::Active
        }
    }

    /// The time at which unspent credits are removed; `None` for never.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let end = self.expires_at?;
        Some(self.kept_until.map_or(end, |kept| kept.max(end)))
    }

    /// Whether its time has passed, voided or not.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.ends_at().is_some_and(|end| end <= now)
    }

    /// Whether a call may draw on it at `now`.
    pub fn is_spendable(&self, now: Timestamp) -> bool {
        self.state(now).is_spendable()
    }

    /// The order in which captures and debits consume grants.
    pub fn order(&self) -> (i64, i64, Timestamp, LotId) {
        let ends = self.expires_at.map_or(i64::MAX, Timestamp::micros);
        (self.priority, ends, self.effective_at, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000);

    fn lot() -> Lot {
        Lot {
            id: 1,
            kind: GrantKind::Purchase,
            source_key: "topup:pi_1".into(),
            parent: None,
            amount: Credits::new(1),
            used: Credits::ZERO,
            expired: Credits::ZERO,
            clawed_back: Credits::ZERO,
            held: Credits::ZERO,
            reversed: Credits::ZERO,
            priority: 0,
            effective_at: NOW,
            expires_at: None,
            kept_until: None,
            frozen: false,
            voided: false,
            paid: None,
        }
    }

    #[test]
    fn of_several_states_that_apply_the_first_counts() {
        let later = Timestamp::from_micros(1_001);
        let mut lot = lot();
        assert_eq!(lot.state(NOW), LotState::Active);
        lot.used = lot.amount;
        assert_eq!(lot.state(NOW), LotState::Exhausted);
        lot.effective_at = later;
        assert_eq!(lot.state(NOW), LotState::Scheduled);
        lot.frozen = true;
        assert_eq!(lot.state(NOW), LotState::Frozen);
        lot.expires_at = Some(NOW);
        assert_eq!(lot.state(NOW), LotState::Expired);
        lot.voided = true;
        assert_eq!(lot.state(NOW), LotState::Voided);
    }

    #[test]
    fn a_call_draws_on_a_grant_from_its_beginning_until_just_before_its_end() {
        let mut lot = lot();
        lot.expires_at = Some(Timestamp::from_micros(1_001));

        assert!(!lot.state(Timestamp::from_micros(999)).is_spendable());
        assert!(lot.state(NOW).is_spendable());
        assert!(!lot.state(Timestamp::from_micros(1_001)).is_spendable());
    }
}
