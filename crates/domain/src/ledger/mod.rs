//! The credit ledger of one account, as a pure state machine.
//!
//! The **journal** is the truth. A command is decided on the state in memory and becomes journal
//! entries; everything else (wallet, lots, holds) follows from them by [`Ledger::replay`], the
//! same function that applies an entry when it is first written. So a rebuild cannot differ from
//! the running state. Rules: `docs/reference/ledger.md`.

mod canonical;
mod claw;
mod entry;
pub mod grant;
mod holds;
mod limits;
mod settle;
mod spend;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use canonical::CorruptEntry;
pub use entry::{Body, Context, Entry, EntryKind, Line, chain_hash};
pub use grant::NewGrant;
pub use limits::{Limit, LimitScope, LimitWindow, Spender};

use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;

/// A lot's number within its account: the `seq` of the journal entry that made it.
pub type LotId = i64;

/// A hold lives this long when its caller does not say, in seconds.
pub const HOLD_TTL_SECONDS_DEFAULT: i64 = 120;
/// The longest a hold may live, in seconds.
pub const HOLD_TTL_SECONDS_MAX: i64 = 86_400;
/// A capture may come this long after its hold expired, in seconds.
pub const LATE_CAPTURE_SECONDS: i64 = 86_400;
/// Open holds one account may have; above that `authorize` refuses.
pub const OPEN_HOLDS_MAX: i64 = 1_000;

/// What a grant's credits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantKind {
    /// Bought in a pack.
    Purchase,
    /// Came on top of a purchase, and goes with it.
    Bonus,
    /// A tier's monthly credits.
    Allowance,
    /// Given by the operator, for a time.
    Promo,
    /// A manual correction upwards.
    Adjustment,
    /// What an allowance carried into the next period.
    Rollover,
    /// Given back after a reversal of money was itself reversed.
    Reinstatement,
}

impl GrantKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [GrantKind; 7] = [
        GrantKind::Purchase,
        GrantKind::Bonus,
        GrantKind::Allowance,
        GrantKind::Promo,
        GrantKind::Adjustment,
        GrantKind::Rollover,
        GrantKind::Reinstatement,
    ];

    /// The word in JSON, SQL and pages.
    pub const fn word(self) -> &'static str {
        match self {
            GrantKind::Purchase => "purchase",
            GrantKind::Bonus => "bonus",
            GrantKind::Allowance => "allowance",
            GrantKind::Promo => "promo",
            GrantKind::Adjustment => "adjustment",
            GrantKind::Rollover => "rollover",
            GrantKind::Reinstatement => "reinstatement",
        }
    }

    /// The kind behind a word.
    pub fn from_word(word: &str) -> Option<GrantKind> {
        GrantKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Which grants are spent first: the smaller number. Dying and free credits go before bought
    /// ones (`ledger.md`, Order).
    pub const fn default_priority(self) -> i64 {
        match self {
            GrantKind::Rollover => 5,
            GrantKind::Allowance => 10,
            GrantKind::Promo | GrantKind::Bonus => 20,
            GrantKind::Adjustment => 30,
            GrantKind::Purchase | GrantKind::Reinstatement => 50,
        }
    }
}

/// Credits put in together: one grant, what became of it, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its number within the account.
    pub id: LotId,
    /// What the credits are.
    pub kind: GrantKind,
    /// Why it exists; at most one lot per key.
    pub source_key: String,
    /// The lot it belongs to (a bonus to its purchase).
    pub parent: Option<LotId>,
    /// Credits granted.
    pub amount: Credits,
    /// Credits spent, on calls or on debt.
    pub used: Credits,
    /// Credits that ended unspent.
    pub expired: Credits,
    /// Credits taken back because money went back.
    pub clawed: Credits,
    /// Credits pinned by pending holds.
    pub held: Credits,
    /// How much of `amount` its payment's reversals have asked back so far, debt included.
    pub reversed: Credits,
    /// Order of consumption; smaller first.
    pub priority: i64,
    /// Not spendable before.
    pub effective_at: Timestamp,
    /// Not spendable from then on.
    pub expires_at: Option<Timestamp>,
    /// Set while its payment is disputed.
    pub frozen: bool,
    /// Set when it was voided.
    pub voided: bool,
    /// What was paid for it, tax excluded.
    pub paid: Option<MinorUnits>,
}

impl Lot {
    /// Credits neither spent, expired nor taken back.
    pub fn remaining(&self) -> Credits {
        self.amount - self.used - self.expired - self.clawed
    }

    /// Remaining credits that no hold has pinned.
    pub fn unheld(&self) -> Credits {
        self.remaining() - self.held
    }

    /// Whether its end has come.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether a call may draw on it now.
    pub fn is_spendable(&self, now: Timestamp) -> bool {
        !self.frozen && !self.voided && self.effective_at <= now && !self.is_expired(now)
    }

    /// The word for its state: scheduled, active, frozen, exhausted, expired or voided.
    pub fn state(&self, now: Timestamp) -> &'static str {
        if self.voided {
            "voided"
        } else if self.is_expired(now) {
            "expired"
        } else if self.frozen {
            "frozen"
        } else if self.effective_at > now {
            "scheduled"
        } else if self.remaining() == Credits::ZERO {
            "exhausted"
        } else {
            "active"
        }
    }

    /// The order captures and debits consume lots in.
    pub fn order(&self) -> (i64, i64, Timestamp, LotId) {
        let ends = self.expires_at.map_or(i64::MAX, Timestamp::micros);
        (self.priority, ends, self.effective_at, self.id)
    }
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// Credits are set aside.
    Pending,
    /// Settled with a charge.
    Captured,
    /// Settled without one.
    Released,
    /// Its time ran out; a late capture is possible for a while.
    Expired,
}

impl HoldState {
    /// The word in JSON and SQL.
    pub const fn word(self) -> &'static str {
        match self {
            HoldState::Pending => "pending",
            HoldState::Captured => "captured",
            HoldState::Released => "released",
            HoldState::Expired => "expired",
        }
    }

    /// The state behind a word.
    pub fn from_word(word: &str) -> Option<HoldState> {
        [
            HoldState::Pending,
            HoldState::Captured,
            HoldState::Released,
            HoldState::Expired,
        ]
        .into_iter()
        .find(|state| state.word() == word)
    }
}

/// Credits set aside for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name, chosen by the caller of the ledger.
    pub id: String,
    /// Credits set aside.
    pub amount: Credits,
    /// Credits charged, what a capture took above the hold included.
    pub captured: Credits,
    /// Credits a capture asked for and could not collect.
    pub uncollected: Credits,
    /// Where it stands.
    pub state: HoldState,
    /// Who spends with it: its capture counts for them, whoever sends it.
    pub spender: Spender,
    /// Which lots it pinned, and how much of each.
    pub pins: Vec<(LotId, Credits)>,
    /// The plan period it counts in.
    pub period_start: Timestamp,
    /// When it was authorized.
    pub authorized_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it left `pending` last.
    pub resolved_at: Option<Timestamp>,
}

/// Whether an account may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WalletStatus {
    /// It may.
    #[default]
    Active,
    /// Suspended by an operator.
    Frozen,
    /// Deleted; only its books remain.
    Closed,
}

impl WalletStatus {
    /// The word in JSON and SQL.
    pub const fn word(self) -> &'static str {
        match self {
            WalletStatus::Active => "active",
            WalletStatus::Frozen => "frozen",
            WalletStatus::Closed => "closed",
        }
    }

    /// The status behind a word.
    pub fn from_word(word: &str) -> Option<WalletStatus> {
        [
            WalletStatus::Active,
            WalletStatus::Frozen,
            WalletStatus::Closed,
        ]
        .into_iter()
        .find(|status| status.word() == word)
    }
}

/// The sums of one account's journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    /// Credits in all lots.
    pub posted: Credits,
    /// Credits pinned by pending holds.
    pub held: Credits,
    /// What a reversal of money could not take back.
    pub debt: Credits,
    /// Number of the last journal entry.
    pub seq: i64,
    /// Hash of the last journal entry.
    pub hash: [u8; 32],
    /// Pending holds.
    pub open_holds: i64,
    /// The plan period that `period_calls` counts in.
    pub period_start: Timestamp,
    /// Calls authorized in that period, released ones not counted.
    pub period_calls: i64,
}

/// What the account's plan allows now: an input of the ledger, not derived from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Start of the current plan period.
    pub period_start: Timestamp,
    /// Calls a period allows; `None` for no limit.
    pub calls_limit: Option<i64>,
    /// Whether the account may spend at all.
    pub status: WalletStatus,
}

/// A caller's name for one attempt, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Unique per account.
    pub key: String,
    /// SHA-256 of what the caller sent.
    pub request_hash: [u8; 32],
}

/// What is asked of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sets credits aside until `now + ttl_seconds`.
    Authorize {
        /// Name of the new hold.
        hold: String,
        /// How much; positive.
        amount: Credits,
        /// 1 to [`HOLD_TTL_SECONDS_MAX`].
        ttl_seconds: i64,
    },
    /// Charges a hold; `None` charges all of it. Zero equals release.
    Capture {
        /// The hold.
        hold: String,
        /// What the call cost in the end.
        amount: Option<Credits>,
    },
    /// Gives a hold's credits back.
    Release {
        /// The hold.
        hold: String,
    },
    /// Authorize and capture in one.
    Debit {
        /// How much; positive.
        amount: Credits,
    },
    /// Puts credits in, once per source key.
    Grant(NewGrant),
    /// A signed correction by a person.
    Adjust {
        /// Up or down; not zero.
        amount: Credits,
        /// Why it exists; once per key.
        source_key: String,
    },
    /// Ends a grant: its unheld remainder is gone.
    Void {
        /// Its source key.
        source_key: String,
    },
    /// Makes what was taken back for a payment agree with what of it was reversed.
    Claw {
        /// Source key of the purchase.
        source_key: String,
        /// Money given back so far, of `paid`; in minor units, tax excluded in proportion.
        reversed_minor: i64,
    },
    /// Sets a disputed purchase and its bonus aside, or frees them again.
    Freeze {
        /// Source key of the purchase.
        source_key: String,
        /// Whether to freeze or to free.
        frozen: bool,
    },
    /// Lets debt go.
    Forgive {
        /// How much; positive, at most the debt.
        amount: Credits,
    },
    /// Lets time pass: expires what is due and mints nothing.
    Settle,
}

/// A command with who asked and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub command: Command,
    /// The caller's idempotency key.
    pub key: Option<IdempotencyKey>,
    /// Who, through what, priced how.
    pub context: Context,
}

impl Request {
    /// A command of the system's own, without key or caller.
    pub fn internal(command: Command) -> Request {
        Request {
            command,
            key: None,
            context: Context::default(),
        }
    }
}

/// What the ledger answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The entry that answers, as it stands in the journal. `None` when nothing had to change.
    pub entry: Option<Entry>,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
    /// Credits that may be spent after the command. On a replay: as first answered.
    pub available: Credits,
}

/// A rule said no. Nothing changed, and nothing is remembered: the same key is judged afresh.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fewer credits are available than the call needs.
    #[error("{needed} credits are needed and {available} are available")]
    InsufficientCredits {
        /// What the call needs.
        needed: Credits,
        /// What may be spent.
        available: Credits,
    },
    /// Money was reversed; its debt blocks spending.
    #[error("{debt} credits of debt must be settled first")]
    Debt {
        /// How much.
        debt: Credits,
        /// What the call needs.
        needed: Credits,
    },
    /// The plan's calls for this period are used up.
    #[error("the plan allows {limit} calls a period")]
    PlanLimit {
        /// Calls a period allows.
        limit: i64,
        /// What the call needs.
        needed: Credits,
        /// What may be spent.
        available: Credits,
    },
    /// A limit that the account's people set is reached.
    #[error("the limit {} leaves too little for {needed} credits", .limit.name())]
    SpendLimit {
        /// Which, as it stands now.
        limit: Box<Limit>,
        /// What the call needs.
        needed: Credits,
        /// What may be spent apart from it.
        available: Credits,
    },
    /// Too many holds are open.
    #[error("an account may have {max} open holds")]
    TooManyHolds {
        /// The bound.
        max: i64,
    },
    /// No such hold on this account.
    #[error("there is no such hold")]
    HoldNotFound,
    /// The hold was settled before.
    #[error("the hold is {} already", .state.word())]
    HoldSettled {
        /// As what.
        state: HoldState,
    },
    /// The key was used for something else.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// No such grant on this account.
    #[error("there is no such grant")]
    GrantNotFound,
    /// There is less debt than that.
    #[error("the debt is {debt} credits")]
    DebtExceeded {
        /// How much there is.
        debt: Credits,
    },
    /// The account may not spend.
    #[error("the account is {}", .status.word())]
    NotActive {
        /// Why.
        status: WalletStatus,
    },
    /// The account's credits would leave 64 bits.
    #[error("that is more credits than an account can hold")]
    TooLarge,
}

/// The ledger of one account: what a command needs of it, in memory.
///
/// The store loads every lot with credits left or pinned, the lots and holds that the commands
/// name, the answers to their keys, and (once [`Ledger::next_due_at`] has passed) all pending
/// holds.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The account's number: part of what an entry's hash covers.
    pub account: i64,
    /// Sums and head of the journal.
    pub wallet: Wallet,
    /// What the plan allows.
    pub terms: Terms,
    /// Lots by number.
    pub lots: BTreeMap<LotId, Lot>,
    /// Holds by name.
    pub holds: BTreeMap<String, Hold>,
    /// What its people allow to be spent: all limits of the account, in the order they are judged.
    pub limits: Vec<Limit>,
    /// Earlier entries by the idempotency key they answered.
    pub answered: HashMap<String, Entry>,
    /// Nothing falls due before this moment. A lower bound: it may be early, never late.
    pub next_due_at: Option<Timestamp>,
    changes: Changes,
}

/// What a run of commands changed, for the store to save.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New journal entries, in order.
    pub entries: Vec<Entry>,
    /// Lots to write.
    pub lots: BTreeSet<LotId>,
    /// Holds to write.
    pub holds: BTreeSet<String>,
    /// Limits to write.
    pub limits: BTreeSet<i64>,
}

impl Ledger {
    /// An empty ledger.
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

    /// Credits that may be spent now: active, unexpired, unfrozen, unpinned, less the debt.
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
                ttl_seconds,
            } => Some(self.authorize(request, hold, *amount, *ttl_seconds, now)?),
            Command::Capture { hold, amount } => Some(self.capture(request, hold, *amount, now)?),
            Command::Release { hold } => Some(self.release(request, hold, now)?),
            Command::Debit { amount } => Some(self.debit(request, *amount, now)?),
            Command::Grant(new) => self.grant(request, new, now)?,
            Command::Adjust { amount, source_key } => {
                self.adjust(request, *amount, source_key, now)?
            }
            Command::Void { source_key } => self.void(request, source_key, now)?,
            Command::Claw {
                source_key,
                reversed_minor,
            } => self.claw(request, source_key, *reversed_minor, now)?,
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

    /// Takes what changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Unpinned credits of the lots a call may draw on now, debt not subtracted.
    fn spendable(&self, now: Timestamp) -> Credits {
        self.lots
            .values()
            .filter(|lot| lot.is_spendable(now))
            .map(Lot::unheld)
            .sum()
    }

    /// Lines that draw `amount` from the spendable lots in order, as far as they reach, and what
    /// they reach.
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
