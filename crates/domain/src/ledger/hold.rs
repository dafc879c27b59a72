//! A hold: credits set aside for a call in progress.

use super::limits::Spender;
use super::lot::LotId;
use crate::money::Credits;
use crate::time::Timestamp;
use crate::words::words;

words! {
    /// The state of a hold.
    pub enum HoldState {
        /// Its credits are set aside.
        Pending = "pending",
        /// It was settled with a charge.
        Captured = "captured",
        /// It was settled without a charge.
        Released = "released",
        /// It expired; a late capture is still possible for a while.
        Expired = "expired",
    }
}

/// Credits set aside for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The hold's id, chosen by the caller of the ledger.
    pub id: String,
    /// Credits that the hold set aside.
    pub amount: Credits,
    /// Credits charged, including those that a capture took beyond the hold.
    pub captured: Credits,
    /// Credits that a capture requested and could not collect.
    pub uncollected: Credits,
    /// The state of the hold.
    pub state: HoldState,
    /// The spender that the hold was authorized for: its capture counts toward them, whichever key
    /// sends it.
    pub spender: Spender,
    /// Which grants the hold pinned, and how much of each.
    pub pins: Vec<(LotId, Credits)>,
    /// The start of the plan period that the hold counts toward.
    pub period_start: Timestamp,
    /// The time at which the hold was authorized.
    pub authorized_at: Timestamp,
    /// The time at which the hold expires.
    pub expires_at: Timestamp,
    /// The time at which it last left `pending`.
    pub resolved_at: Option<Timestamp>,
}
