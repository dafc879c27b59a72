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

/// The most that a capture may charge, unless its hold is for more.
pub const CAPTURE_MAX: Credits = Credits::new(1_000_000_000);

/// How many times its hold a capture of `credits` may charge: a larger number is a slip of a unit,
/// such as micro-credits for credits, which would take all that the account has.
const CAPTURE_TIMES_MAX: i64 = 100;

/// The most that a capture of a hold of `held` may charge (G11). A capture whose cost the catalog
/// computes (`is_priced`) isn't bounded by its hold: a hold of one unit may be captured with what a
/// long answer used. The caller's own number of credits is at most a hundred times the hold, or a
/// hundred credits for a smaller one.
pub fn capture_max(held: Credits, is_priced: bool) -> Credits {
    let times = held.max(Credits::new(1));
    let most = if is_priced {
        CAPTURE_MAX
    } else {
        CAPTURE_MAX.min(times.saturating_mul(CAPTURE_TIMES_MAX))
    };
    most.max(held)
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
