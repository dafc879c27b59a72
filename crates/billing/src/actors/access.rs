//! What an account's people may do, by their part in it.

use domain::words;

use crate::error::{Error, Result};

words! {
    /// A member's role in an account, and the role that an act needs. Each includes the ones before
    /// it.
    pub enum MemberRole {
        /// Any of its people.
        Member = "member",
        /// Someone who may buy, change and cancel.
        Billing = "billing",
        /// Someone who decides who belongs to it, and whether it is closed.
        Owner = "owner",
    }
}

impl MemberRole {
    /// Whether a role is enough. A word that is no role never is.
    pub fn is_met_by(self, role: &str) -> bool {
        MemberRole::from_word(role).is_some_and(|held| held >= self)
    }

    fn refusal(self) -> Error {
        match self {
            MemberRole::Owner => {
                Error::forbidden("not_owner", "Only owners of the account can do this.")
            }
            MemberRole::Billing | MemberRole::Member => Error::forbidden(
                "not_billing_member",
                "Only owners and billing members can do this.",
            ),
        }
    }

    /// Refuses a role that is not enough.
    pub fn ask(self, role: &str) -> Result<()> {
        if self.is_met_by(role) {
            return Ok(());
        }
        Err(self.refusal())
    }
}

/// What a suspended account is told.
pub fn suspended() -> Error {
    let detail = "This account is suspended. Contact support. You can still view everything.";
    Error::forbidden("account_not_active", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_includes_the_ones_before_it_and_an_unknown_one_nothing() {
        assert!(MemberRole::Billing.is_met_by("owner") && !MemberRole::Billing.is_met_by("member"));
        assert!(!MemberRole::Member.is_met_by("somebody"));
    }
}
