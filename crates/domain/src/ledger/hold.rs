//! A hold: credits set aside for a call in progress.

use super::limits::Spender;
use super::lot::LotId;
use crate::money::Credits;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// Where a hold stands.
    pub enum HoldState {
        /// Its credits are set aside.
        Pending = "pending",
        /// It was settled with a charge.
        Captured = "captured",
        /// It was settled without a charge.
        Released = "released",
        /// Its time ran out; a late capture is possible for a while.
        Expired = "expired",
    }
}

/// Credits set aside for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name, chosen by the caller of the ledger.
    pub id: String,
    /// Credits that the hold set aside.
    pub amount: Credits,
    /// Credits charged, what a capture took above the hold included.
    pub captured: Credits,
    /// Credits a capture asked for and could not collect.
    pub uncollected: Credits,
    /// The state of the hold.
    pub state: HoldState,
    /// The spender that the hold was authorized for: its capture counts for them, whoever sends it.
    pub spender: Spender,
    /// Which grants the hold pinned, and how much of each.
    pub pins: Vec<(LotId, Credits)>,
    /// The start of the plan period that the hold counts in.
    pub period_start: Timestamp,
    /// The time at which the hold was authorized.
    pub authorized_at: Timestamp,
    /// The time at which the hold expires.
    pub expires_at: Timestamp,
    /// The time at which it last left `pending`.
    pub resolved_at: Option<Timestamp>,
}
