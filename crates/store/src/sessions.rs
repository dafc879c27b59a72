//! Sessions of signed-in users. Only the hash of a token is stored.

use domain::people::UserRole;
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

record! {
    /// A valid session, with its user.
    pub struct Session {
        /// The number of the session within this service.
        pub id: i64,
        /// The number of the user.
        pub user_id: i64,
        /// The public id of the user.
        pub user_public_id: String,
        /// The email address of the user.
        pub email: String,
        /// The name of the user.
        pub name: String,
        /// The user's role in the service, which determines their permissions as an operator.
        pub role: UserRole,
        /// The time at which the session started.
        pub created_at: Timestamp,
        /// The time at which the session expires.
        pub expires_at: Timestamp,
        /// The time at which it was last used, to about a minute.
        pub last_seen_at: Timestamp,
        /// The user agent that started the session, shortened.
        pub user_agent: String,
        /// Whether it was used beside a session of the host application, with which it ends.
        pub beside_host: bool,
    }
}

/// Stores a new session.
pub fn insert(
    tx: &mut Tx<'_>,
    token_hash: &[u8],
    user: i64,
    user_agent: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<i64> {
    tx.query_one(
        "insert into session
                (token_hash, user_id, created_at, expires_at, last_seen_at, user_agent)
         values ($1, $2, $3, $4, $3, $5)
         returning id",
        args![token_hash, user, now, expires_at, user_agent],
    )
}

/// The session with this token, unless it expired or its user is disabled.
pub fn find(tx: &mut Tx<'_>, token_hash: &[u8], now: Timestamp) -> Result<Option<Session>> {
    tx.query_opt(
        "select s.id, s.user_id, u.public_id, u.email, u.name, u.role, s.created_at,
                s.expires_at, s.last_seen_at, s.user_agent, s.beside_host
           from session s
           join user_account u on u.id = s.user_id
          where s.token_hash = $1
            and s.expires_at > $2
            and u.disabled_at is null",
        args![token_hash, now],
    )
}

/// The valid sessions of a user, most recently used first.
pub fn of_user(tx: &mut Tx<'_>, user: i64, now: Timestamp) -> Result<Vec<Session>> {
    tx.query(
        "select s.id, s.user_id, u.public_id, u.email, u.name, u.role, s.created_at,
                s.expires_at, s.last_seen_at, s.user_agent, s.beside_host
           from session s
           join user_account u on u.id = s.user_id
          where s.user_id = $1
            and s.expires_at > $2
          order by s.last_seen_at desc, s.id desc",
        args![user, now],
    )
}

/// Records that the session was used.
pub fn touch(tx: &mut Tx<'_>, session: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update session set last_seen_at = $2 where id = $1",
        args![session, now],
    )
}

/// Records that the session was used beside a session of the host application.
pub fn mark_beside_host(tx: &mut Tx<'_>, session: i64) -> Result<u64> {
    tx.execute(
        "update session set beside_host = 1 where id = $1",
        args![session],
    )
}

/// Deletes the session with this token.
pub fn delete(tx: &mut Tx<'_>, token_hash: &[u8]) -> Result<u64> {
    tx.execute(
        "delete from session where token_hash = $1",
        args![token_hash],
    )
}

/// Deletes one of the user's sessions.
pub fn delete_one(tx: &mut Tx<'_>, user: i64, session: i64) -> Result<u64> {
    tx.execute(
        "delete from session where user_id = $1 and id = $2",
        args![user, session],
    )
}

/// Deletes all sessions of the user.
pub fn delete_of_user(tx: &mut Tx<'_>, user: i64) -> Result<u64> {
    tx.execute("delete from session where user_id = $1", args![user])
}

/// Deletes expired sessions.
pub fn sweep(tx: &mut Tx<'_>, now: Timestamp) -> Result<u64> {
    tx.execute("delete from session where expires_at <= $1", args![now])
}

/// Deletes all sessions of the user except the one with this token.
pub fn delete_others(tx: &mut Tx<'_>, user: i64, token_hash: &[u8]) -> Result<u64> {
    tx.execute(
        "delete from session where user_id = $1 and token_hash <> $2",
        args![user, token_hash],
    )
}
