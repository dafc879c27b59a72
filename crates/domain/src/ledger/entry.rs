//! A line of the journal: what it says, how it is hashed, and how the state follows from it.

use sha2::{Digest, Sha256};

use super::{GrantKind, Hold, HoldState, Ledger, Lot, LotId, Request, Spender, Wallet};
use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;

/// What an entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Credits put in.
    Grant,
    /// Credits set aside.
    Hold,
    /// A hold charged.
    Capture,
    /// A hold given back.
    Release,
    /// A hold whose time ran out.
    HoldExpired,
    /// Authorized and captured in one.
    Debit,
    /// Credits that ended unspent.
    Expire,
    /// Credits taken back because money went back; what was missing became debt.
    Claw,
    /// Debt settled from other credits.
    Repay,
    /// A reversal of money reversed.
    Reinstate,
    /// A correction downwards.
    Adjust,
    /// A grant ended by a person.
    Void,
    /// A disputed lot set aside.
    Freeze,
    /// A lot freed again.
    Unfreeze,
    /// Debt let go.
    Forgive,
}

impl EntryKind {
    /// All kinds; the position is the code in the canonical bytes, so the order never changes.
    pub const ALL: [EntryKind; 15] = [
        EntryKind::Grant,
        EntryKind::Hold,
        EntryKind::Capture,
        EntryKind::Release,
        EntryKind::HoldExpired,
        EntryKind::Debit,
        EntryKind::Expire,
        EntryKind::Claw,
        EntryKind::Repay,
        EntryKind::Reinstate,
        EntryKind::Adjust,
        EntryKind::Void,
        EntryKind::Freeze,
        EntryKind::Unfreeze,
        EntryKind::Forgive,
    ];

    /// The word in JSON and SQL.
    pub const fn word(self) -> &'static str {
        match self {
            EntryKind::Grant => "grant",
            EntryKind::Hold => "hold",
            EntryKind::Capture => "capture",
            EntryKind::Release => "release",
            EntryKind::HoldExpired => "hold_expired",
            EntryKind::Debit => "debit",
            EntryKind::Expire => "expire",
            EntryKind::Claw => "claw",
            EntryKind::Repay => "repay",
            EntryKind::Reinstate => "reinstate",
            EntryKind::Adjust => "adjust",
            EntryKind::Void => "void",
            EntryKind::Freeze => "freeze",
            EntryKind::Unfreeze => "unfreeze",
            EntryKind::Forgive => "forgive",
        }
    }
}

/// What an entry takes from one lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The lot.
    pub lot: LotId,
    /// By how much its remaining credits fall; negative gives back.
    pub taken: Credits,
    /// By how much its pinned credits rise.
    pub held: Credits,
}

/// What an entry of a kind says beyond its sums: all that replay and a repeated answer need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Of a grant: the lot it makes, whose number is the entry's `seq`.
    Grant {
        /// What the credits are.
        kind: GrantKind,
        /// Why it exists.
        source_key: String,
        /// The lot it belongs to.
        parent: Option<LotId>,
        /// Credits granted.
        amount: Credits,
        /// Order of consumption.
        priority: i64,
        /// Not spendable before.
        effective_at: Timestamp,
        /// Not spendable from then on.
        expires_at: Option<Timestamp>,
        /// What was paid.
        paid: Option<MinorUnits>,
    },
    /// Of a new hold.
    Hold {
        /// Its name.
        hold: String,
        /// Credits set aside.
        amount: Credits,
        /// When it ends by itself.
        expires_at: Timestamp,
        /// The plan period it counts in.
        period_start: Timestamp,
    },
    /// Of a capture, release or expiry of a hold.
    Settlement {
        /// The hold.
        hold: String,
        /// Credits charged, what was taken above the hold included.
        captured: Credits,
        /// Credits given back.
        released: Credits,
        /// Credits asked for and not collected.
        uncollected: Credits,
        /// Whether the hold had expired before.
        late: bool,
    },
    /// Of a debit.
    Debit {
        /// Credits charged.
        amount: Credits,
        /// The plan period it counts in.
        period_start: Timestamp,
    },
    /// Of what concerns one lot: expire, claw, reinstate, void, freeze, unfreeze.
    Lot {
        /// The lot.
        lot: LotId,
        /// By how much what was asked back for it rises.
        reversed: Credits,
    },
    /// Of what concerns the whole account: repay, adjust, forgive.
    Account {
        /// Why it exists, where it must exist once.
        source_key: Option<String>,
    },
}

/// Who asked, through what, and how it was priced. None of it changes what an entry does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The priced operation.
    pub operation: Option<String>,
    /// Units of it.
    pub units: Option<i64>,
    /// Version of the catalog that priced it.
    pub rate_card: Option<i64>,
    /// The caller's name for the endpoint it meters.
    pub endpoint: Option<String>,
    /// The API key, by its number.
    pub api_key: Option<i64>,
    /// The user, by number.
    pub user: Option<i64>,
    /// The person or part of the system that acted.
    pub actor: Option<String>,
    /// The reason code a person gave.
    pub reason: Option<String>,
    /// Salted digest of the free text beside it, which stands elsewhere and can be erased.
    pub note_digest: Option<[u8; 32]>,
}

impl Context {
    /// Who spends: the key, and the member who made it.
    pub fn spender(&self) -> Spender {
        Spender {
            key: self.api_key,
            member: self.user,
        }
    }
}

/// One immutable line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The account's number.
    pub account: i64,
    /// Position in the account's journal, from 1, without gaps.
    pub seq: i64,
    /// What it records.
    pub kind: EntryKind,
    /// When it was decided, on the billing clock.
    pub at: Timestamp,
    /// By how much `posted` rises.
    pub posted_delta: Credits,
    /// By how much `held` rises.
    pub held_delta: Credits,
    /// By how much `debt` rises.
    pub debt_delta: Credits,
    /// What it takes from which lots.
    pub lines: Vec<Line>,
    /// What it says beyond that.
    pub body: Body,
    /// The caller's key.
    pub key: Option<String>,
    /// SHA-256 of what the caller sent under the key.
    pub request_hash: Option<[u8; 32]>,
    /// Available credits right after it, as answered.
    pub available: Credits,
    /// Who asked and how it was priced.
    pub context: Context,
    /// `H(hash of the entry before, canonical bytes)`.
    pub hash: [u8; 32],
}

/// The chain: SHA-256 over the previous entry's hash and this entry's canonical bytes.
pub fn chain_hash(previous: &[u8; 32], canonical: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(canonical);
    hasher.finalize().into()
}

impl Entry {
    /// What the call cost, for kinds that meter one: zero for all others.
    pub fn charged(&self) -> Credits {
        match &self.body {
            Body::Debit { amount, .. } => *amount,
            Body::Settlement { captured, .. } => *captured,
            _ => Credits::ZERO,
        }
    }
}

/// An entry before it has a place in the journal.
pub(super) struct Draft {
    pub kind: EntryKind,
    pub lines: Vec<Line>,
    pub debt_delta: Credits,
    pub body: Body,
}

impl Ledger {
    /// Gives a draft its place in the journal and applies it.
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

    /// Applies one entry: the only place where wallet, lots and holds change. A rebuild calls it
    /// for every line of the journal and then sets the wallet's `hash` from the entry.
    ///
    /// # Panics
    /// When the entry contradicts the state: a bug or a tampered journal. `audit` checks the chain
    /// before it replays.
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
            EntryKind::Claw | EntryKind::Reinstate | EntryKind::Void => {
                lot.clawed = lot.clawed + line.taken;
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
            Body::Hold {
                hold,
                amount,
                expires_at,
                period_start,
            } => {
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
            Body::Account { .. } => {}
        }
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
            clawed: Credits::ZERO,
            held: Credits::ZERO,
            reversed: Credits::ZERO,
            priority: *priority,
            effective_at: *effective_at,
            expires_at: *expires_at,
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

impl Wallet {
    /// Counts an authorized call in its plan period; a new period starts at one.
    fn count_call(&mut self, period_start: Timestamp) {
        if period_start != self.period_start {
            self.period_start = period_start;
            self.period_calls = 0;
        }
        self.period_calls += 1;
    }

    /// A call that was not charged does not count; a late capture of an expired one does again.
    fn recount_call(&mut self, period_start: Timestamp, captured: bool, late: bool) {
        if period_start != self.period_start {
            return;
        }
        match (captured, late) {
            (true, true) => self.period_calls += 1,
            (true, false) => {}
            // A plan that went and came back began its count anew; holds of before are not in it.
            (false, _) => self.period_calls = (self.period_calls - 1).max(0),
        }
    }
}
