//! The commands that the ledger accepts, and its answers.

use super::entry::{Context, Entry};
use super::lot::GrantKind;
use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;

/// A caller's name for one attempt, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The caller's name for the attempt, unique within an account.
    pub key: String,
    /// The SHA-256 digest of what the caller sent.
    pub request_hash: [u8; 32],
}

/// A grant to make, once per source key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGrant {
    /// What the credits were granted for.
    pub kind: GrantKind,
    /// The key that makes the grant unique: `topup:pi_...`, `allowance:12:PRO:1763769600000000`.
    pub source_key: String,
    /// Source key of the grant it belongs to.
    pub parent: Option<String>,
    /// How many credits to grant; positive.
    pub amount: Credits,
    /// The time from which the credits may be spent; `None` for at once.
    pub effective_at: Option<Timestamp>,
    /// The time at which unspent credits expire; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// What was paid for it, tax excluded.
    pub paid: Option<MinorUnits>,
}

impl NewGrant {
    /// A grant effective at once that never expires and was not paid for.
    pub fn new(kind: GrantKind, source_key: impl Into<String>, amount: Credits) -> NewGrant {
        NewGrant {
            kind,
            source_key: source_key.into(),
            parent: None,
            amount,
            effective_at: None,
            expires_at: None,
            paid: None,
        }
    }
}

/// A command to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sets credits aside until `now + ttl_seconds`.
    Authorize {
        /// The id of the new hold.
        hold: String,
        /// How many credits to set aside; positive.
        amount: Credits,
        /// How long the hold lives: 1 to [`HOLD_TTL_SECONDS_MAX`](super::HOLD_TTL_SECONDS_MAX)
        /// seconds.
        ttl_seconds: i64,
    },
    /// Charges a hold; `None` charges all of it. Zero equals release.
    Capture {
        /// The id of the hold.
        hold: String,
        /// The final cost of the call; `None` for all of the hold.
        amount: Option<Credits>,
    },
    /// Gives a hold's credits back.
    Release {
        /// The id of the hold.
        hold: String,
    },
    /// Authorizes and captures in one step.
    Debit {
        /// How many credits to charge; positive.
        amount: Credits,
    },
    /// Puts credits in, once per source key.
    Grant(NewGrant),
    /// Corrects the balance, on behalf of a person.
    Adjust {
        /// How many credits to add or, when negative, to take; not zero.
        amount: Credits,
        /// The key that lets the correction happen once.
        source_key: String,
    },
    /// Ends a grant: its unheld remainder is gone.
    Void {
        /// The source key of the grant.
        source_key: String,
    },
    /// Makes what was taken back for a payment agree with what of it was reversed.
    Clawback {
        /// The source key of the purchase.
        source_key: String,
        /// Money given back so far, of `paid`; in minor units, tax excluded in proportion.
        reversed_minor: i64,
    },
    /// Sets a disputed purchase and its bonus aside, or frees them again.
    Freeze {
        /// The source key of the purchase.
        source_key: String,
        /// Whether to freeze or to unfreeze.
        frozen: bool,
    },
    /// Forgives a part of the debt, or all of it.
    Forgive {
        /// How many credits of debt to forgive; positive, at most the debt.
        amount: Credits,
    },
    /// Lets time pass: expires what is due and mints nothing.
    Settle,
}

/// A command with who asked and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the ledger is asked to do.
    pub command: Command,
    /// The caller's idempotency key; `None` for the system's own commands.
    pub key: Option<IdempotencyKey>,
    /// Who asked, through what, and how the call was priced.
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

/// The answer of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The entry that answers, as it stands in the journal; `None` when nothing had to change.
    pub entry: Option<Entry>,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
    /// Credits that may be spent after the command. On a replay: as first answered.
    pub available: Credits,
}
