//! What each role of an operator may do.

use domain::people::UserRole;

/// What an operator may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Look at accounts, payments and events.
    Look,
    /// Make our rows agree with Stripe again: sync, replay. Changes nothing that is right.
    Replay,
    /// Add and take credits; support up to a limit.
    Adjust,
    /// Give money back, forgive debt, check the books.
    Money,
    /// Take the rows elsewhere, as files.
    Export,
    /// Everything else: plans by hand, suspensions.
    Manage,
}

/// What a role allows an operator to do; nothing for a customer.
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

/// Whether a role allows something.
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
