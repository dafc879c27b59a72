//! The rights of each operator role.

use domain::people::UserRole;

/// A right of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// View accounts, payments and events.
    Look,
    /// Sync accounts with Stripe and replay events. Changes nothing that is already correct.
    Replay,
    /// Add and remove credits; up to a limit for support.
    Adjust,
    /// Refund payments, forgive debt, audit the books.
    Money,
    /// Export the rows as files.
    Export,
    /// Everything else: tier overrides, suspensions.
    Manage,
}

/// The rights of a role; none for a customer.
pub const fn rights(role: UserRole) -> &'static [Right] {
    match role {
        UserRole::User => &[],
        UserRole::Viewer => &[Right::Look],
        UserRole::Support => &[Right::Look, Right::Replay, Right::Adjust],
        UserRole::Finance => &[Right::Look, Right::Adjust, Right::Money, Right::Export],
        UserRole::Admin => &[
            Right::Look,
            Right::Replay,
            Right::Adjust,
            Right::Money,
            Right::Export,
            Right::Manage,
        ],
    }
}

/// Whether a role has a right.
pub fn may(role: UserRole, right: Right) -> bool {
    rights(role).contains(&right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_only_looks_and_a_customer_does_nothing() {
        for right in rights(UserRole::Admin) {
            assert_eq!(may(UserRole::Viewer, *right), *right == Right::Look);
            assert!(!may(UserRole::User, *right));
        }
        assert_eq!(rights(UserRole::Admin).len(), 6);
        assert!(!may(UserRole::Support, Right::Money) && !may(UserRole::Finance, Right::Manage));
    }
}
