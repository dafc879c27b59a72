//! The audit log: who did what manually. It is append-only: the database refuses to change or
//! delete a row.

use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, record};
use crate::error::Result;

record! {
    /// An action by an operator or the system.
    pub struct Act {
        /// The number of the action within this service.
        pub id: i64,
        /// The time of the action.
        pub at: Timestamp,
        /// Who acted: the public id of a user, or `cli`.
        pub actor: String,
        /// The action: `credits.adjust`, `event.replay`.
        pub action: String,
        /// The subject of the action: the public id of an account, or the id of an event.
        pub subject: String,
        /// Details, as JSON without personal data.
        pub detail: String,
        /// The id of the request that caused it.
        pub request_id: Option<String>,
    }
}

/// Records an action, in the same tx.
pub fn append(
    tx: &mut Tx<'_>,
    actor: &str,
    action: &str,
    subject: &str,
    detail: &str,
    request_id: Option<&str>,
    now: Timestamp,
) -> Result<i64> {
    tx.query_one(
        "insert into audit_log (at, actor, action, subject, detail, request_id)
         values ($1, $2, $3, $4, $5, $6)
         returning id",
        args![now, actor, action, subject, detail, request_id],
    )
}

/// Actions, latest first, with numbers below `before`; optionally of one subject, actor or action.
pub fn list(
    tx: &mut Tx<'_>,
    subject: Option<&str>,
    actor: Option<&str>,
    action: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Act>> {
    tx.query(
        "select id, at, actor, action, subject, detail, request_id
           from audit_log
          where ($1 is null or subject = $1)
            and ($2 is null or actor = $2)
            and ($3 is null or action = $3)
            and ($4 is null or id < $4)
          order by id desc
          limit $5",
        args![subject, actor, action, before, limit],
    )
}

/// An actor's actions of one kind since `from`, latest first.
pub fn since(
    tx: &mut Tx<'_>,
    actor: &str,
    action: &str,
    from: Timestamp,
    limit: i64,
) -> Result<Vec<Act>> {
    tx.query(
        "select id, at, actor, action, subject, detail, request_id
           from audit_log
          where actor = $1
            and action = $2
            and at >= $3
          order by id desc
          limit $4",
        args![actor, action, from, limit],
    )
}
