//! Why the ledger refuses a command.

use super::hold::HoldState;
use super::limits::Limit;
use super::wallet::WalletStatus;
use crate::money::Credits;

/// A rule refused the command. Nothing changed and the refusal isn't stored: a retry with the same
/// key is decided again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Fewer credits are available than the call needs.
    #[error("{needed} credits are needed and {available} are available")]
    InsufficientCredits {
        /// Credits that the call needs.
        needed: Credits,
        /// Credits that may be spent.
        available: Credits,
    },
    /// A payment was reversed and left a debt, which blocks spending.
    #[error("{debt} credits of debt must be settled first")]
    Debt {
        /// The debt, in credits.
        debt: Credits,
        /// Credits that the call needs.
        needed: Credits,
    },
    /// The plan's calls for this period are used up.
    #[error("the plan allows {limit} calls a period")]
    PlanLimit {
        /// Calls that a period allows.
        limit: i64,
        /// Credits that the call needs.
        needed: Credits,
        /// Credits that may be spent.
        available: Credits,
    },
    /// A spend limit that the account's members set is reached.
    #[error("the limit {} leaves too little for {needed} credits", .limit.name())]
    SpendLimit {
        /// The limit, in its current state.
        limit: Box<Limit>,
        /// Credits that the call needs.
        needed: Credits,
        /// Credits that could be spent without the limit.
        available: Credits,
    },
    /// Too many holds are open.
    #[error("an account may have {max} open holds")]
    TooManyHolds {
        /// The most open holds that an account may have.
        max: i64,
    },
    /// A capture names more than a call can cost.
    #[error("a capture of this hold is at most {max} credits")]
    CaptureTooLarge {
        /// The most that may be captured.
        max: Credits,
    },
    /// The account has no such hold.
    #[error("there is no such hold")]
    HoldNotFound,
    /// The hold was already settled.
    #[error("the hold is {} already", .state.word())]
    HoldSettled {
        /// How the hold was settled.
        state: HoldState,
    },
    /// The key was used for a different request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The account has no such grant.
    #[error("there is no such grant")]
    GrantNotFound,
    /// The debt is smaller than the requested amount.
    #[error("the debt is {debt} credits")]
    DebtExceeded {
        /// The debt, in credits.
        debt: Credits,
    },
    /// The account may not spend.
    #[error("the account is {}", .status.word())]
    NotActive {
        /// The status of the account.
        status: WalletStatus,
    },
    /// The account would hold more than [`CREDITS_MAX`](crate::money::CREDITS_MAX).
    #[error("that is more credits than an account can hold")]
    TooLarge,
}
