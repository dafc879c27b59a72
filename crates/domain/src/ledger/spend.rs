//! Spending without a hold: debits, and corrections by an operator.

use super::entry::{Body, Entry, EntryKind, Line};
use super::journal::Draft;
use super::{GrantKind, Ledger, LotId, NewGrant, Refusal, Request};
use crate::money::Credits;
use crate::time::Timestamp;

impl Ledger {
    /// Authorizes and captures in one step.
    pub(super) fn debit(
        &mut self,
        request: &Request,
        amount: Credits,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        let drawn = self.admit(request, amount, now)?;
        let draft = Draft {
            kind: EntryKind::Debit,
            lines: taken(drawn),
            debt_delta: Credits::ZERO,
            body: Body::Debit {
                amount,
                period_start: self.terms.period_start,
            },
        };
        Ok(self.post(draft, Some(request), now))
    }

    /// Corrects the balance. An upward correction is a grant, once per source key; a downward one
    /// takes what is available and is refused beyond that.
    pub(super) fn adjust(
        &mut self,
        request: &Request,
        amount: Credits,
        source_key: &str,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        if amount.is_positive() {
            let new = NewGrant::new(GrantKind::Adjustment, source_key, amount);
            return self.grant(request, &new, now);
        }
        let wanted = -amount;
        assert!(wanted.is_positive(), "an adjustment is not zero");
        let available = self.available(now);
        if wanted > available {
            return Err(Refusal::InsufficientCredits {
                needed: wanted,
                available,
            });
        }
        let (drawn, _) = self.draw(wanted, now);
        let draft = Draft {
            kind: EntryKind::Adjust,
            lines: taken(drawn),
            debt_delta: Credits::ZERO,
            body: Body::Account {
                source_key: Some(source_key.to_owned()),
            },
        };
        Ok(Some(self.post(draft, Some(request), now)))
    }

    /// Forgives debt, for the reason given in the request's context.
    pub(super) fn forgive(
        &mut self,
        request: &Request,
        amount: Credits,
        now: Timestamp,
    ) -> Result<Entry, Refusal> {
        if !amount.is_positive() || amount > self.wallet.debt {
            return Err(Refusal::DebtExceeded {
                debt: self.wallet.debt,
            });
        }
        let draft = Draft {
            kind: EntryKind::Forgive,
            lines: Vec::new(),
            debt_delta: -amount,
            body: Body::Account { source_key: None },
        };
        Ok(self.post(draft, Some(request), now))
    }
}

pub(super) fn taken(drawn: Vec<(LotId, Credits)>) -> Vec<Line> {
    drawn
        .into_iter()
        .map(|(lot, part)| Line {
            lot,
            taken: part,
            held: Credits::ZERO,
        })
        .collect()
}
