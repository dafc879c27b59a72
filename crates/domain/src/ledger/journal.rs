//! The journal: how an entry is added to it, and how the state is derived from an entry.

use super::Ledger;
use super::command::Request;
use super::entry::{Body, Entry, EntryKind, Line, chain_hash};
use super::hold::{Hold, HoldState};
use super::lot::Lot;
use crate::money::Credits;
use crate::time::Timestamp;

/// An entry that is not in the journal yet.
pub(super) struct Draft {
    pub kind: EntryKind,
    pub lines: Vec<Line>,
    pub debt_delta: Credits,
    pub body: Body,
}

impl Ledger {
    /// Adds a draft to the journal and applies it.
    pub(super) fn post(
        &mut self,
        draft: Draft,
        request: Option<&Request>,
        now: Timestamp,
    ) -> Entry {
        let granted = match &draft.body {
            Body::Grant { amount, .. } => *amount,
            _ => Credits::ZERO,
        };
        let taken: Credits = draft.lines.iter().map(|line| line.taken).sum();
        let key = request.and_then(|r| r.key.as_ref());
        let mut entry = Entry {
            account: self.account,
            seq: self.wallet.seq + 1,
            kind: draft.kind,
            at: now,
            posted_delta: granted - taken,
            held_delta: draft.lines.iter().map(|line| line.held).sum(),
            debt_delta: draft.debt_delta,
            lines: draft.lines,
            body: draft.body,
            key: key.map(|k| k.key.clone()),
            request_hash: key.map(|k| k.request_hash),
            available: Credits::ZERO,
            context: request.map(|r| r.context.clone()).unwrap_or_default(),
            hash: [0; 32],
        };
        self.replay(&entry);
        entry.available = self.available(now);
        entry.hash = chain_hash(&self.wallet.hash, &entry.canonical_bytes());
        self.wallet.hash = entry.hash;
        self.changes.entries.push(entry.clone());
        entry
    }

    /// Applies one entry: the only place where the wallet, grants and holds change. A rebuild calls
    /// it for every entry of the journal and then sets the wallet's `hash` from the entry.
    ///
    /// # Panics
    /// When the entry contradicts the state, through a bug or a tampered journal. `audit` verifies
    /// the chain before it replays.
    pub fn replay(&mut self, entry: &Entry) {
        assert_eq!(entry.seq, self.wallet.seq + 1, "the journal has no gaps");
        self.wallet.seq = entry.seq;
        self.wallet.posted = self.wallet.posted + entry.posted_delta;
        self.wallet.held = self.wallet.held + entry.held_delta;
        self.wallet.debt = self.wallet.debt + entry.debt_delta;
        for line in &entry.lines {
            self.replay_line(entry.kind, line);
        }
        self.replay_body(entry);
        let wallet = &self.wallet;
        assert!(
            wallet.posted >= Credits::ZERO,
            "credits never run below zero"
        );
        assert!(wallet.debt >= Credits::ZERO, "debt is never negative");
        assert!(
            Credits::ZERO <= wallet.held && wallet.held <= wallet.posted,
            "holds never exceed the balance"
        );
    }

    fn replay_line(&mut self, kind: EntryKind, line: &Line) {
        let lot = self
            .lots
            .get_mut(&line.lot)
            .expect("an entry names lots that exist");
        match kind {
            EntryKind::Expire => lot.expired = lot.expired + line.taken,
            EntryKind::Clawback | EntryKind::Reinstate | EntryKind::Void => {
                lot.clawed_back = lot.clawed_back + line.taken;
            }
            _ => lot.used = lot.used + line.taken,
        }
        lot.held = lot.held + line.held;
        assert!(
            Credits::ZERO <= lot.held
                && lot.held <= lot.remaining()
                && lot.remaining() <= lot.amount,
            "a lot's pins lie within what remains of it"
        );
        self.changes.lots.insert(line.lot);
    }

    fn replay_body(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Grant { .. } => self.replay_grant(entry),
            Body::Hold { .. } => self.replay_hold(entry),
            Body::Settlement { .. } => self.replay_settlement(entry),
            Body::Debit {
                amount,
                period_start,
            } => {
                self.wallet.count_call(*period_start);
                self.limits_debit(entry.context.spender(), *amount, entry.at);
            }
            Body::Lot { lot, reversed } => {
                let found = self
                    .lots
                    .get_mut(lot)
                    .expect("an entry names a lot that exists");
                found.reversed = found.reversed + *reversed;
                match entry.kind {
                    EntryKind::Freeze => found.frozen = true,
                    EntryKind::Unfreeze => found.frozen = false,
                    EntryKind::Void => found.voided = true,
                    _ => {}
                }
                self.changes.lots.insert(*lot);
            }
            Body::Kept { lot, until } => {
                let found = self
                    .lots
                    .get_mut(lot)
                    .expect("an entry names a lot that exists");
                found.kept_until = Some(*until);
                self.changes.lots.insert(*lot);
            }
            Body::Account { .. } => {}
        }
    }

    fn replay_hold(&mut self, entry: &Entry) {
        let Body::Hold {
            hold,
            amount,
            expires_at,
            period_start,
        } = &entry.body
        else {
            unreachable!("called for holds only");
        };
        self.wallet.count_call(*period_start);
        self.wallet.open_holds += 1;
        let pins = entry
            .lines
            .iter()
            .map(|line| (line.lot, line.held))
            .collect();
        let new = Hold {
            id: hold.clone(),
            amount: *amount,
            captured: Credits::ZERO,
            uncollected: Credits::ZERO,
            state: HoldState::Pending,
            spender: entry.context.spender(),
            pins,
            period_start: *period_start,
            authorized_at: entry.at,
            expires_at: *expires_at,
            resolved_at: None,
        };
        self.limits_hold(new.spender, *amount, entry.at);
        self.holds.insert(hold.clone(), new);
        self.changes.holds.insert(hold.clone());
    }

    fn replay_grant(&mut self, entry: &Entry) {
        let Body::Grant {
            kind,
            source_key,
            parent,
            amount,
            priority,
            effective_at,
            expires_at,
            paid,
        } = &entry.body
        else {
            unreachable!("called for grants only");
        };
        let lot = Lot {
            id: entry.seq,
            kind: *kind,
            source_key: source_key.clone(),
            parent: *parent,
            amount: *amount,
            used: Credits::ZERO,
            expired: Credits::ZERO,
            clawed_back: Credits::ZERO,
            held: Credits::ZERO,
            reversed: Credits::ZERO,
            priority: *priority,
            effective_at: *effective_at,
            expires_at: *expires_at,
            kept_until: None,
            frozen: false,
            voided: false,
            paid: *paid,
        };
        self.lots.insert(entry.seq, lot);
        self.changes.lots.insert(entry.seq);
    }

    fn replay_settlement(&mut self, entry: &Entry) {
        let Body::Settlement {
            hold,
            captured,
            uncollected,
            ..
        } = &entry.body
        else {
            unreachable!("called for settlements only");
        };
        let found = self
            .holds
            .get_mut(hold)
            .expect("a settlement names a hold that exists");
        let (spender, mut pinned) = (found.spender, Credits::ZERO);
        if found.state == HoldState::Pending {
            self.wallet.open_holds -= 1;
            pinned = found.amount;
        }
        found.state = match entry.kind {
            EntryKind::Capture => HoldState::Captured,
            EntryKind::HoldExpired => HoldState::Expired,
            _ => HoldState::Released,
        };
        found.captured = *captured;
        found.uncollected = *uncollected;
        found.resolved_at = Some(entry.at);
        let (period, counted) = (found.period_start, entry.kind == EntryKind::Capture);
        self.wallet
            .recount_call(period, counted, is_late(&entry.body));
        self.limits_settle(spender, pinned, *captured, entry.at);
        self.changes.holds.insert(hold.clone());
    }
}

fn is_late(body: &Body) -> bool {
    matches!(body, Body::Settlement { late: true, .. })
}
