//! Clawback: taking back the credits of a payment in proportion to how much of it was reversed.
//!
//! The input is a level, not an event: how much of the payment is reversed *now*. So a repeated
//! event, a second partial refund, or a dispute won after it was lost all lead to the state of the
//! charge. What an operator voided and what expired counts as taken (`ledger.md`, Money back).

use super::entry::{Body, Entry, EntryKind, Line};
use super::journal::Draft;
use super::{GrantKind, Ledger, Lot, LotId, NewGrant, Refusal, Request};
use crate::money::{Credits, share_of};
use crate::time::Timestamp;

/// The source key of what an allowance carried over into the next period.
pub fn rollover_key(source_key: &str) -> String {
    format!("rollover:{source_key}")
}

/// What became of a grant, together with what it carried over.
struct Standing {
    /// The grant, and the grants that carried its credits over.
    lots: Vec<LotId>,
    /// Credits that can no longer be spent: taken, voided or expired.
    gone: Credits,
    /// The part of `gone` that clawbacks took and may return; never from a voided grant.
    returnable: Credits,
}

impl Ledger {
    /// Makes the reversed credits of a grant and its bonus match the part `reversed` of the
    /// payment `whole`, rounded once. `None` when they already match.
    pub(super) fn clawback(
        &mut self,
        request: &Request,
        source_key: &str,
        (reversed, whole): (i64, i64),
        now: Timestamp,
    ) -> Result<Option<Entry>, Refusal> {
        let lot = self
            .lot_by_source(source_key)
            .ok_or(Refusal::GrantNotFound)?;
        if whole <= 0 {
            return Ok(None);
        }
        assert!(
            request.key.is_none(),
            "a clawback may take several entries; its level makes it safe"
        );
        let reversed = reversed.clamp(0, whole);
        let mut last = None;
        for id in self.with_bonus(lot.id) {
            let lot = &self.lots[&id];
            let target = Credits::from_micros(share_of(lot.amount.micros(), reversed, whole));
            if target > lot.reversed {
                last = Some(self.take_back(request, id, target, now));
            } else if target < lot.reversed {
                last = Some(self.give_back(request, id, target, now));
            }
        }
        Ok(last)
    }

    /// Freezes or unfreezes the grant of a disputed payment, its bonus and what it carried over.
    /// Pinned holds may still be captured.
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
        let mut family = self.with_bonus(lot.id);
        family.extend(self.carried_over(lot).map(|carried| carried.id));
        for id in family {
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
    fn with_bonus(&self, id: LotId) -> Vec<LotId> {
        let children = self.lots.values().filter(|lot| lot.parent == Some(id));
        std::iter::once(id)
            .chain(children.map(|lot| lot.id))
            .collect()
    }

    /// The grants that carried the credits of an allowance over.
    fn carried_over(&self, lot: &Lot) -> impl Iterator<Item = &Lot> {
        let key = rollover_key(&lot.source_key);
        self.lots
            .values()
            .filter(move |other| other.source_key == key)
    }

    fn standing(&self, id: LotId) -> Standing {
        let lot = &self.lots[&id];
        let mut standing = Standing {
            lots: Vec::new(),
            gone: Credits::ZERO,
            returnable: Credits::ZERO,
        };
        for one in std::iter::once(lot).chain(self.carried_over(lot)) {
            standing.lots.push(one.id);
            standing.gone = standing.gone + one.expired + one.clawed_back;
            if one.id != id {
                // What was carried over did not expire.
                standing.gone = standing.gone - one.amount;
            }
            if !one.voided {
                standing.returnable = standing.returnable + one.clawed_back;
            }
        }
        standing
    }

    /// Credits that were claimed back from a grant and had to become debt, because they had been
    /// spent or were pinned.
    pub(super) fn shortfall(&self, id: LotId) -> Credits {
        let claimed = self.lots[&id].reversed;
        (claimed - self.standing(id).gone).max(Credits::ZERO)
    }

    /// Raises what is reversed to `target`: takes the unpinned credits that are not gone already;
    /// the shortfall becomes debt until other credits settle it.
    fn take_back(
        &mut self,
        request: &Request,
        id: LotId,
        target: Credits,
        now: Timestamp,
    ) -> Entry {
        let (standing, before) = (self.standing(id), self.lots[&id].reversed);
        let mut missing = (target - standing.gone.max(before)).max(Credits::ZERO);
        let mut lines = Vec::new();
        for lot in standing.lots {
            let taken = self.lots[&lot].unheld().min(missing);
            missing = missing - taken;
            lines.push(Line {
                lot,
                taken,
                held: Credits::ZERO,
            });
        }
        let draft = Draft {
            kind: EntryKind::Clawback,
            lines,
            debt_delta: missing,
            body: Body::Lot {
                lot: id,
                reversed: target - before,
            },
        };
        self.post(draft, Some(request), now)
    }

    /// Lowers what is reversed to `target`. What had become debt, and what had been taken, comes
    /// back: it lowers the debt first, then returns to the grant it was taken from, and the rest is
    /// a new grant: what was spent on debt in the meantime, or belongs to a grant that has ended.
    /// What was voided stays void.
    fn give_back(
        &mut self,
        request: &Request,
        id: LotId,
        target: Credits,
        now: Timestamp,
    ) -> Entry {
        let (standing, lot) = (self.standing(id), &self.lots[&id]);
        let source = format!("reinstate:{}:{}", lot.source_key, self.wallet.seq + 1);
        let delta = lot.reversed - target;
        let short = |level: Credits| (level - standing.gone).max(Credits::ZERO);
        let owed = short(lot.reversed) - short(target);
        let gone_otherwise = standing.gone - standing.returnable;
        let kept = (target - gone_otherwise)
            .max(Credits::ZERO)
            .min(standing.returnable);
        let taken = (standing.returnable - kept).min(delta - owed);
        let off_debt = (owed + taken).min(self.wallet.debt);
        let mut rest = owed + taken - off_debt;
        let mut to_lots = rest.min(taken);
        let mut lines = Vec::new();
        for lot in standing.lots.iter().map(|lot| &self.lots[lot]) {
            if !lot.state(now).has_ended() {
                let back = lot.clawed_back.min(to_lots);
                to_lots = to_lots - back;
                rest = rest - back;
                lines.push(Line {
                    lot: lot.id,
                    taken: -back,
                    held: Credits::ZERO,
                });
            }
        }
        let draft = Draft {
            kind: EntryKind::Reinstate,
            lines,
            debt_delta: -off_debt,
            body: Body::Lot {
                lot: id,
                reversed: -delta,
            },
        };
        let entry = self.post(draft, Some(request), now);
        if rest.is_positive() {
            let new = NewGrant::new(GrantKind::Reinstatement, source, rest);
            let granted = self.put(request, &new, now);
            debug_assert!(granted.is_ok(), "a grant without a parent is made");
        }
        entry
    }
}
