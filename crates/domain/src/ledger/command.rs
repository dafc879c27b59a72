//! The commands that the ledger accepts, and its answers.

use super::entry::{Context, Entry};
use super::lot::GrantKind;
use crate::money::{Credits, MinorUnits};
use crate::time::Timestamp;

/// The caller's name for one attempt, and the digest of what was requested.
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
    /// The source key of the grant that this one belongs to, such as a bonus to its purchase.
    pub parent: Option<String>,
    /// How many credits to grant; positive.
    pub amount: Credits,
    /// The time from which the credits may be spent; `None` for immediately.
    pub effective_at: Option<Timestamp>,
    /// The time at which unspent credits expire; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// What was paid for the grant, excluding tax.
    pub paid: Option<MinorUnits>,
}

impl NewGrant {
    /// A grant that is effective immediately, never expires and was not paid for.
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
        /// How many credits to set aside; zero for a free operation.
        amount: Credits,
        /// Sets aside as much as there is, at least this and at most `amount`; `None` for exactly
        /// `amount`.
        least: Option<Credits>,
        /// How long the hold lasts: 1 to [`HOLD_TTL_SECONDS_MAX`](super::HOLD_TTL_SECONDS_MAX)
        /// seconds.
        ttl_seconds: i64,
    },
    /// Charges a hold; `None` charges all of it. Zero has the same effect as a release, unless the
    /// hold itself is of nothing: then a free call was made.
    Capture {
        /// The id of the hold.
        hold: String,
        /// The final cost of the call; `None` for the full amount of the hold.
        amount: Option<Credits>,
    },
    /// Returns a hold's credits to its grants.
    Release {
        /// The id of the hold.
        hold: String,
    },
    /// Authorizes and captures in one step.
    Debit {
        /// How many credits to charge; zero for a free operation.
        amount: Credits,
    },
    /// Puts credits in, once per source key.
    Grant(NewGrant),
    /// Corrects the balance, on behalf of an operator.
    Adjust {
        /// How many credits to add or, when negative, to take; not zero.
        amount: Credits,
        /// The key that makes the correction happen only once.
        source_key: String,
    },
    /// Ends a grant: its remaining credits are removed; those that a hold has pinned, once it
    /// releases them.
    Void {
        /// The source key of the grant.
        source_key: String,
    },
    /// Makes the credits clawed back for a payment match how much of it was reversed.
    Clawback {
        /// The source key of the grant that the payment brought.
        source_key: String,
        /// How much of `whole` is reversed now.
        reversed: i64,
        /// The whole of what `reversed` is a part of, in the same unit: the charged amount in
        /// minor units, or the credits of the grant in micro-credits.
        whole: i64,
    },
    /// Freezes the grant of a disputed payment with its bonus, or unfreezes them.
    Freeze {
        /// The source key of the grant.
        source_key: String,
        /// Whether to freeze or to unfreeze.
        frozen: bool,
    },
    /// Forgives a part of the debt, or all of it.
    Forgive {
        /// How many credits of debt to forgive; positive, at most the debt.
        amount: Credits,
    },
    /// Expires what is due at the current time; grants nothing.
    Settle,
}

/// A command, with its caller and idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What the ledger is asked to do.
    pub command: Command,
    /// The caller's idempotency key; `None` for the system's own commands.
    pub key: Option<IdempotencyKey>,
    /// Who made the request, through what, and how the call was priced.
    pub context: Context,
}

impl Request {
    /// A command issued by the system, without a key or caller.
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
    /// The entry that answers the request, as recorded in the journal; `None` when nothing had to
    /// change.
    pub entry: Option<Entry>,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
    /// Credits that may be spent after the command. On a replay, as first answered.
    pub available: Credits,
}
