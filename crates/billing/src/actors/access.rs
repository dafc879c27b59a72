//! What an account's people may do, by their part in it.

use domain::people::MemberRole;

use crate::error::{Error, Result};

/// Refuses a role that is less than the one an act needs.
pub fn ask(needed: MemberRole, held: MemberRole) -> Result<()> {
    if held >= needed {
        return Ok(());
    }
    Err(match needed {
        MemberRole::Owner => {
            Error::forbidden("not_owner", "Only owners of the account can do this.")
        }
        MemberRole::Billing | MemberRole::Member => Error::forbidden(
            "not_billing_member",
            "Only owners and billing members can do this.",
        ),
    })
}

/// The refusal of what a suspended account may not do.
pub fn suspended() -> Error {
    let detail = "This account is suspended. Contact support. You can still view everything.";
    Error::forbidden("account_not_active", detail)
}
