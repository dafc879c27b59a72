//! An entry of the journal: its contents and how it is hashed.

use sha2::{Digest, Sha256};

use super::limits::Spender;
use super::lot::{GrantKind, LotId};
use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;
use crate::units::Quantity;
use crate::words::words;

words! {
    /// What an entry records. A variant's position is its code in the canonical bytes, so the order
    /// of the variants never changes.
    pub enum EntryKind {
        /// Credits were put in.
        Grant = "grant",
        /// Credits were set aside.
        Hold = "hold",
        /// A hold was charged.
        Capture = "capture",
        /// A hold was released.
        Release = "release",
        /// A hold expired.
        HoldExpired = "hold_expired",
        /// A call was authorized and captured in one step.
        Debit = "debit",
        /// Credits expired unspent.
        Expire = "expire",
        /// Credits were taken back because their payment was reversed; the shortfall became debt.
        Clawback = "claw",
        /// Debt was settled from other credits.
        Repay = "repay",
        /// The reversal of a payment was itself reversed.
        Reinstate = "reinstate",
        /// An operator corrected the balance downward.
        Adjust = "adjust",
        /// An operator ended a grant.
        Void = "void",
        /// A disputed grant was frozen.
        Freeze = "freeze",
        /// A grant was unfrozen.
        Unfreeze = "unfreeze",
        /// Debt was forgiven.
        Forgive = "forgive",
        /// The time until which an allowance may be spent past its period was set.
        Keep = "keep",
    }
}

/// How an entry changes one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of the grant.
    pub lot: LotId,
    /// By how much the grant's remaining credits fall; a negative number returns credits.
    pub taken: Credits,
    /// By how much the grant's pinned credits rise.
    pub held: Credits,
}

/// What an entry says beyond its sums: everything that replay and a repeated answer require.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The body of a grant; the entry's `seq` is the grant's number.
    Grant {
        /// What the credits were granted for.
        kind: GrantKind,
        /// The key that makes the grant unique within its account.
        source_key: String,
        /// The number of the grant that this one belongs to.
        parent: Option<LotId>,
        /// Credits that were granted.
        amount: Credits,
        /// The order in which grants are spent: smaller numbers first.
        priority: i64,
        /// The time from which the credits may be spent.
        effective_at: Timestamp,
        /// The time at which unspent credits expire; `None` for never.
        expires_at: Option<Timestamp>,
        /// What was paid for the grant, tax excluded.
        paid: Option<MinorUnits>,
    },
    /// The body of a new hold.
    Hold {
        /// The id of the hold.
        hold: String,
        /// Credits that the hold set aside.
        amount: Credits,
        /// The time at which the hold expires.
        expires_at: Timestamp,
        /// The start of the plan period that the hold counts toward.
        period_start: Timestamp,
    },
    /// The body of a capture, release or expiry of a hold.
    Settlement {
        /// The id of the hold.
        hold: String,
        /// Credits charged, including those taken beyond the hold.
        captured: Credits,
        /// Credits that were released.
        released: Credits,
        /// Credits that were requested and could not be collected.
        uncollected: Credits,
        /// Whether the hold had already expired.
        late: bool,
    },
    /// The body of a debit.
    Debit {
        /// Credits that were charged.
        amount: Credits,
        /// The start of the plan period that the call counts toward.
        period_start: Timestamp,
    },
    /// The body of an entry that concerns one grant: expire, clawback, reinstate, void, freeze,
    /// unfreeze.
    Lot {
        /// The number of the grant.
        lot: LotId,
        /// By how much the credits that were reversed on the grant rise.
        reversed: Credits,
    },
    /// The body of a keep: the old allowance serves until the renewal is settled.
    Kept {
        /// The number of the grant.
        lot: LotId,
        /// The time until which the grant may be spent.
        until: Timestamp,
    },
    /// The body of an entry that concerns the whole account: repay, adjust, forgive.
    Account {
        /// The key that prevents a second such entry, for kinds that must happen only once.
        source_key: Option<String>,
    },
}

/// Who made the request, through what, and how it was priced. None of it changes an entry's effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The operation that was priced.
    pub operation: Option<String>,
    /// What the call used of the operation.
    pub units: Option<Quantity>,
    /// The version of the catalog that priced it.
    pub rate_card: Option<i64>,
    /// The caller's name for the endpoint that the call is metered under.
    pub endpoint: Option<String>,
    /// The number of the API key.
    pub api_key: Option<i64>,
    /// The number of the user.
    pub user: Option<i64>,
    /// The operator or part of the system that acted.
    pub actor: Option<String>,
    /// The reason code that the operator gave.
    pub reason: Option<String>,
    /// The salted digest of the free-text note; the text is stored separately and can be erased.
    pub note_digest: Option<[u8; 32]>,
}

impl Context {
    /// The spender: the API key, and the member who created it.
    pub fn spender(&self) -> Spender {
        Spender {
            key: self.api_key,
            member: self.user,
        }
    }
}

/// One immutable entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the account.
    pub account: i64,
    /// Position in the account's journal, from 1, without gaps.
    pub seq: i64,
    /// What the entry records.
    pub kind: EntryKind,
    /// The time at which it was decided, on the billing clock.
    pub at: Timestamp,
    /// By how much the balance rises; negative when it falls.
    pub posted_delta: Credits,
    /// By how much the held credits rise; negative when they fall.
    pub held_delta: Credits,
    /// By how much the debt rises; negative when it falls.
    pub debt_delta: Credits,
    /// How the entry changes each grant.
    pub lines: Vec<Line>,
    /// What the entry says beyond its sums.
    pub body: Body,
    /// The caller's idempotency key; `None` for the system's own entries.
    pub key: Option<String>,
    /// The SHA-256 digest of what the caller sent with the key.
    pub request_hash: Option<[u8; 32]>,
    /// Available credits right after the entry, as reported to the caller.
    pub available: Credits,
    /// Who made the request and how it was priced.
    pub context: Context,
    /// The link in the hash chain: the hash of the previous entry's hash and these canonical bytes.
    pub hash: [u8; 32],
}

/// The hash chain: SHA-256 over the previous entry's hash and this entry's canonical bytes.
pub fn chain_hash(previous: &[u8; 32], canonical: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(canonical);
    hasher.finalize().into()
}

impl Entry {
    /// The cost of the call, for kinds that are metered; zero for all others.
    pub fn charged(&self) -> Credits {
        match &self.body {
            Body::Debit { amount, .. } => *amount,
            Body::Settlement { captured, .. } => *captured,
            _ => Credits::ZERO,
        }
    }
}
