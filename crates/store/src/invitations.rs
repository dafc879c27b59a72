//! Invitations to an account: an emailed link that works once. Only the hash of a token is stored,
//! and the address only while the invitation is open.

use domain::people::MemberRole;
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record, sql};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, account_id, email, role, invited_by, created_at, expires_at, closed_at"
    };
}

record! {
    /// An invitation to an account.
    pub struct Invitation {
        /// The number of the invitation within this service.
        pub id: i64,
        /// The public id of the invitation: `inv_...`.
        pub public_id: String,
        /// The account that the person is invited to.
        pub account_id: i64,
        /// The invited person's email address; erased when the invitation is closed.
        pub email: Option<String>,
        /// The role in the account.
        pub role: MemberRole,
        /// The number of the user who invited the person.
        pub invited_by: i64,
        /// The time at which it was sent.
        pub created_at: Timestamp,
        /// The time at which the link expires.
        pub expires_at: Timestamp,
        /// The time at which it was accepted or withdrawn.
        pub closed_at: Option<Timestamp>,
    }
}

/// An invitation to store.
#[derive(Clone, Copy, Debug)]
pub struct NewInvitation<'a> {
    /// The public id of the invitation.
    pub public_id: &'a str,
    /// The hash of the link's token.
    pub token_hash: &'a [u8],
    /// The account that the person is invited to.
    pub account_id: i64,
    /// The invited person's email address, in lower case.
    pub email: &'a str,
    /// The role in the account.
    pub role: MemberRole,
    /// The number of the user who invites the person.
    pub invited_by: i64,
    /// The time at which the link expires.
    pub expires_at: Timestamp,
}

/// Stores an invitation; an open one for the same address gets the new role, token and expiry, so
/// that only the latest link works.
pub fn put(tx: &mut Tx<'_>, new: &NewInvitation<'_>, now: Timestamp) -> Result<Invitation> {
    let sealed = tx.seal(new.email).into_owned();
    let other: Vec<String> = tx.forms(new.email).into();
    // An address encrypted with an old key, or not encrypted yet, belongs to the same invitation.
    for form in other.iter().filter(|form| **form != sealed) {
        tx.execute(
            "update invitation
                set closed_at = $3, email = null
              where account_id = $1 and email = $2 and closed_at is null",
            args![new.account_id, form, now],
        )?;
    }
    tx.query_one(
        sql!(
            "insert into invitation (public_id, token_hash, account_id, email, role, invited_by,
                                     created_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
                 on conflict (account_id, email) where closed_at is null do update
                set token_hash = excluded.token_hash,
                    role = excluded.role,
                    invited_by = excluded.invited_by,
                    created_at = excluded.created_at,
                    expires_at = excluded.expires_at
             returning ",
            columns!()
        ),
        args![
            new.public_id,
            new.token_hash,
            new.account_id,
            &sealed,
            new.role,
            new.invited_by,
            now,
            new.expires_at,
        ],
    )
}

/// The invitation with this token, while it is open and not expired.
pub fn find(tx: &mut Tx<'_>, token_hash: &[u8], now: Timestamp) -> Result<Option<Invitation>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            "  from invitation
              where token_hash = $1
                and closed_at is null
                and expires_at > $2"
        ),
        args![token_hash, now],
    )
}

/// The open invitations of an account, newest first.
pub fn open_of(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<Vec<Invitation>> {
    tx.query(
        sql!(
            "select ",
            columns!(),
            "  from invitation
              where account_id = $1
                and closed_at is null
                and expires_at > $2
              order by id desc
              limit 1000"
        ),
        args![account, now],
    )
}

/// Closes an open invitation: accepted by a user, or withdrawn. `false` if it was already closed.
pub fn close(tx: &mut Tx<'_>, id: i64, by: Option<i64>, now: Timestamp) -> Result<bool> {
    let changed = tx.execute(
        "update invitation
            set closed_at = $3, accepted_by = $2, email = null
          where id = $1 and closed_at is null",
        args![id, by, now],
    )?;
    Ok(changed > 0)
}

/// Closes all open invitations of an account.
pub fn close_all(tx: &mut Tx<'_>, account: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update invitation
            set closed_at = $2, email = null
          where account_id = $1 and closed_at is null",
        args![account, now],
    )
}

/// Deletes invitations that were closed or expired before `before`.
pub fn sweep(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "delete from invitation where expires_at <= $1",
        args![before],
    )
}
