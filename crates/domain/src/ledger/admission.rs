//! The admission rule: whether a call may be made now. Both the ledger and every answer that
//! predicts the ledger's decision use it.

use super::Ledger;
use super::limits::{Limit, Spender, first_broken};
use super::refusal::Refusal;
use super::wallet::WalletStatus;
use crate::money::Credits;
use crate::time::Timestamp;

/// What a call's admission depends on, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'a> {
    /// Whether the account may spend at all.
    pub status: WalletStatus,
    /// Clawed-back credits that could not be collected.
    pub debt: Credits,
    /// Credits that may be spent.
    pub available: Credits,
    /// Calls the plan allows in a period; `None` for no limit.
    pub calls_limit: Option<i64>,
    /// Calls that were authorized in the current period.
    pub calls_this_period: i64,
    /// The account's spend limits, in the order in which they are checked.
    pub limits: &'a [Limit],
    /// The API key and the member that would spend.
    pub spender: Spender,
}

impl Admission<'_> {
    /// Why a call that costs `needed` would be refused at `now`; `None` when it is admitted.
    ///
    /// The order is part of the rule: the account's status is reported first, then its debt, its
    /// plan's limit, its own spend limits and, last, insufficient credits.
    pub fn refusal(&self, needed: Credits, now: Timestamp) -> Option<Refusal> {
        let available = self.available;
        if self.status != WalletStatus::Active {
            let status = self.status;
            return Some(Refusal::NotActive { status });
        }
        if self.debt.is_positive() {
            let debt = self.debt;
            return Some(Refusal::Debt { debt, needed });
        }
        if let Some(limit) = self.calls_limit
            && self.calls_this_period >= limit
        {
            return Some(Refusal::PlanLimit {
                limit,
                needed,
                available,
            });
        }
        if let Some(limit) = first_broken(self.limits, self.spender, needed, now) {
            return Some(Refusal::SpendLimit {
                limit: Box::new(limit),
                needed,
                available,
            });
        }
        (needed > available).then_some(Refusal::InsufficientCredits { needed, available })
    }
}

impl Ledger {
    /// The inputs that decide whether a call by `spender` is admitted now.
    pub fn admission(&self, spender: Spender, now: Timestamp) -> Admission<'_> {
        Admission {
            status: self.terms.status,
            debt: self.wallet.debt,
            available: self.available(now),
            calls_limit: self.terms.calls_limit,
            calls_this_period: self.calls_this_period(),
            limits: &self.limits,
            spender,
        }
    }

    /// Calls authorized in the current plan period.
    pub fn calls_this_period(&self) -> i64 {
        if self.wallet.period_start == self.terms.period_start {
            self.wallet.period_calls
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LimitScope, LimitWindow};
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    fn limits() -> [Limit; 1] {
        let cap = Credits::new(50);
        [Limit::new(1, LimitScope::Key, 5, LimitWindow::Day, cap)]
    }

    fn admission(limits: &[Limit]) -> Admission<'_> {
        Admission {
            status: WalletStatus::Active,
            debt: Credits::ZERO,
            available: Credits::new(100),
            calls_limit: None,
            calls_this_period: 0,
            limits,
            spender: Spender::default(),
        }
    }

    #[test]
    fn a_call_is_admitted_up_to_the_last_credit_and_refused_beyond_it() {
        let admission = admission(&[]);

        assert_eq!(admission.refusal(Credits::new(100), NOW), None);
        assert_eq!(
            admission.refusal(Credits::new(101), NOW),
            Some(Refusal::InsufficientCredits {
                needed: Credits::new(101),
                available: Credits::new(100),
            })
        );
    }

    #[test]
    fn reasons_to_refuse_are_told_in_the_order_of_the_rule() {
        let limits = limits();
        let needed = Credits::new(101);
        let available = Credits::new(100);
        let mut asked = Admission {
            spender: Spender {
                key: Some(5),
                member: None,
            },
            ..admission(&limits)
        };
        assert!(matches!(
            asked.refusal(needed, NOW),
            Some(Refusal::SpendLimit { limit, .. }) if limit.name() == "key_day"
        ));
        asked.calls_limit = Some(3);
        asked.calls_this_period = 3;
        let limit = 3;
        assert_eq!(
            asked.refusal(needed, NOW),
            Some(Refusal::PlanLimit {
                limit,
                needed,
                available
            })
        );
        asked.debt = Credits::new(1);
        let debt = asked.debt;
        assert_eq!(
            asked.refusal(needed, NOW),
            Some(Refusal::Debt { debt, needed })
        );
        asked.status = WalletStatus::Frozen;
        let status = asked.status;
        assert_eq!(
            asked.refusal(needed, NOW),
            Some(Refusal::NotActive { status })
        );
    }
}
