//! What members may do in an account, by their role.

use domain::people::MemberRole;

use crate::error::{Error, Result};

/// Returns an error if the held role is below the one that an action needs.
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

/// The error for an action that a suspended account may not perform.
pub fn suspended() -> Error {
    let detail = "This account is suspended. Contact support. You can still view everything.";
    Error::forbidden("account_not_active", detail)
}
