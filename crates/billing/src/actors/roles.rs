//! What each role of an operator may do.

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

/// The roles that operators have, and what they may do.
pub const ROLES: &[(&str, &[Right])] = &[
    ("viewer", &[Right::Look]),
    ("support", &[Right::Look, Right::Replay, Right::Adjust]),
    (
        "finance",
        &[Right::Look, Right::Adjust, Right::Money, Right::Export],
    ),
    (
        "admin",
        &[
            Right::Look,
            Right::Replay,
            Right::Adjust,
            Right::Money,
            Right::Export,
            Right::Manage,
        ],
    ),
];

/// Whether a role may do something. A word that is no role may do nothing.
pub fn may(role: &str, right: Right) -> bool {
    ROLES
        .iter()
        .any(|(known, rights)| *known == role && rights.contains(&right))
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
