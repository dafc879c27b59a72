//! What members may do in an account, by their role.

use domain::people::MemberRole;
use domain::plan::AccountStatus;

use crate::error::{Error, NOT_ACTIVE, Result, inactive};

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

/// Returns an error unless the account is active: a suspended one neither spends nor buys, and a
/// closed one does nothing any more (G10).
pub fn ask_active(status: AccountStatus) -> Result<()> {
    match inactive(status) {
        None => Ok(()),
        Some(detail) => Err(Error::forbidden(NOT_ACTIVE, detail)),
    }
}

/// Returns an error if the account is closed: nothing of it is changed any more.
pub fn ask_open(status: AccountStatus) -> Result<()> {
    ask_active(match status {
        AccountStatus::Suspended => AccountStatus::Active,
        status => status,
    })
}
