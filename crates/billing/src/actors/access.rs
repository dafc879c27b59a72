//! What members may do in an account, by their role.

use domain::people::MemberRole;
use domain::plan::AccountStatus;
use store::Tx;
use store::intents::{IntentKind, unfinished};

use crate::error::{CLOSING, Error, NOT_ACTIVE, Result, inactive};

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

/// Why the account may not buy now, if it may not: it isn't active, or it is being closed.
pub(crate) fn ask_buyer(tx: &mut Tx<'_>, account: i64) -> store::Result<Result<()>> {
    let row = store::accounts::find(tx, account)?.ok_or(store::Error::NotFound)?;
    let asked = ask_active(row.status);
    if asked.is_ok() && is_closing(tx, account)? {
        return Ok(Err(closing()));
    }
    Ok(asked)
}

/// Whether the account is being closed: its closing began and can't be taken back.
pub(crate) fn is_closing(tx: &mut Tx<'_>, account: i64) -> store::Result<bool> {
    unfinished::is_owed(tx, account, IntentKind::Closing)
}

/// The error for a purchase of an account that is being closed.
fn closing() -> Error {
    let detail = "This account is being closed: nothing can be bought or changed any more.";
    Error::conflict(CLOSING, detail)
}
