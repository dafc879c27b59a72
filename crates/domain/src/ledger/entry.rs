//! A line of the journal: what it says and how it is hashed.

use sha2::{Digest, Sha256};

use super::limits::Spender;
use super::lot::{GrantKind, LotId};
use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// What an entry records. A variant's position is its code in the canonical bytes, so their
    /// order never changes.
    pub enum EntryKind {
        /// Credits were put in.
        Grant = "grant",
        /// Credits were set aside.
        Hold = "hold",
        /// A hold was charged.
        Capture = "capture",
        /// A hold was given back.
        Release = "release",
        /// A hold's time ran out.
        HoldExpired = "hold_expired",
        /// A call was authorized and captured in one.
        Debit = "debit",
        /// Credits ended unspent.
        Expire = "expire",
        /// Credits were taken back because money went back; what was missing became debt.
        Claw = "claw",
        /// Debt was settled from other credits.
        Repay = "repay",
        /// A reversal of money was reversed.
        Reinstate = "reinstate",
        /// A person corrected the balance downward.
        Adjust = "adjust",
        /// A person ended a grant.
        Void = "void",
        /// A disputed grant was set aside.
        Freeze = "freeze",
        /// A grant was freed again.
        Unfreeze = "unfreeze",
        /// Debt was forgiven.
        Forgive = "forgive",
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
