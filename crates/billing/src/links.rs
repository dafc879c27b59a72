//! Paths of our own pages that API responses and emails link to.

/// The page for buying credits.
pub const TOP_UP: &str = "/dashboard/billing/credits";

/// The page for changing the plan.
pub const UPGRADE: &str = "/dashboard/billing/upgrade";

/// The pages where an account's members can resolve a refused call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLinks {
    /// The URL of the page for buying credits.
    pub top_up: String,
    /// The URL of the page for changing the plan.
    pub upgrade: String,
}
