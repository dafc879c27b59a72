//! Submissions of forms, and the intents that they were answered with.

use domain::time::Timestamp;

use crate::args;
use crate::db::Tx;
use crate::error::Result;

/// Records that this submission of a form was answered with this intent; the first answer is kept.
pub fn note_attempt(
    tx: &mut Tx<'_>,
    account: i64,
    attempt: &str,
    intent: &str,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "insert into checkout_attempt (account_id, attempt, intent_id, created_at)
         values ($1, $2, $3, $4)
             on conflict (account_id, attempt) do nothing",
        args![account, attempt, intent, now],
    )
}

/// The intent that this submission of a form was answered with.
pub fn of_attempt(tx: &mut Tx<'_>, account: i64, attempt: &str) -> Result<Option<String>> {
    tx.query_opt(
        "select intent_id from checkout_attempt where account_id = $1 and attempt = $2",
        args![account, attempt],
    )
}
