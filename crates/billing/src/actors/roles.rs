//! What each role of an operator may do.

use domain::words;

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

words! {
    /// A user's role in this service.
    pub enum UserRole {
        /// A customer.
        User = "user",
        /// An operator who looks.
        Viewer = "viewer",
        /// An operator who helps customers.
        Support = "support",
        /// An operator who looks after the money.
        Finance = "finance",
        /// An operator who may do everything.
        Admin = "admin",
    }
}

impl UserRole {
    /// Whether the user is an operator.
    pub const fn is_operator(self) -> bool {
        !matches!(self, UserRole::User)
    }

    /// What the role allows an operator to do; nothing for a customer.
    pub const fn rights(self) -> &'static [Right] {
        match self {
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
}

/// Whether a role may do something. A word that is no role may do nothing.
pub fn may(role: &str, right: Right) -> bool {
    UserRole::from_word(role).is_some_and(|role| role.rights().contains(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_only_looks_and_an_unknown_role_does_nothing() {
        let all = [
            Right::Look,
            Right::Replay,
            Right::Adjust,
            Right::Money,
            Right::Export,
            Right::Manage,
        ];
        for right in all {
            assert_eq!(may("viewer", right), right == Right::Look);
            assert!(may("admin", right));
            assert!(!may("user", right) && !may("", right));
        }
        assert!(!may("support", Right::Money) && !may("finance", Right::Manage));
    }
}
