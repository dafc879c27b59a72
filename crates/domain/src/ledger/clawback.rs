//! Clawback: taking back the credits of a payment in proportion to how much of it was reversed.
//!
//! The input is a level, not an event: how much of the payment is reversed *now*. So a repeated
//! event, a second partial refund, or a dispute won after it was lost all lead to the state of the
//! charge (`ledger.md`, Money back).

use super::entry::{Body, Entry, EntryKind, Line};
use super::journal::Draft;
use super::{GrantKind, Ledger, LotId, NewGrant, Refusal, Request};
use crate::money::{Credits, share_of};
use crate::time::Timestamp;

impl Ledger {
    /// Makes the reversed credits of a purchase and its bonus match `reversed_minor` of what was
    /// paid. `None` when they already match.
    pub(super) fn clawback(
        &mut self,
        request: &Request,
        source_key: &str,
        reversed_minor: i64,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        let lot = self
            .lot_by_source(source_key)
            .ok_or(Refusal::GrantNotFound)?;
        let paid = lot.paid.map_or(0, |paid| paid.amount);
        if paid <= 0 {
            return Ok(None);
        }
        assert!(
            request.key.is_none(),
            "a clawback may take several entries; its level makes it safe"
        );
        let reversed_minor = reversed_minor.clamp(0, paid);
        let mut last = None;
        for id in self.family(lot.id) {
            let lot = &self.lots[&id];
            let target = share_of(lot.amount.micros(), reversed_minor, paid);
            let delta = Credits::from_micros(target) - lot.reversed;
            if delta.is_positive() {
                last = Some(self.take_back(request, id, delta, now));
            } else if delta < Credits::ZERO {
                last = Some(self.give_back(request, id, -delta, now));
            }
        }
        Ok(last)
    }

    /// Freezes or unfreezes a disputed purchase and its bonus. Pinned holds may still be captured.
    pub(super) fn freeze(
        &mut self,
        request: &Request,
        source_key: &str,
        frozen: bool,
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        let lot = self
            .lot_by_source(source_key)
            .ok_or(Refusal::GrantNotFound)?;
        let mut last = None;
        for id in self.family(lot.id) {
            if self.lots[&id].frozen != frozen {
                let draft = Draft {
                    kind: if frozen {
                        EntryKind::Freeze
                    } else {
                        EntryKind::Unfreeze
                    },
                    lines: Vec::new(),
                    debt_delta: Credits::ZERO,
                    body: Body::Lot {
                        lot: id,
                        reversed: Credits::ZERO,
                    },
                };
                last = Some(self.post(draft, Some(request), now));
            }
        }
        Ok(last)
    }

    /// The grant and its bonus grants.
    fn family(&self, id: LotId) -> Vec<LotId> {
        let children = self.lots.values().filter(|lot| lot.parent == Some(id));
        std::iter::once(id)
            .chain(children.map(|lot| lot.id))
            .collect()
    }

    /// Takes back the grant's unpinned credits; the shortfall becomes debt until other credits
    /// settle it.
    fn take_back(&mut self, request: &Request, id: LotId, delta: Credits, now: Timestamp) -> Entry {
        let taken = self.lots[&id].unheld().min(delta);
        let draft = Draft {
            kind: EntryKind::Clawback,
            lines: vec![Line {
                lot: id,
                taken,
                held: Credits::ZERO,
            }],
            debt_delta: delta - taken,
            body: Body::Lot {
                lot: id,
                reversed: delta,
            },
        };
        self.post(draft, Some(request), now)
    }

    /// Reinstates credits: lowers debt, returns to the grant what was taken from it, and makes a
    /// new grant for the rest: what was spent on debt in the meantime, or belongs to a grant that
    /// has ended.
    fn give_back(&mut self, request: &Request, id: LotId, delta: Credits, now: Timestamp) -> Entry {
        let lot = &self.lots[&id];
        let (clawed_back, ended) = (lot.clawed_back, lot.state(now).has_ended());
        let source = format!("reinstate:{}:{}", lot.source_key, self.wallet.seq + 1);
        let off_debt = delta.min(self.wallet.debt);
        let back = if ended {
            Credits::ZERO
        } else {
            (delta - off_debt).min(clawed_back)
        };
        let rest = delta - off_debt - back;
        let draft = Draft {
            kind: EntryKind::Reinstate,
            lines: vec![Line {
                lot: id,
                taken: -back,
                held: Credits::ZERO,
            }],
            debt_delta: -off_debt,
            body: Body::Lot {
                lot: id,
                reversed: -delta,
            },
        };
        let entry = self.post(draft, Some(request), now);
        if rest.is_positive() {
            let new = NewGrant::new(GrantKind::Reinstatement, source, rest);
            let granted = self.grant(request, &new, now);
            debug_assert!(
                granted.is_ok(),
                "what was granted once can be granted again"
            );
        }
        entry
    }
}
