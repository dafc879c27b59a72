//! Single-use sign-in links. Only the hash of a token is stored.

use domain::time::Timestamp;
use domain::words;

use crate::args;
use crate::db::{Tx, record, word_column};
use crate::error::Result;

words! {
    /// How a link reaches its user.
    pub enum LinkKind {
        /// It was emailed: a scanner may open it, and another site may lead to it, so only the
        /// button of its page uses it.
        Mailed = "mailed",
        /// An operator printed it on the command line: opening it uses it.
        Printed = "printed",
    }
}
word_column!(LinkKind);

record! {
    /// A single-use link that signs in an email address.
    pub struct LoginLink {
        /// The number of the link within this service.
        pub id: i64,
        /// The email address of the user it signs in, in lower case.
        pub email: String,
        /// The user, if the address was known.
        pub user_id: Option<i64>,
        /// The path that the user is sent to after signing in.
        pub next_path: Option<String>,
        /// The time at which the link was created.
        pub created_at: Timestamp,
        /// The time at which the link expires.
        pub expires_at: Timestamp,
        /// The time at which the link was used.
        pub used_at: Option<Timestamp>,
        /// How it reaches its user.
        pub kind: LinkKind,
    }
}

/// Stores a new link.
pub fn insert(
    tx: &mut Tx<'_>,
    (kind, token_hash): (LinkKind, &[u8]),
    email: &str,
    user: Option<i64>,
    next_path: Option<&str>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<i64> {
    let sealed = tx.seal(email).into_owned();
    tx.query_one(
        "insert into login_link (token_hash, email, user_id, next_path, created_at, expires_at,
                                 kind)
         values ($1, $2, $3, $4, $5, $6, $7)
         returning id",
        args![token_hash, &*sealed, user, next_path, now, expires_at, kind],
    )
}

/// The link with this token, whether used, expired or valid: for the page with its button.
pub fn find(tx: &mut Tx<'_>, token_hash: &[u8]) -> Result<Option<LoginLink>> {
    tx.query_opt(
        "select id, email, user_id, next_path, created_at, expires_at, used_at, kind
           from login_link
          where token_hash = $1",
        args![token_hash],
    )
}

/// Uses the link: the first use before it expires returns it, every other use returns `None`.
pub fn redeem(tx: &mut Tx<'_>, token_hash: &[u8], now: Timestamp) -> Result<Option<LoginLink>> {
    tx.query_opt(
        "update login_link
            set used_at = $2
          where token_hash = $1
            and used_at is null
            and expires_at > $2
         returning id, email, user_id, next_path, created_at, expires_at, used_at, kind",
        args![token_hash, now],
    )
}

/// Deletes all links of an address, in whichever form it is stored.
pub fn delete_of(tx: &mut Tx<'_>, email: &str) -> Result<u64> {
    let forms = tx.forms(email);
    tx.execute(
        "delete from login_link where email in ($1, $2, $3, $4)",
        args![&forms[0], &forms[1], &forms[2], &forms[3]],
    )
}

/// Deletes links that expired before `before`.
pub fn sweep(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64> {
    tx.execute(
        "delete from login_link where expires_at <= $1",
        args![before],
    )
}
