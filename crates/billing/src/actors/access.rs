//! What an account's people may do, by their part in it.

use crate::error::{Error, Result};

/// What somebody must be in the account. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Any of its people.
    Member,
    /// Somebody who may buy, change and cancel.
    Billing,
    /// Somebody who decides who belongs to it, and whether it goes on.
    Owner,
}

impl Need {
    /// Whether a role is enough.
    pub fn is_met_by(self, role: &str) -> bool {
        let held = match role {
            "owner" => Need::Owner,
            "billing" => Need::Billing,
            "member" => Need::Member,
            _ => return false,
        };
        held >= self
    }

    fn refusal(self) -> Error {
        match self {
            Need::Owner => Error::forbidden("not_owner", "Only owners of the account can do this."),
            Need::Billing | Need::Member => Error::forbidden(
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
        assert!(Need::Billing.is_met_by("owner") && !Need::Billing.is_met_by("member"));
        assert!(!Need::Member.is_met_by("somebody"));
    }
}
