//! Lazy time: whatever is due is applied before the next command, whenever that arrives.

use super::entry::{Body, EntryKind};
use super::journal::Draft;
use super::spend::taken;
use super::{
    Command, GrantKind, HoldState, Ledger, Lot, LotId, NewGrant, Request, Turn, WalletStatus,
    rollover_key,
};
use crate::catalog::Rollover;
use crate::money::Credits;
use crate::time::Timestamp;

impl Ledger {
    /// Whether something is due: then every pending hold must be loaded before the next command.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next_due_at.is_some_and(|due| due <= now)
    }

    /// Applies what is due at `now`: expires holds, then grants, adds `due_grants` (the allowance
    /// of the period, each once per source key), and settles debt from the credits that became
    /// free.
    ///
    /// All pending holds must be loaded, because the next due time is computed from them.
    pub fn settle(&mut self, due_grants: &[NewGrant], now: Timestamp) {
        self.expire_holds(now);
        self.end_lots(now);
        let is_closed = self.terms.status == WalletStatus::Closed;
        for new in due_grants.iter().filter(|_| !is_closed) {
            let request = Request::internal(Command::Grant(new.clone()));
            // An account that holds all that it can gets its allowance once there is room.
            drop(self.grant(&request, new, now));
        }
        self.next_due_at = None;
        self.finish(now);
    }

    /// Keeps the allowance that ended at the turn of a plan's period spendable until the renewal is
    /// settled, and ends it once it is. Both are in the journal, so that it replays. To be called
    /// before [`Ledger::settle`].
    pub fn keep(&mut self, turn: Option<Turn>, now: Timestamp) {
        let kept = self.lots.values().filter_map(|lot| {
            let end = lot.expires_at?;
            let is_left = lot.kind == GrantKind::Allowance && lot.remaining().is_positive();
            let until = match turn {
                Some(turn) if turn.at == end => turn.until,
                // The renewal is settled: it ends now.
                _ => lot.kept_until.filter(|kept| now < *kept).map(|_| now)?,
            };
            (is_left && lot.kept_until != Some(until)).then_some((lot.id, until))
        });
        for (lot, until) in kept.collect::<Vec<_>>() {
            let draft = Draft {
                kind: EntryKind::Keep,
                lines: Vec::new(),
                debt_delta: Credits::ZERO,
                body: Body::Kept { lot, until },
            };
            self.post(draft, None, now);
        }
    }

    /// The unspent allowances that the plan's rule carries over, once each: to be granted by the
    /// same [`Ledger::settle`] that expires them. Together with credits carried over earlier, they
    /// never exceed the rule's cap.
    pub fn rollover_due(&self, rule: Option<Rollover>, now: Timestamp) -> Vec<NewGrant> {
        let Some(rule) = rule else {
            return Vec::new();
        };
        let mut carried: Credits = self
            .lots
            .values()
            .filter(|lot| lot.kind == GrantKind::Rollover && !lot.is_expired(now))
            .map(Lot::remaining)
            .sum();
        let mut due = Vec::new();
        let is_over = |lot: &&Lot| lot.kind == GrantKind::Allowance && lot.is_expired(now);
        for lot in self.lots.values().filter(is_over) {
            let Some(ended) = lot.expires_at.filter(|_| !lot.frozen && !lot.voided) else {
                continue;
            };
            let ends = ended.plus_months(rule.months);
            let amount = lot.unheld().min((rule.cap - carried).max(Credits::ZERO));
            if ends > now && amount.is_positive() {
                carried = carried + amount;
                due.push(NewGrant {
                    effective_at: Some(ended),
                    expires_at: Some(ends),
                    ..NewGrant::new(GrantKind::Rollover, rollover_key(&lot.source_key), amount)
                });
            }
        }
        due
    }

    /// Runs after every command: expires grants, settles debt first and computes the next due time.
    pub(super) fn finish(&mut self, now: Timestamp) {
        self.end_lots(now);
        self.settle_debt(now);
        let holds = self
            .holds
            .values()
            .filter(|hold| hold.state == HoldState::Pending);
        let ends = holds.map(|hold| hold.expires_at);
        let lots = self
            .lots
            .values()
            .filter(|lot| lot.remaining().is_positive());
        let edges = lots.flat_map(|lot| {
            let starts = Some(lot.effective_at).filter(|at| *at > now);
            let ends = lot.ends_at().filter(|_| lot.unheld().is_positive());
            [starts, ends].into_iter().flatten()
        });
        let soonest = ends.chain(edges).min();
        self.next_due_at = match (self.next_due_at, soonest) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
    }

    /// Removes what is left of grants that have ended and that no hold has pinned: of an expired
    /// one it is breakage, of a voided one it is void. What a reversal of its payment had claimed
    /// while a hold pinned it settles that debt instead.
    fn end_lots(&mut self, now: Timestamp) {
        let ended = |lot: &&Lot| lot.state(now).has_ended() && lot.unheld().is_positive();
        let ended: Vec<LotId> = self.lots.values().filter(ended).map(|lot| lot.id).collect();
        for id in ended {
            let left = self.lots[&id].unheld();
            let owed = self.shortfall(id).min(self.wallet.debt).min(left);
            if owed.is_positive() {
                self.repay(vec![(id, owed)], owed, now);
            }
            if left > owed {
                let is_voided = self.lots[&id].voided;
                let draft = Draft {
                    kind: if is_voided {
                        EntryKind::Void
                    } else {
                        EntryKind::Expire
                    },
                    lines: taken(vec![(id, left - owed)]),
                    debt_delta: Credits::ZERO,
                    body: Body::Lot {
                        lot: id,
                        reversed: Credits::ZERO,
                    },
                };
                self.post(draft, None, now);
            }
        }
    }

    /// Settles debt from any free credits, before a call may use them.
    fn settle_debt(&mut self, now: Timestamp) {
        if !self.wallet.debt.is_positive() {
            return;
        }
        let (drawn, reached) = self.draw(self.wallet.debt, now);
        if reached.is_positive() {
            self.repay(drawn, reached, now);
        }
    }

    fn repay(&mut self, drawn: Vec<(LotId, Credits)>, amount: Credits, now: Timestamp) {
        let draft = Draft {
            kind: EntryKind::Repay,
            lines: taken(drawn),
            debt_delta: -amount,
            body: Body::Account { source_key: None },
        };
        self.post(draft, None, now);
    }
}
