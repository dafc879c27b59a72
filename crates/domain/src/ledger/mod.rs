//! The credit ledger of one account, as a pure state machine.
//!
//! The **journal** is the source of truth. A command is decided on the state in memory and becomes
//! journal entries; everything else (wallet, grants, holds) is derived from them by
//! [`Ledger::replay`], the same function that applies an entry when it is first written. So a
//! rebuild cannot differ from the running state. The rules are in `docs/reference/ledger.md`. A
//! grant in memory is a [`Lot`].

mod admission;
mod canonical;
mod clawback;
mod command;
mod entry;
pub mod grant;
mod hold;
mod holds;
mod journal;
mod limits;
mod lot;
mod refusal;
mod settle;
mod spend;
mod wallet;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use admission::Admission;
pub use canonical::CorruptEntry;
pub use clawback::rollover_key;
pub use command::{Command, IdempotencyKey, NewGrant, Outcome, Request};
pub use entry::{Body, Context, Entry, EntryKind, Line, chain_hash};
pub use hold::{CAPTURE_MAX, Hold, HoldState, capture_max};
pub use limits::{Limit, LimitScope, LimitWindow, Spender};
pub use lot::{GrantKind, Lot, LotId, LotState};
pub use refusal::Refusal;
pub use wallet::{Terms, Turn, Wallet, WalletStatus};

use crate::money::Credits;
use crate::time::Timestamp;

/// How long a hold lasts when the caller doesn't specify it, in seconds.
pub const HOLD_TTL_SECONDS_DEFAULT: i64 = 120;
/// The longest that a hold may last, in seconds.
pub const HOLD_TTL_SECONDS_MAX: i64 = 86_400;
/// How long after its hold expired a capture is still accepted, in seconds.
pub const LATE_CAPTURE_SECONDS: i64 = 86_400;
/// Hours after the end of a period during which its allowance may still be spent, because the
/// renewal has not been settled. Stripe drafts the renewal's invoice at the turn and collects it
/// about an hour later; an endpoint that answers its `invoice.created` badly delays that by up to
/// 72 hours.
pub const TURN_HOURS_MAX: i64 = 72;

/// The most open holds an account may have; above that, `authorize` refuses.
pub const OPEN_HOLDS_MAX: i64 = 1_000;

/// The ledger of one account: the part that a command requires, in memory.
///
/// The store loads every grant with credits left or pinned, the grants and holds that the commands
/// name, the answers to their keys, and (once [`Ledger::next_due_at`] has passed) all pending
/// holds.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The account's number, which is covered by the hash of each entry.
    pub account: i64,
    /// The sums of the journal and its latest entry.
    pub wallet: Wallet,
    /// What the plan allows.
    pub terms: Terms,
    /// The grants, by number.
    pub lots: BTreeMap<LotId, Lot>,
    /// The holds, by id.
    pub holds: BTreeMap<String, Hold>,
    /// The spend limits of the account, in the order in which they are checked.
    pub limits: Vec<Limit>,
    /// Earlier entries by the idempotency key they answered.
    pub answered: HashMap<String, Entry>,
    /// Nothing becomes due before this time. A lower bound: it may be early, never late.
    pub next_due_at: Option<Timestamp>,
    changes: Changes,
}

/// What a run of commands changed, for the store to save.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New journal entries, in order.
    pub entries: Vec<Entry>,
    /// Numbers of the grants to write.
    pub lots: BTreeSet<LotId>,
    /// Ids of the holds to write.
    pub holds: BTreeSet<String>,
    /// Numbers of the limits to write.
    pub limits: BTreeSet<i64>,
}

impl Ledger {
    /// Makes an empty ledger.
    pub fn new(account: i64, terms: Terms) -> Ledger {
        Ledger {
            account,
            wallet: Wallet::default(),
            terms,
            lots: BTreeMap::new(),
            holds: BTreeMap::new(),
            limits: Vec::new(),
            answered: HashMap::new(),
            next_due_at: None,
            changes: Changes::default(),
        }
    }

    /// Credits that may be spent now: active, unexpired, unfrozen and unpinned, less the debt.
    pub fn available(&self, now: Timestamp) -> Credits {
        let free = self.spendable(now) - self.wallet.debt;
        free.max(Credits::ZERO)
    }

    /// Decides one request at `now`. Call [`Ledger::settle`] first when something is due.
    pub fn apply(&mut self, request: &Request, now: Timestamp) -> Result<Outcome, Refusal> {
        if let Some(key) = &request.key
            && let Some(entry) = self.answered.get(&key.key)
        {
            return if entry.request_hash == Some(key.request_hash) {
                let available = entry.available;
                Ok(Outcome {
                    entry: Some(entry.clone()),
                    replayed: true,
                    available,
                })
            } else {
                Err(Refusal::KeyReused)
            };
        }
        let entry = match &request.command {
            Command::Authorize {
                hold,
                amount,
                least,
                ttl_seconds,
            } => {
                let amount = self.amount_to_hold(request, *amount, *least, now);
                Some(self.authorize(request, hold, amount, *ttl_seconds, now)?)
            }
            Command::Capture { hold, amount } => Some(self.capture(request, hold, *amount, now)?),
            Command::Release { hold } => Some(self.release(request, hold, now)?),
            Command::Debit { amount } => Some(self.debit(request, *amount, now)?),
            Command::Grant(new) => self.grant(request, new, now)?,
            Command::Adjust { amount, source_key } => {
                self.adjust(request, *amount, source_key, now)?
            }
            Command::Void { source_key } => self.void(request, source_key, now)?,
            Command::Clawback {
                source_key,
                reversed,
                whole,
            } => self.clawback(request, source_key, (*reversed, *whole), now)?,
            Command::Freeze { source_key, frozen } => {
                self.freeze(request, source_key, *frozen, now)?
            }
            Command::Forgive { amount } => Some(self.forgive(request, *amount, now)?),
            Command::Settle => None,
        };
        self.finish(now);
        if let (Some(entry), Some(key)) = (&entry, &request.key) {
            self.answered.insert(key.key.clone(), entry.clone());
        }
        let available = entry
            .as_ref()
            .map_or_else(|| self.available(now), |e| e.available);
        Ok(Outcome {
            entry,
            replayed: false,
            available,
        })
    }

    /// Takes the changes since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Unpinned credits of the grants that a call may draw on now, before debt is subtracted.
    fn spendable(&self, now: Timestamp) -> Credits {
        self.lots
            .values()
            .filter(|lot| lot.is_spendable(now))
            .map(Lot::unheld)
            .sum()
    }

    /// Lines that draw up to `amount` from the spendable grants in order, and the total they cover.
    fn draw(&self, amount: Credits, now: Timestamp) -> (Vec<(LotId, Credits)>, Credits) {
        let mut order: Vec<&Lot> = self
            .lots
            .values()
            .filter(|lot| lot.is_spendable(now))
            .collect();
        order.sort_by_key(|lot| lot.order());
        let mut left = amount;
        let mut drawn = Vec::new();
        for lot in order {
            let part = lot.unheld().min(left);
            if part.is_positive() {
                drawn.push((lot.id, part));
                left = left - part;
            }
        }
        (drawn, amount - left)
    }
}
