//! Addresses of our own pages that an answer or a mail of the application names.

/// The page that sells credits.
pub const TOP_UP: &str = "/dashboard/billing/credits";

/// The page that changes the plan.
pub const UPGRADE: &str = "/dashboard/billing/upgrade";

/// Where an account's people go when a call was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLinks {
    /// The page that sells credits.
    pub top_up: String,
    /// The page that changes the plan.
    pub upgrade: String,
}
